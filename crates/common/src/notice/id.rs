//! The ids of notices and deliveries.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};

use crate::customer::EmailAddress;

/// The id of a notice, such as `2026-12-05-sheet-1.9.0`: 3 to 64 characters of `a-z`, `0-9`, `-` and
/// `.`. It is the name of the notice's file and part of its page's URL.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct NoticeId(String);

/// An invalid notice id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the id of a notice has 3 to 64 characters of a-z, 0-9, '-' and '.', starting and ending with a letter or digit, such as 2026-12-05-sheet-1.9.0"
)]
pub struct NoticeIdError;

impl NoticeId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id as an SES message tag, which cannot contain dots: they are replaced by `_`.
    pub fn tag(&self) -> String {
        self.0.replace('.', "_")
    }

    /// Parses an SES message tag.
    pub fn from_tag(tag: &str) -> Result<Self, NoticeIdError> {
        if tag.contains('.') {
            return Err(NoticeIdError);
        }
        tag.replace('_', ".").parse()
    }
}

impl FromStr for NoticeId {
    type Err = NoticeIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let is_valid = (3..=64).contains(&text.len())
            && text
                .bytes()
                .all(|b| is_plain(b) || matches!(b, b'-' | b'.'))
            && text.bytes().next().is_some_and(is_plain)
            && text.bytes().next_back().is_some_and(is_plain)
            && !text.contains("..");
        match is_valid {
            true => Ok(Self(text.to_owned())),
            false => Err(NoticeIdError),
        }
    }
}

impl fmt::Display for NoticeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for NoticeId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

/// The hash of a mail address, used in keys, logs and tags, where the address itself must not appear:
/// the first 128 bits of SHA-256 over the address in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContactHash(String);

impl ContactHash {
    /// The hash of an address.
    pub fn of(email: &EmailAddress) -> Self {
        let digest = Sha256::digest(email.canonical().as_bytes());
        Self(HEXLOWER.encode(&digest[..16]))
    }

    /// The hash as 32 lower-case hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Parses a hash: 32 lower-case hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let is_hash = text.len() == 32
            && text
                .bytes()
                .all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'));
        is_hash.then(|| Self(text.to_owned()))
    }
}

impl Serialize for ContactHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ContactHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let wrong = || de::Error::custom("a contact's hash has 32 lower-case hexadecimal digits");
        Self::from_hex(&text).ok_or_else(wrong)
    }
}

/// The id of a delivery, such as `001-6f1ed002ab5595859014ebf0951522d9`.
///
/// It is derived from the update and the address, so that announcing an update twice addresses the
/// same delivery.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId {
    /// The number of the update.
    pub update: u16,
    /// The hash of the recipient's address.
    pub contact: ContactHash,
}

/// An invalid delivery id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the id of a delivery has the form 001-6f1ed002ab5595859014ebf0951522d9")]
pub struct DeliveryIdError;

impl DeliveryId {
    /// The id for an update and a recipient's address.
    pub fn of(update: u16, email: &EmailAddress) -> Self {
        let contact = ContactHash::of(email);
        Self { update, contact }
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:03}-{}", self.update, self.contact.as_str())
    }
}

impl FromStr for DeliveryId {
    type Err = DeliveryIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let (update, contact) = text.split_once('-')?;
            Some(Self {
                update: update.parse().ok()?,
                contact: ContactHash::from_hex(contact)?,
            })
        };
        read()
            .filter(|id: &Self| id.to_string() == text)
            .ok_or(DeliveryIdError)
    }
}

impl Serialize for DeliveryId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for DeliveryId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_round_trip_through_a_tag() {
        for text in ["2026-12-05-sheet-1.9.0", "api-down", "a.b"] {
            let id: NoticeId = text.parse().unwrap();
            assert!(!id.tag().contains('.'));
            assert_eq!(NoticeId::from_tag(&id.tag()), Ok(id));
        }
        for wrong in [
            "",
            "ab",
            "A-b",
            "a_b",
            "-ab",
            "ab.",
            "a..b",
            "a/b",
            &"a".repeat(65),
        ] {
            assert_eq!(wrong.parse::<NoticeId>(), Err(NoticeIdError), "{wrong}");
        }
        assert_eq!(NoticeId::from_tag("a.b"), Err(NoticeIdError));
    }

    #[test]
    fn a_delivery_id_is_derived_from_the_update_and_the_address() {
        let id = DeliveryId::of(1, &"Info@Sample.example".parse().unwrap());
        assert_eq!(
            id,
            DeliveryId::of(1, &"info@sample.example".parse().unwrap())
        );
        assert_ne!(
            id,
            DeliveryId::of(2, &"info@sample.example".parse().unwrap())
        );
        assert_eq!(id.to_string().parse(), Ok(id));
        for wrong in ["", "1-6f1ed002ab5595859014ebf0951522d9", "001-xyz", "001"] {
            assert_eq!(wrong.parse::<DeliveryId>(), Err(DeliveryIdError), "{wrong}");
        }
    }
}

//! The names of notices and deliveries.

use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest as _, Sha256};

use crate::customer::EmailAddress;

/// The name of a notice: `2026-12-05-sheet-1.9.0`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct NoticeId(String);

/// A text that is no name of a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the name of a notice is 3 to 64 of a-z, 0-9, '-' and '.', starting and ending with a letter or digit, such as 2026-12-05-sheet-1.9.0"
)]
pub struct NoticeIdError;

impl NoticeId {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as a tag of a mail, which takes no dots.
    pub fn tag(&self) -> String {
        self.0.replace('.', "_")
    }

    /// Reads a tag.
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

/// A mail address where it must not be seen: the first 128 bits of SHA-256 over it in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContactHash(String);

impl ContactHash {
    /// The hash of an address.
    pub fn of(email: &EmailAddress) -> Self {
        let digest = Sha256::digest(email.canonical().as_bytes());
        Self(HEXLOWER.encode(&digest[..16]))
    }

    /// 32 hexadecimal digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The hash of this text, if it is 32 lowercase hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        let is_hash = text.len() == 32
            && text
                .bytes()
                .all(|b| b.is_ascii_digit() || matches!(b, b'a'..=b'f'));
        is_hash.then(|| Self(text.to_owned()))
    }
}

/// One update of a notice to one contact: `001-6f1ed002ab5595859014ebf0951522d9`.
///
/// It follows from the update and the address, so that announcing twice names the same delivery.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeliveryId {
    /// The update's number.
    pub update: u16,
    /// Who gets it.
    pub contact: ContactHash,
}

/// A text that is no delivery's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name of a delivery is of the form 001-6f1ed002ab5595859014ebf0951522d9")]
pub struct DeliveryIdError;

impl DeliveryId {
    /// The delivery of an update to an address.
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
    fn names_survive_being_a_tag() {
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
    fn a_delivery_is_named_after_its_update_and_address() {
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

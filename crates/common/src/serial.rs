//! Serials: the secret that ties a plug-in's settings to its licence, kept as a hash only.

use std::fmt;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A licence's serial as typed: ASCII letters and digits, grouped by hyphens for reading.
///
/// It is never stored or logged; `Debug` hides it and there is no `Display`.
/// [`Serial::reveal`] is for the one moment at which it is shown to the operator.
#[derive(Clone)]
pub struct Serial(String);

/// A text that cannot be a serial. It does not repeat the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a serial is 16 to 64 letters and digits, which hyphens may group")]
pub struct SerialError;

impl Serial {
    /// The serial that 160 random bits make: eight groups of four base-32 letters.
    pub fn from_random(bytes: [u8; 20]) -> Self {
        let letters = data_encoding::BASE32_NOPAD.encode(&bytes);
        let groups: Vec<&str> = letters
            .as_bytes()
            .chunks(4)
            .filter_map(|group| std::str::from_utf8(group).ok())
            .collect();
        Self(groups.join("-"))
    }

    /// Reads a serial as a person or a plug-in gives it: case, hyphens and outer blanks do not
    /// matter.
    pub fn parse(text: &str) -> Result<Self, SerialError> {
        let text = text.trim_matches(' ');
        let characters = text.bytes().filter(|b| *b != b'-');
        let is_valid = (16..=64).contains(&characters.count())
            && text.len() <= 128
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if is_valid {
            Ok(Self(text.to_ascii_uppercase()))
        } else {
            Err(SerialError)
        }
    }

    /// Whether a text that should be something else has the form in which serials are given out:
    /// groups of four, or 32 letters of base 32 in one. Where a caller may have put a serial by
    /// mistake, such a text is not recorded.
    pub fn resembles(text: &str) -> bool {
        let groups = text.split('-');
        let are_of_four = text.split('-').all(|group| {
            group.len() == 4 && group.bytes().all(|byte| byte.is_ascii_alphanumeric())
        });
        let is_base_32 = |byte: u8| byte.is_ascii_alphabetic() || (b'2'..=b'7').contains(&byte);
        (are_of_four && groups.count() >= 4) || (text.len() == 32 && text.bytes().all(is_base_32))
    }

    /// The serial in full, to be shown once.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// SHA-256 over the letters and digits in upper case.
    pub fn hash(&self) -> SerialHash {
        let mut sha256 = Sha256::new();
        for part in self.0.split('-') {
            sha256.update(part.as_bytes());
        }
        SerialHash(sha256.finalize().into())
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Serial(…)")
    }
}

/// SHA-256 of a serial; 64 hexadecimal digits in the table.
///
/// A plain hash is enough for generated serials: they have 160 random bits, so there is no
/// dictionary to try. A vendor's own are as strong as the vendor made them.
#[derive(Clone, Copy)]
pub struct SerialHash([u8; 32]);

impl SerialHash {
    /// Whether a presented serial is this one, in time that does not depend on where they differ.
    pub fn matches(&self, presented: &Serial) -> bool {
        self.0.ct_eq(&presented.hash().0).into()
    }
}

impl PartialEq for SerialHash {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for SerialHash {}

impl fmt::Debug for SerialHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SerialHash(…)")
    }
}

impl Serialize for SerialHash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&HEXLOWER.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for SerialHash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut hash = [0; 32];
        // Checked first: decode_mut panics on an output of another length.
        if text.len() != 64 {
            return Err(de::Error::custom("a serial's hash has 64 digits"));
        }
        HEXLOWER
            .decode_mut(text.as_bytes(), &mut hash)
            .map_err(|_| de::Error::custom("a serial's hash is lower-case hexadecimal"))?;
        Ok(Self(hash))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spelling_does_not_matter() {
        let serial = Serial::parse("ABCD-EFGH-IJKL-MNOP").unwrap();
        for spelling in [
            "abcd-efgh-ijkl-mnop",
            " ABCDEFGHIJKLMNOP ",
            "AB-CDEFGH-IJKLMN-OP",
        ] {
            assert!(serial.hash().matches(&Serial::parse(spelling).unwrap()));
        }
        let other = Serial::parse("ABCD-EFGH-IJKL-MNOQ").unwrap();
        assert!(!serial.hash().matches(&other));
    }

    #[test]
    fn what_is_no_serial_is_refused() {
        for text in [
            "",
            "short",
            "ABCD-EFGH-IJKL-MNO,",
            "ABCDEFGH,ABCDEFGH",
            "----------------",
            "ABCD-EFGH-IJKL-MN",
            "ＡＢＣＤ-EFGH-IJKL",
        ] {
            assert!(Serial::parse(text).is_err(), "{text}");
        }
        let longest = "A-".repeat(64);
        assert!(Serial::parse(&"A".repeat(64)).is_ok() && Serial::parse(&longest).is_ok());
        assert!(Serial::parse(&"A".repeat(65)).is_err());
        assert!(Serial::parse(&format!("{longest}-")).is_err());
    }

    #[test]
    fn what_has_a_serials_form_is_recognized() {
        for text in [
            "ABCD-EFGH-IJKL-MNOP",
            "abcd-2345-ijkl-mnop-qrst",
            "0189-0189-0189-0189",
            &"abcd".repeat(8),
            &"A2B7".repeat(8),
        ] {
            assert!(Serial::resembles(text), "{text}");
        }
        for text in [
            "",
            "ABCD-EFGH-IJKL",
            "ABCD-EFGH-IJKL-MNO",
            "ABCD-EFGH-IJKL-MNOPQ",
            "ABCD-EFGH-IJKL-MN.P",
            "2026-11-22-sheet",
            &"A".repeat(31),
            &"A".repeat(33),
            // 1 and 8 are no letters of base 32.
            &"A1B7".repeat(8),
            &"A2B8".repeat(8),
        ] {
            assert!(!Serial::resembles(text), "{text}");
        }
    }

    #[test]
    fn debug_hides_it() {
        let serial = Serial::parse("ABCD-EFGH-IJKL-MNOP").unwrap();
        assert_eq!(
            format!("{serial:?} {:?}", serial.hash()),
            "Serial(…) SerialHash(…)"
        );
    }

    #[test]
    fn a_hash_survives_its_text_and_nothing_else_does() {
        let hash = Serial::parse("ABCD-EFGH-IJKL-MNOP").unwrap().hash();
        let json = serde_json::to_string(&hash).unwrap();
        // sha256sum of ABCDEFGHIJKLMNOP.
        assert_eq!(
            json,
            "\"e7e8b89c2721d290cc5f55425491ecd6831355e91063f20b39c22f9ec6a71f91\""
        );
        let other = Serial::parse("ABCD-EFGH-IJKL-MNOQ").unwrap().hash();
        assert_ne!(hash, other);
        assert_eq!(serde_json::from_str::<SerialHash>(&json).unwrap(), hash);
        for bad in ["\"\"", "\"zz\"", "12", "null", &json.to_uppercase()] {
            assert!(serde_json::from_str::<SerialHash>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn serials_from_other_bits_differ_and_read_back() {
        let (a, b) = (Serial::from_random([0; 20]), Serial::from_random([7; 20]));
        assert_ne!(a.reveal(), b.reveal());
        assert_eq!(a.reveal().len(), 39);
        assert!(a.hash().matches(&Serial::parse(a.reveal()).unwrap()));
    }
}

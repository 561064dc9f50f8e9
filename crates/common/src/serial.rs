//! Serials: the secret that links a plug-in's settings to its licence. Only its hash is stored.

use std::fmt;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use unicode_normalization::UnicodeNormalization;

/// A licence's serial in plain text: 16 to 64 ASCII letters and digits, with optional hyphens.
///
/// The customer enters it on the plug-in's settings screen, and kintone's proxy sends it in the
/// header `X-License-Serial`. It survives the conversion of a trial and every renewal, so that the
/// customer never has to enter another one.
///
/// Case and hyphens are not significant: two spellings have the same [`SerialHash`]. A serial is
/// never stored or logged: `Debug` hides it and there is no `Display`. [`Serial::reveal`] is only
/// for the output of the command that generated it.
///
/// ```
/// use tegata_common::serial::Serial;
///
/// let serial: Serial = Serial::parse("abcd-efgh-ijkl-mnop")?;
/// assert!(serial.hash().matches(&Serial::parse("ABCDEFGHIJKLMNOP")?));
/// assert_eq!(format!("{serial:?}"), "Serial(…)");
/// assert!(Serial::parse("too-short").is_err());
/// # Ok::<(), tegata_common::serial::SerialError>(())
/// ```
#[derive(Clone)]
pub struct Serial(String);

/// An invalid serial. The message does not repeat the input, which may be a real serial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a serial has 16 to 64 letters and digits, with optional hyphens between them")]
pub struct SerialError;

impl Serial {
    /// A new serial from 160 random bits: eight groups of four base-32 characters (RFC 4648),
    /// such as `ABCD-EFGH-IJKL-MNOP-QRST-UVWX-YZ23-4567`.
    pub fn from_random(bytes: [u8; 20]) -> Self {
        let letters = data_encoding::BASE32_NOPAD.encode(&bytes);
        let groups: Vec<&str> = letters
            .as_bytes()
            .chunks(4)
            .filter_map(|group| std::str::from_utf8(group).ok())
            .collect();
        Self(groups.join("-"))
    }

    /// Parses a serial as typed or pasted by a person: normalised, then [`Self::parse`].
    ///
    /// # Errors
    ///
    /// If the normalised text is not a serial.
    ///
    /// ```
    /// # use tegata_common::serial::Serial;
    /// let serial = Serial::parse_typed("ＡＢＣＤ－ＥＦＧＨ－ＩＪＫＬ－２３４５\u{3000}")?;
    /// assert_eq!(serial.reveal(), "ABCD-EFGH-IJKL-2345");
    /// # Ok::<(), tegata_common::serial::SerialError>(())
    /// ```
    pub fn parse_typed(text: &str) -> Result<Self, SerialError> {
        // In UTF-8, four bytes for each of 128 characters and as many blanks.
        if text.len() > 1024 {
            return Err(SerialError);
        }
        Self::parse(&normalize(text))
    }

    /// Parses a serial as sent in a request. Case, hyphens and surrounding spaces are not
    /// significant.
    ///
    /// # Errors
    ///
    /// If there are fewer than 16 or more than 64 letters and digits, or any other character.
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

    /// Whether a text looks like a generated serial: at least four groups of four characters, or 32
    /// base-32 characters without hyphens.
    ///
    /// Used for fields that a caller controls, such as a product or a host name: a caller may send
    /// the serial in the wrong place, and a text that looks like one must not be recorded.
    pub fn resembles(text: &str) -> bool {
        let groups = text.split('-');
        let are_of_four = text.split('-').all(|group| {
            group.len() == 4 && group.bytes().all(|byte| byte.is_ascii_alphanumeric())
        });
        let is_base_32 = |byte: u8| byte.is_ascii_alphabetic() || (b'2'..=b'7').contains(&byte);
        (are_of_four && groups.count() >= 4) || (text.len() == 32 && text.bytes().all(is_base_32))
    }

    /// The serial in plain text, to be shown to the operator once.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// SHA-256 of the letters and digits in upper case, without hyphens.
    pub fn hash(&self) -> SerialHash {
        let mut sha256 = Sha256::new();
        for part in self.0.split('-') {
            sha256.update(part.as_bytes());
        }
        SerialHash(sha256.finalize().into())
    }
}

/// Replaces what keyboards, word processors and mail programs put into a serial: NFKC (full-width
/// letters and digits), all dashes become `-`, blanks and invisible characters are removed.
///
/// `client/src/serial.ts` does the same in the browser; `client/test/vectors/serials.json` holds
/// both to it.
pub(crate) fn normalize(text: &str) -> String {
    text.nfkc()
        .filter_map(|character| match character {
            // Soft hyphen, zero-width and direction marks, joiners, byte order mark.
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{feff}' => None,
            '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => None,
            blank if blank.is_whitespace() => None,
            // Hyphens and dashes; minus; box drawing lines and the prolonged sound mark, which a
            // Japanese keyboard gives for the key of the hyphen.
            '\u{2010}'..='\u{2015}' | '\u{2043}' | '\u{2212}' => Some('-'),
            '\u{2500}' | '\u{2501}' | '\u{30fc}' => Some('-'),
            other => Some(other),
        })
        .collect()
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Serial(…)")
    }
}

/// SHA-256 of a serial, stored as 64 lower-case hexadecimal digits.
///
/// A hash without salt is enough for generated serials: they have 160 random bits, so a dictionary
/// attack is not possible. A serial chosen by the vendor is only as strong as the vendor made it.
///
/// Comparison takes constant time, and `Debug` hides the value. In the archive of changes the hash
/// is hashed again ([`crate::change`]).
///
/// ```
/// use tegata_common::serial::{Serial, SerialHash};
///
/// let hash: SerialHash = Serial::from_random([7; 20]).hash();
/// let stored = serde_json::to_string(&hash)?;
/// assert_eq!(stored.len(), 64 + 2); // with the quotation marks
/// assert_eq!(serde_json::from_str::<SerialHash>(&stored)?, hash);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy)]
pub struct SerialHash([u8; 32]);

impl SerialHash {
    /// Whether a presented serial has this hash, compared in constant time.
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
        // decode_mut panics if the output has a different length.
        if text.len() != 64 {
            return Err(de::Error::custom("the hash of a serial has 64 digits"));
        }
        HEXLOWER
            .decode_mut(text.as_bytes(), &mut hash)
            .map_err(|_| de::Error::custom("the hash of a serial is lower-case hexadecimal"))?;
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
    fn typed_serials_are_normalised_as_in_the_browser() {
        #[derive(serde::Deserialize)]
        struct Vector {
            what: String,
            text: String,
            /// What is sent; null if it is refused.
            read: Option<String>,
        }
        let vectors = include_str!("../../../client/test/vectors/serials.json");
        let vectors: Vec<Vector> = serde_json::from_str(vectors).unwrap();
        assert!(vectors.len() > 30);
        for Vector { what, text, read } in vectors {
            let parsed = Serial::parse_typed(&text).ok();
            let parsed = parsed.as_ref().map(Serial::reveal);
            match read.as_deref() {
                // Nothing is typed: the browser sends no serial.
                Some("") => assert_eq!((normalize(&text).as_str(), parsed), ("", None), "{what}"),
                read => {
                    let read = read.map(str::to_ascii_uppercase);
                    assert_eq!(parsed, read.as_deref(), "{what}");
                }
            }
        }
        assert!(Serial::parse_typed(&"\u{3000}".repeat(400)).is_err());
    }

    #[test]
    fn invalid_serials_are_rejected() {
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
    fn a_hash_round_trips_and_invalid_texts_are_rejected() {
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
    fn generated_serials_differ_and_parse() {
        let (a, b) = (Serial::from_random([0; 20]), Serial::from_random([7; 20]));
        assert_ne!(a.reveal(), b.reveal());
        assert_eq!(a.reveal().len(), 39);
        assert!(a.hash().matches(&Serial::parse(a.reveal()).unwrap()));
    }
}

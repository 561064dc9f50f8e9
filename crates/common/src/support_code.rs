//! Support codes: what one licence check of a plug-in saw, as an administrator copies it for the
//! vendor's support.

use jiff::Timestamp;
use serde::Serialize;

use crate::license::Code;
use crate::product::ProductSlug;
use crate::serial::normalize;

/// The code of a check without an authentic lease to decide by. Only the plug-in has it.
pub const UNREACHABLE: &str = "UNREACHABLE";

/// The fields of a support code. Nothing in it is secret, and nothing is signed: the person who
/// sends it can change it.
///
/// The text is ten fields between slashes: the format (`1`), the instant by kintone's clock, the code,
/// the reason, the product, the tenant, the plug-in's version, the first eight characters of each pinned
/// key id (separated by commas), when the lease was signed (empty without a lease), and a check. The
/// check finds each mistyped character and each pair of exchanged ones: over the characters before it,
/// `check = (check × 37 + character) mod 1679609`, in base 36.
///
/// `client/src/support.ts` writes it; `client/test/vectors/support-codes.json` holds both to the format.
///
/// ```
/// use tegata_common::support_code::SupportCode;
///
/// let text = "1/2026-11-22T01:00:00Z/EXPIRED/lease/sheet/example.cybozu.com/2.0.0/2026-a,2026-b\
///             /2026-11-21T01:00:00Z/xful";
/// let code = SupportCode::parse_typed(text)?;
/// assert_eq!((code.code.as_str(), code.domain.as_str()), ("EXPIRED", "example.cybozu.com"));
/// assert!(SupportCode::parse_typed(&text.replace("EXPIRED", "EXPIREB")).is_err());
/// # Ok::<(), tegata_common::support_code::SupportCodeError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SupportCode {
    /// When the plug-in decided, by kintone's clock if it could be read.
    pub at: Timestamp,
    /// A [`Code`], or [`UNREACHABLE`].
    pub code: String,
    /// The client's `reason`, such as `lease` or `offline`.
    pub reason: String,
    /// The product.
    pub product: ProductSlug,
    /// The tenant as the page's address named it. Not checked.
    pub domain: String,
    /// The plug-in's version as it stated it; `0` if it did not.
    pub version: String,
    /// The first eight characters of each key id that the plug-in pins.
    pub keys: Vec<String>,
    /// When the lease that decided was signed. `None` without a lease.
    pub signed: Option<Timestamp>,
}

/// Why a text is not a support code. The messages do not repeat the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SupportCodeError {
    /// Another number of fields.
    #[error("expected ten fields between slashes, as the plug-in shows them")]
    Fields,
    /// The check does not match.
    #[error(
        "it has a typing error: the check in its last field does not match the other fields; compare \
         it with what the plug-in shows"
    )]
    Check,
    /// Written by a later version of the client.
    #[error("it has another format than 1, the only one that this version of tegata reads")]
    Format,
    /// A field that the client does not write like this.
    #[error("its field {0} is invalid")]
    Field(&'static str),
}

impl SupportCode {
    /// Parses a support code as pasted or typed by a person: full-width characters, dashes, blanks and
    /// line breaks are normalised, as in a serial.
    ///
    /// # Errors
    ///
    /// If the check does not match the fields, or a field is invalid.
    pub fn parse_typed(text: &str) -> Result<Self, SupportCodeError> {
        let text = normalize(text);
        let (content, check) = text.rsplit_once('/').ok_or(SupportCodeError::Fields)?;
        let fields: Vec<&str> = content.split('/').collect();
        let [
            format,
            at,
            code,
            reason,
            product,
            domain,
            version,
            keys,
            signed,
        ] = fields[..]
        else {
            return Err(SupportCodeError::Fields);
        };
        if check != check_of(content) {
            return Err(SupportCodeError::Check);
        }
        if format != "1" {
            return Err(SupportCodeError::Format);
        }
        let is =
            |text: &str, accepts: fn(u8) -> bool| !text.is_empty() && text.bytes().all(accepts);
        let field = |name, is_valid: bool| match is_valid {
            true => Ok(()),
            false => Err(SupportCodeError::Field(name)),
        };
        let instant = |name, text: &str| text.parse().map_err(|_| SupportCodeError::Field(name));
        field("code", code == UNREACHABLE || Code::parse(code).is_some())?;
        field(
            "reason",
            is(reason, |b| b.is_ascii_lowercase() || b == b'_'),
        )?;
        field(
            "version",
            is(version, |b| {
                b.is_ascii_alphanumeric() || b"._+-".contains(&b)
            }),
        )?;
        let keys: Vec<&str> = keys.split(',').collect();
        let is_key = |key: &&str| {
            key.len() <= 8 && is(key, |b| b.is_ascii_alphanumeric() || b"_-".contains(&b))
        };
        field("keys", keys.iter().all(is_key))?;
        Ok(Self {
            at: instant("at", at)?,
            code: code.to_owned(),
            reason: reason.to_owned(),
            product: product
                .parse()
                .map_err(|_| SupportCodeError::Field("product"))?,
            domain: domain.to_owned(),
            version: version.to_owned(),
            keys: keys.into_iter().map(str::to_owned).collect(),
            signed: match signed {
                "" => None,
                signed => Some(instant("signed", signed)?),
            },
        })
    }
}

fn check_of(content: &str) -> String {
    let mut check = content.bytes().fold(0, |check: u32, byte| {
        (check * 37 + u32::from(byte)) % 1_679_609
    });
    let mut digits = Vec::new();
    while check > 0 || digits.is_empty() {
        digits.extend(char::from_digit(check % 36, 36));
        check /= 36;
    }
    digits.iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn vectors() -> Value {
        let vectors = include_str!("../../../client/test/vectors/support-codes.json");
        serde_json::from_str(vectors).unwrap()
    }

    fn list<'v>(vectors: &'v Value, name: &str) -> &'v Vec<Value> {
        let list = vectors[name].as_array().unwrap();
        assert!(!list.is_empty());
        list
    }

    #[test]
    fn what_the_client_writes_is_read() {
        let vectors = vectors();
        for vector in list(&vectors, "read") {
            let code = SupportCode::parse_typed(vector["text"].as_str().unwrap()).unwrap();
            let read = serde_json::to_value(&code).unwrap();
            for (name, value) in read.as_object().unwrap() {
                // What there is none of is an empty field.
                let value = if value.is_null() {
                    &Value::from("")
                } else {
                    value
                };
                assert_eq!(&vector[name], value, "{name} of {vector}");
            }
        }
        let first = SupportCode::parse_typed(vectors["read"][0]["text"].as_str().unwrap());
        for spelling in list(&vectors, "spelled_otherwise") {
            let read = SupportCode::parse_typed(spelling["text"].as_str().unwrap());
            assert_eq!(read, first, "{spelling}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        for vector in list(&vectors(), "refused") {
            let error = SupportCode::parse_typed(vector["text"].as_str().unwrap()).unwrap_err();
            let named = match error {
                SupportCodeError::Fields => "fields",
                SupportCodeError::Check => "check",
                SupportCodeError::Format => "format",
                SupportCodeError::Field(name) => name,
            };
            assert_eq!(vector["names"], named, "{vector}");
        }
    }

    #[test]
    fn each_mistyped_and_each_exchanged_character_is_found() {
        let vectors = vectors();
        let text = vectors["read"][0]["text"].as_str().unwrap();
        let mut mistakes = 0;
        for at in 0..text.len() {
            for typed in ('0'..='9')
                .chain('A'..='Z')
                .chain('a'..='z')
                .chain("./:,-_+".chars())
            {
                let mistyped = format!("{}{typed}{}", &text[..at], &text[at + 1..]);
                if mistyped != text {
                    assert!(SupportCode::parse_typed(&mistyped).is_err(), "{mistyped}");
                    mistakes += 1;
                }
            }
            let mut exchanged: Vec<char> = text.chars().collect();
            if at + 1 < exchanged.len() && exchanged[at] != exchanged[at + 1] {
                exchanged.swap(at, at + 1);
                let exchanged: String = exchanged.iter().collect();
                assert!(SupportCode::parse_typed(&exchanged).is_err(), "{exchanged}");
            }
        }
        assert!(mistakes > 6_000);
    }
}

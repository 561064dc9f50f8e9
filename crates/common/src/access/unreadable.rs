//! The evidence that is archived of an invalid line.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The maximum length of [`Unreadable::shape`] in characters.
const SHAPE: usize = 512;

/// The evidence of a line that cannot be parsed: enough to find the line in its log group and to
/// see what is wrong, without its content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreadable {
    /// What is wrong, and where. It does not repeat content of the line.
    pub reason: String,
    /// The length of the line in bytes.
    pub bytes: u64,
    /// SHA-256 of the line, as 64 hexadecimal digits.
    pub sha256: String,
    /// The first 512 characters of the line, masked: letters are `a` or `A`, digits `9`, and
    /// characters other than printable ASCII `?`.
    pub shape: String,
}

impl Unreadable {
    /// The evidence of a line. The reason must not repeat content of the line.
    pub fn new(line: &[u8], reason: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            bytes: line.len() as u64,
            sha256: HEXLOWER.encode(&Sha256::digest(line)),
            shape: String::from_utf8_lossy(&line[..line.len().min(4 * SHAPE)])
                .chars()
                .take(SHAPE)
                .map(masked)
                .collect(),
        }
    }

    /// The evidence of a line that serde_json has rejected. The message of serde_json is not used:
    /// it may repeat content of the line.
    pub(super) fn json(line: &[u8], error: &serde_json::Error) -> Self {
        let what = match error.classify() {
            serde_json::error::Category::Eof => "truncated JSON",
            serde_json::error::Category::Data => "a field is missing or invalid",
            _ => "not JSON",
        };
        Self::new(line, format!("{what}, column {}", error.column()))
    }
}

fn masked(character: char) -> char {
    match character {
        'a'..='z' => 'a',
        'A'..='Z' => 'A',
        '0'..='9' => '9',
        ' '..='~' => character,
        _ => '?',
    }
}

//! A line that is no record: what is kept of it as evidence.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// How much of a line's form is kept, in characters.
const SHAPE: usize = 512;

/// What is known of a line that cannot be read: enough to find it again where it was written and
/// to see what is wrong with it, and nothing of what it says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreadable {
    /// What is wrong, and where.
    pub reason: String,
    /// Its length in bytes.
    pub bytes: u64,
    /// SHA-256 over it, hexadecimal.
    pub sha256: String,
    /// Its form: letters are `a` or `A`, digits `9`, other characters outside ASCII `?`. The
    /// first 512 characters.
    pub shape: String,
}

impl Unreadable {
    /// Of a line, for a reason that repeats nothing of it.
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

    /// Of a line that serde_json refused. Its own message may repeat what the line says.
    pub(super) fn json(line: &[u8], error: &serde_json::Error) -> Self {
        let what = match error.classify() {
            serde_json::error::Category::Eof => "ends early",
            serde_json::error::Category::Data => "a field is missing or has another form",
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

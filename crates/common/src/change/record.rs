//! The line of the archive.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::item::ItemKey;
use crate::access::Unreadable;
use crate::revision::Revision;

/// What happened to an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeEvent {
    /// It is new.
    Insert,
    /// It is another one than before.
    Modify,
    /// It is gone.
    Remove,
}

/// One write of one item.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChangeRecord {
    /// When DynamoDB wrote it, to the second.
    pub time: Timestamp,
    /// The stream's id of the write: the same whenever it is delivered.
    pub event_id: String,
    /// The stream's number of the write: of two writes of an item the later has the greater one.
    pub sequence: String,
    /// What happened.
    pub event: ChangeEvent,
    /// To which item.
    #[serde(flatten)]
    pub key: ItemKey,
    /// Who changed what, as the item says: a claim of whoever wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<Revision>,
    /// The AWS service that deleted it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Its attributes before, without the key's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Map<String, Value>>,
    /// Its attributes since.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Map<String, Value>>,
}

/// A stream's record that is none of a table's item, or has another form.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnreadableChange {
    /// When DynamoDB wrote it, or when the record was read if it does not say.
    pub time: Timestamp,
    /// What is known of it.
    pub unreadable: Unreadable,
}

/// A line of the archive.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[allow(clippy::large_enum_variant)] // Nearly every line is the large one.
pub enum ChangeLine {
    /// A change.
    Change(ChangeRecord),
    /// No change that could be read.
    Unreadable(UnreadableChange),
}

impl ChangeLine {
    /// When DynamoDB wrote it.
    pub fn time(&self) -> Timestamp {
        match self {
            Self::Change(change) => change.time,
            Self::Unreadable(unreadable) => unreadable.time,
        }
    }
}

impl ChangeRecord {
    /// What two writes of an item are put in order by: sequence numbers have 21 to 40 digits, more
    /// than any number's type.
    pub fn order(&self) -> (usize, &str) {
        let digits = self.sequence.trim_start_matches('0');
        (digits.len(), digits)
    }
}

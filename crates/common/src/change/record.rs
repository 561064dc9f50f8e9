//! The lines of the archive of changes (`source=change`).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::item::ItemKey;
use crate::access::Unreadable;
use crate::revision::Revision;

/// The kind of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeEvent {
    /// The item was created.
    Insert,
    /// The item was changed.
    Modify,
    /// The item was deleted.
    Remove,
}

/// One write of one item, from the table's stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChangeRecord {
    /// When DynamoDB wrote the item, to the second.
    pub time: Timestamp,
    /// The stream's id of the write. The same for every delivery of the record.
    pub event_id: String,
    /// The stream's sequence number. A later write of an item has a greater number
    /// ([`order`](Self::order)).
    pub sequence: String,
    /// Insert, modify or remove.
    pub event: ChangeEvent,
    /// The item's key.
    #[serde(flatten)]
    pub key: ItemKey,
    /// The revision in the written item, as stated by its writer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<Revision>,
    /// The AWS service that deleted the item, if it was not a caller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// The attributes before the write, without those of the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Map<String, Value>>,
    /// The attributes after the write, without those of the key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<Map<String, Value>>,
}

/// A stream record that is invalid, or not of a known table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct UnreadableChange {
    /// When DynamoDB wrote the item, or when the record was read if it has no instant.
    pub time: Timestamp,
    /// The evidence of the record, without its content.
    pub unreadable: Unreadable,
}

/// A line of the archive of changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[allow(clippy::large_enum_variant)] // Nearly every line is the large one.
pub enum ChangeLine {
    /// A write of an item.
    Change(ChangeRecord),
    /// A record that could not be read.
    Unreadable(UnreadableChange),
}

impl ChangeLine {
    /// The instant under whose day the line is archived.
    pub fn time(&self) -> Timestamp {
        match self {
            Self::Change(change) => change.time,
            Self::Unreadable(unreadable) => unreadable.time,
        }
    }
}

impl ChangeRecord {
    /// A sort key for the writes of an item. Sequence numbers have 21 to 40 digits, more than fit
    /// into an integer type.
    pub fn order(&self) -> (usize, &str) {
        let digits = self.sequence.trim_start_matches('0');
        (digits.len(), digits)
    }
}

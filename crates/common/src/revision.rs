//! Which change an item comes from.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Which change an item comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// 1 for the first.
    pub version: u64,
    /// When, to the millisecond; later than the revision before.
    pub at: Timestamp,
    /// The ARN of the caller, or `local:<user>` on one machine.
    pub by: String,
    /// What was done: `issue`, `suspend`, …
    pub change: String,
}

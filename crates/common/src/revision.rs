//! The metadata of a change: version, instant, caller, operation.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The change that wrote an item of a table with a history.
///
/// Every current item and every history item has the attribute `revision`. A write has the
/// precondition that the current item still has the version that was read.
///
/// This is what the writer states about itself. It is evidence only together with the archived
/// stream record of the same write ([`crate::change`]).
///
/// ```
/// use tegata_common::revision::Revision;
///
/// let revision: Revision = serde_json::from_str(
///     r#"{ "version": 2, "at": "2026-11-22T01:03:11.123Z", "by": "local:sato", "change": "suspend" }"#,
/// )?;
/// assert_eq!(revision.version, 2);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// 1 for the first change of the item; each change adds 1.
    pub version: u64,
    /// When the change was made, to the millisecond. Always later than the previous revision's.
    pub at: Timestamp,
    /// The caller's ARN, or `local:<user>` on one machine.
    pub by: String,
    /// The operation: `issue`, `suspend`, `renew`, …
    pub change: String,
}

//! The caller of an operation.

use jiff::Timestamp;
use tegata_storage::ChangeContext;

/// The caller of an operation, and the instant at which it acts.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The ARN that changes are recorded with; on one machine `local:USER`.
    pub name: &'a str,
    /// The instant of the operation.
    pub now: Timestamp,
}

impl<'a> Caller<'a> {
    /// A change by this caller, under the name that history records.
    pub fn change(self, change: &'a str) -> ChangeContext<'a> {
        ChangeContext {
            at: self.now,
            by: self.name,
            change,
        }
    }
}

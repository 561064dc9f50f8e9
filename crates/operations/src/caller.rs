//! The caller of an operation.

use jiff::Timestamp;
use tegata_storage::ChangeContext;

/// The caller of an operation, and the instant of the call.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The name that is recorded with each change: an ARN, or `local:<user>` on one machine.
    pub name: &'a str,
    /// The instant of the call. All dates and decisions of the operation use it.
    pub now: Timestamp,
}

impl<'a> Caller<'a> {
    /// The context of a change by this caller. `change` is the name that the history records.
    pub fn change(self, change: &'a str) -> ChangeContext<'a> {
        ChangeContext {
            at: self.now,
            by: self.name,
            change,
        }
    }
}

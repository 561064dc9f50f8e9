//! The archive of access records.

mod search;
mod verify;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tegata_archive::Archive;
use tegata_storage::usage::UsageTable;

use crate::Caller;

pub use search::{FoundRequests, MergedRequest, RequestFilter, search};
pub use verify::{ArchiveVerification, DayVerification, Locked, verify};

/// Objects that are fetched at a time.
const AHEAD: usize = 16;

/// The stores of access records, the zone of their days, and the caller.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The archive.
    pub archive: &'a Archive,
    /// The usage, with the receipts of the archive's objects.
    pub usage: &'a UsageTable,
    /// The zone of the days.
    pub zone: &'a TimeZone,
    /// The caller, and the instant of the operation.
    pub caller: Caller<'a>,
}

impl Context<'_> {
    fn local_time(&self, at: Timestamp) -> String {
        crate::local_time(at, self.zone)
    }
}

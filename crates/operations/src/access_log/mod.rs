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

/// The number of objects that are fetched concurrently.
const AHEAD: usize = 16;

/// What operations on access records need.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    pub archive: &'a Archive,
    /// The usage table, which also contains the receipts of archived objects.
    pub usage: &'a UsageTable,
    /// The time zone of the archive's days.
    pub zone: &'a TimeZone,
    pub caller: Caller<'a>,
}

impl Context<'_> {
    fn local_time(&self, at: Timestamp) -> String {
        crate::local_time(at, self.zone)
    }
}

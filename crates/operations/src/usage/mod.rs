//! Usage: requests and files by product and tenant.

mod domain;
mod report;
mod running;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tegata_storage::usage::UsageTable;

pub use domain::{DomainDay, UnconfirmedRequests, of_domain};
pub use report::{
    CodeUsage, DayUsage, GatewayUsage, ProductName, TenantUsage, Totals, UnconfirmedUsage,
    UnlicensedDomain, UsageReport, VersionUsage, report,
};

pub(crate) use running::last_versions;
pub use running::running;

/// What operations on usage need.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The usage table.
    pub usage: &'a UsageTable,
    /// The time zone of the table's days, in which instants are shown.
    pub zone: &'a TimeZone,
    /// The instant of the operation.
    pub now: Timestamp,
}

impl Place<'_> {
    fn local_time(&self, at: Timestamp) -> String {
        crate::local_time(at, self.zone)
    }
}

/// Sorts counts, largest first, then by name.
pub fn by_number<'a>(
    numbers: impl IntoIterator<Item = (&'a String, &'a u64)>,
) -> Vec<(&'a str, u64)> {
    let mut sorted: Vec<(&str, u64)> = numbers
        .into_iter()
        .map(|(name, number)| (name.as_str(), *number))
        .collect();
    sorted.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    sorted
}

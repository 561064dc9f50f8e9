//! Verification of the recorded history against the archive of changes.

mod callers;
mod changes;
mod compare;
mod findings;
mod items;
mod verify;

use tegata_archive::Archive;
use tegata_storage::Table;
use tegata_storage::customers::Customers;
use tegata_storage::licenses::Licenses;
use tegata_storage::notices::Notices;

pub use callers::{Proven, Trail};
pub use findings::{Finding, FindingKind};
pub use verify::{Place, Verification, verify};

/// The stores that a verification reads.
#[derive(Clone, Copy, Debug)]
pub struct Stores<'a> {
    /// The licences, the catalogue and the register of keys.
    pub licenses: &'a Licenses,
    /// The customers and their contacts.
    pub customers: &'a Customers,
    /// The notices and their deliveries.
    pub notices: &'a Notices,
    /// The archive of changes.
    pub archive: &'a Archive,
}

impl Stores<'_> {
    /// The tables whose changes are archived.
    fn tables(&self) -> [&Table; 3] {
        [
            self.licenses.table(),
            self.customers.table(),
            self.notices.table(),
        ]
    }
}

//! This machine: tables in the embedded database, everything else in files of a directory.

use std::path::PathBuf;

use tegata_archive::objects::Objects;
use tegata_signing::{KeyFiles, KeyStore};
use tegata_storage::customers::Customers;
use tegata_storage::licenses::Licenses;
use tegata_storage::notices::Notices;
use tegata_storage::usage::UsageTable;

use crate::embedded::Embedded;

/// The name of the `Licenses` table.
pub(crate) const LOCAL_TABLE: &str = "Licenses";

const CUSTOMERS: &str = "Customers";
const USAGE: &str = "Usage";
const NOTICES: &str = "Notices";

/// The tables whose changes are archived.
pub(super) const ARCHIVED_TABLES: [&str; 3] = [LOCAL_TABLE, CUSTOMERS, NOTICES];

/// The sender of mails: name, address, and the address for security questions. `.example` is
/// nobody's.
pub(super) const SENDER: [&str; 3] = [
    "Sample Plug-ins",
    "notice@vendor.example",
    "security@vendor.example",
];

/// The zone of the days of access records and usage.
pub(super) const ZONE: &str = "Asia/Tokyo";

/// The directory of the local target, and its running database.
#[derive(Debug)]
pub(super) struct Machine {
    pub(super) directory: PathBuf,
    pub(super) embedded: Embedded,
    dynamodb: aws_sdk_dynamodb::Client,
}

impl Machine {
    /// Connects to the database, and creates the tables that it does not have.
    pub(super) async fn open(directory: PathBuf, embedded: Embedded) -> anyhow::Result<Self> {
        let access_key = embedded.access_key.as_str();
        let machine = Self {
            dynamodb: tegata_aws::local_dynamodb(&embedded.endpoint, access_key, "local"),
            directory,
            embedded,
        };
        machine.create_tables().await?;
        Ok(machine)
    }

    async fn create_tables(&self) -> anyhow::Result<()> {
        let (licenses, customers) = (self.licenses(), self.customers());
        let notices = self.notices();
        licenses.create_if_missing().await?;
        customers.create_if_missing().await?;
        notices.create_if_missing().await?;
        for table in [licenses.table(), customers.table(), notices.table()] {
            table.stream_if_missing().await?;
        }
        self.usage().create_if_missing().await?;
        Ok(())
    }

    pub(super) fn licenses(&self) -> Licenses {
        Licenses::new(self.dynamodb.clone(), LOCAL_TABLE)
    }

    pub(super) fn customers(&self) -> Customers {
        Customers::new(self.dynamodb.clone(), CUSTOMERS)
    }

    pub(super) fn notices(&self) -> Notices {
        Notices::new(self.dynamodb.clone(), NOTICES)
    }

    pub(super) fn usage(&self) -> UsageTable {
        UsageTable::new(self.dynamodb.clone(), USAGE)
    }

    /// The objects of a subdirectory.
    pub(super) fn objects(&self, name: &str) -> Objects {
        Objects::Directory(self.directory.join(name))
    }

    pub(super) fn keys(&self) -> KeyStore {
        KeyStore::Files(KeyFiles::in_directory(self.directory.join("keys")))
    }
}

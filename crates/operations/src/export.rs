//! Export of customers and contracts as tables. Importing an export changes nothing.

use jiff::Timestamp;
use tegata_storage::TableError;
use tegata_storage::customers::{Customers, FoundCustomers};
use tegata_storage::licenses::{FoundLicenses, Licenses};

use crate::Error;
use crate::import::{self, CUSTOMER_COLUMNS};

/// A table with a header.
#[derive(Debug)]
pub struct ExportedTable {
    /// The column names.
    pub header: Vec<&'static str>,
    /// The rows, with a cell for each column.
    pub rows: Vec<Vec<String>>,
}

/// The exported tables.
#[derive(Debug)]
pub struct Exported {
    /// The number of customers. A customer with several contacts has several rows.
    pub customers: usize,
    /// The table of customers and contacts.
    pub customer_table: ExportedTable,
    /// The table of contracts.
    pub contract_table: ExportedTable,
}

/// Reads all customers and contracts. If any item is unreadable, returns all errors and no tables:
/// an incomplete export could be mistaken for a complete one.
pub async fn export(
    customers: &Customers,
    licenses: &Licenses,
    now: Timestamp,
) -> Result<Result<Exported, Vec<TableError>>, Error> {
    let FoundCustomers {
        customers: files,
        mut unreadable,
    } = customers.all().await?;
    let FoundLicenses {
        licenses,
        unreadable: unreadable_licenses,
    } = licenses.all().await?;
    unreadable.extend(unreadable_licenses);
    if !unreadable.is_empty() {
        return Ok(Err(unreadable));
    }
    let mut contracts = Vec::new();
    for stored in &licenses {
        let license = stored.value.license.as_of(now)?;
        contracts.extend(import::contract_row(&license));
    }
    Ok(Ok(Exported {
        customers: files.len(),
        customer_table: ExportedTable {
            header: [CUSTOMER_COLUMNS.required, CUSTOMER_COLUMNS.optional].concat(),
            rows: import::customer_rows(&files),
        },
        contract_table: ExportedTable {
            header: import::contract_header(),
            rows: contracts,
        },
    }))
}

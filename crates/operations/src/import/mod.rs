//! Import of customers and contracts: tables are compared with the stored items, then the
//! differences are written.

mod contracts;
mod customers;
mod official_sample;
mod serials;
mod table;
mod values;

use std::collections::{BTreeMap, HashMap};

use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Serialize, Serializer};
use tegata_common::customer::CustomerId;
use tegata_common::domain::{BaseDomains, Domain};
use tegata_common::lease::SignedLicense;
use tegata_common::product::{Product, ProductSlug};
use tegata_storage::customers::{CustomerFile, Customers};
use tegata_storage::licenses::Licenses;
use tegata_storage::{Key, Versioned};

use crate::{Difference, Error, licenses};

pub use contracts::{ContractWrite, ContractsPlan, MissingLicense};
pub use customers::{CustomerWrite, CustomersPlan};
pub use official_sample::{SAMPLE_COLUMNS, SampleAssumptions};
pub use serials::{SerialError, Serials};
pub use table::{HeaderError, Refusal, Row, Table};

/// The required and optional columns of a table.
#[derive(Clone, Copy, Debug)]
pub struct Columns {
    /// The required columns.
    pub required: &'static [&'static str],
    /// The optional columns.
    pub optional: &'static [&'static str],
}

/// The columns of a table of customers.
pub const CUSTOMER_COLUMNS: Columns = Columns {
    required: &customers::REQUIRED,
    optional: &customers::OPTIONAL,
};

/// The columns of a table of contracts.
pub const CONTRACT_COLUMNS: Columns = Columns {
    required: &contracts::REQUIRED,
    optional: &contracts::OPTIONAL,
};

pub(crate) use contracts::{header as contract_header, row as contract_row};
pub(crate) use customers::rows as customer_rows;

/// The number of rows that are written concurrently.
const AT_A_TIME: usize = 16;

/// What an import needs.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The stores and the caller.
    pub stores: licenses::Context<'a>,
    /// The accepted base domains of tenants.
    pub bases: &'a BaseDomains,
    /// The time zone of instants in messages.
    pub zone: &'a TimeZone,
}

impl Context<'_> {
    fn now(&self) -> Timestamp {
        self.stores.caller.now
    }

    fn local_time(&self, at: Timestamp) -> String {
        crate::local_time(at, self.zone)
    }
}

/// The result of comparing tables with the stored items.
#[derive(Debug, Default)]
pub struct ImportPlan {
    pub customers: CustomersPlan,
    pub contracts: ContractsPlan,
}

/// Compares tables of customers and contracts with the stored items.
pub async fn plan(
    context: &Context<'_>,
    customer_table: Option<&Table>,
    contract_table: Option<&Table>,
    serials: &mut Serials,
) -> Result<ImportPlan, Error> {
    let customers = match customer_table {
        Some(table) => plan_customers(context.stores.customers, table).await?,
        None => CustomersPlan::default(),
    };
    let contracts = match contract_table {
        Some(table) => plan_contracts(context, table, &customers.ids, serials).await?,
        None => ContractsPlan::default(),
    };
    Ok(ImportPlan {
        customers,
        contracts,
    })
}

/// Compares the table of Cybozu's official licence sample with the stored contracts.
pub async fn plan_official_sample(
    context: &Context<'_>,
    table: &Table,
    assumptions: SampleAssumptions,
    serials: &mut Serials,
) -> Result<ImportPlan, Error> {
    Ok(ImportPlan {
        customers: CustomersPlan::default(),
        contracts: official_sample::plan(context, table, assumptions, serials).await?,
    })
}

async fn plan_customers(customers: &Customers, table: &Table) -> Result<CustomersPlan, Error> {
    let files = customers.all().await?;
    if let Some(error) = files.unreadable.into_iter().next() {
        return Err(error.into());
    }
    let files = files.customers.into_iter().map(|file| {
        let id = file.customer.value.customer_id.to_string();
        (id, file)
    });
    let existing: BTreeMap<String, CustomerFile> = files.collect();
    customers::plan(table, &existing)
}

async fn plan_contracts(
    context: &Context<'_>,
    table: &Table,
    stated_customers: &[CustomerId],
    serials: &mut Serials,
) -> Result<ContractsPlan, Error> {
    let licenses::Context {
        licenses,
        customers,
        ..
    } = context.stores;
    let products = licenses.products().await?;
    let products: BTreeMap<ProductSlug, Product> = products
        .into_iter()
        .map(|stored| (stored.value.slug.clone(), stored.value))
        .collect();
    let (stated, refused) = contracts::read_all(table, context.bases, &products);
    let keys = stated.iter().flat_map(contracts::ParsedRow::keys);
    let found = stored(licenses, keys).await?;
    let mut ids: Vec<CustomerId> = stated
        .iter()
        .filter_map(contracts::ParsedRow::customer)
        .collect();
    ids.sort();
    ids.dedup();
    let known = customers.customers(&ids).await?;
    let known = known.into_iter().map(|stored| stored.value.customer_id);
    let existing = contracts::Existing {
        products: &products,
        licenses: found,
        customers: known.chain(stated_customers.iter().cloned()).collect(),
    };
    let mut planned = contracts::plan(table, stated, &existing, serials, context.now())?;
    planned.refused.extend(refused);
    planned.refused.sort_by_key(|refusal| refusal.line);
    Ok(planned)
}

/// The stored licences under the given keys.
async fn stored(
    licenses: &Licenses,
    wanted: impl Iterator<Item = (Domain, ProductSlug)>,
) -> Result<HashMap<(Domain, ProductSlug), Versioned<SignedLicense>>, Error> {
    let keys: Vec<Key> = wanted.map(|(d, p)| Key::license(&d, &p)).collect();
    let mut found = HashMap::new();
    for stored in licenses.table().get_all(&keys).await? {
        let stored: Versioned<SignedLicense> = stored?;
        let license = &stored.value.license;
        found.insert((license.domain.clone(), license.product.clone()), stored);
    }
    Ok(found)
}

/// The result of writing one row.
#[derive(Debug)]
pub struct WrittenRow<'a> {
    /// The customer or contract, as named in output.
    pub label: &'a str,
    /// The error, if the row was not written.
    pub error: Option<&'a Error>,
}

/// The number of written and failed rows.
#[derive(Clone, Copy, Debug, Default)]
pub struct WriteCounts {
    /// The number of written rows.
    pub written: usize,
    /// The number of failed rows.
    pub failed: usize,
}

impl ImportPlan {
    /// The rejected rows.
    pub fn refused(&self) -> impl Iterator<Item = &Refusal> {
        self.customers.refused.iter().chain(&self.contracts.refused)
    }

    /// The number of rows to write.
    pub fn rows(&self) -> usize {
        self.customers.writes.len() + self.contracts.writes.len()
    }

    /// Writes the customers, then the contracts. A failed row does not stop the others; `on_row` is
    /// called for each row.
    pub async fn write(
        &self,
        context: &Context<'_>,
        mut on_row: impl FnMut(WrittenRow<'_>),
    ) -> Result<WriteCounts, Error> {
        let mut counts = WriteCounts::default();
        let mut count = |label: String, result: Result<(), Error>| {
            match result {
                Ok(()) => counts.written += 1,
                Err(_) => counts.failed += 1,
            }
            on_row(WrittenRow {
                label: &label,
                error: result.as_ref().err(),
            });
        };
        let stores = &context.stores;
        // Customers first, because contracts refer to them.
        let mut results = stream::iter(&self.customers.writes)
            .map(async |write| {
                let label = format!("customer {}", write.id);
                (label, write.write(stores.customers, stores.caller).await)
            })
            .buffer_unordered(AT_A_TIME);
        while let Some((label, result)) = results.next().await {
            count(label, result);
        }
        if !self.contracts.writes.is_empty() {
            let signer = &stores.signer().await?;
            let mut results = stream::iter(&self.contracts.writes)
                .map(async |write| {
                    let label = format!("line {}, {}", write.line, write.license.domain);
                    let written = write.write(stores.licenses, signer, stores.caller);
                    (label, written.await)
                })
                .buffer_unordered(AT_A_TIME);
            while let Some((label, result)) = results.next().await {
                count(label, result);
            }
        }
        Ok(counts)
    }

    /// The report of this import.
    pub fn report(&self, counts: WriteCounts, dry_run: bool) -> ImportReport<'_> {
        let customers = self.customers.writes.iter().map(|write| ImportChange {
            subject: Subject::Customer {
                customer_id: &write.id,
            },
            lines: &write.lines,
            is_new: write.is_new(),
            differences: &write.differences,
        });
        let contracts = self.contracts.writes.iter().map(|write| ImportChange {
            subject: Subject::Contract {
                domain: &write.license.domain,
                product: &write.license.product,
            },
            lines: std::slice::from_ref(&write.line),
            is_new: write.is_new,
            differences: &write.differences,
        });
        let new_customers = self.customers.writes.iter().filter(|of| of.is_new());
        let new_contracts = self.contracts.writes.iter().filter(|of| of.is_new);
        ImportReport {
            dry_run,
            customers: RowCounts {
                added: new_customers.clone().count(),
                changed: self.customers.writes.len() - new_customers.count(),
                unchanged: self.customers.unchanged,
                refused: self.customers.refused.len(),
            },
            licenses: RowCounts {
                added: new_contracts.clone().count(),
                changed: self.contracts.writes.len() - new_contracts.count(),
                unchanged: self.contracts.unchanged,
                refused: self.contracts.refused.len(),
            },
            written: counts.written,
            failed: counts.failed,
            changes: customers.chain(contracts).collect(),
            refused: self.refused().collect(),
            missing: &self.contracts.missing,
        }
    }
}

/// The report of an import.
#[derive(Debug, Serialize)]
pub struct ImportReport<'a> {
    /// Whether this was a dry run: nothing was written.
    pub dry_run: bool,
    /// The customers by kind of change.
    pub customers: RowCounts,
    /// The contracts by kind of change.
    pub licenses: RowCounts,
    /// The number of written rows.
    pub written: usize,
    /// The number of failed rows.
    pub failed: usize,
    /// The changes in detail.
    pub changes: Vec<ImportChange<'a>>,
    /// The rejected rows.
    pub refused: Vec<&'a Refusal>,
    /// Stored licences without a row, if the file is expected to contain all licences.
    pub missing: &'a [MissingLicense],
}

/// The number of rows by kind of change.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RowCounts {
    /// Rows of new customers or contracts.
    pub added: usize,
    /// Rows with changes.
    pub changed: usize,
    /// Rows without changes.
    pub unchanged: usize,
    /// Rejected rows.
    pub refused: usize,
}

/// A change made by an import.
#[derive(Debug, Serialize)]
pub struct ImportChange<'a> {
    #[serde(flatten)]
    subject: Subject<'a>,
    lines: &'a [u64],
    is_new: bool,
    differences: &'a [Difference],
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Subject<'a> {
    Customer {
        customer_id: &'a CustomerId,
    },
    Contract {
        domain: &'a Domain,
        product: &'a ProductSlug,
    },
}

impl Serialize for Refusal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Document<'a> {
            file: &'a str,
            line: u64,
            column: Option<usize>,
            name: Option<&'a str>,
            subject: Option<&'a str>,
            reason: &'a str,
        }
        let column = self.column.as_ref();
        let document = Document {
            file: &self.file,
            line: self.line,
            column: column.map(|(number, _)| *number),
            name: column.map(|(_, name)| name.as_str()),
            subject: self.subject.as_deref(),
            reason: &self.reason,
        };
        document.serialize(serializer)
    }
}

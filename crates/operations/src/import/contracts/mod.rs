//! Import and export of contracts as rows of a table.

mod columns;
mod compare;
mod export;

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use tegata_common::customer::CustomerId;
use tegata_common::domain::{BaseDomains, Domain};
use tegata_common::lease::SignedLicense;
use tegata_common::license::{Cell, ContractRow, License};
use tegata_common::product::{Product, ProductSlug};
use tegata_signing::Signer;
use tegata_storage::licenses::Licenses;
use tegata_storage::{TableError, Versioned};

use super::table::{Refusal, Row, Table};
use crate::{Caller, Difference, Error, contract};

pub(super) use compare::{Existing, plan};
pub(crate) use export::{header, row};

/// The required columns of a file of contracts.
pub(super) const REQUIRED: [&str; 5] = ["domain", "product", "kind", "users", "usable_from"];
/// The optional columns.
pub(super) const OPTIONAL: [&str; 14] = [
    "billing",
    "customer_id",
    "edition",
    "quotas",
    "next_billing",
    "first_term_on",
    "term_starts_on",
    "ends_on",
    "suspended_from",
    "other_domains",
    "development_domains",
    "serial",
    "serial_sha256",
    "note",
];

/// A contract that the import writes.
#[derive(Debug)]
pub struct ContractWrite {
    /// The line of the row in the file.
    pub line: u64,
    /// The licence after the import.
    pub license: License,
    /// Whether the contract is new.
    pub is_new: bool,
    /// The fields that the import changes.
    pub differences: Vec<Difference>,
    /// Additional text in the output, such as the code and the last day. May be empty.
    pub note: String,
    /// The stored licence that the row was compared with.
    before: Option<Versioned<SignedLicense>>,
}

impl ContractWrite {
    /// The write of a contract that differs from the stored one.
    pub(super) fn new(
        line: u64,
        license: License,
        differences: Vec<Difference>,
        before: Option<Versioned<SignedLicense>>,
    ) -> Self {
        Self {
            line,
            license,
            is_new: before.is_none(),
            differences,
            note: String::new(),
            before,
        }
    }

    pub(super) async fn write(
        &self,
        licenses: &Licenses,
        signer: &Signer,
        caller: Caller<'_>,
    ) -> Result<(), Error> {
        let license = &self.license;
        let contract = match &self.before {
            Some(before) => {
                let read = contract::read(licenses, &license.domain, &license.product).await?;
                // A different revision means that the contract was changed after the comparison.
                let read = read.filter(|read| read.revision() == Some(&before.revision));
                Some(read.ok_or(TableError::Conflict)?)
            }
            None => None,
        };
        let act = caller.change("import");
        contract::write(licenses, contract.as_ref(), license, signer, &act).await?;
        Ok(())
    }
}

/// The result of comparing a file of contracts with the stored contracts.
#[derive(Debug, Default)]
pub struct ContractsPlan {
    /// The new and changed contracts.
    pub writes: Vec<ContractWrite>,
    /// The number of unchanged contracts.
    pub unchanged: usize,
    /// The rejected rows.
    pub refused: Vec<Refusal>,
    /// Stored licences without a row, if the file is expected to contain all licences.
    pub missing: Vec<MissingLicense>,
}

/// A stored licence without a row in the file.
#[derive(Debug, Serialize)]
pub struct MissingLicense {
    /// The tenant.
    pub domain: Domain,
    pub product: ProductSlug,
    /// The code that a lookup returns now.
    pub code: &'static str,
}

/// A row that was parsed.
pub(super) struct ParsedRow<'s> {
    row: &'s Row,
    record: ContractRow,
    /// All domains of the contract with their columns, the row's own domain first.
    domains: Vec<(&'static str, Domain)>,
}

impl ParsedRow<'_> {
    /// The customer in the row, if there is one.
    pub(super) fn customer(&self) -> Option<CustomerId> {
        match &self.record.customer {
            Cell::Value(customer) => customer.clone(),
            Cell::Missing => None,
        }
    }

    /// The keys of all items of the contract.
    pub(super) fn keys(&self) -> impl Iterator<Item = (Domain, ProductSlug)> {
        let product = self.record.product.clone();
        let domains = self.domains.iter();
        domains.map(move |(_, domain)| (domain.clone(), product.clone()))
    }
}

/// Parses the rows, and rejects rows that share a domain and product.
pub(super) fn read_all<'s>(
    table: &'s Table,
    bases: &BaseDomains,
    products: &BTreeMap<ProductSlug, Product>,
) -> (Vec<ParsedRow<'s>>, Vec<Refusal>) {
    let (mut read_rows, mut refused) = (Vec::new(), Vec::new());
    // The lines of each domain and product. Of several rows with the same one, none can be
    // preferred, so all are rejected.
    let mut lines: HashMap<(Domain, ProductSlug), Vec<u64>> = HashMap::new();
    for row in &table.rows {
        match columns::read(table, row, bases, products) {
            Ok(read) => {
                for key in read.keys() {
                    lines.entry(key).or_default().push(row.line);
                }
                read_rows.push(read);
            }
            Err(refusal) => refused.push(refusal),
        }
    }
    let mut stated = Vec::new();
    for read in read_rows {
        let product = &read.record.product;
        let twice = read.domains.iter().find_map(|(column, domain)| {
            let lines = &lines[&(domain.clone(), product.clone())];
            let other = lines.iter().find(|line| **line != read.row.line);
            let other = other.or(lines.get(1))?;
            Some((column, format!("{domain} is on line {other} too")))
        });
        match twice {
            Some((column, reason)) => refused.push(table.refuse(read.row, column, reason)),
            None => stated.push(read),
        }
    }
    (stated, refused)
}

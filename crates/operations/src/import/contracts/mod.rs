//! Contracts as rows.

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

/// The columns that a file of contracts has.
pub(super) const REQUIRED: [&str; 5] = ["domain", "product", "kind", "users", "usable_from"];
/// The columns that it may have too.
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

/// A contract that is to be written.
#[derive(Debug)]
pub struct ContractWrite {
    /// The line of its row.
    pub line: u64,
    /// The licence as it would be.
    pub license: License,
    /// Whether the contract is new.
    pub is_new: bool,
    /// The fields that would change.
    pub differences: Vec<Difference>,
    /// What else is said of it before it is written.
    pub note: String,
    /// The contract that was compared with, as it was read.
    before: Option<Versioned<SignedLicense>>,
}

impl ContractWrite {
    /// A contract that differs from what was read.
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
                // Somebody changed it since it was compared.
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

/// A file of contracts, compared with the table.
#[derive(Debug, Default)]
pub struct ContractsPlan {
    /// The contracts to write.
    pub writes: Vec<ContractWrite>,
    /// The number of contracts that are as the file states them.
    pub unchanged: usize,
    /// The rows that are not taken.
    pub refused: Vec<Refusal>,
    /// Licences that are not in a file that should have all.
    pub missing: Vec<MissingLicense>,
}

/// A licence that a file does not have.
#[derive(Debug, Serialize)]
pub struct MissingLicense {
    /// The tenant.
    pub domain: Domain,
    /// The product.
    pub product: ProductSlug,
    /// The code it is answered with now.
    pub code: &'static str,
}

/// A row that could be read.
pub(super) struct StatedContract<'s> {
    row: &'s Row,
    record: ContractRow,
    /// All of its domains, the row's first, with the columns that name them.
    domains: Vec<(&'static str, Domain)>,
}

impl StatedContract<'_> {
    /// The customer that the row names.
    pub(super) fn customer(&self) -> Option<CustomerId> {
        match &self.record.customer {
            Cell::Stated(customer) => customer.clone(),
            Cell::Unstated => None,
        }
    }

    /// The items that the row is about.
    pub(super) fn keys(&self) -> impl Iterator<Item = (Domain, ProductSlug)> {
        let product = self.record.product.clone();
        let domains = self.domains.iter();
        domains.map(move |(_, domain)| (domain.clone(), product.clone()))
    }
}

/// Reads the rows: those that are in order by themselves.
pub(super) fn read_all<'s>(
    table: &'s Table,
    bases: &BaseDomains,
    products: &BTreeMap<ProductSlug, Product>,
) -> (Vec<StatedContract<'s>>, Vec<Refusal>) {
    let (mut read_rows, mut refused) = (Vec::new(), Vec::new());
    // Where each item is named. Of rows that name the same one, nobody knows which is right.
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

//! Comparison of rows of contracts with the stored contracts.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Display;

use jiff::Timestamp;
use tegata_common::customer::CustomerId;
use tegata_common::domain::Domain;
use tegata_common::lease::SignedLicense;
use tegata_common::license::{Cell, License, RowError};
use tegata_common::product::{Product, ProductSlug};
use tegata_storage::Versioned;

use super::{ContractWrite, ContractsPlan, ParsedRow};
use crate::Error;
use crate::import::serials::Serials;
use crate::import::table::{Refusal, Table};
use crate::licenses::license_differences;

/// The stored items that the rows are compared with.
pub(in crate::import) struct Existing<'a> {
    pub(in crate::import) products: &'a BTreeMap<ProductSlug, Product>,
    pub(in crate::import) licenses: HashMap<(Domain, ProductSlug), Versioned<SignedLicense>>,
    pub(in crate::import) customers: HashSet<CustomerId>,
}

/// Compares rows with the stored contracts.
pub(in crate::import) fn plan(
    table: &Table,
    stated: Vec<ParsedRow<'_>>,
    existing: &Existing<'_>,
    serials: &mut Serials,
    now: Timestamp,
) -> Result<ContractsPlan, Error> {
    let mut planned = ContractsPlan::default();
    for stated in stated {
        let line = stated.row.line;
        let comparison = Comparison {
            table,
            existing,
            now,
        };
        match comparison.compare(stated, serials) {
            Err(refusal) => planned.refused.push(refusal),
            Ok((license, before)) => {
                let known = before.as_ref().map(|before| &before.value.license);
                let known = known.map(|known| known.as_of(now)).transpose()?;
                let differences = license_differences(known.as_ref(), &license)?;
                if differences.is_empty() {
                    planned.unchanged += 1;
                    continue;
                }
                let write = ContractWrite::new(line, license, differences, before);
                planned.writes.push(write);
            }
        }
    }
    Ok(planned)
}

/// The contract after the import, and the stored licence that it changes. `None` for a new
/// contract.
type Compared = (License, Option<Versioned<SignedLicense>>);

struct Comparison<'a> {
    table: &'a Table,
    existing: &'a Existing<'a>,
    now: Timestamp,
}

impl Comparison<'_> {
    fn compare(&self, stated: ParsedRow<'_>, serials: &mut Serials) -> Result<Compared, Refusal> {
        self.check_customer(&stated)?;
        let before = self.before(&stated)?;
        self.check_other_domains(&stated, before.is_some())?;
        let ParsedRow { row, record, .. } = stated;
        let refuse = |column: &str, reason: &dyn Display| self.table.refuse(row, column, reason);
        let wrong = |RowError { column, reason }| refuse(column, &reason);
        if let Some(before) = before {
            let license = before.value.license.as_of(self.now);
            let license = license.map_err(|error| refuse("usable_from", &error))?;
            let changed = record.change(license, self.now).map_err(wrong)?;
            return Ok((changed, Some(before.clone())));
        }
        let Some(product) = self.existing.products.get(&record.product) else {
            let reason = "the product is not in the catalogue; see `tegata product apply`";
            return Err(refuse("product", &reason));
        };
        let hash = match record.serial_sha256 {
            Some(hash) => hash,
            None => serials
                .of(&record.domain, &record.product)
                .map_err(|error| refuse("serial", &error))?,
        };
        let issued = record.issue(product, hash, self.now).map_err(wrong)?;
        Ok((issued, None))
    }

    fn check_customer(&self, stated: &ParsedRow<'_>) -> Result<(), Refusal> {
        if let Cell::Value(Some(id)) = &stated.record.customer
            && !self.existing.customers.contains(id)
        {
            let reason =
                format!("there is no customer {id}, neither stored nor in the file of customers");
            return Err(self.table.refuse(stated.row, "customer_id", reason));
        }
        Ok(())
    }

    /// The stored licence that the row changes. `None` if the domain has no licence, or its
    /// quarantine has ended.
    fn before(&self, stated: &ParsedRow<'_>) -> Result<Option<&Versioned<SignedLicense>>, Refusal> {
        let key = (stated.record.domain.clone(), stated.record.product.clone());
        let Some(stored) = self.existing.licenses.get(&key) else {
            return Ok(None);
        };
        let name = stored.value.license.own_domain();
        if name.is_some_and(|name| name.until.is_none()) {
            return Ok(Some(stored));
        }
        let free = name.and_then(|name| name.quarantined_until());
        match free.filter(|free| *free > self.now) {
            None => Ok(None),
            Some(free) => {
                let reason =
                    format!("a contract leaves it or has left it; it is free from {free:.0}");
                Err(self.table.refuse(stated.row, "domain", reason))
            }
        }
    }

    /// Checks that no other contract has one of the row's other domains.
    fn check_other_domains(&self, stated: &ParsedRow<'_>, is_known: bool) -> Result<(), Refusal> {
        let (main, product) = (&stated.record.domain, &stated.record.product);
        for (column, domain) in stated.domains.iter().skip(1) {
            let key = (domain.clone(), product.clone());
            let Some(taken) = self.existing.licenses.get(&key) else {
                continue;
            };
            let license = &taken.value.license;
            let is_ours = license.domains.iter().any(|name| name.domain == *main);
            let is_free = license
                .own_domain()
                .and_then(|name| name.quarantined_until())
                .is_some_and(|free| free <= self.now);
            if !is_free && (!is_known || !is_ours) {
                let reason = format!("{domain} has, or had lately, a licence of another contract");
                return Err(self.table.refuse(stated.row, column, reason));
            }
        }
        Ok(())
    }
}

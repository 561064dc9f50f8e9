//! Import of the table of Cybozu's official licence sample, whose rows have a tenant, a kintone
//! plug-in id and a last day.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Display;

use jiff::Timestamp;
use jiff::civil::Date;
use tegata_common::calendar::{self, Billing, OutOfRange};
use tegata_common::domain::{BaseDomains, Domain};
use tegata_common::lease::SignedLicense;
use tegata_common::license::{LastDay, License, LicenseKind};
use tegata_common::product::{KintonePluginId, Product, ProductSlug};
use tegata_common::revision::Revision;
use tegata_storage::Versioned;
use tegata_storage::licenses::Licenses;

use super::contracts::{ContractWrite, ContractsPlan, MissingLicense};
use super::serials::{SerialError, Serials};
use super::table::{Refusal, Row, Table};
use super::values::{date, is_no_end};
use super::{Context, stored};
use crate::licenses::license_differences;
use crate::{Error, new_serial};

/// The changes after which a contract still has only imported facts: the import itself and
/// automatic changes.
const AUTOMATIC_CHANGES: [&str; 4] = ["import", "update-plugin-ids", "renew", "resign"];

const DOMAIN: &str = "domain";
const PLUGIN_ID: &str = "pluginId";
const EXPIRATION_DATE: &str = "expirationDate";

/// The columns of the table.
pub const SAMPLE_COLUMNS: [&str; 3] = [DOMAIN, PLUGIN_ID, EXPIRATION_DATE];

/// Assumptions for contracts of the sample, which stores only their last day.
#[derive(Clone, Copy, Debug)]
pub struct SampleAssumptions {
    /// The billing interval of new contracts.
    pub billing: Billing,
    /// The number of users of new contracts.
    pub users: u32,
    /// Whether contracts that have not ended renew after the month of their last day.
    pub renews: bool,
}

/// A row that was parsed.
struct SampleRow<'s> {
    row: &'s Row,
    domain: Domain,
    product: &'s Product,
    /// The last day. `None` if the contract has no end.
    last_day: Option<Date>,
}

impl SampleRow<'_> {
    fn key(&self) -> (Domain, ProductSlug) {
        (self.domain.clone(), self.product.slug.clone())
    }
}

/// Compares the table with the stored contracts.
pub(super) async fn plan(
    context: &Context<'_>,
    table: &Table,
    assumptions: SampleAssumptions,
    serials: &mut Serials,
) -> Result<ContractsPlan, Error> {
    let licenses = context.stores.licenses;
    let products = licenses.products().await?;
    let products: Vec<Product> = products.into_iter().map(|stored| stored.value).collect();
    let mut planned = ContractsPlan::default();
    let rows = rows(table, context.bases, &products, &mut planned);
    let existing = stored(licenses, rows.iter().map(SampleRow::key)).await?;
    planned.missing = missing(licenses, &rows, context.now()).await?;
    let comparison = Comparison {
        context,
        table,
        assumptions,
    };
    for row in rows {
        let before = existing.get(&row.key());
        match comparison.compare(&row, before, serials) {
            Err(refusal) => planned.refused.push(refusal),
            Ok(license) => match write(&row, license, before, context.now())? {
                Some(write) => planned.writes.push(write),
                None => planned.unchanged += 1,
            },
        }
    }
    planned.refused.sort_by_key(|refusal| refusal.line);
    Ok(planned)
}

/// Parses the rows and merges those of the same tenant and product. The table may have both
/// spellings of a tenant, and several plug-in ids of a product.
fn rows<'s>(
    table: &'s Table,
    bases: &BaseDomains,
    products: &'s [Product],
    planned: &mut ContractsPlan,
) -> Vec<SampleRow<'s>> {
    let products: BTreeMap<&KintonePluginId, &Product> = products
        .iter()
        .flat_map(|product| {
            let ids = product.kintone_plugin_ids.iter();
            ids.map(move |id| (id, product))
        })
        .collect();
    let mut first: HashMap<(Domain, ProductSlug), usize> = HashMap::new();
    let mut wanted: Vec<SampleRow<'_>> = Vec::new();
    for row in &table.rows {
        let row = match read(table, row, bases, &products) {
            Ok(row) => row,
            Err(refusal) => {
                planned.refused.push(refusal);
                continue;
            }
        };
        let Some(index) = first.get(&row.key()) else {
            first.insert(row.key(), wanted.len());
            wanted.push(row);
            continue;
        };
        let before = &wanted[*index];
        match before.last_day == row.last_day {
            true => planned.unchanged += 1,
            false => planned.refused.push(contradiction(table, &row, before)),
        }
    }
    wanted
}

/// The rejection of a row that contradicts an earlier row of the same tenant and product.
fn contradiction(table: &Table, row: &SampleRow<'_>, before: &SampleRow<'_>) -> Refusal {
    let says = match before.last_day {
        Some(last_day) => format!("ends on {last_day}"),
        None => "has no end".to_owned(),
    };
    let (domain, product, line) = (&row.domain, &row.product.slug, before.row.line);
    let reason = format!("{domain}, {product} {says} by line {line}");
    table.refuse(row.row, EXPIRATION_DATE, reason)
}

/// The write of a contract. `None` if it does not change.
fn write(
    row: &SampleRow<'_>,
    license: License,
    before: Option<&Versioned<SignedLicense>>,
    now: Timestamp,
) -> Result<Option<ContractWrite>, Error> {
    let known = before.map(|before| before.value.license.as_of(now));
    let differences = license_differences(known.transpose()?.as_ref(), &license)?;
    if differences.is_empty() {
        return Ok(None);
    }
    let code = license.code_at(now).as_str();
    let note = match license.ends_on {
        Some(last_day) => format!(": {code}, last day {last_day}"),
        None => format!(": {code}, renews after {}", license.term.ends_on),
    };
    let mut write = ContractWrite::new(row.row.line, license, differences, before.cloned());
    write.note = note;
    Ok(Some(write))
}

/// Stored licences without a row: of the products in the file, and usable by the sample's plug-ins.
/// In the sample, a licence is revoked by deleting its row.
async fn missing(
    licenses: &Licenses,
    wanted: &[SampleRow<'_>],
    now: Timestamp,
) -> Result<Vec<MissingLicense>, Error> {
    let stated: HashSet<_> = wanted.iter().map(SampleRow::key).collect();
    let products: HashSet<_> = wanted.iter().map(|row| &row.product.slug).collect();
    let mut missing = Vec::new();
    for stored in licenses.all().await?.licenses {
        let license = stored.value.license.as_of(now)?;
        let code = license.code_at(now);
        let key = (license.domain.clone(), license.product.clone());
        if code.is_usable()
            && products.contains(&license.product)
            && !license.open_plugin_ids().is_empty()
            && !stated.contains(&key)
        {
            let (domain, product) = key;
            let code = code.as_str();
            missing.push(MissingLicense {
                domain,
                product,
                code,
            });
        }
    }
    missing.sort_by(|a, b| (&a.domain, &a.product).cmp(&(&b.domain, &b.product)));
    Ok(missing)
}

fn read<'s>(
    table: &Table,
    row: &'s Row,
    bases: &BaseDomains,
    products: &BTreeMap<&KintonePluginId, &'s Product>,
) -> Result<SampleRow<'s>, Refusal> {
    table.check_cells(row)?;
    let text = |column| table.cell(row, column).unwrap_or("");
    let domain = bases.canonicalize(text(DOMAIN));
    let domain = domain.map_err(|error| table.refuse(row, DOMAIN, error))?;
    let refuse = |column: &str, reason: &dyn Display| table.refuse(row, column, reason);
    let id: KintonePluginId = text(PLUGIN_ID)
        .parse()
        .map_err(|error| refuse(PLUGIN_ID, &error))?;
    let Some(product) = products.get(&id).copied() else {
        let reason = "no product of the catalogue has it: put it into kintone_plugin_ids in \
                      products.toml, then `tegata product apply`";
        return Err(refuse(PLUGIN_ID, &reason));
    };
    if product.policy.requires_serial {
        let reason = format!(
            "{} requires a serial, which the sample's plug-ins do not send: they would be told \
             that there is no licence",
            product.slug
        );
        return Err(refuse(PLUGIN_ID, &reason));
    }
    let written = text(EXPIRATION_DATE);
    let last_day = date(written).ok_or_else(|| {
        let reason = format!("expected a date such as 2026-11-30, not {written:?}");
        refuse(EXPIRATION_DATE, &reason)
    })?;
    Ok(SampleRow {
        row,
        domain,
        product,
        last_day: (!is_no_end(last_day)).then_some(last_day),
    })
}

/// The last day of a term that starts in the current month.
fn end_of_term(product: &Product, billing: Billing, now: Timestamp) -> Result<Date, OutOfRange> {
    let today = calendar::date_of(now, &product.policy);
    let term = calendar::term_from(today.first_of_month(), billing)?;
    Ok(term.ends_on)
}

/// Compares rows with the stored contracts.
struct Comparison<'a> {
    context: &'a Context<'a>,
    table: &'a Table,
    assumptions: SampleAssumptions,
}

impl Comparison<'_> {
    fn compare(
        &self,
        row: &SampleRow<'_>,
        before: Option<&Versioned<SignedLicense>>,
        serials: &mut Serials,
    ) -> Result<License, Refusal> {
        match before {
            Some(stored) => self.changed(row, stored),
            None => self.issued(row, serials),
        }
    }

    fn now(&self) -> Timestamp {
        self.context.now()
    }

    fn refuse(&self, row: &SampleRow<'_>, reason: impl Display) -> Refusal {
        self.table.refuse(row.row, EXPIRATION_DATE, reason)
    }

    /// The new contract of a row.
    fn issued(&self, row: &SampleRow<'_>, serials: &mut Serials) -> Result<License, Refusal> {
        let billing = self.assumptions.billing;
        let last_day = self.last_day(row, billing)?;
        let serial = match serials.is_kept() {
            true => serials.of(&row.domain, &row.product.slug),
            // The serial is not kept, because the sample's plug-ins send none. `license
            // reissue-serial` generates one that is shown.
            false => new_serial()
                .map(|serial| serial.hash())
                .map_err(SerialError::from),
        };
        let serial = serial.map_err(|error| self.refuse(row, error))?;
        let known = LastDay {
            domain: row.domain.clone(),
            last_day,
            billing,
            users: self.assumptions.users,
            renews: self.assumptions.renews || row.last_day.is_none(),
        };
        License::of_last_day(known, row.product, serial, self.now())
            .map_err(|error| self.refuse(row, error))
    }

    /// The row's last day, or the last day of the current term if the contract has no end.
    fn last_day(&self, row: &SampleRow<'_>, billing: Billing) -> Result<Date, Refusal> {
        match row.last_day {
            Some(last_day) => Ok(last_day),
            None => end_of_term(row.product, billing, self.now())
                .map_err(|error| self.refuse(row, error)),
        }
    }

    /// The stored contract with the changes of the row.
    fn changed(
        &self,
        row: &SampleRow<'_>,
        stored: &Versioned<SignedLicense>,
    ) -> Result<License, Refusal> {
        let license = &stored.value.license;
        if license.own_domain().is_none_or(|name| name.until.is_some()) {
            let reason = "a contract leaves it or has left it; see `tegata license show`";
            return Err(self.table.refuse(row.row, DOMAIN, reason));
        }
        let current = license.as_of(self.now());
        let current = current.map_err(|error| self.refuse(row, error))?;
        let mut changed = self.with_last_day(row, current, &stored.revision)?;
        // The sample's plug-ins find a licence by these ids.
        changed
            .kintone_plugin_ids
            .clone_from(&row.product.kintone_plugin_ids);
        Ok(changed)
    }

    /// The contract with the row's last day. An error if an import may not change it.
    fn with_last_day(
        &self,
        row: &SampleRow<'_>,
        current: License,
        revision: &Revision,
    ) -> Result<License, Refusal> {
        let today = calendar::date_of(self.now(), &current.policy);
        let renews = self.assumptions.renews || row.last_day.is_none();
        let billing = current.billing.unwrap_or(self.assumptions.billing);
        let stated_day = self.last_day(row, billing)?;
        let goes_on = renews && stated_day >= today;
        let refuse = |reason: &dyn Display| Err(self.refuse(row, reason));
        match (current.kind, current.ends_on) {
            (_, Some(last_day)) if last_day == stated_day && !goes_on => Ok(current),
            (LicenseKind::Paid, None) if goes_on => Ok(current),
            (LicenseKind::Paid, None) if renews => match current.may_be_of_last_day(stated_day) {
                true => Ok(current),
                false => refuse(
                    &"that day has passed, and the contract that the tenant has here renews \
                          by itself; `tegata license cancel` ends it",
                ),
            },
            (LicenseKind::Paid, None) => refuse(
                &"the tenant has a contract that renews by itself; --renews leaves it as it is, \
                  and `tegata license cancel` ends it",
            ),
            (LicenseKind::Trial, _) => refuse(
                &"the tenant has a trial that ends on another day; see `tegata license convert`",
            ),
            (LicenseKind::Paid, Some(_)) => {
                // A change made by an operator is not overwritten by an older table.
                let Revision { at, by, change, .. } = revision;
                if !AUTOMATIC_CHANGES.contains(&change.as_str()) {
                    let at = self.context.local_time(*at);
                    let reason = format!("the contract was changed here ({change}, {at}, by {by})");
                    return refuse(&reason);
                }
                current
                    .with_last_day(stated_day, renews, self.now())
                    .map_err(|error| self.refuse(row, error))
            }
        }
    }
}

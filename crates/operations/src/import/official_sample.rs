//! The table of Cybozu's official licence sample: a tenant, a kintone plug-in id, and a last day.

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

/// The changes after which a contract is as an import made it.
const BY_ITSELF: [&str; 4] = ["import", "update-plugin-ids", "renew", "resign"];

const DOMAIN: &str = "domain";
const PLUGIN_ID: &str = "pluginId";
const EXPIRATION_DATE: &str = "expirationDate";

/// The columns of the table.
pub const SAMPLE_COLUMNS: [&str; 3] = [DOMAIN, PLUGIN_ID, EXPIRATION_DATE];

/// Assumptions for contracts of the sample, which has only their last day.
#[derive(Clone, Copy, Debug)]
pub struct SampleAssumptions {
    /// The length of new contracts' terms.
    pub billing: Billing,
    /// The number of users of new contracts.
    pub users: u32,
    /// Whether contracts that have not ended go on by themselves after their last day's month.
    pub renews: bool,
}

/// A row that could be read.
struct StatedRow<'s> {
    row: &'s Row,
    domain: Domain,
    product: &'s Product,
    /// `None` if the row has no end.
    last_day: Option<Date>,
}

impl StatedRow<'_> {
    fn key(&self) -> (Domain, ProductSlug) {
        (self.domain.clone(), self.product.slug.clone())
    }
}

/// Compares the table with what is there.
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
    let existing = stored(licenses, rows.iter().map(StatedRow::key)).await?;
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

/// The rows, each tenant and product once. A tenant may be there in both of its spellings, and a
/// product with several plug-in ids.
fn rows<'s>(
    table: &'s Table,
    bases: &BaseDomains,
    products: &'s [Product],
    planned: &mut ContractsPlan,
) -> Vec<StatedRow<'s>> {
    let products: BTreeMap<&KintonePluginId, &Product> = products
        .iter()
        .flat_map(|product| {
            let ids = product.kintone_plugin_ids.iter();
            ids.map(move |id| (id, product))
        })
        .collect();
    let mut first: HashMap<(Domain, ProductSlug), usize> = HashMap::new();
    let mut wanted: Vec<StatedRow<'_>> = Vec::new();
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

/// Of rows that contradict each other, the later one is refused.
fn contradiction(table: &Table, row: &StatedRow<'_>, before: &StatedRow<'_>) -> Refusal {
    let says = match before.last_day {
        Some(last_day) => format!("ends on {last_day}"),
        None => "has no end".to_owned(),
    };
    let (domain, product, line) = (&row.domain, &row.product.slug, before.row.line);
    let reason = format!("{domain}, {product} {says} by line {line}");
    table.refuse(row.row, EXPIRATION_DATE, reason)
}

/// The write of a contract; `None` if nothing differs.
fn write(
    row: &StatedRow<'_>,
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

/// The licences that the sample's plug-ins can use, of the file's products, of tenants that the file
/// does not have. In the sample a licence is taken away by deleting its row.
async fn missing(
    licenses: &Licenses,
    wanted: &[StatedRow<'_>],
    now: Timestamp,
) -> Result<Vec<MissingLicense>, Error> {
    let stated: HashSet<_> = wanted.iter().map(StatedRow::key).collect();
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
) -> Result<StatedRow<'s>, Refusal> {
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
    Ok(StatedRow {
        row,
        domain,
        product,
        last_day: (!is_no_end(last_day)).then_some(last_day),
    })
}

/// The end of the term that begins with this month.
fn end_of_term(product: &Product, billing: Billing, now: Timestamp) -> Result<Date, OutOfRange> {
    let today = calendar::date_of(now, &product.policy);
    let term = calendar::term_from(today.first_of_month(), billing)?;
    Ok(term.ends_on)
}

/// The comparison of rows with what is there.
struct Comparison<'a> {
    context: &'a Context<'a>,
    table: &'a Table,
    assumptions: SampleAssumptions,
}

impl Comparison<'_> {
    fn compare(
        &self,
        row: &StatedRow<'_>,
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

    fn refuse(&self, row: &StatedRow<'_>, reason: impl Display) -> Refusal {
        self.table.refuse(row.row, EXPIRATION_DATE, reason)
    }

    /// The contract of a row whose tenant has none.
    fn issued(&self, row: &StatedRow<'_>, serials: &mut Serials) -> Result<License, Refusal> {
        let billing = self.assumptions.billing;
        let last_day = self.last_day(row, billing)?;
        let serial = match serials.is_kept() {
            true => serials.of(&row.domain, &row.product.slug),
            // Nobody needs it: the plug-in sends none. `license reissue-serial` makes one that is
            // known.
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

    /// The row's last day; that of the current term if the row has no end.
    fn last_day(&self, row: &StatedRow<'_>, billing: Billing) -> Result<Date, Refusal> {
        match row.last_day {
            Some(last_day) => Ok(last_day),
            None => end_of_term(row.product, billing, self.now())
                .map_err(|error| self.refuse(row, error)),
        }
    }

    /// The contract that is there, with what the row says otherwise of it.
    fn changed(
        &self,
        row: &StatedRow<'_>,
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
        // Without them the sample's plug-ins would not find it.
        changed
            .kintone_plugin_ids
            .clone_from(&row.product.kintone_plugin_ids);
        Ok(changed)
    }

    /// The contract with the row's last day, where the row may change it.
    fn with_last_day(
        &self,
        row: &StatedRow<'_>,
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
                // What an operator did here since then is not undone by an older table.
                let Revision { at, by, change, .. } = revision;
                if !BY_ITSELF.contains(&change.as_str()) {
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

//! Contracts as rows.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use tegata_common::calendar;
use tegata_common::customer::CustomerId;
use tegata_common::domain::Domain;
use tegata_common::lease::SignedLicense;
use tegata_common::license::{Cell, ContractRow, License, LicenseKind, RowError};
use tegata_common::product::{Policy, Product, ProductSlug};
use tegata_common::serial::{Serial, SerialHash};
use tegata_operations::contract;
use tegata_operations::licenses::license_differences;
use tegata_signing::Signer;
use tegata_storage::Versioned;

use super::customers::{text, word};
use super::serials::Serials;
use super::sheet::{Refusal, Row, Sheet};
use crate::change::Difference;
use crate::target::Target;

pub(super) const REQUIRED: [&str; 5] = ["domain", "product", "kind", "users", "usable_from"];
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
pub(super) struct LicenseWrite {
    pub(super) line: u64,
    pub(super) license: License,
    pub(super) is_new: bool,
    pub(super) differences: Vec<Difference>,
    /// What else is said of it before it is written.
    pub(super) note: String,
    /// The contract that was compared with, as it was read.
    before: Option<Versioned<SignedLicense>>,
}

impl LicenseWrite {
    /// A contract that differs from what was read.
    pub(super) fn of(
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

    /// The same with something said of it.
    pub(super) fn noted(mut self, note: String) -> Self {
        self.note = note;
        self
    }

    pub(super) async fn write(&self, target: &Target, signer: &Signer) -> anyhow::Result<()> {
        let act = target.act("import");
        let license = &self.license;
        let licenses = target.licenses()?;
        let contract = match &self.before {
            Some(before) => {
                let read = contract::read(licenses, &license.domain, &license.product).await?;
                // Somebody changed it since it was compared.
                let read = read.filter(|read| read.revision() == Some(&before.revision));
                Some(read.ok_or(tegata_storage::TableError::Conflict)?)
            }
            None => None,
        };
        contract::write(licenses, contract.as_ref(), license, signer, &act).await?;
        Ok(())
    }
}

/// What a file of licences comes to.
#[derive(Debug, Default)]
pub(super) struct Planned {
    pub(super) writes: Vec<LicenseWrite>,
    pub(super) unchanged: usize,
    pub(super) refused: Vec<Refusal>,
    /// What is there, and is not in a file that should have all.
    pub(super) missing: Vec<Missing>,
}

/// A licence that a file does not have.
#[derive(Debug, Serialize)]
pub(super) struct Missing {
    pub(super) domain: Domain,
    pub(super) product: ProductSlug,
    pub(super) code: &'static str,
}

/// A row that could be read.
pub(super) struct Stated<'s> {
    row: &'s Row,
    record: ContractRow,
    /// All of its domains, the row's first, with the columns that name them.
    domains: Vec<(&'static str, Domain)>,
}

/// What the rows are compared with.
pub(super) struct Existing<'a> {
    pub(super) products: &'a BTreeMap<ProductSlug, Product>,
    pub(super) licenses: HashMap<(Domain, ProductSlug), Versioned<SignedLicense>>,
    pub(super) customers: std::collections::HashSet<CustomerId>,
}

/// Reads the rows: those that are in order by themselves.
pub(super) fn read_all<'s>(
    sheet: &'s Sheet,
    target: &Target,
    products: &BTreeMap<ProductSlug, Product>,
) -> (Vec<Stated<'s>>, Vec<Refusal>) {
    let (mut read_rows, mut refused) = (Vec::new(), Vec::new());
    // Where each item is named. Of rows that name the same one, nobody knows which is right.
    let mut lines: HashMap<(Domain, ProductSlug), Vec<u64>> = HashMap::new();
    for row in &sheet.rows {
        match read(sheet, row, target, products) {
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
            Some((column, reason)) => refused.push(sheet.refuse(read.row, column, reason)),
            None => stated.push(read),
        }
    }
    (stated, refused)
}

impl Stated<'_> {
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

/// Compares rows with what is there.
pub(super) fn plan(
    sheet: &Sheet,
    stated: Vec<Stated<'_>>,
    existing: &Existing<'_>,
    serials: &mut Serials,
    now: Timestamp,
) -> anyhow::Result<Planned> {
    let mut planned = Planned::default();
    for stated in stated {
        let line = stated.row.line;
        match compare(sheet, stated, existing, serials, now) {
            Err(refusal) => planned.refused.push(refusal),
            Ok((license, before)) => {
                let known = before.as_ref().map(|before| &before.value.license);
                let known = known.map(|known| known.as_of(now)).transpose()?;
                let differences = license_differences(known.as_ref(), &license)?;
                if differences.is_empty() {
                    planned.unchanged += 1;
                    continue;
                }
                let write = LicenseWrite::of(line, license, differences, before);
                planned.writes.push(write);
            }
        }
    }
    Ok(planned)
}

type Compared = (License, Option<Versioned<SignedLicense>>);

fn compare(
    sheet: &Sheet,
    stated: Stated<'_>,
    existing: &Existing<'_>,
    serials: &mut Serials,
    now: Timestamp,
) -> Result<Compared, Refusal> {
    let Stated {
        row,
        record,
        domains,
    } = stated;
    let refuse = |column: &str, reason: &dyn std::fmt::Display| sheet.refuse(row, column, reason);
    let wrong = |RowError { column, reason }| refuse(column, &reason);
    if let Cell::Stated(Some(id)) = &record.customer
        && !existing.customers.contains(id)
    {
        let reason = format!("there is no customer {id}, and none in the file of customers");
        return Err(refuse("customer_id", &reason));
    }
    let key = (record.domain.clone(), record.product.clone());
    let before = existing.licenses.get(&key);
    let before = match before.map(|stored| (stored, stored.value.license.name())) {
        Some((stored, Some(name))) if name.until.is_none() => Some(stored),
        Some((_, name)) => {
            let free = name.and_then(|name| name.quarantined_until());
            match free.filter(|free| *free > now) {
                None => None,
                Some(free) => {
                    let reason =
                        format!("a contract leaves it or has left it; it is free from {free:.0}");
                    return Err(refuse("domain", &reason));
                }
            }
        }
        None => None,
    };
    // The contract's other domains must be its own, or nobody's.
    for (column, domain) in domains.iter().skip(1) {
        let taken = existing.licenses.get(&(domain.clone(), key.1.clone()));
        let Some(taken) = taken else { continue };
        let is_ours = taken.value.license.names.iter().any(|n| n.domain == key.0);
        let name = taken.value.license.name();
        let is_free = name
            .and_then(|name| name.quarantined_until())
            .is_some_and(|free| free <= now);
        if !is_free && (before.is_none() || !is_ours) {
            let reason = format!("{domain} has, or had lately, a licence of another contract");
            return Err(refuse(column, &reason));
        }
    }
    if let Some(before) = before {
        let license = before.value.license.as_of(now);
        let license = license.map_err(|error| refuse("usable_from", &error))?;
        let changed = record.change(license, now).map_err(wrong)?;
        return Ok((changed, Some(before.clone())));
    }
    let Some(product) = existing.products.get(&record.product) else {
        return Err(refuse(
            "product",
            &"it is not in the catalogue; see `tegata product apply`",
        ));
    };
    let hash = match record.serial_sha256 {
        Some(hash) => hash,
        None => serials
            .of(&record.domain, &record.product)
            .map_err(|error| refuse("serial", &error))?,
    };
    let issued = record.issue(product, hash, now).map_err(wrong)?;
    Ok((issued, None))
}

fn read<'s>(
    sheet: &Sheet,
    row: &'s Row,
    target: &Target,
    products: &BTreeMap<ProductSlug, Product>,
) -> Result<Stated<'s>, Refusal> {
    sheet.check_cells(row)?;
    let text = |column| sheet.cell(row, column).unwrap_or("");
    let refuse = |column: &str, reason: &dyn std::fmt::Display| sheet.refuse(row, column, reason);
    let domain = |column: &str, text: &str| {
        let domain = target.bases.canonicalize(text);
        domain.map_err(|error| refuse(column, &error))
    };
    let product: ProductSlug = text("product")
        .parse()
        .map_err(|error| refuse("product", &error))?;
    let Some(policy) = products.get(&product).map(|product| &product.policy) else {
        return Err(refuse(
            "product",
            &"it is not in the catalogue; see `tegata product apply`",
        ));
    };
    let kind = word(sheet, row, "kind", "trial or paid", None)?;
    let billing = |column| match text(column) {
        "" => Ok(None),
        _ => word(sheet, row, column, "monthly or yearly", None).map(Some),
    };
    let main = domain("domain", text("domain"))?;
    let list = |column: &str| match sheet.cell(row, column) {
        None => Ok(Cell::Unstated),
        Some(cell) => {
            let domains = cell.split_whitespace().map(|name| domain(column, name));
            domains.collect::<Result<Vec<_>, _>>().map(Cell::Stated)
        }
    };
    let (others, developments) = (list("other_domains")?, list("development_domains")?);
    let mut domains = vec![("domain", main.clone())];
    for (column, cell) in [
        ("other_domains", &others),
        ("development_domains", &developments),
    ] {
        if let Cell::Stated(more) = cell {
            domains.extend(more.iter().map(|domain| (column, domain.clone())));
        }
    }
    let record = ContractRow {
        domain: main,
        kind,
        users: text("users")
            .parse()
            .map_err(|_| refuse("users", &"expected a number such as 50"))?,
        billing: billing("billing")?,
        usable_from: instant(text("usable_from"), policy)
            .map_err(|error| refuse("usable_from", &error))?,
        customer: match sheet.cell(row, "customer_id") {
            None => Cell::Unstated,
            Some("") => Cell::Stated(None),
            Some(id) => {
                let id = id.parse().map_err(|error| refuse("customer_id", &error))?;
                Cell::Stated(Some(id))
            }
        },
        edition: match sheet.cell(row, "edition") {
            None | Some("") => Cell::Unstated,
            Some(edition) => Cell::Stated(edition.to_owned()),
        },
        quotas: match sheet.cell(row, "quotas") {
            None => Cell::Unstated,
            Some(cell) => {
                let quotas = cell.split_whitespace().map(crate::license::quota);
                let quotas = quotas.collect::<Result<BTreeMap<_, _>, _>>();
                Cell::Stated(quotas.map_err(|error| refuse("quotas", &error))?)
            }
        },
        next_billing: match sheet.cell(row, "next_billing") {
            None => Cell::Unstated,
            Some(_) => Cell::Stated(billing("next_billing")?),
        },
        first_term_on: optional_date(sheet, row, "first_term_on")?,
        term_starts_on: optional_date(sheet, row, "term_starts_on")?,
        ends_on: match optional_date(sheet, row, "ends_on")? {
            Cell::Stated(Some(last_day)) if is_no_end(last_day) && kind == LicenseKind::Trial => {
                let reason = format!("a trial has a last day, and {last_day} means no end");
                return Err(refuse("ends_on", &reason));
            }
            Cell::Stated(Some(last_day)) if is_no_end(last_day) => Cell::Stated(None),
            ends_on => ends_on,
        },
        suspended_from: match sheet.cell(row, "suspended_from") {
            None => Cell::Unstated,
            Some("") => Cell::Stated(None),
            Some(text) => {
                let from = instant(text, policy);
                Cell::Stated(Some(
                    from.map_err(|error| refuse("suspended_from", &error))?,
                ))
            }
        },
        other_domains: others,
        development_domains: developments,
        serial_sha256: serial(sheet, row)?,
        product,
    };
    Ok(Stated {
        row,
        record,
        domains,
    })
}

/// The hash of a row's serial, stated as serial or as hash.
fn serial(sheet: &Sheet, row: &Row) -> Result<Option<SerialHash>, Refusal> {
    let text = |column| sheet.cell(row, column).unwrap_or("");
    let refuse = |column: &str, reason: &dyn std::fmt::Display| sheet.refuse(row, column, reason);
    let of_serial = match text("serial") {
        "" => None,
        serial => {
            let serial = Serial::parse(serial).map_err(|error| refuse("serial", &error))?;
            Some(serial.hash())
        }
    };
    let of_hash = match text("serial_sha256") {
        "" => None,
        hash => {
            let hash = serde_json::from_value(hash.into());
            Some(hash.map_err(|_| refuse("serial_sha256", &"expected 64 hexadecimal digits"))?)
        }
    };
    match (of_serial, of_hash) {
        (Some(a), Some(b)) if a != b => Err(refuse(
            "serial_sha256",
            &"it is not the hash of this row's serial",
        )),
        (a, b) => Ok(a.or(b)),
    }
}

fn optional_date(sheet: &Sheet, row: &Row, column: &str) -> Result<Cell<Option<Date>>, Refusal> {
    match sheet.cell(row, column) {
        None => Ok(Cell::Unstated),
        Some("") => Ok(Cell::Stated(None)),
        Some(text) => match date(text) {
            Some(date) => Ok(Cell::Stated(Some(date))),
            None => Err(sheet.refuse(row, column, "expected a date such as 2026-11-30")),
        },
    }
}

/// The year from which on a last day means "no end": systems that must have a date write
/// `9999-12-31`, `2999-12-31` or `2099-12-31`. A contract without an end is one that renews by itself.
const NO_END: i16 = 2099;

/// Whether a last day means that there is none.
pub(super) fn is_no_end(last_day: Date) -> bool {
    last_day.year() >= NO_END
}

/// A date, also as spreadsheets in Japan turn it out: 2026/11/30, 2026/1/5.
pub(super) fn date(text: &str) -> Option<Date> {
    let separator = if text.contains('/') { '/' } else { '-' };
    let mut parts = text.split(separator);
    let mut next = |digits: std::ops::RangeInclusive<usize>| {
        let part = parts.next()?;
        let is_number = part.bytes().all(|b| b.is_ascii_digit()) && digits.contains(&part.len());
        is_number.then(|| part.parse::<i16>().ok()).flatten()
    };
    let (year, month, day) = (next(4..=4)?, next(1..=2)?, next(1..=2)?);
    if parts.next().is_some() {
        return None;
    }
    Date::new(year, i8::try_from(month).ok()?, i8::try_from(day).ok()?).ok()
}

/// An instant, or the start of a day in the product's zone.
fn instant(text: &str, policy: &Policy) -> Result<Timestamp, String> {
    if let Some(date) = date(text) {
        let start = date.to_zoned_datetime(policy.time_zone.tz().clone());
        return start
            .map(|start| start.timestamp())
            .map_err(|error| error.to_string());
    }
    text.parse().map_err(|_| {
        "expected a date such as 2026-11-30, or an instant with offset such as \
         2026-11-30T09:00:00+09:00"
            .to_owned()
    })
}

/// The header of an export.
pub(super) fn header() -> Vec<&'static str> {
    let all = REQUIRED.into_iter().chain(OPTIONAL);
    // A serial is not known, and a note is the reader's own.
    all.filter(|column| !["serial", "note"].contains(column))
        .collect()
}

/// A contract as a row, in the order of the header; `None` if another of its items stands for it.
pub(super) fn row(license: &License) -> Option<Vec<String>> {
    let record = ContractRow::of(license)?;
    let local = |at: Timestamp| calendar::rfc3339(at, &license.policy);
    let names = |cell: Cell<Vec<Domain>>| match cell {
        Cell::Unstated => String::new(),
        Cell::Stated(domains) => {
            let domains: Vec<&str> = domains.iter().map(Domain::as_str).collect();
            domains.join(" ")
        }
    };
    let quotas = license.quotas.iter();
    let quotas: Vec<String> = quotas
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let optional = |value: Option<String>| value.unwrap_or_default();
    let is_paid = license.kind == LicenseKind::Paid;
    header()
        .into_iter()
        .map(|column| {
            Some(match column {
                "domain" => record.domain.to_string(),
                "product" => record.product.to_string(),
                "kind" => text(&record.kind),
                "users" => record.users.to_string(),
                "usable_from" => local(record.usable_from),
                "billing" => optional(record.billing.as_ref().map(text)),
                "customer_id" => optional(license.customer.as_ref().map(ToString::to_string)),
                "edition" => license.edition.clone(),
                "quotas" => quotas.join(" "),
                "next_billing" => optional(license.next_billing.as_ref().map(text)),
                "first_term_on" => optional(license.first_term_on.map(|day| day.to_string())),
                "term_starts_on" if is_paid => license.term.starts_on.to_string(),
                "term_starts_on" => String::new(),
                "ends_on" => optional(license.ends_on.map(|day| day.to_string())),
                "suspended_from" => optional(license.suspended_from.map(local)),
                "other_domains" => names(record.other_domains.clone()),
                "development_domains" => names(record.development_domains.clone()),
                "serial_sha256" => text(&license.serial_sha256),
                _ => return None,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_as_spreadsheets_write_them() {
        let day = Some("2026-01-05".parse().unwrap());
        for text in ["2026-01-05", "2026/01/05", "2026/1/5", "2026-1-5"] {
            assert_eq!(date(text), day, "{text}");
        }
        for text in [
            "",
            "2026",
            "2026/13/1",
            "2026/1",
            "26/1/5",
            "2026/1/5/1",
            "5.1.2026",
            "2026-1-+5",
        ] {
            assert_eq!(date(text), None, "{text}");
        }
    }
}

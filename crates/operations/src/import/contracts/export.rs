//! Contracts as rows of an export.

use jiff::Timestamp;
use tegata_common::calendar;
use tegata_common::domain::Domain;
use tegata_common::license::{Cell, ContractRow, License, LicenseKind};

use super::{OPTIONAL, REQUIRED};
use crate::import::customers::serialized;

/// The header of an export.
pub(crate) fn header() -> Vec<&'static str> {
    let all = REQUIRED.into_iter().chain(OPTIONAL);
    // Serials are stored as hashes only, and notes are not stored.
    all.filter(|column| !["serial", "note"].contains(column))
        .collect()
}

/// The row of a contract, in the order of the header. `None` if another item of the contract has
/// the row.
pub(crate) fn row(license: &License) -> Option<Vec<String>> {
    let record = ContractRow::of(license)?;
    let local = |at: Timestamp| calendar::rfc3339(at, &license.policy);
    let names = |cell: Cell<Vec<Domain>>| match cell {
        Cell::Missing => String::new(),
        Cell::Value(domains) => {
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
                "kind" => serialized(&record.kind),
                "users" => record.users.to_string(),
                "usable_from" => local(record.usable_from),
                "billing" => optional(record.billing.as_ref().map(serialized)),
                "customer_id" => optional(license.customer.as_ref().map(ToString::to_string)),
                "edition" => license.edition.clone(),
                "quotas" => quotas.join(" "),
                "next_billing" => optional(license.next_billing.as_ref().map(serialized)),
                "first_term_on" => optional(license.first_term_on.map(|day| day.to_string())),
                "term_starts_on" if is_paid => license.term.starts_on.to_string(),
                "term_starts_on" => String::new(),
                "ends_on" => optional(license.ends_on.map(|day| day.to_string())),
                "suspended_from" => optional(license.suspended_from.map(local)),
                "other_domains" => names(record.other_domains.clone()),
                "development_domains" => names(record.development_domains.clone()),
                "serial_sha256" => serialized(&license.serial_sha256),
                _ => return None,
            })
        })
        .collect()
}

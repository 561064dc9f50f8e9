//! Contracts as rows of an export.

use jiff::Timestamp;
use tegata_common::calendar;
use tegata_common::domain::Domain;
use tegata_common::license::{Cell, ContractRow, License, LicenseKind};

use super::{OPTIONAL, REQUIRED};
use crate::import::customers::text;

/// The header of an export.
pub(crate) fn header() -> Vec<&'static str> {
    let all = REQUIRED.into_iter().chain(OPTIONAL);
    // A serial is not known, and a note is the reader's own.
    all.filter(|column| !["serial", "note"].contains(column))
        .collect()
}

/// A contract as a row, in the order of the header; `None` if another of its items stands for it.
pub(crate) fn row(license: &License) -> Option<Vec<String>> {
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

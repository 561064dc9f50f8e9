//! Contracts that end soon: trials and cancelled contracts.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use tegata_common::calendar;
use tegata_common::customer::CustomerId;
use tegata_common::domain::Domain;
use tegata_common::license::{Code, License, LicenseKind};
use tegata_common::product::ProductSlug;
use tegata_storage::licenses::{FoundLicenses, Licenses};

use crate::{Error, Found};

/// A contract that ends soon.
#[derive(Debug, Serialize)]
pub struct EndingLicense {
    /// The tenant.
    pub domain: Domain,
    pub product: ProductSlug,
    /// The customer, if the contract has one.
    pub customer: Option<CustomerId>,
    /// Trial or paid (a cancelled contract).
    pub kind: LicenseKind,
    /// The last day.
    pub ends_on: Option<Date>,
    /// The instant at which `VALID` ends, RFC 3339 in the product's time zone.
    pub valid_until: String,
    /// The number of days from today to the last day.
    pub days_left: i32,
}

/// Lists the contracts that end within a number of days, earliest first.
pub async fn expiring(
    licenses: &Licenses,
    within_days: u16,
    product: Option<&ProductSlug>,
    now: Timestamp,
) -> Result<Found<EndingLicense>, Error> {
    let FoundLicenses {
        licenses,
        unreadable,
    } = licenses.all().await?;
    let current = licenses
        .iter()
        .filter_map(|stored| stored.value.license.as_of(now).ok());
    let mut ending: Vec<License> = current
        .filter(|license| ends_within(license, now, within_days))
        .filter(|license| product.is_none_or(|product| *product == license.product))
        .collect();
    ending.sort_by_key(|license| license.valid_until);
    let items = ending.into_iter().map(|license| EndingLicense {
        days_left: days_left(&license, now),
        valid_until: calendar::rfc3339(license.valid_until, &license.policy),
        domain: license.domain,
        product: license.product,
        customer: license.customer,
        kind: license.kind,
        ends_on: license.ends_on,
    });
    Ok(Found {
        items: items.collect(),
        unreadable,
    })
}

/// Whether a contract ends within a number of days. False for the item of a domain that the
/// contract is leaving: only the domain ends, not the contract.
fn ends_within(license: &License, now: Timestamp, days: u16) -> bool {
    let stays = license
        .own_domain()
        .is_some_and(|name| name.until.is_none());
    let is_running = matches!(
        license.code_at(now),
        Code::Valid | Code::NotStarted | Code::Suspended
    );
    stays
        && is_running
        && license.ends_on.is_some()
        && now < license.valid_until
        && days_left(license, now) <= i32::from(days)
}

/// The number of days from today to the last day.
fn days_left(license: &License, now: Timestamp) -> i32 {
    let today = calendar::date_of(now, &license.policy);
    let last_day = license.ends_on.unwrap_or(license.term.ends_on);
    let days = today.until(last_day).map_or(0, |span| span.get_days());
    days.max(0) // -1 on the day after the last day, up to the cut-off time
}

//! Contracts that end soon: of trials and cancelled ones, before somebody is surprised.

use clap::Args;
use jiff::Timestamp;
use serde_json::json;
use tegata_common::calendar;
use tegata_common::license::{Code, License, LicenseKind};
use tegata_common::product::ProductSlug;
use tegata_storage::licenses::FoundLicenses;

use super::complain;
use crate::output::{self, Output};
use crate::target::Target;
use crate::when;

#[derive(Args)]
pub(crate) struct Expiring {
    /// How far to look ahead, in days: 45d.
    #[arg(long, value_name = "DAYS", default_value = "45d", value_parser = when::days)]
    within: u16,
    /// Only this product's.
    #[arg(long)]
    product: Option<ProductSlug>,
}

pub(super) async fn expiring(
    target: &Target,
    output: Output,
    args: Expiring,
) -> anyhow::Result<()> {
    let now = target.now;
    let FoundLicenses {
        licenses,
        unreadable,
    } = target.licenses.all().await?;
    let current = licenses
        .iter()
        .filter_map(|stored| stored.value.license.as_of(now).ok());
    let mut ending: Vec<License> = current
        .filter(|license| ends_within(license, now, args.within))
        .filter(|license| args.product.as_ref().is_none_or(|p| *p == license.product))
        .collect();
    ending.sort_by_key(|license| license.valid_until);
    if output == Output::Json {
        let documents: Vec<_> = ending
            .iter()
            .map(|license| {
                json!({
                    "domain": license.domain,
                    "product": license.product,
                    "customer": license.customer,
                    "kind": license.kind,
                    "ends_on": license.ends_on,
                    "valid_until": calendar::rfc3339(license.valid_until, &license.policy),
                    "days_left": days_left(license, now),
                })
            })
            .collect();
        output::json(&documents)?;
        return complain(&unreadable);
    }
    let rows = ending.iter().map(|license| {
        vec![
            license.domain.to_string(),
            license.product.to_string(),
            license
                .customer
                .as_ref()
                .map_or_else(String::new, ToString::to_string),
            match license.kind {
                LicenseKind::Trial => "trial".to_owned(),
                LicenseKind::Paid => "cancelled".to_owned(),
            },
            license
                .ends_on
                .map_or_else(String::new, |day| day.to_string()),
            days_left(license, now).to_string(),
        ]
    });
    let header = [
        "domain",
        "product",
        "customer",
        "kind",
        "ends on",
        "days left",
    ];
    output::table(&header, rows.collect());
    complain(&unreadable)
}

/// Whether a contract's last day is known, and near. Under a domain that it is leaving, it is not
/// the contract that ends.
fn ends_within(license: &License, now: Timestamp, days: u16) -> bool {
    let stays = license.name().is_some_and(|name| name.until.is_none());
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

/// Days up to the last one, today not counted.
fn days_left(license: &License, now: Timestamp) -> i32 {
    let today = calendar::date_of(now, &license.policy);
    let last_day = license.ends_on.unwrap_or(license.term.ends_on);
    let days = today.until(last_day).map_or(0, |span| span.get_days());
    days.max(0) // the morning after it, up to the cut-off
}

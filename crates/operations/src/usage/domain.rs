//! The usage of one tenant over a period.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Serialize;
use tegata_common::domain::Domain;
use tegata_common::product::ProductSlug;

use super::Place;
use crate::{Error, Period};

/// What a tenant asked for on a day, of a product.
#[derive(Debug, Serialize)]
pub struct DomainDay {
    /// The day.
    pub date: Date,
    /// The product.
    pub product: String,
    /// The tenant.
    pub domain: String,
    /// Requests.
    pub requests: u64,
    /// Requests by the code of the answer.
    pub codes: BTreeMap<String, u64>,
    /// Requests by the version of the plug-in.
    pub versions: BTreeMap<String, u64>,
    /// Requests in the domain's name that need not be the domain's.
    pub unconfirmed: UnconfirmedRequests,
    /// Requests that were refused.
    pub refused: u64,
    /// Requests that failed.
    pub errors: u64,
    /// Files of the CDN.
    pub files: u64,
    /// Files that were not answered.
    pub file_errors: u64,
    /// Files by version.
    pub file_versions: BTreeMap<String, u64>,
    /// The median of the latency.
    pub p50_ms: Option<u32>,
    /// The 99th percentile of the latency.
    pub p99_ms: Option<u32>,
    /// The first request.
    pub first_seen: String,
    /// The last request.
    pub last_seen: String,
}

/// Requests in a domain's name that neither came from kintone's addresses nor carried the serial.
#[derive(Debug, Serialize)]
pub struct UnconfirmedRequests {
    /// Requests.
    pub requests: u64,
    /// Requests by the code of the answer.
    pub codes: BTreeMap<String, u64>,
}

/// Shows what one tenant asked for, by day and product.
pub async fn of_domain(
    place: &Place<'_>,
    domain: &Domain,
    product: Option<&ProductSlug>,
    period: Period,
) -> Result<Vec<DomainDay>, Error> {
    let days = place.usage.days().await?.into_iter();
    let wanted: Vec<_> = days
        .filter(|day| (period.from..=period.to).contains(&day.date))
        .flat_map(|day| {
            let products = day.products.into_iter();
            products.map(move |product| (product, day.date))
        })
        .filter(|(of, _)| product.is_none_or(|product| product.as_str() == of))
        .collect();
    let rows = place.usage.rows_of_domain(domain.as_str(), &wanted);
    let mut rows = rows.await?;
    rows.sort_by(|a, b| (a.date, &a.product).cmp(&(b.date, &b.product)));
    let days = rows.into_iter().map(|row| {
        let counts = row.counts;
        DomainDay {
            date: row.date,
            product: row.product,
            domain: row.domain,
            requests: counts.requests,
            unconfirmed: UnconfirmedRequests {
                requests: counts.unconfirmed.requests,
                codes: counts.unconfirmed.codes,
            },
            refused: counts.refused,
            errors: counts.errors,
            files: counts.files,
            file_errors: counts.file_errors,
            p50_ms: counts.latencies.percentile(50),
            p99_ms: counts.latencies.percentile(99),
            first_seen: place.local_time(counts.first_seen),
            last_seen: place.local_time(counts.last_seen),
            codes: counts.codes,
            versions: counts.versions,
            file_versions: counts.file_versions,
        }
    });
    Ok(days.collect())
}

//! The usage of one tenant in a period.

use std::collections::BTreeMap;

use jiff::civil::Date;
use serde::Serialize;
use tegata_common::domain::Domain;
use tegata_common::product::ProductSlug;

use super::Place;
use crate::{Error, Period};

/// The usage of one product by one tenant on one day.
#[derive(Debug, Serialize)]
pub struct DomainDay {
    /// The day.
    pub date: Date,
    pub product: String,
    /// The tenant.
    pub domain: String,
    /// The number of requests.
    pub requests: u64,
    /// Requests by the code of the answer.
    pub codes: BTreeMap<String, u64>,
    /// Requests by the version of the plug-in.
    pub versions: BTreeMap<String, u64>,
    /// Unconfirmed requests, which are not part of the other figures.
    pub unconfirmed: UnconfirmedRequests,
    /// Rejected requests.
    pub refused: u64,
    /// Requests answered with a server error (5xx).
    pub errors: u64,
    /// Plug-in files served by the CDN.
    pub files: u64,
    /// Requests to the CDN for which no file was served.
    pub file_errors: u64,
    /// Files by the version of the plug-in.
    pub file_versions: BTreeMap<String, u64>,
    /// The median latency in milliseconds.
    pub p50_ms: Option<u32>,
    /// The 99th percentile of the latency in milliseconds.
    pub p99_ms: Option<u32>,
    /// The first access, RFC 3339.
    pub first_seen: String,
    /// The last access, RFC 3339.
    pub last_seen: String,
}

/// Requests that neither came from kintone's addresses nor had the correct serial. Anybody can
/// forge them.
#[derive(Debug, Serialize)]
pub struct UnconfirmedRequests {
    /// The number of requests.
    pub requests: u64,
    /// Requests by the code of the answer.
    pub codes: BTreeMap<String, u64>,
}

/// Shows the usage of one tenant by day and product.
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

//! The usage of one product in a period.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use tegata_common::customer::Language;
use tegata_common::product::{Product, ProductSlug};
use tegata_common::usage::{Counts, DomainUsage, OTHERS, UNKNOWN, Unconfirmed};
use tegata_storage::licenses::Licenses;
use tegata_storage::usage::{DayState, UsageTable};
use tegata_storage::{Key, Versioned};

use super::{Place, by_number};
use crate::{Error, Period};

/// The number of days that are read concurrently.
const AT_A_TIME: usize = 8;

/// The maximum numbers of versions and domains in a report.
const MAX_VERSIONS: usize = 15;
const MAX_DOMAINS: usize = 20;
const MAX_UNLICENSED_DOMAINS: usize = 50;

/// The usage of a product in a period.
#[derive(Debug, Serialize)]
pub struct UsageReport {
    pub product: ProductName,
    /// The first day.
    pub from: Date,
    /// The last day.
    pub to: Date,
    /// When the report was made, RFC 3339.
    pub generated_at: String,
    /// The IANA name of the time zone of the days.
    pub time_zone: String,
    /// Figures of the whole period.
    pub totals: Totals,
    /// Figures by day.
    pub days: Vec<DayUsage>,
    /// Requests by the code of the answer, the most frequent first.
    pub codes: Vec<CodeUsage>,
    /// Requests by the version of the plug-in, the most frequent first.
    pub versions: Vec<VersionUsage>,
    /// The domains with the most requests, at most 20.
    pub domains: Vec<TenantUsage>,
    /// Domains that send requests without having a licence, at most 50.
    pub without_license: Vec<UnlicensedDomain>,
    /// Unconfirmed requests, which are not part of the other figures.
    pub unconfirmed: Vec<UnconfirmedUsage>,
    /// Requests that the gateway answered without calling the function.
    pub gateway: GatewayUsage,
    /// Days whose usage does not include the latest records.
    pub waiting: Vec<Date>,
}

/// A product by its slug and name.
#[derive(Debug, Serialize)]
pub struct ProductName {
    pub slug: String,
    /// The name in the catalogue, or the slug if the catalogue does not have the product.
    pub name: String,
}

/// Figures of a period.
#[derive(Debug, Serialize)]
pub struct Totals {
    /// The number of requests.
    pub requests: u64,
    /// Unconfirmed requests, which are not part of the other figures.
    pub unconfirmed: u64,
    /// Domains with a licence.
    pub active_domains: usize,
    /// Rejected requests.
    pub refused: u64,
    /// Requests answered with a server error (5xx).
    pub errors: u64,
    /// Plug-in files served by the CDN.
    pub files: u64,
    /// The median latency in milliseconds.
    pub p50_ms: Option<u32>,
    /// The 99th percentile of the latency in milliseconds.
    pub p99_ms: Option<u32>,
    /// Domains without a licence.
    pub without_license: usize,
}

/// Figures of a day.
#[derive(Debug, Serialize)]
pub struct DayUsage {
    /// The day.
    pub date: Date,
    /// The number of requests.
    pub requests: u64,
    /// Unconfirmed requests, which are not part of the other figures.
    pub unconfirmed: u64,
    /// Requests for which a licence was found.
    pub licensed: u64,
    /// Requests answered `NOT_FOUND`.
    pub not_found: u64,
    /// Rejected requests.
    pub refused: u64,
    /// Requests answered with a server error (5xx).
    pub errors: u64,
    /// Domains with a licence.
    pub active_domains: usize,
    /// Plug-in files served by the CDN.
    pub files: u64,
    /// The median latency in milliseconds.
    pub p50_ms: Option<u32>,
    /// The 99th percentile of the latency in milliseconds.
    pub p99_ms: Option<u32>,
    /// Whether the day has usage.
    pub is_counted: bool,
}

/// The usage of one code.
#[derive(Debug, Serialize)]
pub struct CodeUsage {
    pub code: String,
    /// The number of requests.
    pub requests: u64,
    /// The share of all requests, from 0 to 1.
    pub share: f64,
}

/// The usage of one version.
#[derive(Debug, Serialize)]
pub struct VersionUsage {
    pub version: String,
    /// The number of requests.
    pub requests: u64,
    /// The share of all requests, from 0 to 1.
    pub share: f64,
    /// The number of domains that used the version.
    pub domains: usize,
}

/// The usage of one domain.
#[derive(Debug, Serialize)]
pub struct TenantUsage {
    /// The tenant.
    pub domain: String,
    /// The number of requests.
    pub requests: u64,
    /// The last request.
    pub last_seen: String,
    /// The versions it used, the most frequent first.
    pub versions: Vec<String>,
    /// The codes it got, the most frequent first.
    pub codes: Vec<String>,
}

/// A domain that sends requests without having a licence.
#[derive(Debug, Serialize)]
pub struct UnlicensedDomain {
    /// The tenant.
    pub domain: String,
    /// The number of requests.
    pub requests: u64,
    /// The first request.
    pub first_seen: String,
    /// The last request.
    pub last_seen: String,
}

/// Unconfirmed requests for a domain: they neither came from kintone's addresses nor had the
/// correct serial.
#[derive(Debug, Serialize)]
pub struct UnconfirmedUsage {
    /// The tenant.
    pub domain: String,
    /// The number of requests.
    pub requests: u64,
    /// The codes it got, the most frequent first.
    pub codes: Vec<String>,
    /// The last request.
    pub last_seen: String,
}

/// Requests that the gateway answered without calling the function. For all products together,
/// because the gateway's log does not contain the product.
#[derive(Debug, Serialize)]
pub struct GatewayUsage {
    /// The number of requests.
    pub requests: u64,
    /// The codes it got, the most frequent first.
    pub codes: BTreeMap<String, u64>,
}

/// The usage of one day.
struct UsageDay {
    date: Date,
    is_counted: bool,
    is_waiting: bool,
    rows: Vec<DomainUsage>,
    of_no_product: Counts,
}

/// Reports the usage of a product.
pub async fn report(
    licenses: &Licenses,
    place: &Place<'_>,
    slug: &ProductSlug,
    period: Period,
    language: Language,
) -> Result<UsageReport, Error> {
    let product = named(licenses, place.usage, slug, language).await?;
    let days = read(place.usage, slug, period).await?;
    Ok(UsageReport::of(place, product, period, &days))
}

/// The product's name in the catalogue. The catalogue may no longer have a product that has usage.
async fn named(
    licenses: &Licenses,
    usage: &UsageTable,
    slug: &ProductSlug,
    language: Language,
) -> Result<ProductName, Error> {
    let product: Option<Versioned<Product>> = licenses.table().get(&Key::product(slug)).await?;
    if product.is_none() {
        let days = usage.days().await?;
        if !days.iter().any(|day| day.products.contains(slug.as_str())) {
            return Err(Error::NoUsage(slug.clone()));
        }
    }
    let name = product.map(|stored| match language {
        Language::Ja => stored.value.name.ja,
        Language::En => stored.value.name.en,
    });
    Ok(ProductName {
        slug: slug.to_string(),
        name: name.unwrap_or_else(|| slug.to_string()),
    })
}

async fn read(
    usage: &UsageTable,
    product: &ProductSlug,
    period: Period,
) -> Result<Vec<UsageDay>, Error> {
    let days = usage.days().await?.into_iter();
    let known: BTreeMap<Date, DayState> = days.map(|day| (day.date, day)).collect();
    let days = stream::iter(period.days()).map(|date| {
        let state = known.get(&date);
        let is_counted = state.is_some_and(|day| day.rolled_up_at.is_some());
        let is_waiting = state.is_some_and(DayState::is_waiting);
        async move {
            let mut of_no_product = Counts::default();
            let mut rows = Vec::new();
            if is_counted {
                rows = usage.rows(product.as_str(), date).await?;
                for row in usage.rows(UNKNOWN, date).await? {
                    of_no_product.add(&row.counts);
                }
            }
            Ok::<_, Error>(UsageDay {
                date,
                is_counted,
                is_waiting,
                rows,
                of_no_product,
            })
        }
    });
    days.buffered(AT_A_TIME).try_collect().await
}

/// Sums over a period: of all tenants, of each tenant, and of requests without a product.
#[derive(Default)]
struct Sums<'a> {
    all: Counts,
    tenants: BTreeMap<&'a str, Counts>,
    gateway: Counts,
}

impl<'a> Sums<'a> {
    fn of(days: &'a [UsageDay]) -> Self {
        let mut sums = Self::default();
        for day in days {
            sums.gateway.add(&day.of_no_product);
            for row in &day.rows {
                sums.all.add(&row.counts);
                let tenant = sums.tenants.entry(&row.domain).or_default();
                tenant.add(&row.counts);
            }
        }
        sums
    }

    /// Domains that send requests without having a licence.
    fn unlicensed(&self) -> impl Iterator<Item = (&str, &Counts)> + Clone {
        let tenants = self.tenants.iter();
        tenants
            .filter(|(_, counts)| counts.not_found() > 0 && counts.licensed() == 0)
            .map(|(domain, counts)| (*domain, counts))
    }

    fn totals(&self) -> Totals {
        let all = &self.all;
        let active = self.tenants.values().filter(|of| of.licensed() > 0);
        let unlicensed = self.unlicensed().filter(|(domain, _)| is_tenant(domain));
        Totals {
            requests: all.requests,
            unconfirmed: all.unconfirmed.requests,
            active_domains: active.count(),
            refused: all.refused,
            errors: all.errors,
            files: all.files,
            p50_ms: all.latencies.percentile(50),
            p99_ms: all.latencies.percentile(99),
            without_license: unlicensed.count(),
        }
    }

    fn codes(&self) -> Vec<CodeUsage> {
        let codes = by_number(&self.all.codes).into_iter();
        let codes = codes.map(|(code, requests)| CodeUsage {
            code: code.to_owned(),
            requests,
            share: share(requests, self.all.requests),
        });
        codes.collect()
    }

    fn versions(&self) -> Vec<VersionUsage> {
        let versions = by_number(&self.all.versions).into_iter();
        let versions = versions.take(MAX_VERSIONS);
        let versions = versions.map(|(version, requests)| {
            let tenants = self.tenants.values();
            let users = tenants.filter(|counts| counts.versions.contains_key(version));
            VersionUsage {
                version: version.to_owned(),
                requests,
                share: share(requests, self.all.requests),
                domains: users.count(),
            }
        });
        versions.collect()
    }
}

/// Whether a row is that of a single known domain.
fn is_tenant(domain: &str) -> bool {
    domain != UNKNOWN && domain != OTHERS
}

impl UsageReport {
    fn of(place: &Place<'_>, product: ProductName, period: Period, days: &[UsageDay]) -> Self {
        let sums = Sums::of(days);
        let tenants = sums
            .tenants
            .iter()
            .map(|(domain, counts)| (*domain, counts));
        let instant = |at: Timestamp| place.local_time(at);
        let domains = busiest(tenants)
            .into_iter()
            .filter(|(domain, _)| is_tenant(domain))
            .take(MAX_DOMAINS)
            .map(|(domain, counts)| TenantUsage {
                domain: domain.to_owned(),
                requests: counts.requests,
                last_seen: instant(counts.last_seen),
                versions: names(by_number(&counts.versions)),
                codes: names(by_number(&counts.codes)),
            });
        let without_license = busiest(sums.unlicensed())
            .into_iter()
            .take(MAX_UNLICENSED_DOMAINS)
            .map(|(domain, counts)| UnlicensedDomain {
                domain: domain.to_owned(),
                requests: counts.not_found(),
                first_seen: instant(counts.first_seen),
                last_seen: instant(counts.last_seen),
            });
        let unconfirmed = most_unconfirmed(&sums.tenants)
            .into_iter()
            .take(MAX_DOMAINS)
            .map(|(domain, unconfirmed)| UnconfirmedUsage {
                domain: domain.to_owned(),
                requests: unconfirmed.requests,
                codes: names(by_number(&unconfirmed.codes)),
                last_seen: instant(unconfirmed.last_seen),
            });
        let waiting = days.iter().filter(|day| day.is_waiting);
        Self {
            product,
            from: period.from,
            to: period.to,
            generated_at: instant(place.now),
            time_zone: place.zone.iana_name().unwrap_or("UTC").to_owned(),
            totals: sums.totals(),
            days: days.iter().map(DayUsage::of).collect(),
            codes: sums.codes(),
            versions: sums.versions(),
            domains: domains.collect(),
            without_license: without_license.collect(),
            unconfirmed: unconfirmed.collect(),
            gateway: GatewayUsage::of(sums.gateway.clone()),
            waiting: waiting.map(|day| day.date).collect(),
        }
    }
}

impl GatewayUsage {
    /// The requests without a product that did not reach the function.
    fn of(of_no_product: Counts) -> Self {
        let own = [
            "THROTTLED",
            "NO_ROUTE",
            "REFUSED_BY_GATEWAY",
            "GATEWAY_ERROR",
        ];
        let mut codes = of_no_product.codes;
        codes.retain(|code, _| own.contains(&code.as_str()));
        Self {
            requests: codes.values().sum(),
            codes,
        }
    }
}

impl DayUsage {
    fn of(day: &UsageDay) -> Self {
        let mut all = Counts::default();
        for row in &day.rows {
            all.add(&row.counts);
        }
        let active = day.rows.iter().filter(|row| row.counts.licensed() > 0);
        Self {
            date: day.date,
            requests: all.requests,
            unconfirmed: all.unconfirmed.requests,
            licensed: all.licensed(),
            not_found: all.not_found(),
            refused: all.refused,
            errors: all.errors,
            active_domains: active.count(),
            files: all.files,
            p50_ms: all.latencies.percentile(50),
            p99_ms: all.latencies.percentile(99),
            is_counted: day.is_counted,
        }
    }
}

fn busiest<'a>(tenants: impl Iterator<Item = (&'a str, &'a Counts)>) -> Vec<(&'a str, &'a Counts)> {
    let mut tenants: Vec<_> = tenants.filter(|(_, counts)| counts.requests > 0).collect();
    tenants.sort_by(|a, b| b.1.requests.cmp(&a.1.requests).then(a.0.cmp(b.0)));
    tenants
}

fn most_unconfirmed<'a>(tenants: &'a BTreeMap<&str, Counts>) -> Vec<(&'a str, &'a Unconfirmed)> {
    let unconfirmed = tenants
        .iter()
        .map(|(domain, counts)| (*domain, &counts.unconfirmed))
        .filter(|(_, unconfirmed)| !unconfirmed.is_empty());
    let mut sorted: Vec<_> = unconfirmed.collect();
    sorted.sort_by(|a, b| b.1.requests.cmp(&a.1.requests).then(a.0.cmp(b.0)));
    sorted
}

fn names(numbers: Vec<(&str, u64)>) -> Vec<String> {
    numbers
        .into_iter()
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// A share of a total, from 0 to 1.
#[allow(clippy::cast_precision_loss)] // Exact up to 2^53 requests.
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    part as f64 / whole as f64
}

//! The usage of one product over a period: a table, JSON, or a page.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Context as _;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::civil::Date;
use serde::Serialize;
use tegata_common::product::{Product, ProductSlug};
use tegata_common::usage::{Counts, DomainUsage, OTHERS, UNKNOWN, Unconfirmed};
use tegata_storage::usage::DayState;
use tegata_storage::{Key, Versioned};

use super::{by_number, html, in_words};
use crate::failure::NotFound;
use crate::output::{self, Output, say};
use crate::period::{Period, PeriodArgs};
use crate::target::Target;

/// Days that are read at a time.
const AT_A_TIME: usize = 8;

/// How many versions, tenants and strangers a report names.
const MOST_VERSIONS: usize = 15;
const MOST_DOMAINS: usize = 20;
const MOST_STRANGERS: usize = 50;

/// Report how a product was used: requests, active domains, versions, codes, strangers.
///
/// Usage is derived from the archive of access records, every hour. With --html, a page for
/// reading, mailing and printing is written, which needs nothing but itself.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The product.
    #[arg(long)]
    product: ProductSlug,
    #[command(flatten)]
    period: PeriodArgs,
    /// Write a page with charts into this file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// The language of the page.
    #[arg(long, value_enum, default_value_t)]
    language: html::PageLanguage,
}

/// What a report says. The page is made from it, and `--output json` prints it.
#[derive(Debug, Serialize)]
pub(super) struct UsageReport {
    pub(super) product: Named,
    from: Date,
    to: Date,
    generated_at: String,
    time_zone: String,
    totals: Totals,
    days: Vec<Day>,
    codes: Vec<Code>,
    versions: Vec<Version>,
    domains: Vec<Tenant>,
    without_license: Vec<Stranger>,
    unconfirmed: Vec<Claimed>,
    gateway: Gateway,
    /// Days with records that are not in the usage yet.
    waiting: Vec<Date>,
}

#[derive(Debug, Serialize)]
pub(super) struct Named {
    pub(super) slug: String,
    pub(super) name: String,
}

#[derive(Debug, Serialize)]
struct Totals {
    requests: u64,
    /// Requests in a domain's name that need not be the domain's: in no other figure.
    unconfirmed: u64,
    active_domains: usize,
    refused: u64,
    errors: u64,
    files: u64,
    p50_ms: Option<u32>,
    p99_ms: Option<u32>,
    /// Domains.
    without_license: usize,
}

#[derive(Debug, Serialize)]
struct Day {
    date: Date,
    requests: u64,
    unconfirmed: u64,
    licensed: u64,
    not_found: u64,
    refused: u64,
    errors: u64,
    active_domains: usize,
    files: u64,
    p50_ms: Option<u32>,
    p99_ms: Option<u32>,
    /// Whether anything is known of the day.
    is_counted: bool,
}

#[derive(Debug, Serialize)]
struct Code {
    code: String,
    requests: u64,
    share: f64,
}

#[derive(Debug, Serialize)]
struct Version {
    version: String,
    requests: u64,
    share: f64,
    domains: usize,
}

#[derive(Debug, Serialize)]
struct Tenant {
    domain: String,
    requests: u64,
    last_seen: String,
    versions: Vec<String>,
    codes: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Stranger {
    domain: String,
    requests: u64,
    first_seen: String,
    last_seen: String,
}

/// Requests in a domain's name that neither came from kintone's addresses nor carried the serial.
#[derive(Debug, Serialize)]
struct Claimed {
    domain: String,
    requests: u64,
    codes: Vec<String>,
    last_seen: String,
}

/// What the gateway answered by itself, for all products together: which one was asked for, its
/// log does not tell.
#[derive(Debug, Serialize)]
struct Gateway {
    requests: u64,
    codes: BTreeMap<String, u64>,
}

/// What is known of a day.
struct Read {
    date: Date,
    is_counted: bool,
    is_waiting: bool,
    rows: Vec<DomainUsage>,
    of_no_product: Counts,
}

pub(super) async fn run(target: &Target, output: Output, args: Args) -> anyhow::Result<()> {
    let period = args.period.period(target)?;
    let product = name(target, &args.product, args.language).await?;
    let days = read(target, &args.product, period).await?;
    let report = UsageReport::of(target, product, period, &days);
    if let Some(file) = &args.html {
        let page = html::page(&report, args.language)?;
        std::fs::write(file, page).with_context(|| format!("cannot write {}", file.display()))?;
    }
    match (output, args.html) {
        (Output::Json, _) => output::json(&report),
        (Output::Text, Some(file)) => {
            say!("written: {}", file.display());
            Ok(())
        }
        (Output::Text, None) => {
            report.print();
            Ok(())
        }
    }
}

/// The product's name in the catalogue. Usage outlives a product, so it need not be there.
async fn name(
    target: &Target,
    slug: &ProductSlug,
    language: html::PageLanguage,
) -> anyhow::Result<Named> {
    let product: Option<Versioned<Product>> =
        target.licenses()?.table().get(&Key::product(slug)).await?;
    if product.is_none() {
        let days = target.usage()?.days().await?;
        if !days.iter().any(|day| day.products.contains(slug.as_str())) {
            let problem = format!(
                "there is no product {slug}, and no usage of one; see `tegata product list`"
            );
            return Err(NotFound(problem).into());
        }
    }
    let name = product.map(|stored| language.of(&stored.value.name).to_owned());
    Ok(Named {
        slug: slug.to_string(),
        name: name.unwrap_or_else(|| slug.to_string()),
    })
}

async fn read(target: &Target, product: &ProductSlug, period: Period) -> anyhow::Result<Vec<Read>> {
    let days = target.usage()?.days().await?.into_iter();
    let known: BTreeMap<Date, DayState> = days.map(|day| (day.date, day)).collect();
    let days = stream::iter(period.days()).map(|date| {
        let state = known.get(&date);
        let is_counted = state.is_some_and(|day| day.rolled_up_at.is_some());
        let is_waiting = state.is_some_and(DayState::is_waiting);
        async move {
            let mut of_no_product = Counts::default();
            let mut rows = Vec::new();
            if is_counted {
                rows = target.usage()?.rows(product.as_str(), date).await?;
                for row in target.usage()?.rows(UNKNOWN, date).await? {
                    of_no_product.add(&row.counts);
                }
            }
            anyhow::Ok(Read {
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

impl UsageReport {
    fn of(target: &Target, product: Named, period: Period, days: &[Read]) -> Self {
        let mut all = Counts::default();
        let mut tenants: BTreeMap<&str, Counts> = BTreeMap::new();
        let mut gateway = Counts::default();
        for day in days {
            gateway.add(&day.of_no_product);
            for row in &day.rows {
                all.add(&row.counts);
                tenants.entry(&row.domain).or_default().add(&row.counts);
            }
        }
        let is_tenant = |domain: &str| domain != UNKNOWN && domain != OTHERS;
        let active = tenants.iter().filter(|(_, counts)| counts.licensed() > 0);
        let strangers: Vec<(&str, &Counts)> = tenants
            .iter()
            .filter(|(_, counts)| counts.not_found() > 0 && counts.licensed() == 0)
            .map(|(domain, counts)| (*domain, counts))
            .collect();
        let instant = |at| target.local_time(at);
        Self {
            from: period.from,
            to: period.to,
            generated_at: instant(target.now),
            time_zone: target.zone.iana_name().unwrap_or("UTC").to_owned(),
            totals: Totals {
                requests: all.requests,
                unconfirmed: all.unconfirmed.requests,
                active_domains: active.count(),
                refused: all.refused,
                errors: all.errors,
                files: all.files,
                p50_ms: all.latencies.percentile(50),
                p99_ms: all.latencies.percentile(99),
                without_license: strangers.iter().filter(|(name, _)| is_tenant(name)).count(),
            },
            days: days.iter().map(Day::of).collect(),
            codes: by_number(&all.codes)
                .into_iter()
                .map(|(code, requests)| Code {
                    code: code.to_owned(),
                    requests,
                    share: share(requests, all.requests),
                })
                .collect(),
            versions: by_number(&all.versions)
                .into_iter()
                .take(MOST_VERSIONS)
                .map(|(version, requests)| Version {
                    version: version.to_owned(),
                    requests,
                    share: share(requests, all.requests),
                    domains: tenants
                        .values()
                        .filter(|counts| counts.versions.contains_key(version))
                        .count(),
                })
                .collect(),
            domains: busiest(tenants.iter().map(|(domain, counts)| (*domain, counts)))
                .into_iter()
                .filter(|(domain, _)| is_tenant(domain))
                .take(MOST_DOMAINS)
                .map(|(domain, counts)| Tenant {
                    domain: domain.to_owned(),
                    requests: counts.requests,
                    last_seen: instant(counts.last_seen),
                    versions: names(by_number(&counts.versions)),
                    codes: names(by_number(&counts.codes)),
                })
                .collect(),
            without_license: busiest(strangers.into_iter())
                .into_iter()
                .take(MOST_STRANGERS)
                .map(|(domain, counts)| Stranger {
                    domain: domain.to_owned(),
                    requests: counts.not_found(),
                    first_seen: instant(counts.first_seen),
                    last_seen: instant(counts.last_seen),
                })
                .collect(),
            unconfirmed: most_claimed(&tenants)
                .into_iter()
                .take(MOST_DOMAINS)
                .map(|(domain, unconfirmed)| Claimed {
                    domain: domain.to_owned(),
                    requests: unconfirmed.requests,
                    codes: names(by_number(&unconfirmed.codes)),
                    last_seen: instant(unconfirmed.last_seen),
                })
                .collect(),
            gateway: Gateway::of(gateway),
            waiting: days
                .iter()
                .filter(|day| day.is_waiting)
                .map(|day| day.date)
                .collect(),
            product,
        }
    }

    fn print(&self) {
        let milliseconds = |ms: Option<u32>| ms.map_or_else(|| "-".to_owned(), |ms| ms.to_string());
        let Totals {
            requests,
            active_domains,
            ..
        } = self.totals;
        say!(
            "{}, {} to {} ({}): {requests} requests, {active_domains} active domains\n",
            self.product.slug,
            self.from,
            self.to,
            self.time_zone
        );
        let rows = self.days.iter().map(|day| {
            let mut row = vec![day.date.to_string()];
            if day.is_counted {
                row.extend([
                    day.requests.to_string(),
                    day.active_domains.to_string(),
                    day.licensed.to_string(),
                    day.not_found.to_string(),
                    day.refused.to_string(),
                    day.errors.to_string(),
                    milliseconds(day.p50_ms),
                    milliseconds(day.p99_ms),
                    day.files.to_string(),
                ]);
            } else if self.waiting.contains(&day.date) {
                row.push("not counted yet".to_owned());
            } else {
                row.push("no records".to_owned());
            }
            row
        });
        let header = [
            "date",
            "requests",
            "domains",
            "licensed",
            "not found",
            "refused",
            "errors",
            "p50 ms",
            "p99 ms",
            "files",
        ];
        output::table(&header, rows.collect());
        if !self.waiting.is_empty() {
            let days: Vec<String> = self.waiting.iter().map(Date::to_string).collect();
            say!(
                "\nThe last records of {} are not counted yet.",
                days.join(", ")
            );
        }
        say!("\nCodes:");
        let percent = |share: f64| format!("{:.1} %", share * 100.0);
        let rows = self.codes.iter().map(|code| {
            let Code {
                code,
                requests,
                share,
            } = code;
            vec![code.clone(), requests.to_string(), percent(*share)]
        });
        output::table(&["code", "requests", "share"], rows.collect());
        say!("\nVersions:");
        let rows = self.versions.iter().map(|version| {
            vec![
                version.version.clone(),
                version.requests.to_string(),
                percent(version.share),
                version.domains.to_string(),
            ]
        });
        output::table(&["version", "requests", "share", "domains"], rows.collect());
        say!("\nDomains that ask without a licence:");
        let rows = self.without_license.iter().map(|stranger| {
            vec![
                stranger.domain.clone(),
                stranger.requests.to_string(),
                stranger.last_seen.clone(),
            ]
        });
        output::table(&["domain", "requests", "last seen"], rows.collect());
        if !self.unconfirmed.is_empty() {
            say!(
                "\nIn a domain's name, but neither from kintone's addresses nor with its serial: {}, \
                 in no figure above",
                self.totals.unconfirmed
            );
            let rows = self.unconfirmed.iter().map(|claimed| {
                vec![
                    claimed.domain.clone(),
                    claimed.requests.to_string(),
                    claimed.codes.join(", "),
                    claimed.last_seen.clone(),
                ]
            });
            output::table(
                &["domain", "requests", "codes", "last seen"],
                rows.collect(),
            );
        }
        if self.gateway.requests > 0 {
            say!(
                "\nAnswered by the gateway itself, for all products: {}",
                in_words(by_number(&self.gateway.codes))
            );
        }
    }
}

impl Gateway {
    /// Of what has no product, what the function never saw.
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

impl Day {
    fn of(read: &Read) -> Self {
        let mut all = Counts::default();
        for row in &read.rows {
            all.add(&row.counts);
        }
        let active = read.rows.iter().filter(|row| row.counts.licensed() > 0);
        Self {
            date: read.date,
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
            is_counted: read.is_counted,
        }
    }
}

fn busiest<'a>(tenants: impl Iterator<Item = (&'a str, &'a Counts)>) -> Vec<(&'a str, &'a Counts)> {
    let mut tenants: Vec<_> = tenants.filter(|(_, counts)| counts.requests > 0).collect();
    tenants.sort_by(|a, b| b.1.requests.cmp(&a.1.requests).then(a.0.cmp(b.0)));
    tenants
}

fn most_claimed<'a>(tenants: &'a BTreeMap<&str, Counts>) -> Vec<(&'a str, &'a Unconfirmed)> {
    let claimed = tenants
        .iter()
        .map(|(name, counts)| (*name, &counts.unconfirmed));
    let mut claimed: Vec<_> = claimed.filter(|(_, of_it)| !of_it.is_empty()).collect();
    claimed.sort_by(|a, b| b.1.requests.cmp(&a.1.requests).then(a.0.cmp(b.0)));
    claimed
}

fn names(numbers: Vec<(&str, u64)>) -> Vec<String> {
    numbers
        .into_iter()
        .map(|(name, _)| name.to_owned())
        .collect()
}

/// A part of a whole, from 0 to 1.
#[allow(clippy::cast_precision_loss)] // Exact up to 2^53 requests.
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    part as f64 / whole as f64
}

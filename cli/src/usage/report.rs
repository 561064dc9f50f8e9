//! `tegata usage report`: a table, JSON, or a page.

use std::path::PathBuf;

use anyhow::Context as _;
use jiff::civil::Date;
use tegata_common::product::ProductSlug;
use tegata_operations::usage::{
    self, CodeUsage, DayUsage, UnconfirmedUsage, UnlicensedDomain, UsageReport, VersionUsage,
    by_number,
};

use super::{html, join_counts};
use crate::output::{self, Output, say};
use crate::period::PeriodArgs;
use crate::target::Target;

/// Report the usage of a product: requests, active domains, versions, codes, domains without a
/// licence.
///
/// Usage is calculated every hour from the archive of access records. With --html, writes a
/// self-contained page for reading, mailing and printing.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The product.
    #[arg(long)]
    product: ProductSlug,
    #[command(flatten)]
    period: PeriodArgs,
    /// Write a page with charts to this file.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// The language of the page.
    #[arg(long, value_enum, default_value_t)]
    language: html::PageLanguage,
}

pub(super) async fn run(target: &Target, output: Output, args: Args) -> anyhow::Result<()> {
    let period = args.period.period(target)?;
    let place = target.usage_place()?;
    let language = args.language.into();
    let licenses = target.licenses()?;
    let report = usage::report(licenses, &place, &args.product, period, language).await?;
    if let Some(file) = &args.html {
        let page = html::page(&report, args.language)?;
        std::fs::write(file, page).with_context(|| format!("cannot write {}", file.display()))?;
    }
    match (output, args.html) {
        (Output::Json, _) => output::json(&report)?,
        (Output::Text, Some(file)) => say!("written: {}", file.display()),
        (Output::Text, None) => print(&report),
    }
    Ok(())
}

fn print(report: &UsageReport) {
    say!(
        "{}, {} to {} ({}): {} requests, {} active domains\n",
        report.product.slug,
        report.from,
        report.to,
        report.time_zone,
        report.totals.requests,
        report.totals.active_domains
    );
    print_days(report);
    say!("\nCodes:");
    print_codes(&report.codes);
    say!("\nVersions:");
    print_versions(&report.versions);
    say!("\nDomains without a licence that send requests:");
    print_unlicensed(&report.without_license);
    if !report.unconfirmed.is_empty() {
        say!(
            "\nIn a domain's name, but neither from kintone's addresses nor with its serial: {}, \
             in no figure above",
            report.totals.unconfirmed
        );
        print_unconfirmed(&report.unconfirmed);
    }
    if report.gateway.requests > 0 {
        say!(
            "\nAnswered by the gateway without calling the function, for all products: {}",
            join_counts(by_number(&report.gateway.codes))
        );
    }
}

fn print_days(report: &UsageReport) {
    let rows = report.days.iter().map(|day: &DayUsage| {
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
        } else if report.waiting.contains(&day.date) {
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
    output::table(&header, &["requests"], rows.collect());
    if !report.waiting.is_empty() {
        let days: Vec<String> = report.waiting.iter().map(Date::to_string).collect();
        say!(
            "\nThe last records of {} are not counted yet.",
            days.join(", ")
        );
    }
}

fn milliseconds(ms: Option<u32>) -> String {
    ms.map_or_else(|| "-".to_owned(), |ms| ms.to_string())
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

fn print_codes(codes: &[CodeUsage]) {
    let rows = codes.iter().map(|code| {
        vec![
            code.code.clone(),
            code.requests.to_string(),
            percent(code.share),
        ]
    });
    output::table(&["code", "requests", "share"], &[], rows.collect());
}

fn print_versions(versions: &[VersionUsage]) {
    let rows = versions.iter().map(|version| {
        vec![
            version.version.clone(),
            version.requests.to_string(),
            percent(version.share),
            version.domains.to_string(),
        ]
    });
    output::table(
        &["version", "requests", "share", "domains"],
        &[],
        rows.collect(),
    );
}

fn print_unlicensed(unlicensed: &[UnlicensedDomain]) {
    let rows = unlicensed.iter().map(|domain| {
        vec![
            domain.domain.clone(),
            domain.requests.to_string(),
            domain.last_seen.clone(),
        ]
    });
    output::table(&["domain", "requests", "last seen"], &[], rows.collect());
}

fn print_unconfirmed(claimed: &[UnconfirmedUsage]) {
    let rows = claimed.iter().map(|claimed| {
        vec![
            claimed.domain.clone(),
            claimed.requests.to_string(),
            claimed.codes.join(", "),
            claimed.last_seen.clone(),
        ]
    });
    output::table(
        &["domain", "requests", "codes", "last seen"],
        &[],
        rows.collect(),
    );
}

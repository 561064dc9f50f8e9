//! The records of one tenant, from the archive: what it asked and what it was answered.

use std::collections::BTreeMap;

use anyhow::bail;
use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use serde::Serialize;
use tegata_archive::Listed;
use tegata_common::access::{AccessRecord, Source, Text};
use tegata_common::domain::Domain;
use tegata_common::product::ProductSlug;

use super::{AHEAD, progress};
use crate::output::{self, Output, say};
use crate::period::{Period, PeriodArgs};
use crate::target::Target;

/// Search the archive for the requests of a tenant.
///
/// Reads every object of the period: for a large archive and long periods, use the named queries
/// in the stack's Athena work group.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The tenant.
    #[arg(long)]
    domain: String,
    /// Only of this product.
    #[arg(long)]
    product: Option<ProductSlug>,
    /// Only answered with this code, such as NOT_FOUND.
    #[arg(long)]
    code: Option<String>,
    #[command(flatten)]
    period: PeriodArgs,
    /// The last so many; 0 for all.
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

/// One request, as all doors saw it together.
#[derive(Serialize)]
struct MergedRequest {
    source: Source,
    #[serde(flatten)]
    record: AccessRecord<'static>,
    /// What the gateway passed on, and how long it took in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gateway_latency_ms: Option<u32>,
}

pub(super) async fn run(target: &Target, output: Output, args: Args) -> anyhow::Result<()> {
    let domain = target.bases.canonicalize(&args.domain)?;
    let period = args.period.period(target)?;
    let code = args.code.as_ref().map(|code| code.to_ascii_uppercase());
    let mut found: BTreeMap<(Source, String), MergedRequest> = BTreeMap::new();
    let mut damaged = 0;
    let is_wanted = |record: &AccessRecord<'_>| {
        let matches = |wanted: Option<&str>, value: Option<&str>| {
            wanted.is_none_or(|wanted| value == Some(wanted))
        };
        let product = args.product.as_ref().map(ProductSlug::as_str);
        record.domain.as_deref() == Some(domain.as_str())
            && matches(product, record.product.as_deref())
            && matches(code.as_deref(), record.code.as_deref())
    };
    for source in [Source::Lookup, Source::Cdn] {
        damaged += each(target, output, source, period, |record| {
            if is_wanted(&record) {
                let id = record.request_id.to_string();
                let entry = found.entry((source, id));
                entry.or_insert_with(|| MergedRequest {
                    source,
                    record: record.into_owned(),
                    gateway_status: None,
                    gateway_latency_ms: None,
                });
            }
        })
        .await?;
    }
    // The gateway's lines do not tell the tenant: they are found by the request.
    damaged += each(target, output, Source::Gateway, period, |record| {
        let key = (Source::Lookup, record.request_id.to_string());
        if let Some(found) = found.get_mut(&key) {
            found.gateway_status = record.status;
            found.gateway_latency_ms = record.latency_ms;
        }
    })
    .await?;

    let mut found: Vec<MergedRequest> = found.into_values().collect();
    found.sort_by_key(|found| found.record.time);
    let all = found.len();
    if args.limit > 0 && all > args.limit {
        found.drain(..all - args.limit);
    }
    print(target, output, &domain, &found, all)?;
    if damaged > 0 {
        bail!("{damaged} objects could not be read; see `tegata access-log verify`");
    }
    Ok(())
}

/// Calls for each record of a source in a period. Returns how many objects could not be read.
async fn each(
    target: &Target,
    output: Output,
    source: Source,
    period: Period,
    mut call: impl FnMut(AccessRecord<'_>),
) -> anyhow::Result<u64> {
    let bar = progress(output);
    bar.set_message(source.as_str());
    let archive = target.archive()?;
    let mut damaged = 0;
    for date in period.days() {
        let listed = archive.list(source, date).await?;
        bar.inc_length(listed.len() as u64);
        let objects =
            stream::iter(listed).map(async |listed| (archive.get(&listed.key).await, listed));
        let mut objects = std::pin::pin!(objects.buffered(AHEAD));
        while let Some((object, listed)) = objects.next().await {
            bar.inc(1);
            let Some(lines) = lines(&listed, object?) else {
                damaged += 1;
                continue;
            };
            for line in lines.split(|byte| *byte == b'\n') {
                if let Ok(record) = serde_json::from_slice::<AccessRecord<'_>>(line) {
                    call(record);
                }
            }
        }
    }
    bar.finish_and_clear();
    Ok(damaged)
}

fn lines(listed: &Listed, object: Option<Vec<u8>>) -> Option<Vec<u8>> {
    tegata_archive::open(listed.name.as_ref()?, &object?).ok()
}

fn print(
    target: &Target,
    output: Output,
    domain: &Domain,
    found: &[MergedRequest],
    all: usize,
) -> anyhow::Result<()> {
    if output == Output::Json {
        return output::json(&found);
    }
    let time = |at: Timestamp| target.local_time(at);
    let text = |text: &Option<Text<'_>>| {
        text.as_ref()
            .map_or_else(|| "-".to_owned(), ToString::to_string)
    };
    let rows = found.iter().map(|found| {
        let record = &found.record;
        let status = found.gateway_status.or(record.status);
        let latency = found.gateway_latency_ms.or(record.latency_ms);
        let what = match found.source {
            Source::Cdn => text(&record.file),
            _ => text(&record.code),
        };
        vec![
            time(record.time),
            text(&record.product),
            what,
            status.map_or_else(|| "-".to_owned(), |status| status.to_string()),
            text(&record.reason),
            text(&record.version),
            text(&record.serial),
            text(&record.network),
            latency.map_or_else(|| "-".to_owned(), |ms| ms.to_string()),
            record.request_id.to_string(),
        ]
    });
    let header = [
        "time",
        "product",
        "code or file",
        "status",
        "reason",
        "version",
        "serial",
        "network",
        "ms",
        "request",
    ];
    output::table(&header, rows.collect());
    if found.len() < all {
        say!(
            "the last {} of {all} of {domain}; --limit 0 shows all",
            found.len()
        );
    }
    Ok(())
}

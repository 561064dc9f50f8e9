//! The usage of one tenant over a period.

use serde_json::json;
use tegata_common::product::ProductSlug;

use super::{by_number, in_words};
use crate::output::{self, Output};
use crate::period::PeriodArgs;
use crate::target::Target;

/// Show what one tenant asked for, by day and product.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The tenant.
    domain: String,
    /// Only this product.
    #[arg(long)]
    product: Option<ProductSlug>,
    #[command(flatten)]
    period: PeriodArgs,
}

pub(super) async fn run(target: &Target, output: Output, args: Args) -> anyhow::Result<()> {
    let domain = target.bases.canonicalize(&args.domain)?;
    let period = args.period.period(target)?;
    let days = target.usage()?.days().await?.into_iter();
    let wanted: Vec<_> = days
        .filter(|day| (period.from..=period.to).contains(&day.date))
        .flat_map(|day| {
            day.products
                .into_iter()
                .map(move |product| (product, day.date))
        })
        .filter(|(product, _)| {
            let only = args.product.as_ref();
            only.is_none_or(|only| only.as_str() == product)
        })
        .collect();
    let mut rows = target
        .usage()?
        .rows_of_domain(domain.as_str(), &wanted)
        .await?;
    rows.sort_by(|a, b| (a.date, &a.product).cmp(&(b.date, &b.product)));
    if output == Output::Json {
        let documents: Vec<_> = rows
            .iter()
            .map(|row| {
                let counts = &row.counts;
                json!({
                    "date": row.date,
                    "product": row.product,
                    "domain": row.domain,
                    "requests": counts.requests,
                    "codes": counts.codes,
                    "versions": counts.versions,
                    "unconfirmed": {
                        "requests": counts.unconfirmed.requests,
                        "codes": counts.unconfirmed.codes,
                    },
                    "refused": counts.refused,
                    "errors": counts.errors,
                    "files": counts.files,
                    "file_errors": counts.file_errors,
                    "file_versions": counts.file_versions,
                    "p50_ms": counts.latencies.percentile(50),
                    "p99_ms": counts.latencies.percentile(99),
                    "first_seen": target.local_time(counts.first_seen),
                    "last_seen": target.local_time(counts.last_seen),
                })
            })
            .collect();
        return output::json(&documents);
    }
    let rows = rows.iter().map(|row| {
        let counts = &row.counts;
        vec![
            row.date.to_string(),
            row.product.clone(),
            counts.requests.to_string(),
            in_words(by_number(&counts.codes)),
            in_words(by_number(&counts.versions)),
            counts.files.to_string(),
            counts.unconfirmed.requests.to_string(),
            target.local_time(counts.last_seen),
        ]
    });
    let header = [
        "date",
        "product",
        "requests",
        "codes",
        "versions",
        "files",
        "unconfirmed",
        "last seen",
    ];
    output::table(&header, rows.collect());
    Ok(())
}

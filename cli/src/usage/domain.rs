//! `tegata usage domain`.

use tegata_common::product::ProductSlug;
use tegata_operations::usage::{self, DomainDay, by_number};

use super::join_counts;
use crate::output::{self, Output};
use crate::period::PeriodArgs;
use crate::target::Target;

/// Show the usage of one tenant by day and product.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The tenant's host name, such as example.cybozu.com.
    domain: String,
    /// Only usage of this product.
    #[arg(long)]
    product: Option<ProductSlug>,
    #[command(flatten)]
    period: PeriodArgs,
}

pub(super) async fn run(target: &Target, output: Output, args: Args) -> anyhow::Result<()> {
    let domain = target.bases.canonicalize(&args.domain)?;
    let period = args.period.period(target)?;
    let place = target.usage_place()?;
    let days = usage::of_domain(&place, &domain, args.product.as_ref(), period).await?;
    match output {
        Output::Json => output::json(&days)?,
        Output::Text => print(&days),
    }
    Ok(())
}

fn print(days: &[DomainDay]) {
    let rows = days.iter().map(|day| {
        vec![
            day.date.to_string(),
            day.product.clone(),
            day.requests.to_string(),
            join_counts(by_number(&day.codes)),
            join_counts(by_number(&day.versions)),
            day.files.to_string(),
            day.unconfirmed.requests.to_string(),
            day.last_seen.clone(),
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
    output::table(&header, &[], rows.collect());
}

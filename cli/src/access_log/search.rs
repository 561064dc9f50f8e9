//! `tegata access-log search`.

use anyhow::bail;
use jiff::Timestamp;
use tegata_common::access::{Source, Text};
use tegata_common::product::ProductSlug;
use tegata_operations::access_log::{self, FoundRequests, MergedRequest, RequestFilter};

use crate::messages::value;
use crate::output::{self, Output, say};
use crate::period::PeriodArgs;
use crate::target::Target;

/// Search the archive for the requests of a tenant.
///
/// Reads every object of the period: for a large archive and long periods, use the named queries
/// in the stack's Athena work group.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The tenant's host name, such as example.cybozu.com.
    #[arg(long)]
    domain: String,
    /// Only requests for this product.
    #[arg(long)]
    product: Option<ProductSlug>,
    /// Only requests answered with this code, such as NOT_FOUND.
    #[arg(long)]
    code: Option<String>,
    #[command(flatten)]
    period: PeriodArgs,
    /// The maximum number of requests to show, latest first; 0 shows all.
    #[arg(long, default_value_t = 100)]
    limit: usize,
}

pub(super) async fn run(target: &Target, output: Output, args: Args) -> anyhow::Result<()> {
    let filter = RequestFilter {
        domain: target.bases.canonicalize(&args.domain)?,
        product: args.product,
        code: args.code.map(|code| code.to_ascii_uppercase()),
    };
    let period = args.period.period(target)?;
    let context = target.access_log_context()?;
    let bar = output::object_bar(output);
    let found = access_log::search(&context, &filter, period, &bar).await?;
    bar.0.finish_and_clear();
    let FoundRequests { requests, damaged } = found;
    let all = requests.len();
    let last = match args.limit {
        0 => &requests[..],
        limit => &requests[all.saturating_sub(limit)..],
    };
    match output {
        Output::Json => output::json(&last)?,
        Output::Text => {
            print(target, last);
            if last.len() < all {
                let (shown, domain) = (last.len(), &filter.domain);
                say!("the last {shown} of {all} of {domain}; --limit 0 shows all");
            }
        }
    }
    if damaged > 0 {
        bail!("{damaged} objects could not be read; see `tegata access-log verify`");
    }
    Ok(())
}

fn print(target: &Target, found: &[MergedRequest]) {
    let time = |at: Timestamp| target.local_time(at);
    let text = |text: &Option<Text<'_>>| {
        text.as_ref()
            .map_or_else(|| "-".to_owned(), ToString::to_string)
    };
    // A reason of one word is the one to search for; a sentence says what is malformed.
    let reason = |reason: &Option<Text<'_>>| match text(reason) {
        sentence if sentence.contains(' ') => sentence,
        word => value(word).to_string(),
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
            reason(&record.reason),
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
    output::table(&header, &["reason", "serial"], rows.collect());
}

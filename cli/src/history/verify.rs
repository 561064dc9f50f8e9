//! `tegata history verify`.

use anyhow::bail;
use tegata_operations::history::{self, Finding, Place, Stores, Verification};

use crate::output::{self, Output, say};
use crate::period::PeriodArgs;
use crate::target::Target;

/// Verify that the history of licences, customers and notices is complete and unchanged.
///
/// Compares the current items, their history items, and the archive of changes, which is written
/// from the tables' streams and which nobody can change. Reports history items that were altered,
/// deleted or forged, and items that were changed without this tool: by another program, or in the
/// console. Leases are verified with the signing keys: a licence that was suspended or extended by
/// hand contradicts its lease.
///
/// The author of a change is only a claim in the item. If the stack has a CloudTrail trail
/// (parameter ChangeTrail), the claim is compared with the caller that IAM verified; without a
/// trail, it is reported as unproven.
///
/// The tables are always read completely; the archive and the trail are read for the period. Exits
/// with 1 if there are findings.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    period: PeriodArgs,
}

pub(super) async fn run(target: &Target, output: Output, args: Args) -> anyhow::Result<()> {
    let period = args.period.period(target)?;
    target.archive_changes().await?;
    let stores = Stores {
        licenses: target.licenses()?,
        customers: target.customers()?,
        notices: target.notices()?,
        archive: target.archive()?,
    };
    let trail = target.trail();
    let place = Place {
        trail: trail.as_ref(),
        zone: &target.zone,
        has_clock: target.embedded().is_none(),
    };
    let bar = output::object_bar(output);
    let verified = history::verify(&stores, &place, period, target.caller(), &bar);
    let verification = verified.await?;
    bar.0.finish_and_clear();
    match output {
        Output::Json => output::json(&verification)?,
        Output::Text => print(&verification, target),
    }
    match verification.findings.len() {
        0 => Ok(()),
        1 => bail!("the history is not consistent: 1 finding"),
        more => bail!("the history is not consistent: {more} findings"),
    }
}

fn print(verification: &Verification, target: &Target) {
    say!(
        "The history of licences, customers and notices, {} to {} ({}), verified {} by {}:\n",
        verification.from,
        verification.to,
        verification.time_zone,
        verification.verified_at,
        verification.verified_by
    );
    if verification.findings.is_empty() {
        say!("no findings");
    } else {
        let rows = verification
            .findings
            .iter()
            .map(|finding| row(finding, target));
        let header = [
            "finding",
            "table",
            "item",
            "version",
            "at",
            "claimed by",
            "",
        ];
        output::table(&header, &["finding", "table", ""], rows.collect());
    }
    say!(
        "\n{} items and {} history items were compared with each other, and with {} changes in \
             the archive.",
        verification.items,
        verification.history_items,
        verification.archived_changes
    );
    if let Some(callers) = &verification.callers {
        say!(
            "CloudTrail confirms the author of {} of them.",
            callers.proven
        );
    }
    for words in &verification.unproven {
        say!("Unproven: {words}");
    }
}

fn row(finding: &Finding, target: &Target) -> Vec<String> {
    let dash = || "-".to_owned();
    let item = finding.item.as_ref();
    vec![
        finding.kind.as_str().to_owned(),
        item.map_or_else(dash, |item| item.table.to_string()),
        item.map_or_else(dash, |item| format!("{} {}", item.partition, item.sort)),
        finding
            .version
            .map_or_else(dash, |version| version.to_string()),
        finding.at.map_or_else(dash, |at| target.local_time(at)),
        finding.claimed_by.clone().unwrap_or_else(dash),
        finding.what.clone(),
    ]
}

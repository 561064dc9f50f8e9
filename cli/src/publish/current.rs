//! `tegata publish current` and `list`.

use clap::Args;
use tegata_common::product::ProductSlug;
use tegata_operations::publish::{self, PlannedCurrent, PublishedVersion};

use crate::change::DryRun;
use crate::output::{self, Output, say};
use crate::target::Target;

#[derive(Args)]
pub(crate) struct Current {
    /// The product.
    product: ProductSlug,
    /// The version.
    version: String,
    /// Do it all the same. The reason is recorded.
    #[arg(long, value_name = "REASON")]
    emergency: Option<String>,
    #[command(flatten)]
    write: DryRun,
}

pub(super) async fn run(target: &Target, output: Output, args: Current) -> anyhow::Result<()> {
    let (licenses, notices) = (target.licenses()?, target.notices()?);
    let (cdn, caller) = (target.cdn()?, target.caller());
    let what = (&args.product, args.version.as_str());
    let planned =
        publish::make_current(licenses, notices, cdn, what, args.emergency, caller).await?;
    if output == Output::Text {
        print(&planned);
    }
    let made = planned.carry_out(notices, cdn, caller, args.write.dry_run);
    let report = made.await?;
    match output {
        Output::Json => output::json(&report)?,
        Output::Text => args
            .write
            .conclude("current from now on; caches know it within a minute"),
    }
    Ok(())
}

fn print(planned: &PlannedCurrent) {
    let (product, current) = (&planned.product, &planned.current);
    let before = planned.version_before().unwrap_or("(none)");
    say!("{product}: {before} → {}", current.version);
    match (&current.announced_by, &current.emergency) {
        (Some(notice), _) => say!("  announced by {notice}"),
        (_, Some(reason)) => say!("  not announced; emergency: {reason}"),
        _ => {}
    }
}

pub(super) async fn list(
    target: &Target,
    output: Output,
    product: &ProductSlug,
) -> anyhow::Result<()> {
    let versions = publish::versions(target.licenses()?, target.notices()?, product).await?;
    if output == Output::Json {
        return output::json(&versions);
    }
    let rows = versions.iter().map(|version| {
        let PublishedVersion { current, revision } = version;
        vec![
            current.version.clone(),
            target.local_time(revision.at),
            revision.by.clone(),
            match (&current.announced_by, &current.emergency) {
                (Some(notice), _) => notice.to_string(),
                (None, reason) => {
                    format!("emergency: {}", reason.as_deref().unwrap_or_default())
                }
            },
        ]
    });
    let header = ["version", "since", "by", "announced by"];
    output::table(&header, rows.collect());
    Ok(())
}

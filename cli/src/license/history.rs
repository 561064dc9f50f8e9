//! `tegata license history`.

use clap::Args;
use tegata_common::calendar;
use tegata_operations::licenses::{self, HistoryLine};

use super::LicenseSelector;
use crate::change;
use crate::output::{self, Output, say};
use crate::target::Target;

#[derive(Args)]
pub(crate) struct History {
    #[command(flatten)]
    which: LicenseSelector,
}

pub(super) async fn run(target: &Target, output: Output, args: History) -> anyhow::Result<()> {
    let id = args.which.id(target)?;
    let history = licenses::history(target.licenses()?, &id).await?;
    if output == Output::Json {
        return output::json(&history.lines);
    }
    let policy = history.policy.as_ref();
    for line in &history.lines {
        match line {
            HistoryLine::Unreadable { unreadable } => say!("unreadable: {unreadable}"),
            HistoryLine::Version {
                revision,
                differences,
            } => {
                let at = match policy {
                    Some(policy) => calendar::rfc3339(revision.at, policy),
                    None => revision.at.to_string(),
                };
                let (version, change, by) = (revision.version, &revision.change, &revision.by);
                say!("{at}  version {version}  {change}  by {by}");
                change::print(differences, policy);
            }
        }
    }
    Ok(())
}

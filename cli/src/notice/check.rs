//! `tegata notice check`.

use std::path::PathBuf;

use clap::Args;

use super::file::{self, TermsArgs};
use crate::output::{self, Output, say};
use crate::target::Target;

#[derive(Args)]
pub(crate) struct Check {
    /// The file. Its name is the notice's: 2026-12-05-sheet-1.9.0.toml.
    file: PathBuf,
    #[command(flatten)]
    terms: TermsArgs,
}

pub(super) async fn run(target: &Target, output: Output, args: Check) -> anyhow::Result<()> {
    let checked = file::read(target, &args.file, args.terms, target.now).await?;
    let report = checked.report(&target.notice_context()?)?;
    match output {
        Output::Json => output::json(&report)?,
        Output::Text => {
            let (id, kind) = (&report.notice_id, report.kind);
            say!("{id}: in order ({kind}, update {})", report.update);
            match report.announce_by {
                Some(by) => say!("to be announced by {by}: {} days before", checked.lead_days),
                None => say!("to be announced at any time"),
            }
        }
    }
    Ok(())
}

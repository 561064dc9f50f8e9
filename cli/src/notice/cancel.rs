//! `tegata notice cancel`.

use clap::Args;
use tegata_common::notice::NoticeId;
use tegata_operations::notices;

use super::conclude;
use crate::change::DryRun;
use crate::output::Output;
use crate::target::Target;

#[derive(Args)]
pub(crate) struct Cancel {
    /// The notice.
    id: NoticeId,
    #[command(flatten)]
    write: DryRun,
}

pub(super) async fn run(target: &Target, output: Output, args: Cancel) -> anyhow::Result<()> {
    let dry_run = args.write.dry_run;
    let report = notices::cancel(target.notices()?, &args.id, target.caller(), dry_run).await?;
    let done = "taken back; nobody is told of it";
    conclude(output, args.write, &report, done)
}

//! `tegata notice told-otherwise`.

use clap::Args;
use tegata_common::notice::{NoticeId, ToldOtherwise};
use tegata_operations::notices;

use super::conclude;
use crate::change::DryRun;
use crate::messages::value;
use crate::output::Output;
use crate::target::Target;

#[derive(Args)]
pub(crate) struct ToldOtherwiseArgs {
    /// The notice.
    id: NoticeId,
    /// The customer, or whatever else `notice status` names as not told.
    who: String,
    /// How the customer was told, such as "by telephone".
    how: String,
    #[command(flatten)]
    write: DryRun,
}

pub(super) async fn run(
    target: &Target,
    output: Output,
    args: ToldOtherwiseArgs,
) -> anyhow::Result<()> {
    let told = ToldOtherwise {
        who: args.who,
        how: args.how,
    };
    let (context, dry_run) = (target.notice_context()?, args.write.dry_run);
    let report = notices::told_otherwise(&context, &args.id, &told, dry_run).await?;
    let done = format!("{} counts as told", value(told.who));
    conclude(output, args.write, &report, &done)
}

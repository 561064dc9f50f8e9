//! `tegata notice pause` and `resume`.

use clap::Args;
use tegata_common::notice::NoticeId;
use tegata_operations::notices;

use super::conclude;
use crate::change::DryRun;
use crate::messages::value;
use crate::output::{Output, say};
use crate::target::Target;

#[derive(Args)]
pub(crate) struct Pause {
    /// The notice.
    #[arg(required_unless_present = "all")]
    id: Option<NoticeId>,
    /// All notices.
    #[arg(long, conflicts_with = "id")]
    all: bool,
    /// Why.
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    write: DryRun,
}

pub(super) async fn run(target: &Target, output: Output, args: Pause) -> anyhow::Result<()> {
    let (context, id) = (target.notice_context()?, args.id.as_ref());
    let report = notices::pause(&context, id, &args.reason, args.write.dry_run).await?;
    let what = id.map_or_else(|| "all sending".to_owned(), |id| value(id).to_string());
    let done = format!("{what} is paused; mails on their way to SES still go out");
    conclude(output, args.write, &report, &done)
}

#[derive(Args)]
pub(crate) struct Resume {
    /// The notice.
    #[arg(required_unless_present = "all")]
    id: Option<NoticeId>,
    /// All sending, after SES had stopped it.
    #[arg(long, conflicts_with = "id")]
    all: bool,
    #[command(flatten)]
    write: DryRun,
}

pub(super) async fn resume(target: &Target, output: Output, args: Resume) -> anyhow::Result<()> {
    let (context, id) = (target.notice_context()?, args.id.as_ref());
    let report = notices::resume(&context, id, args.write.dry_run).await?;
    if output == Output::Text {
        let since = target.local_time(report.pause.at);
        say!("was paused since {since}: {}", value(&report.pause.reason));
    }
    let what = id.map_or_else(|| "all sending".to_owned(), |id| value(id).to_string());
    let done = format!("{what} goes on within a minute");
    conclude(output, args.write, &report.action, &done)
}

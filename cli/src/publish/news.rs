//! `tegata publish news`.

use clap::Args;
use tegata_operations::publish;

use crate::change::DryRun;
use crate::output::{self, Output, say};
use crate::target::Target;

#[derive(Args)]
pub(crate) struct News {
    /// Where the status page is, if there is one.
    #[arg(long, value_name = "URL")]
    status_page: Option<String>,
    #[command(flatten)]
    write: DryRun,
}

pub(super) async fn run(target: &Target, output: Output, args: News) -> anyhow::Result<()> {
    let sender = target.sender()?;
    let report = publish::publish_news(
        target.notices()?,
        target.cdn()?,
        &sender,
        args.status_page.as_deref(),
        args.write.dry_run,
    );
    let report = report.await?;
    match output {
        Output::Json => output::json(&report)?,
        Output::Text => {
            say!("{} files of the news page", report.pages);
            args.write.conclude("written");
        }
    }
    Ok(())
}

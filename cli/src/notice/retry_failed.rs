//! `tegata notice retry-failed`.

use clap::Args;
use tegata_common::notice::NoticeId;
use tegata_operations::notices::{self, FailedDelivery};

use super::{conclude, count};
use crate::change::DryRun;
use crate::messages::value;
use crate::output::{Output, say};
use crate::target::Target;

#[derive(Args)]
pub(crate) struct RetryFailed {
    /// The notice.
    id: NoticeId,
    #[command(flatten)]
    write: DryRun,
}

pub(super) async fn run(target: &Target, output: Output, args: RetryFailed) -> anyhow::Result<()> {
    let (notices, caller) = (target.notices()?, target.caller());
    let report = notices::retry_failed(notices, &args.id, caller, args.write.dry_run).await?;
    if output == Output::Text {
        for failed in &report.failed {
            let FailedDelivery {
                delivery,
                state,
                reason,
            } = failed;
            say!("  {} {delivery}: {}", state.as_str(), value(reason));
        }
    }
    let done = match report.failed.len() {
        0 => "no delivery has failed: nothing to attempt once more".to_owned(),
        number => {
            let number = count(number, "delivery is", "deliveries are");
            format!("{number} attempted once more")
        }
    };
    conclude(output, args.write, &report.action, &done)
}

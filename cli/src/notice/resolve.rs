//! `tegata notice resolve`.

use clap::{Args, ValueEnum};
use tegata_common::notice::{DeliveryId, NoticeId};
use tegata_operations::notices::{self, Settlement};

use super::{conclude, count};
use crate::change::DryRun;
use crate::output::Output;
use crate::target::Target;

#[derive(Args)]
pub(crate) struct Resolve {
    /// The notice.
    id: NoticeId,
    /// The delivery, as `notice status --output csv` names it.
    #[arg(required_unless_present = "all")]
    delivery: Option<DeliveryId>,
    /// All whose outcome is unknown.
    #[arg(long, conflicts_with = "delivery")]
    all: bool,
    /// What is known: that it was sent, or that it is to be sent once more.
    #[arg(long = "as", value_enum)]
    settlement: SettlementArg,
    #[command(flatten)]
    write: DryRun,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum SettlementArg {
    /// It was sent; or the contact was told otherwise.
    Sent,
    /// It is to be sent once more.
    Resend,
}

pub(super) async fn run(target: &Target, output: Output, args: Resolve) -> anyhow::Result<()> {
    let (settlement, words) = match args.settlement {
        SettlementArg::Sent => (Settlement::Sent, "settled as sent"),
        SettlementArg::Resend => (Settlement::Resend, "to be sent once more"),
    };
    let report = notices::resolve(
        target.notices()?,
        &args.id,
        args.delivery.as_ref(),
        settlement,
        target.caller(),
        args.write.dry_run,
    );
    let report = report.await?;
    let number = count(report.deliveries, "delivery", "deliveries");
    conclude(output, args.write, &report, &format!("{number}: {words}"))
}

//! `tegata license cancel`.

use clap::Args;
use jiff::civil::Date;
use tegata_operations::licenses::{self, Cancellation};

use super::{LicenseSelector, naming, write};
use crate::change::DryRun;
use crate::output::{Output, say};
use crate::target::Target;
use crate::when;

#[derive(Args)]
pub(crate) struct Cancel {
    #[command(flatten)]
    which: LicenseSelector,
    /// Withdraw the cancellation, so that the contract renews again.
    #[arg(long, conflicts_with = "on")]
    withdraw: bool,
    /// The day on which the customer cancelled [default: today].
    #[arg(long, value_name = "DATE", value_parser = when::date)]
    on: Option<Date>,
    #[command(flatten)]
    write: DryRun,
}

pub(super) async fn run(target: &Target, output: Output, args: Cancel) -> anyhow::Result<()> {
    let id = args.which.id(target)?;
    let context = target.license_context()?;
    if args.withdraw {
        let planned = licenses::withdraw_cancellation(&context, &id).await?;
        return write::carry_out(&context, output, planned, args.write).await;
    }
    let cancelled = licenses::cancel(&context, &id, args.on).await;
    let (planned, cancellation) = cancelled.map_err(naming("--on"))?;
    if output == Output::Text {
        let Cancellation {
            last_day, deadline, ..
        } = cancellation;
        match cancellation.with_this_term {
            true => say!("the contract ends with this term, on {last_day}"),
            false => say!("not by {deadline}, so it ends one term on, on {last_day}"),
        }
    }
    write::carry_out(&context, output, planned, args.write).await
}

//! `tegata license move`.

use clap::Args;
use tegata_operations::licenses;

use super::{LicenseSelector, canonical, naming, write};
use crate::change::DryRun;
use crate::output::Output;
use crate::target::Target;
use crate::when::{self, When};

#[derive(Args)]
pub(crate) struct Move {
    #[command(flatten)]
    which: LicenseSelector,
    /// The tenant's new host name.
    to: String,
    /// The date or instant from which the new domain can be used [default: now].
    #[arg(long, value_name = "WHEN")]
    on: Option<When>,
    /// The number of days for which the old domain can still be used. It ends at the cut-off time
    /// on the day after the last of them [default: the product's lease days].
    #[arg(long, value_name = "DAYS", value_parser = when::days)]
    overlap: Option<u16>,
    #[command(flatten)]
    write: DryRun,
}

pub(super) async fn run(target: &Target, output: Output, args: Move) -> anyhow::Result<()> {
    let change = licenses::Move {
        to: canonical(target, &args.to)?,
        on: args.on,
        overlap_days: args.overlap,
    };
    let id = args.which.id(target)?;
    let context = target.license_context()?;
    let planned = licenses::move_to(&context, &id, change).await;
    let planned = planned.map_err(naming("--on"))?;
    write::carry_out(&context, output, planned, args.write).await
}

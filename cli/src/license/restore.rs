//! `tegata license restore`.

use clap::Args;
use tegata_operations::licenses::{self, Restored};

use super::{LicenseSelector, write};
use crate::change::DryRun;
use crate::output::Output;
use crate::target::Target;

#[derive(Args)]
pub(crate) struct Restore {
    #[command(flatten)]
    which: LicenseSelector,
    /// The version, as `history` lists it.
    #[arg(long)]
    version: u64,
    /// Restore that version's serial too. The serials that replaced it are no longer accepted.
    #[arg(long)]
    with_serial: bool,
    /// Restore that version's suspension too, or its absence.
    #[arg(long)]
    with_suspension: bool,
    /// Write the items even if no field changes: with a new lease, copies and index, for a licence that
    /// `history verify` or an alarm names.
    #[arg(long)]
    rewrite: bool,
    #[command(flatten)]
    write: DryRun,
}

pub(super) async fn run(target: &Target, output: Output, args: Restore) -> anyhow::Result<()> {
    let id = args.which.id(target)?;
    let wanted = Restored {
        version: args.version,
        with_serial: args.with_serial,
        with_suspension: args.with_suspension,
        rewrite: args.rewrite,
    };
    let context = target.license_context()?;
    let planned = licenses::restore(&context, &id, wanted).await?;
    write::carry_out(&context, output, planned, args.write).await
}

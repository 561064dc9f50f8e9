//! `tegata license reissue-serial`.

use clap::Args;
use tegata_operations::licenses;

use super::{LicenseSelector, write};
use crate::change::DryRun;
use crate::output::Output;
use crate::target::Target;
use crate::when;

#[derive(Args)]
pub(crate) struct ReissueSerial {
    #[command(flatten)]
    which: LicenseSelector,
    /// The number of days for which the old serial is still accepted. Use 0 if it leaked: then only
    /// the new one is accepted.
    #[arg(long, value_name = "DAYS", default_value = "14", value_parser = when::days)]
    overlap: u16,
    #[command(flatten)]
    write: DryRun,
}

pub(super) async fn run(
    target: &Target,
    output: Output,
    args: ReissueSerial,
) -> anyhow::Result<()> {
    let id = args.which.id(target)?;
    let context = target.license_context()?;
    let planned = licenses::reissue_serial(&context, &id, args.overlap).await?;
    write::carry_out(&context, output, planned, args.write).await
}

//! `tegata license resume`.

use clap::Args;
use tegata_operations::licenses;

use super::{LicenseSelector, write};
use crate::change::DryRun;
use crate::output::Output;
use crate::target::Target;

#[derive(Args)]
pub(crate) struct Resume {
    #[command(flatten)]
    which: LicenseSelector,
    #[command(flatten)]
    write: DryRun,
}

pub(super) async fn run(target: &Target, output: Output, args: Resume) -> anyhow::Result<()> {
    let id = args.which.id(target)?;
    let context = target.license_context()?;
    let planned = licenses::resume(&context, &id).await?;
    write::carry_out(&context, output, planned, args.write).await
}

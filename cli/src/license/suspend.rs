//! `tegata license suspend`.

use clap::Args;
use tegata_operations::licenses;

use super::{LicenseSelector, naming, write};
use crate::change::DryRun;
use crate::output::Output;
use crate::target::Target;
use crate::when::When;

#[derive(Args)]
pub(crate) struct Suspend {
    #[command(flatten)]
    which: LicenseSelector,
    /// The date or instant from which it is suspended [default: now].
    #[arg(long, value_name = "WHEN")]
    from: Option<When>,
    #[command(flatten)]
    write: DryRun,
}

pub(super) async fn run(target: &Target, output: Output, args: Suspend) -> anyhow::Result<()> {
    let id = args.which.id(target)?;
    let context = target.license_context()?;
    let planned = licenses::suspend(&context, &id, args.from).await;
    write::carry_out(
        &context,
        output,
        planned.map_err(naming("--from"))?,
        args.write,
    )
    .await
}

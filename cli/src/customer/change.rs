//! `tegata customer change`.

use tegata_common::customer::{CustomerId, CustomerName};
use tegata_operations::customers;

use crate::change::DryRun;
use crate::output::Output;
use crate::target::Target;

/// Change a customer's name.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The customer.
    id: CustomerId,
    /// The new name.
    #[arg(long)]
    name: CustomerName,
    #[command(flatten)]
    write: DryRun,
}

pub(super) async fn run(target: &Target, output: Output, args: Args) -> anyhow::Result<()> {
    let planned = customers::rename(target.customers()?, &args.id, args.name).await?;
    super::carry_out(target, output, planned, args.write).await
}

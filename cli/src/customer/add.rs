//! `tegata customer add`.

use tegata_common::customer::{Customer, CustomerId, CustomerName};
use tegata_operations::customers;

use crate::change::DryRun;
use crate::output::Output;
use crate::target::Target;

/// Add a customer. Then add its contacts with `tegata contact add`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The vendor's id of the customer, such as C-0042.
    id: CustomerId,
    /// The name used in notices.
    #[arg(long)]
    name: CustomerName,
    #[command(flatten)]
    write: DryRun,
}

pub(super) async fn run(target: &Target, output: Output, args: Args) -> anyhow::Result<()> {
    let customer = Customer {
        customer_id: args.id,
        name: args.name,
    };
    let planned = customers::add(target.customers()?, customer).await?;
    super::carry_out(target, output, planned, args.write).await
}

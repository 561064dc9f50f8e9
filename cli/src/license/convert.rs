//! `tegata license convert`.

use clap::Args;
use tegata_common::customer::CustomerId;
use tegata_operations::licenses::{self, Conversion};

use super::{BillingArg, LicenseSelector, write};
use crate::change::DryRun;
use crate::output::Output;
use crate::target::Target;

#[derive(Args)]
pub(crate) struct Convert {
    #[command(flatten)]
    which: LicenseSelector,
    /// The billing interval; the first term starts on the 1st of next month.
    #[arg(long, value_enum)]
    billing: BillingArg,
    /// The edition [default: unchanged].
    #[arg(long)]
    edition: Option<String>,
    /// The number of users [default: unchanged].
    #[arg(long)]
    users: Option<u32>,
    /// The customer [default: unchanged].
    #[arg(long, value_name = "ID")]
    customer: Option<CustomerId>,
    #[command(flatten)]
    write: DryRun,
}

pub(super) async fn run(target: &Target, output: Output, args: Convert) -> anyhow::Result<()> {
    let id = args.which.id(target)?;
    let conversion = Conversion {
        billing: args.billing.into(),
        edition: args.edition,
        users: args.users,
        customer: args.customer,
    };
    let context = target.license_context()?;
    let planned = licenses::convert(&context, &id, conversion).await?;
    write::carry_out(&context, output, planned, args.write).await
}

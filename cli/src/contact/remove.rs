//! `tegata contact remove`.

use tegata_common::customer::{CustomerId, EmailAddress};
use tegata_operations::contacts;

use super::conclude;
use crate::change::DryRun;
use crate::output::{Output, say};
use crate::target::Target;

/// Remove a contact. Its address is deleted; the history only shows that there was a contact.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The customer.
    customer: CustomerId,
    /// The mail address.
    email: EmailAddress,
    #[command(flatten)]
    write: DryRun,
}

pub(super) async fn run(target: &Target, output: Output, args: Args) -> anyhow::Result<()> {
    let customers = target.customers()?;
    let planned = contacts::remove(customers, &args.customer, &args.email).await?;
    if output == Output::Text {
        say!(
            "remove contact {} of {}",
            args.email.as_str(),
            args.customer
        );
    }
    let removed = planned.carry_out(customers, target.caller(), args.write.dry_run);
    conclude(output, &removed.await?, args.write, "removed")
}

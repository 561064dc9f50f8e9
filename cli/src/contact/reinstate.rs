//! `tegata contact reinstate`.

use tegata_common::customer::{CustomerId, EmailAddress};
use tegata_operations::contacts;

use super::conclude;
use crate::change::DryRun;
use crate::messages::value;
use crate::output::{Output, say};
use crate::target::Target;

/// Send mail again to a contact after a permanent bounce or a complaint.
///
/// If the address is wrong, add a contact with the correct address and remove this one.
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
    let (customers, notices) = (target.customers()?, target.notices()?);
    let planned = contacts::reinstate(customers, notices, &args.customer, &args.email).await?;
    if output == Output::Text {
        let mark = &planned.mark.value;
        let since = target.local_time(mark.at);
        let reason = value(&mark.reason);
        say!("{} since {since}: {reason}", args.email.as_str());
    }
    let reinstated = planned.carry_out(notices, target.caller(), args.write.dry_run);
    let done = "mail is sent to it again, from the next notice on";
    conclude(output, &reinstated.await?, args.write, done)
}

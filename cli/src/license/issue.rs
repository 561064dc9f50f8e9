//! `tegata license issue`.

use std::path::PathBuf;

use clap::Args;
use tegata_common::customer::CustomerId;
use tegata_common::license::Plan;
use tegata_common::serial::Serial;
use tegata_operations::licenses::{self, IssueOrder};

use super::{BillingArg, LicenseSelector, given_serial, quota, write};
use crate::change::DryRun;
use crate::output::{Output, note};
use crate::target::Target;
use crate::when::{self, When};

#[derive(Args)]
pub(crate) struct Issue {
    #[command(flatten)]
    which: LicenseSelector,
    /// The customer, which must exist (`tegata customer add`).
    #[arg(long, value_name = "ID")]
    customer: Option<CustomerId>,
    /// Issue a paid licence with this billing interval. The first term starts on the 1st of next
    /// month.
    #[arg(
        long,
        value_enum,
        required_unless_present = "trial",
        conflicts_with = "trial"
    )]
    billing: Option<BillingArg>,
    /// Issue a trial of this many days.
    #[arg(long, value_name = "DAYS", value_parser = when::days)]
    trial: Option<u16>,
    /// The edition.
    #[arg(long, default_value = "standard")]
    edition: String,
    /// The number of users.
    #[arg(long)]
    users: u32,
    /// A further limit; can be repeated.
    #[arg(long = "quota", value_name = "NAME=NUMBER", value_parser = quota)]
    quotas: Vec<(String, u64)>,
    /// The date or instant from which the licence can be used [default: now].
    #[arg(long, value_name = "WHEN")]
    usable_from: Option<When>,
    /// A serial that the customer already has [default: a new one]. Other users of this machine can
    /// see it in the process list, and the shell keeps it in its history: prefer --serial-file.
    #[arg(long, value_parser = Serial::parse_typed, conflicts_with = "serial_file")]
    serial: Option<Serial>,
    /// Read the serial from FILE, or from standard input if FILE is `-`.
    #[arg(long, value_name = "FILE")]
    serial_file: Option<PathBuf>,
    #[command(flatten)]
    write: DryRun,
}

pub(super) async fn run(target: &Target, output: Output, args: Issue) -> anyhow::Result<()> {
    let id = args.which.id(target)?;
    let order = IssueOrder {
        customer: args.customer,
        plan: match (args.billing, args.trial) {
            (Some(billing), _) => Plan::Paid {
                billing: billing.into(),
            },
            (None, days) => Plan::Trial {
                days: days.unwrap_or(0),
            },
        },
        edition: args.edition,
        users: args.users,
        quotas: args.quotas.into_iter().collect(),
        usable_from: args.usable_from,
        serial: given_serial::read(args.serial, args.serial_file.as_deref())?,
    };
    let context = target.license_context()?;
    let planned = licenses::issue(&context, &id, order).await?;
    if planned.license.customer.is_none() {
        note!("note: without --customer, nobody receives notices about this licence");
    }
    write::carry_out(&context, output, planned, args.write).await
}

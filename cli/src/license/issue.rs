//! Licences that an order starts, or starts again.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use tegata_common::calendar::Billing;
use tegata_common::customer::CustomerId;
use tegata_common::license::{Amendment, License, Order, Plan};
use tegata_common::product::{Product, ProductSlug};
use tegata_common::serial::Serial;
use tegata_storage::Key;

use super::edit::Editor;
use super::{LicenseSelector, quota, serial};
use crate::change::DryRun;
use crate::customer;
use crate::failure::NotFound;
use crate::output::{Output, note};
use crate::target::Target;
use crate::when::{self, When};

#[derive(Args)]
pub(crate) struct Issue {
    #[command(flatten)]
    which: LicenseSelector,
    /// The customer whose contract it is; `tegata customer add` first.
    #[arg(long, value_name = "ID")]
    customer: Option<CustomerId>,
    /// A bought licence with terms of this length, from the 1st of next month on.
    #[arg(
        long,
        value_enum,
        required_unless_present = "trial",
        conflicts_with = "trial"
    )]
    billing: Option<BillingArg>,
    /// A trial of this many days.
    #[arg(long, value_name = "DAYS", value_parser = when::days)]
    trial: Option<u16>,
    /// The edition.
    #[arg(long, default_value = "standard")]
    edition: String,
    /// The number of users.
    #[arg(long)]
    users: u32,
    /// A further limit; may be repeated.
    #[arg(long = "quota", value_name = "NAME=NUMBER", value_parser = quota)]
    quotas: Vec<(String, u64)>,
    /// The date or instant from which it works [default: now].
    #[arg(long, value_name = "WHEN")]
    usable_from: Option<When>,
    /// A serial that the customer has already [default: a new one]. Others on this machine see it
    /// in the list of processes, and the shell's history keeps it: rather use --serial-file.
    #[arg(long, value_parser = Serial::parse, conflicts_with = "serial_file")]
    serial: Option<Serial>,
    /// Read that serial from FILE, or from standard input if FILE is `-`.
    #[arg(long, value_name = "FILE")]
    serial_file: Option<PathBuf>,
    #[command(flatten)]
    write: DryRun,
}

#[derive(Args)]
pub(crate) struct Convert {
    #[command(flatten)]
    which: LicenseSelector,
    /// The length of its terms, from the 1st of next month on.
    #[arg(long, value_enum)]
    billing: BillingArg,
    /// The edition bought [default: the one tried].
    #[arg(long)]
    edition: Option<String>,
    /// The number of users bought [default: those of the trial].
    #[arg(long)]
    users: Option<u32>,
    /// The customer whose contract it is [default: as it is].
    #[arg(long, value_name = "ID")]
    customer: Option<CustomerId>,
    #[command(flatten)]
    write: DryRun,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum BillingArg {
    Monthly,
    Yearly,
}

impl From<BillingArg> for Billing {
    fn from(argument: BillingArg) -> Self {
        match argument {
            BillingArg::Monthly => Self::Monthly,
            BillingArg::Yearly => Self::Yearly,
        }
    }
}

/// The product of this slug in the catalogue.
async fn product(target: &Target, slug: &ProductSlug) -> anyhow::Result<Product> {
    let table = target.licenses.table();
    let stored = table.get::<Product>(&Key::product(slug)).await?;
    if let Some(stored) = stored {
        return Ok(stored.value);
    }
    let products = target.licenses.products().await?;
    let products: Vec<&str> = products.iter().map(|p| p.value.slug.as_str()).collect();
    let known = match products.is_empty() {
        true => "nothing".to_owned(),
        false => products.join(", "),
    };
    Err(NotFound(format!(
        "product {slug} is not in the catalogue, which has {known}; `tegata product apply` adds to it"
    ))
    .into())
}

pub(super) async fn issue(target: &Target, output: Output, args: Issue) -> anyhow::Result<()> {
    let domain = args.which.domain(target)?;
    let product = product(target, &args.which.product).await?;
    if let Some(id) = &args.customer {
        customer::check_known(target, id).await?;
    }
    let usable_from = match args.usable_from {
        Some(when) => when.instant(&product.policy)?,
        None => target.now,
    };
    let plan = match (args.billing, args.trial) {
        (Some(billing), _) => Plan::Paid {
            billing: billing.into(),
        },
        (None, days) => Plan::Trial {
            days: days.unwrap_or(0),
        },
    };
    let given = serial::given(args.serial, args.serial_file.as_deref())?;
    let is_generated = given.is_none();
    let serial = given.map_or_else(tegata_operations::new_serial, Ok)?;
    let order = Order {
        domain: domain.clone(),
        customer: args.customer,
        plan,
        edition: args.edition,
        users: args.users,
        quotas: args.quotas.into_iter().collect::<BTreeMap<_, _>>(),
        usable_from,
    };
    let license = License::issue(order, &product, serial.hash())?;
    let editor = Editor {
        target,
        output,
        write: args.write,
        before: None,
        contract: None,
        is_mending: false,
        remarks: Vec::new(),
    };
    if license.customer.is_none() {
        note!("note: without --customer, notices about it reach nobody");
    }
    let shown = (is_generated && !editor.write.dry_run).then(|| serial.reveal());
    editor.write_with("issue", license, shown).await
}

/// A trial that is bought, or an ended contract that is ordered again, keeps its serial.
pub(super) async fn convert(target: &Target, output: Output, args: Convert) -> anyhow::Result<()> {
    let (editor, license) = Editor::open(target, output, &args.which, args.write).await?;
    if let Some(id) = &args.customer {
        customer::check_known(target, id).await?;
    }
    let amendment = Amendment {
        customer: args.customer,
        edition: args.edition,
        users: args.users,
        ..Amendment::default()
    };
    let converted = license
        .converted(args.billing.into(), target.now)?
        .amended(amendment, target.now)?;
    editor.write("convert", converted).await
}

//! A new licence, from an order.

use std::collections::BTreeMap;

use anyhow::bail;
use clap::{Args, ValueEnum};
use jiff::Timestamp;
use tegata_common::calendar::Billing;
use tegata_common::lease::SignedLicense;
use tegata_common::license::{License, Order, Plan};
use tegata_common::product::{Product, ProductSlug};
use tegata_common::serial::Serial;
use tegata_common::table::Key;

use super::edit::Editor;
use super::{Which, quota};
use crate::change::DryRun;
use crate::failure::NotFound;
use crate::output::Output;
use crate::place::Place;
use crate::when::When;

#[derive(Args)]
pub(crate) struct Issue {
    #[command(flatten)]
    which: Which,
    /// A bought licence with terms of this length, from the 1st of next month on.
    #[arg(
        long,
        value_enum,
        required_unless_present = "trial",
        conflicts_with = "trial"
    )]
    billing: Option<BillingArg>,
    /// A trial of this many days.
    #[arg(long, value_name = "DAYS")]
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
    /// A serial that the customer has already [default: a new one].
    #[arg(long, value_parser = Serial::parse)]
    serial: Option<Serial>,
    #[command(flatten)]
    write: DryRun,
}

#[derive(Clone, Copy, ValueEnum)]
enum BillingArg {
    Monthly,
    Yearly,
}

/// The product of this slug in the catalogue.
async fn product(place: &Place, slug: &ProductSlug) -> anyhow::Result<Product> {
    let stored = place.table.get::<Product>(&Key::product(slug)).await?;
    let stored = stored.ok_or_else(|| {
        NotFound(format!(
            "product {slug} is not in the catalogue; add it to products.toml and run `tegata product apply`"
        ))
    })?;
    Ok(stored.value)
}

pub(super) async fn issue(
    place: &Place,
    output: Output,
    args: Issue,
    now: Timestamp,
) -> anyhow::Result<()> {
    let domain = args.which.domain(place)?;
    let product = product(place, &args.which.product).await?;
    let usable_from = match args.usable_from {
        Some(when) => when.instant(&product.policy)?,
        None => now,
    };
    let plan = match (args.billing, args.trial) {
        (Some(BillingArg::Monthly), _) => Plan::Paid {
            billing: Billing::Monthly,
        },
        (Some(BillingArg::Yearly), _) => Plan::Paid {
            billing: Billing::Yearly,
        },
        (None, days) => Plan::Trial {
            days: days.unwrap_or(0),
        },
    };
    let is_generated = args.serial.is_none();
    let serial = args.serial.map_or_else(Serial::generate, Ok)?;
    let order = Order {
        domain: domain.clone(),
        plan,
        edition: args.edition,
        users: args.users,
        quotas: args.quotas.into_iter().collect::<BTreeMap<_, _>>(),
        usable_from,
    };
    let license = License::issue(order, &product, serial.hash())?;
    let key = Key::license(&domain, &product.slug);
    if place.table.get::<SignedLicense>(&key).await?.is_some() {
        bail!(
            "{domain} has a licence of {} already; see `tegata license show`",
            product.slug
        );
    }
    let editor = Editor {
        place,
        output,
        dry_run: args.write.dry_run,
        now,
        key,
        before: None,
        revision: None,
        lease: None,
    };
    let shown = (is_generated && !editor.dry_run).then(|| serial.reveal());
    editor.write_with("issue", license, shown).await
}

//! New licences, and the conversion of trials and ended contracts.

use std::collections::BTreeMap;

use tegata_common::calendar::Billing;
use tegata_common::customer::CustomerId;
use tegata_common::license::{Amendment, License, Order, Plan};
use tegata_common::product::{Product, ProductSlug};
use tegata_common::serial::Serial;
use tegata_storage::Key;
use tegata_storage::licenses::Licenses;

use super::planned::{Before, CurrentContract};
use super::{Context, LicenseId, PlannedChange};
use crate::{Error, When, customers, new_serial};

/// The arguments of a new licence.
#[derive(Debug)]
pub struct IssueOrder {
    /// The customer. Without one, notices reach nobody.
    pub customer: Option<CustomerId>,
    /// Trial or paid.
    pub plan: Plan,
    pub edition: String,
    /// The number of users.
    pub users: u32,
    /// Further limits by name, such as `records_per_day`.
    pub quotas: BTreeMap<String, u64>,
    /// When the licence becomes usable. `None` is now.
    pub usable_from: Option<When>,
    /// A serial that the customer already has. `None` generates one.
    pub serial: Option<Serial>,
}

/// Plans a new licence.
pub async fn issue(
    context: &Context<'_>,
    id: &LicenseId,
    order: IssueOrder,
) -> Result<PlannedChange, Error> {
    let product = product(context.licenses, &id.product).await?;
    if let Some(customer) = &order.customer {
        customers::check_known(context.customers, customer).await?;
    }
    let usable_from = match order.usable_from {
        Some(when) => when.instant(&product.policy)?,
        None => context.caller.now,
    };
    let is_generated = order.serial.is_none();
    let serial = order.serial.map_or_else(new_serial, Ok)?;
    let license = Order {
        domain: id.domain.clone(),
        customer: order.customer,
        plan: order.plan,
        edition: order.edition,
        users: order.users,
        quotas: order.quotas,
        usable_from,
    };
    let license = License::issue(license, &product, serial.hash())?;
    let planned = PlannedChange::new(context, "issue", Before::default(), &license).await?;
    Ok(planned.with_serial(Some(serial).filter(|_| is_generated)))
}

/// Reads a product from the catalogue. An error if it does not exist.
async fn product(licenses: &Licenses, slug: &ProductSlug) -> Result<Product, Error> {
    let stored = licenses.table().get::<Product>(&Key::product(slug)).await?;
    if let Some(stored) = stored {
        return Ok(stored.value);
    }
    let products = licenses.products().await?;
    let products: Vec<&str> = products.iter().map(|p| p.value.slug.as_str()).collect();
    Err(Error::NoProduct {
        product: slug.clone(),
        known: match products.is_empty() {
            true => "nothing".to_owned(),
            false => products.join(", "),
        },
    })
}

/// The arguments of a conversion.
#[derive(Debug)]
pub struct Conversion {
    /// The billing interval, which is the length of a term.
    pub billing: Billing,
    /// The edition. `None` leaves it unchanged.
    pub edition: Option<String>,
    /// The number of users. `None` leaves it unchanged.
    pub users: Option<u32>,
    /// The customer. `None` leaves it unchanged.
    pub customer: Option<CustomerId>,
}

/// Plans to convert a trial, or a contract that has ended, into a paid licence with the same
/// serial.
pub async fn convert(
    context: &Context<'_>,
    id: &LicenseId,
    conversion: Conversion,
) -> Result<PlannedChange, Error> {
    let current = CurrentContract::read(context, id).await?;
    if let Some(customer) = &conversion.customer {
        customers::check_known(context.customers, customer).await?;
    }
    let amendment = Amendment {
        customer: conversion.customer,
        edition: conversion.edition,
        users: conversion.users,
        ..Amendment::default()
    };
    let now = context.caller.now;
    let converted = current
        .license
        .converted(conversion.billing, now)?
        .amended(amendment, now)?;
    current.changed(context, "convert", &converted).await
}

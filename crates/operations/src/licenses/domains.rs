//! The domains of a contract: moving from one to another, adding, giving up.

use jiff::{Timestamp, ToSpan as _};
use serde::Serialize;
use tegata_common::calendar;
use tegata_common::domain::Domain;
use tegata_common::license::{Code, Purpose};
use tegata_common::product::Policy;

use super::planned::CurrentContract;
use super::{Context, LicenseId, PlannedChange, check_not_past, not_past};
use crate::{Error, When};

/// A change from one domain to another.
#[derive(Debug)]
pub struct Move {
    /// The tenant's new domain.
    pub to: Domain,
    /// From when the new domain works; `None` is now.
    pub on: Option<When>,
    /// Days for which the old domain works beside it, up to the cut-off time on the morning after
    /// the last one; `None` is the product's lease days.
    pub overlap_days: Option<u16>,
}

/// Plans to move a contract to another domain, with an overlap in which both work.
pub async fn move_to(
    context: &Context<'_>,
    id: &LicenseId,
    change: Move,
) -> Result<PlannedChange, Error> {
    let now = context.caller.now;
    let current = CurrentContract::read(context, id).await?;
    let license = &current.license;
    let from = not_past(change.on, license, now)?;
    let days = change.overlap_days.unwrap_or(license.policy.lease_days);
    let starts_on = calendar::date_of(from, &license.policy);
    let leaves_on = starts_on.checked_add(i32::from(days).days())?;
    let until = license.leaves_at(leaves_on)?.max(from);
    let moved = license.moved(&change.to, from, until, now)?;
    current.changed(context, "move", &moved).await
}

/// One more domain of a contract.
#[derive(Debug)]
pub struct AddDomain {
    /// The domain.
    pub domain: Domain,
    /// Whether it is for work or for development.
    pub purpose: Purpose,
    /// From when it works; `None` is now.
    pub on: Option<When>,
}

/// Plans to add a domain to a contract.
pub async fn add_domain(
    context: &Context<'_>,
    id: &LicenseId,
    change: AddDomain,
) -> Result<PlannedChange, Error> {
    let now = context.caller.now;
    let current = CurrentContract::read(context, id).await?;
    let from = not_past(change.on, &current.license, now)?;
    let added = current
        .license
        .with_domain(&change.domain, change.purpose, from, now)?;
    current.changed(context, "add-domain", &added).await
}

/// Plans to give up a domain of a contract, now or after a last day.
pub async fn remove_domain(
    context: &Context<'_>,
    id: &LicenseId,
    domain: &Domain,
    on: Option<When>,
) -> Result<PlannedChange, Error> {
    let now = context.caller.now;
    let current = CurrentContract::read(context, id).await?;
    let license = &current.license;
    let until = match on {
        None => now,
        // The last day, up to the cut-off of the next.
        Some(When::StartOf(day)) => license.leaves_at(day.tomorrow()?)?,
        Some(when) => when.instant(&license.policy)?,
    };
    let until = check_not_past(until, license, now)?;
    let removed = license.without_domain(domain, until, now)?;
    current.changed(context, "remove-domain", &removed).await
}

/// Plans to keep a domain after all that was to be given up.
pub async fn keep_domain(
    context: &Context<'_>,
    id: &LicenseId,
    domain: &Domain,
) -> Result<PlannedChange, Error> {
    let current = CurrentContract::read(context, id).await?;
    let kept = current.license.keeping(domain, context.caller.now)?;
    current.changed(context, "keep-domain", &kept).await
}

/// A domain of a contract, and what it is answered with.
#[derive(Debug, Serialize)]
pub struct DomainEntry {
    /// The tenant.
    pub domain: Domain,
    /// What the customer uses it for.
    pub purpose: Purpose,
    /// The code it is answered with now.
    pub code: Code,
    /// From when the contract works there.
    pub from: Timestamp,
    /// From when it no longer does, if that is known.
    pub until: Option<Timestamp>,
    /// Until when nobody else gets the domain.
    pub quarantined_until: Option<Timestamp>,
}

/// The domains of a contract, and the policy in whose zone their instants are shown.
pub async fn domains(
    context: &Context<'_>,
    id: &LicenseId,
) -> Result<(Vec<DomainEntry>, Policy), Error> {
    let license = CurrentContract::read(context, id).await?.license;
    let entries = license.domains.iter().map(|name| DomainEntry {
        domain: name.domain.clone(),
        purpose: name.purpose,
        code: license.under(&name.domain).code_at(context.caller.now),
        from: name.from,
        until: name.until,
        quarantined_until: name.quarantined_until(),
    });
    Ok((entries.collect(), license.policy.clone()))
}

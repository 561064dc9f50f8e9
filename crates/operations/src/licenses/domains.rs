//! The domains of a contract: moving, adding and removing them.

use jiff::{Timestamp, ToSpan as _};
use serde::Serialize;
use tegata_common::calendar;
use tegata_common::domain::Domain;
use tegata_common::license::{Code, Purpose};
use tegata_common::product::Policy;

use super::planned::CurrentContract;
use super::{Context, LicenseId, PlannedChange, check_not_past, not_past};
use crate::{Error, When};

/// The arguments of a move to another domain.
#[derive(Debug)]
pub struct Move {
    /// The tenant's new domain.
    pub to: Domain,
    /// When the contract starts to cover the new domain. `None` is now.
    pub on: Option<When>,
    /// The number of days for which the old domain is also covered. It ends at the cut-off time on
    /// the day after the last of them. `None` is the product's lease days.
    pub overlap_days: Option<u16>,
}

/// Plans to move a contract to another domain, with an overlap in which both are covered.
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

/// The arguments of adding a domain.
#[derive(Debug)]
pub struct AddDomain {
    pub domain: Domain,
    /// What the customer uses the domain for.
    pub purpose: Purpose,
    /// When the contract starts to cover the domain. `None` is now.
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

/// Plans to remove a domain of a contract, now or after a last day.
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
        // A date is the last day: the domain is left at the cut-off time on the day after it.
        Some(When::StartOf(day)) => license.leaves_at(day.tomorrow()?)?,
        Some(when) => when.instant(&license.policy)?,
    };
    let until = check_not_past(until, license, now)?;
    let removed = license.without_domain(domain, until, now)?;
    current.changed(context, "remove-domain", &removed).await
}

/// Plans to keep a domain whose removal was scheduled.
pub async fn keep_domain(
    context: &Context<'_>,
    id: &LicenseId,
    domain: &Domain,
) -> Result<PlannedChange, Error> {
    let current = CurrentContract::read(context, id).await?;
    let kept = current
        .license
        .with_domain_kept(domain, context.caller.now)?;
    current.changed(context, "keep-domain", &kept).await
}

/// A domain of a contract, with its current code.
#[derive(Debug, Serialize)]
pub struct DomainEntry {
    /// The tenant.
    pub domain: Domain,
    /// What the customer uses it for.
    pub purpose: Purpose,
    /// The code that a lookup returns now.
    pub code: Code,
    /// When the contract starts to cover the domain.
    pub from: Timestamp,
    /// When the contract leaves the domain. `None` if that is not scheduled.
    pub until: Option<Timestamp>,
    /// The end of the quarantine, from which another contract can have the domain. `None` if the
    /// contract does not leave it.
    pub quarantined_until: Option<Timestamp>,
}

/// Lists the domains of a contract. The policy has the time zone in which to show their instants.
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

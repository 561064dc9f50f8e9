//! Restores a licence from its history.

use tegata_common::calendar;
use tegata_common::domain::Domain;
use tegata_common::lease::SignedLicense;
use tegata_common::license::License;
use tegata_storage::{HistoryEntry, TableError};

use super::planned::Before;
use super::{Context, LicenseId, PlannedChange};
use crate::{Error, contract};

/// The arguments of a restoration.
#[derive(Clone, Copy, Debug)]
pub struct Restored {
    /// The version in the history.
    pub version: u64,
    /// Whether to restore the serial too. The serials that replaced it are then rejected.
    pub with_serial: bool,
    /// Whether to restore the suspension too, or its absence.
    pub with_suspension: bool,
    /// Whether to write the items even if no field changes.
    pub rewrite: bool,
}

/// Plans to restore the facts of a version, for all domains of the contract. The current domains
/// and kintone plug-in ids are kept. The current serials and suspension are kept, unless
/// [`Restored`] says otherwise.
pub async fn restore(
    context: &Context<'_>,
    id: &LicenseId,
    wanted: Restored,
) -> Result<PlannedChange, Error> {
    let now = context.caller.now;
    let history = context.licenses.history(&id.domain, &id.product).await?;
    let readable: Vec<&HistoryEntry<SignedLicense>> = history.iter().flatten().collect();
    let (last, mut license) = last_and_wanted(&readable, id, wanted.version)?;
    license.domains = last.domains.clone();
    license.kintone_plugin_ids = last.kintone_plugin_ids.clone();
    let remarks = [
        settle_serial(&mut license, last, &wanted),
        settle_suspension(&mut license, last, &wanted),
    ];
    let license = license.as_of(now)?;
    let before = Before {
        license: Some(last.as_of(now)?),
        contract: Some(contract::read_to_restore(context.licenses, license.clone()).await?),
    };
    let is_needless = !wanted.rewrite && is_stored(context, last).await?;
    let planned = PlannedChange::new(context, "restore", before, &license).await?;
    let planned = planned.with_remarks(remarks.into_iter().flatten().collect());
    Ok(match is_needless {
        true => planned,
        false => planned.written_always(),
    })
}

/// Whether the items of a licence's current domains have the facts of its history. A restoration that changes
/// no field still repairs an item that is missing, unreadable or altered.
async fn is_stored(context: &Context<'_>, last: &License) -> Result<bool, Error> {
    let now = context.caller.now;
    let mut domains: Vec<&Domain> = last
        .domains
        .iter()
        .filter(|name| name.until.is_none_or(|until| until > now))
        .map(|name| &name.domain)
        .collect();
    domains.push(&last.domain);
    for domain in domains {
        let wanted = License {
            domain: domain.clone(),
            ..last.as_of(now)?
        };
        let is_wanted = match context.licenses.get(domain, &last.product).await {
            Ok(Some(stored)) => stored.value.license.as_of(now)? == wanted,
            Ok(None) | Err(TableError::Unreadable { .. }) => false,
            Err(error) => return Err(error.into()),
        };
        if !is_wanted {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The latest licence in the history, and the licence of the version.
fn last_and_wanted<'h>(
    history: &[&'h HistoryEntry<SignedLicense>],
    id: &LicenseId,
    version: u64,
) -> Result<(&'h License, License), Error> {
    let missing = || Error::NoVersion {
        domain: id.domain.clone(),
        product: id.product.clone(),
        version,
    };
    let last = history.iter().rev().find_map(|past| past.value());
    let last = &last.ok_or_else(missing)?.license;
    let of_version = history.iter().find(|past| past.revision.version == version);
    let of_version = of_version.and_then(|past| past.value());
    let license = of_version.ok_or_else(missing)?.license.clone();
    // A domain's history continues when another contract gets the domain. The facts of the previous
    // contract must not be restored.
    if license.usable_from != last.usable_from {
        return Err(Error::OtherContract {
            domain: id.domain.clone(),
            version,
        });
    }
    Ok((last, license))
}

/// Keeps the current serials, unless the version's serial is to be restored. Returns a remark if
/// the two differ.
fn settle_serial(license: &mut License, now: &License, wanted: &Restored) -> Option<String> {
    let version = wanted.version;
    let is_same = license.serial_sha256 == now.serial_sha256;
    if wanted.with_serial && !is_same {
        return Some(format!(
            "serial: that of version {version} is accepted again; those that replaced it are not"
        ));
    }
    license.serial_sha256 = now.serial_sha256;
    license.previous_serials = now.previous_serials.clone();
    (!is_same).then(|| {
        format!(
            "serial: stays as it is now; version {version} had another, which was replaced since \
             (--with-serial brings it back)"
        )
    })
}

/// Keeps the current suspension, unless the version's is to be restored. Returns a remark if the
/// two differ.
fn settle_suspension(license: &mut License, now: &License, wanted: &Restored) -> Option<String> {
    let version = wanted.version;
    if license.suspended_from == now.suspended_from {
        return None;
    }
    let words = |license: &License| match license.suspended_from {
        Some(from) => {
            let from = calendar::rfc3339(from, &license.policy);
            format!("suspended from {from}")
        }
        None => "not suspended".to_owned(),
    };
    let (then, current) = (words(license), words(now));
    if wanted.with_suspension {
        return Some(format!(
            "suspension: {then}, as in version {version}; it was {current}"
        ));
    }
    license.suspended_from = now.suspended_from;
    Some(format!(
        "suspension: stays {current}; in version {version} the licence was {then} \
         (--with-suspension brings that back)"
    ))
}

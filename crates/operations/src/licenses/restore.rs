//! A licence brought back from its history.

use tegata_common::calendar;
use tegata_common::lease::SignedLicense;
use tegata_common::license::License;
use tegata_storage::HistoryEntry;

use super::planned::Before;
use super::{Context, LicenseId, PlannedChange};
use crate::{Error, contract};

/// What is brought back.
#[derive(Clone, Copy, Debug)]
pub struct Restored {
    /// The version of history.
    pub version: u64,
    /// Whether that version's serial is accepted again, and those that replaced it are not.
    pub with_serial: bool,
    /// Whether that version's suspension comes back, or its absence.
    pub with_suspension: bool,
}

/// Plans to bring back what a version said. The contract's domains and kintone plug-in ids are what
/// they are now, and all domains get it. So are serials and suspension, unless they are wanted.
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
    let planned = PlannedChange::new(context, "restore", before, &license).await?;
    Ok(planned.written_always(remarks.into_iter().flatten().collect()))
}

/// The licence as history has it last, and as the version has it.
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
    // A domain's history goes on when another contract gets it. Nothing of the one before may
    // come back with it.
    if license.usable_from != last.usable_from {
        return Err(Error::OtherContract {
            domain: id.domain.clone(),
            version,
        });
    }
    Ok((last, license))
}

/// Keeps the serials that are accepted now, unless the version's is wanted. Tells which, if it
/// makes a difference.
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

/// Keeps the suspension as it is now, unless the version's is wanted. Tells which, if it makes a
/// difference.
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

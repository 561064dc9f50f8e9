//! A licence brought back from its history.

use anyhow::bail;
use tegata_common::calendar;
use tegata_common::lease::SignedLicense;
use tegata_common::license::License;
use tegata_operations::contract;
use tegata_storage::HistoryEntry;

use super::LicenseSelector;
use super::edit::Editor;
use crate::change::DryRun;
use crate::failure::NotFound;
use crate::output::Output;
use crate::target::Target;

/// What is brought back.
pub(super) struct Wanted {
    pub(super) version: u64,
    pub(super) with_serial: bool,
    pub(super) with_suspension: bool,
}

/// Brings back what a version said. The contract's domains and kintone plug-in ids are what they
/// are now, and all domains get it. So are serials and suspension, unless they are wanted.
pub(super) async fn restore(
    target: &Target,
    output: Output,
    which: &LicenseSelector,
    wanted: Wanted,
    write: DryRun,
) -> anyhow::Result<()> {
    let Wanted { version, .. } = wanted;
    let domain = which.domain(target)?;
    let history = target.licenses.history(&domain, &which.product).await?;
    let readable: Vec<&HistoryEntry<SignedLicense>> = history.iter().flatten().collect();
    let missing = || NotFound(format!("{domain}, {}: no version {version}", which.product));
    let last = readable.iter().rev().find_map(|past| past.value());
    let last = &last.ok_or_else(missing)?.license;
    let of_version = readable
        .iter()
        .find(|past| past.revision.version == version);
    let of_version = of_version.and_then(|past| past.value());
    let mut license = of_version.ok_or_else(missing)?.license.clone();
    // A domain's history goes on when another contract gets it. Nothing of the one before may
    // come back with it.
    if license.usable_from != last.usable_from {
        bail!("version {version} is of another contract, which has left {domain}");
    }
    license.names = last.names.clone();
    license.kintone_plugin_ids = last.kintone_plugin_ids.clone();
    let remarks = [
        settle_serial(&mut license, last, &wanted),
        settle_suspension(&mut license, last, &wanted),
    ];
    let license = license.as_of(target.now)?;
    let contract = contract::read_to_restore(&target.licenses, license.clone()).await?;
    let editor = Editor {
        target,
        output,
        write,
        before: Some(last.as_of(target.now)?),
        contract: Some(contract),
        is_mending: true,
        remarks: remarks.into_iter().flatten().collect(),
    };
    editor.write("restore", license).await
}

/// Keeps the serials that are accepted now, unless the version's is wanted. Tells which, if it
/// makes a difference.
fn settle_serial(license: &mut License, now: &License, wanted: &Wanted) -> Option<String> {
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
fn settle_suspension(license: &mut License, now: &License, wanted: &Wanted) -> Option<String> {
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

//! A licence brought back from its history.

use anyhow::bail;
use tegata_common::lease::SignedLicense;
use tegata_common::table::Past;

use super::Which;
use super::edit::Editor;
use crate::change::DryRun;
use crate::failure::NotFound;
use crate::output::Output;
use crate::place::Place;

/// Brings back what a version said, but for the contract's domains and kintone plug-in ids: those
/// are what they are now, and all domains get it.
pub(super) async fn restore(
    place: &Place,
    output: Output,
    which: &Which,
    version: u64,
    write: DryRun,
) -> anyhow::Result<()> {
    let domain = which.domain(place)?;
    let history = place.licenses.history(&domain, &which.product).await?;
    let readable: Vec<&Past<SignedLicense>> = history.iter().flatten().collect();
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
    let license = license.as_of(place.now)?;
    let contract = place.licenses.contract_to_mend(license.clone()).await?;
    let editor = Editor {
        place,
        output,
        write,
        before: Some(last.as_of(place.now)?),
        contract: Some(contract),
        is_mending: true,
    };
    editor.write("restore", license).await
}

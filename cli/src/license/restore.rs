//! A licence brought back from its history.

use tegata_common::license::Name;

use super::Which;
use super::edit::Editor;
use crate::change::DryRun;
use crate::failure::NotFound;
use crate::output::Output;
use crate::place::Place;

/// Brings back what a version said, but for the contract's domains: those are where they are now,
/// and all of them get it.
pub(super) async fn restore(
    place: &Place,
    output: Output,
    which: &Which,
    version: u64,
    write: DryRun,
) -> anyhow::Result<()> {
    let domain = which.domain(place)?;
    let history = place.licenses.history(&domain, &which.product).await?;
    let missing = || NotFound(format!("{domain}, {}: no version {version}", which.product));
    let mut leases = history.iter().filter_map(|past| past.value.as_ref());
    let last_lease = leases.clone().map(|signed| &signed.lease);
    let last_lease = last_lease.max_by_key(|lease| lease.issued_at).cloned();
    let names: Option<Vec<Name>> = leases
        .next_back()
        .map(|signed| signed.license.names.clone());
    let of_version = history
        .iter()
        .find(|past| past.revision.version == version)
        .and_then(|past| past.value.as_ref());
    let mut license = of_version.ok_or_else(missing)?.license.clone();
    if let Some(names) = names {
        license.names = names;
    }
    let license = license.as_of(place.now)?;
    let licenses = &place.licenses;
    let contract = licenses
        .contract_to_mend(license.clone(), last_lease)
        .await?;
    let editor = Editor {
        place,
        output,
        write,
        before: None,
        contract: Some(contract),
    };
    editor.write("restore", license).await
}

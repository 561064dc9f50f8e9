//! A licence brought back from its history.

use jiff::Timestamp;
use tegata_common::lease::SignedLicense;
use tegata_common::table::Key;

use super::Which;
use super::edit::Editor;
use crate::change::DryRun;
use crate::failure::NotFound;
use crate::output::Output;
use crate::place::Place;

pub(super) async fn restore(
    place: &Place,
    output: Output,
    which: &Which,
    version: u64,
    write: &DryRun,
    now: Timestamp,
) -> anyhow::Result<()> {
    let domain = which.domain(place)?;
    let key = Key::license(&domain, &which.product);
    let history = place.table.history::<SignedLicense>(&key).await?;
    let missing = || NotFound(format!("{domain}, {}: no version {version}", which.product));
    let last_lease = history.iter().map(|stored| &stored.value.lease);
    let last_lease = last_lease.max_by_key(|lease| lease.issued_at).cloned();
    let of_version = history
        .iter()
        .find(|stored| stored.revision.version == version);
    let license = of_version.ok_or_else(missing)?.value.license.clone();
    let revision = place.table.revision(&key).await?;
    let editor = Editor {
        place,
        output,
        dry_run: write.dry_run,
        now,
        key,
        before: None,
        revision,
        lease: last_lease,
    };
    editor.write("restore", license).await
}

//! The kintone plug-in ids that the catalogue has now, and what it says is told without a serial,
//! brought to the licences there are.

use std::collections::BTreeMap;

use anyhow::bail;
use clap::Args;
use serde_json::json;
use tegata_common::lease::SignedLicense;
use tegata_common::license::License;
use tegata_common::product::{KintonePluginId, ProductSlug, WithoutSerial};
use tegata_operations::contract;
use tegata_signing::Signer;
use tegata_storage::Versioned;
use tegata_storage::licenses::FoundLicenses;

use super::complain;
use crate::change::DryRun;
use crate::failure;
use crate::output::{self, Output, note, say};
use crate::target::Target;

#[derive(Args)]
pub(crate) struct UpdatePluginIds {
    /// Only this product's licences.
    #[arg(long)]
    product: Option<ProductSlug>,
    #[command(flatten)]
    write: DryRun,
}

/// What is brought.
type Update = (Vec<KintonePluginId>, WithoutSerial);
type Updates = BTreeMap<ProductSlug, Update>;

/// What a licence has of it now.
fn current(license: &License) -> Update {
    (
        license.kintone_plugin_ids.clone(),
        license.policy.without_serial,
    )
}

/// Writes the contracts whose ids are others than the catalogue's. One that somebody changes
/// meanwhile is counted apart: the next run finds it again.
pub(super) async fn update(
    target: &Target,
    output: Output,
    args: UpdatePluginIds,
) -> anyhow::Result<()> {
    let products = target.licenses.products().await?;
    let products = products.into_iter().map(|stored| stored.value);
    let updates: Updates = products
        .map(|product| {
            let told = product.policy.without_serial;
            (product.slug, (product.kintone_plugin_ids, told))
        })
        .collect();
    let FoundLicenses {
        mut licenses,
        unreadable,
    } = target.licenses.all().await?;
    licenses.retain(|stored| {
        let license = &stored.value.license;
        let is_asked = args.product.as_ref().is_none_or(|p| *p == license.product);
        let update = updates.get(&license.product);
        is_asked && update.is_some_and(|update| *update != current(license))
    });
    let total = licenses.len();
    let (mut written, mut changed_meanwhile, mut failed) = (0, 0, 0);
    if !args.write.dry_run && total > 0 {
        let signer = target.signer().await?;
        let bar = output::progress(
            total,
            "{wide_bar} {pos} of {len} licences, {eta} left",
            output,
        );
        for stored in licenses {
            match update_one(target, &signer, &stored, &updates).await {
                Ok(()) => written += 1,
                Err(error) if failure::is_conflict(&error) => changed_meanwhile += 1,
                // One licence's trouble must not keep the others from being written.
                Err(error) => {
                    failed += 1;
                    let license = &stored.value.license;
                    let label = format!("{}, {}", license.domain, license.product);
                    bar.suspend(|| note!("warning: {label}: {error:#}"));
                }
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
    }
    match (output, args.write.dry_run) {
        (Output::Json, dry_run) => {
            output::json(&json!({
                "change": "update-plugin-ids",
                "dry_run": dry_run,
                "licenses": total,
                "written": written,
                "changed_meanwhile": changed_meanwhile,
                "failed": failed,
                "unreadable": unreadable.len(),
            }))?;
        }
        (Output::Text, is_dry) => {
            if is_dry {
                say!("{total} licences would get what the catalogue has now");
            }
            let done = format!("{written} licences written, {changed_meanwhile} changed meanwhile");
            args.write.conclude(&done);
        }
    }
    if failed > 0 {
        bail!("{failed} licences could not be written; run it again");
    }
    complain(&unreadable)
}

async fn update_one(
    target: &Target,
    signer: &Signer,
    stored: &Versioned<SignedLicense>,
    updates: &Updates,
) -> anyhow::Result<()> {
    let SignedLicense { license, .. } = &stored.value;
    let contract = contract::read(&target.licenses, &license.domain, &license.product).await?;
    let (Some(contract), Some(update)) = (contract, updates.get(&license.product)) else {
        return Ok(()); // It has been deleted meanwhile.
    };
    // Another domain of the same contract has brought it here already.
    if current(&contract.license) == *update {
        return Ok(());
    }
    let mut license = contract.license.clone();
    (license.kintone_plugin_ids, license.policy.without_serial) = update.clone();
    let act = target.act("update-plugin-ids");
    let licenses = &target.licenses;
    contract::write(licenses, Some(&contract), &license, signer, &act).await?;
    Ok(())
}

//! The kintone plug-in ids and the `without_serial` that the catalogue has now, brought to the
//! licences there are.

use std::collections::BTreeMap;

use serde::Serialize;
use tegata_common::lease::SignedLicense;
use tegata_common::license::License;
use tegata_common::product::{KintonePluginId, ProductSlug, WithoutSerial};
use tegata_signing::Signer;
use tegata_storage::licenses::{FoundLicenses, Licenses};
use tegata_storage::{TableError, Versioned};

use super::{Context, LicenseId};
use crate::bulk::Tally;
use crate::{BulkItem, Error, contract};

const CHANGE: &str = "update-plugin-ids";

/// What the catalogue fixes for a licence, and this operation updates.
type PluginSettings = (Vec<KintonePluginId>, WithoutSerial);

/// What a licence has of it now.
fn settings(license: &License) -> PluginSettings {
    (
        license.kintone_plugin_ids.clone(),
        license.policy.without_serial,
    )
}

/// Licences that have other plug-in ids, or another `without_serial`, than the catalogue.
#[derive(Debug)]
pub struct OutdatedLicenses {
    licenses: Vec<Versioned<SignedLicense>>,
    catalogue: BTreeMap<ProductSlug, PluginSettings>,
    unreadable: Vec<TableError>,
}

/// What became of licences that were to be updated.
#[derive(Debug, Serialize)]
pub struct PluginIdsReport {
    /// The name under which history records it.
    pub change: &'static str,
    /// Whether nothing was to be written.
    pub dry_run: bool,
    /// The licences that differed from the catalogue.
    pub licenses: usize,
    /// Those that were written.
    pub written: usize,
    /// Those that somebody changed at the same time: the next run finds them again.
    pub changed_meanwhile: usize,
    /// Those that could not be written.
    pub failed: usize,
    /// Licences that could not be read.
    pub unreadable: usize,
}

/// Finds the licences, of one product or of all, that differ from the catalogue.
pub async fn outdated_plugin_ids(
    licenses: &Licenses,
    product: Option<&ProductSlug>,
) -> Result<OutdatedLicenses, Error> {
    let products = licenses.products().await?.into_iter();
    let catalogue: BTreeMap<ProductSlug, PluginSettings> = products
        .map(|stored| {
            let product = stored.value;
            let without_serial = product.policy.without_serial;
            (product.slug, (product.kintone_plugin_ids, without_serial))
        })
        .collect();
    let FoundLicenses {
        mut licenses,
        unreadable,
    } = licenses.all().await?;
    licenses.retain(|stored| {
        let license = &stored.value.license;
        let is_asked = product.is_none_or(|product| *product == license.product);
        let of_catalogue = catalogue.get(&license.product);
        is_asked && of_catalogue.is_some_and(|of| *of != settings(license))
    });
    Ok(OutdatedLicenses {
        licenses,
        catalogue,
        unreadable,
    })
}

impl OutdatedLicenses {
    /// The number of licences that differ.
    pub fn len(&self) -> usize {
        self.licenses.len()
    }

    /// Whether no licence differs.
    pub fn is_empty(&self) -> bool {
        self.licenses.is_empty()
    }

    /// Writes the contracts with what the catalogue has, unless this is a dry run. One that fails
    /// does not stop the others; `on_item` is told of each. Returns the errors of licences that could not be read too.
    pub async fn update(
        self,
        context: &Context<'_>,
        dry_run: bool,
        mut on_item: impl FnMut(BulkItem<'_>),
    ) -> Result<(PluginIdsReport, Vec<TableError>), Error> {
        let total = self.licenses.len();
        let mut tally = Tally::default();
        if !dry_run && total > 0 {
            let signer = context.signer().await?;
            for (index, stored) in self.licenses.iter().enumerate() {
                let id = LicenseId::of(&stored.value.license);
                let error = tally.count(self.update_one(context, &signer, &id).await);
                on_item(BulkItem {
                    done: index + 1,
                    total,
                    label: &id.to_string(),
                    error: error.as_ref(),
                });
            }
        }
        let report = PluginIdsReport {
            change: CHANGE,
            dry_run,
            licenses: total,
            written: tally.written,
            changed_meanwhile: tally.changed_meanwhile,
            failed: tally.failed,
            unreadable: self.unreadable.len(),
        };
        Ok((report, self.unreadable))
    }

    async fn update_one(
        &self,
        context: &Context<'_>,
        signer: &Signer,
        id: &LicenseId,
    ) -> Result<(), Error> {
        let licenses = context.licenses;
        let contract = contract::read(licenses, &id.domain, &id.product).await?;
        let (Some(contract), Some(of_catalogue)) = (contract, self.catalogue.get(&id.product))
        else {
            return Ok(()); // It has been deleted meanwhile.
        };
        // Another domain of the same contract has brought it here already.
        if settings(&contract.license) == *of_catalogue {
            return Ok(());
        }
        let mut license = contract.license.clone();
        (license.kintone_plugin_ids, license.policy.without_serial) = of_catalogue.clone();
        let act = context.caller.change(CHANGE);
        contract::write(licenses, Some(&contract), &license, signer, &act).await?;
        Ok(())
    }
}

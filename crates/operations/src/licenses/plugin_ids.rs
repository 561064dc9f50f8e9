//! Updates existing licences with the current kintone plug-in ids, `without_serial` and links of the
//! catalogue.

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

/// The values of a licence that this operation updates.
type PluginSettings = (
    Vec<KintonePluginId>,
    WithoutSerial,
    Option<String>,
    Option<String>,
);

/// The current values of a licence.
fn settings(license: &License) -> PluginSettings {
    (
        license.kintone_plugin_ids.clone(),
        license.policy.without_serial,
        license.policy.support.clone(),
        license.policy.purchase_url.clone(),
    )
}

/// Licences whose values differ from the catalogue.
#[derive(Debug)]
pub struct OutdatedLicenses {
    licenses: Vec<Versioned<SignedLicense>>,
    catalogue: BTreeMap<ProductSlug, PluginSettings>,
    unreadable: Vec<TableError>,
}

/// The result of an update.
#[derive(Debug, Serialize)]
pub struct PluginIdsReport {
    /// The name of the change in the history.
    pub change: &'static str,
    /// Whether this was a dry run: nothing was written.
    pub dry_run: bool,
    /// The number of licences that differed from the catalogue.
    pub licenses: usize,
    /// The number of written licences.
    pub written: usize,
    /// The number of licences that were changed concurrently. The next run includes them again.
    pub changed_meanwhile: usize,
    /// The number of licences that could not be written.
    pub failed: usize,
    /// The number of unreadable licences.
    pub unreadable: usize,
}

/// Finds the licences of one product, or of all products, that differ from the catalogue.
pub async fn outdated_plugin_ids(
    licenses: &Licenses,
    product: Option<&ProductSlug>,
) -> Result<OutdatedLicenses, Error> {
    let products = licenses.products().await?.into_iter();
    let catalogue: BTreeMap<ProductSlug, PluginSettings> = products
        .map(|stored| {
            let product = stored.value;
            let policy = product.policy;
            let settings = (
                product.kintone_plugin_ids,
                policy.without_serial,
                policy.support,
                policy.purchase_url,
            );
            (product.slug, settings)
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

    /// Writes the contracts with the catalogue's values. Does nothing in a dry run. A failed
    /// contract does not stop the others; `on_item` is called for each. Also returns the errors of
    /// unreadable licences.
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
            return Ok(()); // deleted since it was found
        };
        // Already written with another domain of the same contract.
        if settings(&contract.license) == *of_catalogue {
            return Ok(());
        }
        let mut license = contract.license.clone();
        (
            license.kintone_plugin_ids,
            license.policy.without_serial,
            license.policy.support,
            license.policy.purchase_url,
        ) = of_catalogue.clone();
        let act = context.caller.change(CHANGE);
        contract::write(licenses, Some(&contract), &license, signer, &act).await?;
        Ok(())
    }
}

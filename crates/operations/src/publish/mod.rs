//! A plug-in's files on the CDN, and the version that is current.

mod content_type;
mod current;
mod files;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tegata_archive::objects::Objects;
use tegata_common::product::ProductSlug;
use tegata_storage::licenses::Licenses;

use crate::Error;

pub use content_type::{CONTENT_TYPES, content_type};
pub use current::{CurrentReport, PlannedCurrent, PublishedVersion, make_current, versions};
pub use files::{FilesReport, PlannedFiles, VersionFile, put_files};

/// The files of a version. It is an object of the CDN beside them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The product.
    pub product: ProductSlug,
    /// The version.
    pub version: String,
    /// The files, by path below the version's.
    pub files: BTreeMap<String, ManifestFile>,
}

/// A file of a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestFile {
    /// `sha384-…`, as a script's `integrity` takes it.
    pub integrity: String,
    /// The size.
    pub bytes: u64,
}

/// The manifest of a published version.
async fn manifest_of(
    cdn: &Objects,
    product: &ProductSlug,
    version: &str,
) -> Result<Option<Manifest>, Error> {
    let path = manifest_path(product, version);
    let manifest = cdn.get(&path).await?;
    let manifest = manifest.map(|manifest| serde_json::from_slice(&manifest));
    manifest
        .transpose()
        .map_err(|error| Error::Manifest { path, error })
}

/// The key of a version's manifest.
fn manifest_path(product: &ProductSlug, version: &str) -> String {
    format!("{product}/{version}/manifest.json")
}

/// Rejects a product that is not in the catalogue, or cannot have files on the CDN.
async fn check_product(licenses: &Licenses, product: &ProductSlug) -> Result<(), Error> {
    let products = licenses.products().await?;
    match products.iter().any(|stored| stored.value.slug == *product) {
        // The path of the news page.
        true if product.as_str() == "news" => Err(Error::NewsProduct),
        true => Ok(()),
        false => Err(Error::UnknownProduct(product.clone())),
    }
}

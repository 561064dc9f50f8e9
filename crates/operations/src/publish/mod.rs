//! A plug-in's files on the CDN, and the version that is current.

mod content_type;
mod current;
mod files;
mod news;
mod status;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tegata_archive::objects::Objects;
use tegata_common::product::{Product, ProductSlug};
use tegata_common::release::VersionFiles;
use tegata_common::version::PluginVersion;
use tegata_signing::KeyStore;
use tegata_storage::licenses::Licenses;
use tegata_storage::notices::Notices;

use crate::{Caller, Error};

pub use content_type::{CONTENT_TYPES, content_type};
pub use current::{
    CurrentReport, FileDifferences, PlannedCurrent, PublishedVersion, make_current, versions,
};
pub use files::{FilesReport, PlannedFiles, VersionFile, put_files};
pub use status::{
    DocumentStatus, PublishStatus, Served, TenantVersions, VersionTenants, document_status, status,
};

/// The stores that publishing reads and writes, and the caller.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The catalogue, and the registers of keys.
    pub licenses: &'a Licenses,
    /// The notices, and the current versions.
    pub notices: &'a Notices,
    /// The files on the CDN.
    pub cdn: &'a Objects,
    /// The release keys.
    pub keys: &'a KeyStore,
    /// The caller, and the instant of the operation.
    pub caller: Caller<'a>,
}
pub use news::{NewsReport, publish_news};

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

/// The files of a published version, as a release document names them.
async fn files_of(
    cdn: &Objects,
    product: &ProductSlug,
    version: &PluginVersion,
) -> Result<VersionFiles, Error> {
    let manifest = manifest_of(cdn, product, version.as_str()).await?;
    let manifest = manifest.ok_or_else(|| Error::NotOnCdn {
        product: product.clone(),
        version: version.to_string(),
    })?;
    let files = manifest.files.into_iter();
    Ok(VersionFiles {
        version: version.clone(),
        files: files.map(|(path, file)| (path, file.integrity)).collect(),
    })
}

/// The key of a version's manifest.
fn manifest_path(product: &ProductSlug, version: &str) -> String {
    format!("{product}/{version}/manifest.json")
}

/// The product's entry in the catalogue. Rejects a product that cannot have files on the CDN.
async fn product_of(licenses: &Licenses, slug: &ProductSlug) -> Result<Product, Error> {
    let products = licenses.products().await?.into_iter();
    let mut products = products.map(|stored| stored.value);
    match products.find(|product| product.slug == *slug) {
        // The path of the news page.
        Some(_) if slug.as_str() == "news" => Err(Error::NewsProduct),
        Some(product) => Ok(product),
        None => Err(Error::UnknownProduct(slug.clone())),
    }
}

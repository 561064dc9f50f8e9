//! A version's files, put once.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use serde::Serialize;
use sha2::{Digest as _, Sha384};
use tegata_archive::objects::{Objects, Put};
use tegata_common::product::ProductSlug;
use tegata_common::version::PluginVersion;
use tegata_notices::channels::never_changes;
use tegata_storage::licenses::Licenses;

use super::{Manifest, ManifestFile, manifest_of, manifest_path, product_of};
use crate::Error;

/// A file that is to be put onto the CDN.
#[derive(Debug)]
pub struct VersionFile {
    /// Its path below the version's.
    pub path: String,
    /// Its content.
    pub content: Vec<u8>,
    /// Its media type.
    pub content_type: &'static str,
}

/// Files that can be put onto the CDN, and have not been.
#[derive(Debug)]
pub struct PlannedFiles {
    manifest: Manifest,
    files: Vec<VersionFile>,
}

/// What became of a version's files.
#[derive(Debug, Serialize)]
pub struct FilesReport {
    /// The files of the version.
    pub manifest: Manifest,
    /// Those that were not there before.
    pub new: usize,
    /// Whether nothing was to be written.
    pub dry_run: bool,
}

/// Plans to put the files of a version. A version that is published keeps its files.
pub async fn put_files(
    licenses: &Licenses,
    cdn: &Objects,
    product: &ProductSlug,
    version: &PluginVersion,
    files: Vec<VersionFile>,
) -> Result<PlannedFiles, Error> {
    product_of(licenses, product).await?;
    let entries: BTreeMap<String, ManifestFile> = files
        .iter()
        .map(|file| {
            let integrity = format!("sha384-{}", BASE64.encode(&Sha384::digest(&file.content)));
            let bytes = file.content.len() as u64;
            (file.path.clone(), ManifestFile { integrity, bytes })
        })
        .collect();
    let manifest = Manifest {
        product: product.clone(),
        version: version.to_string(),
        files: entries,
    };
    match manifest_of(cdn, product, version.as_str()).await? {
        Some(published) if published != manifest => Err(Error::PublishedOtherwise {
            product: product.clone(),
            version: version.to_string(),
        }),
        _ => Ok(PlannedFiles { manifest, files }),
    }
}

impl PlannedFiles {
    /// The number of the files.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there are no files.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Puts the files, and the manifest last: what it names is there. In a dry run, puts nothing.
    pub async fn carry_out(
        self,
        cdn: &Objects,
        dry_run: bool,
        mut on_file: impl FnMut(),
    ) -> Result<FilesReport, Error> {
        let Self { manifest, files } = self;
        let mut new = 0;
        if !dry_run {
            for file in files {
                let path = format!("{}/{}/{}", manifest.product, manifest.version, file.path);
                new += usize::from(put_file(cdn, path, file).await?);
                on_file();
            }
            let path = manifest_path(&manifest.product, &manifest.version);
            let content = serde_json::to_vec_pretty(&manifest)?;
            let headers = never_changes("application/json");
            cdn.put_new(&path, content, headers).await?;
        }
        Ok(FilesReport {
            manifest,
            new,
            dry_run,
        })
    }
}

/// Puts a file, and tells whether it is new. One that is there must have the same content.
async fn put_file(cdn: &Objects, path: String, file: VersionFile) -> Result<bool, Error> {
    let headers = never_changes(file.content_type);
    match cdn.put_new(&path, file.content.clone(), headers).await? {
        Put::New => Ok(true),
        // Of a run that was broken off, or somebody else's.
        Put::AlreadyThere => {
            let there = cdn.get(&path).await?;
            match there.as_deref() == Some(file.content.as_slice()) {
                true => Ok(false),
                false => Err(Error::OtherContent(path)),
            }
        }
    }
}

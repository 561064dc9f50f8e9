//! A version's files, put once.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, bail};
use data_encoding::BASE64;
use release_notification::channels::never_changes;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha384};
use tegata_common::objects::Put;
use tegata_common::product::ProductSlug;
use tegata_common::version::PluginVersion;

use super::manifest_path;
use crate::change::DryRun;
use crate::output::{self, Output, say};
use crate::place::Place;

/// The largest file, in bytes.
const LARGEST: u64 = 20 * 1024 * 1024;

/// What a version consists of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) product: ProductSlug,
    pub(super) version: String,
    /// By path below the version's.
    pub(super) files: BTreeMap<String, ManifestFile>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ManifestFile {
    /// `sha384-…`, as a script's `integrity` takes it.
    pub(super) integrity: String,
    pub(super) bytes: u64,
}

struct File {
    path: String,
    content: Vec<u8>,
    content_type: &'static str,
}

pub(super) async fn put(
    place: &Place,
    output: Output,
    product: &ProductSlug,
    version: &PluginVersion,
    directory: &Path,
    write: DryRun,
) -> anyhow::Result<()> {
    known(place, product).await?;
    let mut files = Vec::new();
    read(directory, "", &mut files)?;
    if files.is_empty() {
        bail!("{}: no files", directory.display());
    }
    let manifest = Manifest {
        product: product.clone(),
        version: version.to_string(),
        files: files
            .iter()
            .map(|file| {
                let integrity = format!("sha384-{}", BASE64.encode(&Sha384::digest(&file.content)));
                let bytes = file.content.len() as u64;
                (file.path.clone(), ManifestFile { integrity, bytes })
            })
            .collect(),
    };
    if let Some(published) = manifest_of(place, product, version.as_str()).await?
        && published != manifest
    {
        bail!(
            "{product} {version} is published with other files, and stays as it is: publish a new version"
        );
    }
    let mut new = 0;
    if !write.dry_run {
        let bar = output::progress(files.len(), "{bar:40} {pos}/{len} files", output);
        for file in files {
            let path = format!("{product}/{version}/{}", file.path);
            let content = file.content.clone();
            let headers = never_changes(file.content_type);
            match place.cdn.put_new(&path, content, headers).await? {
                Put::New => new += 1,
                // Of a run that was broken off, or somebody else's.
                Put::AlreadyThere => {
                    let there = place.cdn.get(&path).await?;
                    if there.as_deref() != Some(file.content.as_slice()) {
                        bail!(
                            "{path} is there with another content, and stays as it is: publish a new version"
                        );
                    }
                }
            }
            bar.inc(1);
        }
        bar.finish_and_clear();
        // The last: what it names is there.
        let path = manifest_path(product, version.as_str());
        let content = serde_json::to_vec_pretty(&manifest)?;
        let headers = never_changes("application/json");
        place.cdn.put_new(&path, content, headers).await?;
    }
    match output {
        Output::Json => output::json(&json!({
            "manifest": manifest,
            "new": new,
            "dry_run": write.dry_run,
        }))?,
        Output::Text => {
            for (path, file) in &manifest.files {
                say!(
                    "  /{product}/{version}/{path}  {}  {} bytes",
                    file.integrity,
                    file.bytes
                );
            }
            write.conclude(&format!(
                "published, and not current: tegata publish current {product} {version}"
            ));
        }
    }
    Ok(())
}

/// The manifest of a published version.
pub(super) async fn manifest_of(
    place: &Place,
    product: &ProductSlug,
    version: &str,
) -> anyhow::Result<Option<Manifest>> {
    let path = manifest_path(product, version);
    let manifest = place.cdn.get(&path).await?;
    let read = manifest.map(|manifest| serde_json::from_slice(&manifest));
    read.transpose().context(path)
}

/// Refuses a product that is not in the catalogue.
pub(super) async fn known(place: &Place, product: &ProductSlug) -> anyhow::Result<()> {
    let products = place.licenses.products().await?;
    match products.iter().any(|stored| stored.value.slug == *product) {
        // Where the news page is.
        true if product.as_str() == "news" => {
            anyhow::bail!(
                "a product named news has no files on the CDN: they would be the news page's"
            )
        }
        true => Ok(()),
        false => Err(crate::failure::NotFound(format!("there is no product {product}")).into()),
    }
}

fn read(directory: &Path, prefix: &str, files: &mut Vec<File>) -> anyhow::Result<()> {
    let shown = || directory.display().to_string();
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(directory).with_context(shown)? {
        entries.push(entry.with_context(shown)?);
    }
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let name = entry.file_name();
        let is_plain = |name: &&str| {
            !name.starts_with('.')
                && name
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
        };
        let Some(name) = name.to_str().filter(is_plain) else {
            bail!(
                "{}: names of files are letters, digits, '.', '-' and '_', and are not hidden",
                path.display()
            );
        };
        let name = format!("{prefix}{name}");
        // What a link leads to is not what was looked at.
        let metadata = entry.metadata().with_context(shown)?;
        if metadata.is_dir() {
            read(&path, &format!("{name}/"), files)?;
        } else if !metadata.is_file() {
            bail!("{}: neither a file nor a directory", path.display());
        } else if metadata.len() > LARGEST {
            bail!("{}: larger than 20 MB", path.display());
        } else if name == "manifest.json" {
            bail!("{}: the manifest is made by this command", path.display());
        } else {
            let content = std::fs::read(&path).with_context(|| path.display().to_string())?;
            let content_type = content_type(&name);
            files.push(File {
                path: name,
                content,
                content_type,
            });
        }
    }
    Ok(())
}

/// The media type of a file of the CDN, by its name.
pub(crate) fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, ending)| ending) {
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("html") => "text/html; charset=utf-8",
        Some("json" | "map") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("webp") => "image/webp",
        Some("woff2") => "font/woff2",
        Some("wasm") => "application/wasm",
        Some("txt" | "md") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

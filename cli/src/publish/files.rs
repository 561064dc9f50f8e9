//! A version's files, put once.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, bail};
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha384};
use tegata_archive::objects::Put;
use tegata_common::product::ProductSlug;
use tegata_common::version::PluginVersion;
use tegata_notices::channels::never_changes;

use super::manifest_path;
use crate::change::DryRun;
use crate::output::{self, Output, say};
use crate::target::Target;

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

/// What a directory has for the CDN.
#[derive(Default)]
struct Directory {
    files: Vec<File>,
    /// The paths that operating systems add.
    left_out: Vec<String>,
    /// What cannot be published: a path and the reason.
    refused: Vec<String>,
}

struct File {
    path: String,
    content: Vec<u8>,
    content_type: &'static str,
}

pub(super) async fn put(
    target: &Target,
    output: Output,
    product: &ProductSlug,
    version: &PluginVersion,
    directory: &Path,
    write: DryRun,
) -> anyhow::Result<()> {
    known(target, product).await?;
    let Directory {
        files,
        left_out,
        refused,
    } = Directory::read(directory)?;
    if !refused.is_empty() {
        bail!(
            "{} cannot be published:\n  {}",
            directory.display(),
            refused.join("\n  ")
        );
    }
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
    if let Some(published) = manifest_of(target, product, version.as_str()).await?
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
            match target.cdn()?.put_new(&path, content, headers).await? {
                Put::New => new += 1,
                // Of a run that was broken off, or somebody else's.
                Put::AlreadyThere => {
                    let there = target.cdn()?.get(&path).await?;
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
        target.cdn()?.put_new(&path, content, headers).await?;
    }
    match output {
        Output::Json => output::json(&json!({
            "manifest": manifest,
            "left_out": left_out,
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
            for path in &left_out {
                say!("  left out, as it is of the operating system: {path}");
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
    target: &Target,
    product: &ProductSlug,
    version: &str,
) -> anyhow::Result<Option<Manifest>> {
    let path = manifest_path(product, version);
    let manifest = target.cdn()?.get(&path).await?;
    let read = manifest.map(|manifest| serde_json::from_slice(&manifest));
    read.transpose().context(path)
}

/// Refuses a product that is not in the catalogue.
pub(super) async fn known(target: &Target, product: &ProductSlug) -> anyhow::Result<()> {
    let products = target.licenses()?.products().await?;
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

impl Directory {
    fn read(directory: &Path) -> anyhow::Result<Self> {
        let mut read = Self::default();
        read.add(directory, "")?;
        Ok(read)
    }

    fn add(&mut self, directory: &Path, prefix: &str) -> anyhow::Result<()> {
        let shown = || directory.display().to_string();
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(directory).with_context(shown)? {
            entries.push(entry.with_context(shown)?);
        }
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name();
            let path = format!("{prefix}{}", name.to_string_lossy());
            if name.to_str().is_some_and(is_of_operating_system) {
                self.left_out.push(path);
                continue;
            }
            let is_plain = |name: &str| {
                let mut bytes = name.bytes();
                !name.starts_with('.')
                    && bytes.all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
            };
            // What a link leads to is not what was looked at.
            let metadata = entry.metadata().with_context(shown)?;
            let content_type = content_type(&path);
            let problem = if !name.to_str().is_some_and(is_plain) {
                "names of files are letters, digits, '.', '-' and '_', and are not hidden"
            } else if metadata.is_dir() {
                self.add(&entry.path(), &format!("{path}/"))?;
                continue;
            } else if !metadata.is_file() {
                "neither a file nor a directory"
            } else if metadata.len() > LARGEST {
                "larger than 20 MB"
            } else if path == "manifest.json" {
                "the manifest is made by this command"
            } else if let Some(content_type) = content_type {
                let file = entry.path();
                let content = std::fs::read(&file).with_context(|| file.display().to_string())?;
                self.files.push(File {
                    path,
                    content,
                    content_type,
                });
                continue;
            } else {
                let accepted: Vec<&str> = CONTENT_TYPES.iter().map(|(ending, _)| *ending).collect();
                self.refused.push(format!(
                    "{path}: browsers need its type, which its ending does not tell; accepted are {}",
                    accepted.join(", ")
                ));
                continue;
            };
            self.refused.push(format!("{path}: {problem}"));
        }
        Ok(())
    }
}

/// Whether an operating system added a file or a directory of this name: to show a folder, to
/// unpack an archive, or to mark a download.
fn is_of_operating_system(name: &str) -> bool {
    const NAMES: [&str; 10] = [
        ".ds_store",
        ".directory",
        ".fseventsd",
        ".spotlight-v100",
        ".trashes",
        "$recycle.bin",
        "__macosx",
        "desktop.ini",
        "ehthumbs.db",
        "thumbs.db",
    ];
    let name = name.to_ascii_lowercase();
    name.starts_with("._") || name.ends_with(":zone.identifier") || NAMES.contains(&name.as_str())
}

/// The media types of the CDN's files, by the endings of their names.
const CONTENT_TYPES: [(&str, &str); 25] = [
    ("js", "text/javascript; charset=utf-8"),
    ("mjs", "text/javascript; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("html", "text/html; charset=utf-8"),
    ("json", "application/json"),
    ("map", "application/json"),
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("jpg", "image/jpeg"),
    ("jpeg", "image/jpeg"),
    ("gif", "image/gif"),
    ("webp", "image/webp"),
    ("avif", "image/avif"),
    ("ico", "image/x-icon"),
    ("woff2", "font/woff2"),
    ("woff", "font/woff"),
    ("ttf", "font/ttf"),
    ("otf", "font/otf"),
    ("wasm", "application/wasm"),
    ("txt", "text/plain; charset=utf-8"),
    ("md", "text/plain; charset=utf-8"),
    ("csv", "text/csv; charset=utf-8"),
    ("xml", "application/xml"),
    ("pdf", "application/pdf"),
    ("zip", "application/zip"),
];

/// The media type of a file of the CDN, by its name; `None` if its ending is not known.
pub(crate) fn content_type(name: &str) -> Option<&'static str> {
    let (_, ending) = name.rsplit_once('.')?;
    let mut types = CONTENT_TYPES.iter();
    let found = types.find(|(known, _)| known.eq_ignore_ascii_case(ending));
    found.map(|(_, content_type)| *content_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_published_is_recorded() {
        let endings = CONTENT_TYPES.map(|(ending, _)| ending);
        assert_eq!(endings, tegata_common::access::FILE_ENDINGS);
    }

    #[test]
    fn the_case_of_an_ending_does_not_matter() {
        let javascript = Some("text/javascript; charset=utf-8");
        for name in ["plugin.js", "plugin.JS", "lib/a.min.Js", "plugin.MJS"] {
            assert_eq!(content_type(name), javascript, "{name}");
        }
        for name in ["plugin", "plugin.jsx", "js", "a.js/LICENSE", "plugin.js."] {
            assert_eq!(content_type(name), None, "{name}");
        }
    }
}

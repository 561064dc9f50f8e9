//! A directory with the files of a version.

use std::path::Path;

use anyhow::Context as _;
use tegata_operations::publish::{self, VersionFile};

/// The largest file, in bytes.
const LARGEST: u64 = 20 * 1024 * 1024;

/// What a directory has for the CDN.
#[derive(Default)]
pub(super) struct Directory {
    pub(super) files: Vec<VersionFile>,
    /// The paths that operating systems add.
    pub(super) left_out: Vec<String>,
    /// What cannot be published: a path and the reason.
    pub(super) refused: Vec<String>,
}

impl Directory {
    pub(super) fn read(directory: &Path) -> anyhow::Result<Self> {
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
            let content_type = publish::content_type(&path);
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
                self.files.push(VersionFile {
                    path,
                    content,
                    content_type,
                });
                continue;
            } else {
                let accepted: Vec<&str> = publish::CONTENT_TYPES
                    .iter()
                    .map(|(ending, _)| *ending)
                    .collect();
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

//! Files with secrets and personal data. Only their owner may read them, and symbolic links are not
//! followed.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;

use crate::owner_only;

/// What to do if the file exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    /// Keep it. The write fails.
    Keep,
    /// Replace its content.
    Replace,
    /// Append to its content.
    Append,
}

/// Writes a file with mode 0600 and flushes it to the disk. An existing file gets this mode too. A
/// symbolic link is an error: its target may be readable by other users, or belong to one.
pub(crate) fn write(path: &Path, content: &[u8], existing: Existing) -> io::Result<()> {
    let mut options = OpenOptions::new();
    match existing {
        Existing::Keep => options.write(true).create_new(true),
        // Truncated below, after the checks.
        Existing::Replace => options.write(true).create(true).truncate(false),
        Existing::Append => options.append(true).create(true),
    };
    let mut file = match owner_only::open_no_link(&options, path) {
        Err(_) if path.is_symlink() => {
            return Err(io::Error::other(
                "it is a symbolic link; give the path of the file itself",
            ));
        }
        opened => opened?,
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    owner_only::close_file(&file)?;
    if existing == Existing::Replace {
        file.set_len(0)?;
    }
    file.write_all(content)?;
    file.sync_all()
}

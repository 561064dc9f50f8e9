//! Files with secrets and personal data: for their owner only, and never somewhere else than where
//! they were asked for.

use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::Path;

use crate::owner_only;

/// What becomes of a file that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    /// It stays, and the write fails.
    Keep,
    /// Its content is replaced.
    Replace,
    /// Its content is continued.
    Append,
}

/// Writes a file of mode 0600 to the disk. The mode is set on the open file, whatever it was. A
/// symbolic link is refused: its target may be readable by others, or belong to somebody else.
pub(crate) fn write(path: &Path, content: &[u8], existing: Existing) -> io::Result<()> {
    let mut options = OpenOptions::new();
    match existing {
        Existing::Keep => options.write(true).create_new(true),
        // Emptied below, once it is known to be the right file.
        Existing::Replace => options.write(true).create(true).truncate(false),
        Existing::Append => options.append(true).create(true),
    };
    let mut file = match owner_only::open_no_link(&options, path) {
        Err(_) if path.is_symlink() => {
            return Err(io::Error::other(
                "it is a symbolic link; name the file itself",
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

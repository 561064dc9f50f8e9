//! Files with secrets and personal data: for their owner only, and never somewhere else than where
//! they were asked for.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

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
    let mut file = match open(&options, path) {
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
    restrict(&file)?;
    if existing == Existing::Replace {
        file.set_len(0)?;
    }
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(unix)]
fn open(options: &OpenOptions, path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = options.clone();
    // Without O_NONBLOCK, a named pipe would wait for a reader.
    options
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    options.open(path)
}

#[cfg(unix)]
fn restrict(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(std::fs::Permissions::from_mode(0o600))
}

/// Windows restricts a file by the access control list of its directory.
#[cfg(windows)]
fn open(options: &OpenOptions, path: &Path) -> io::Result<File> {
    if path.is_symlink() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    options.open(path)
}

#[cfg(windows)]
fn restrict(_: &File) -> io::Result<()> {
    Ok(())
}

//! Files and directories that only their owner may access: file modes on Unix. On Windows, the
//! access control list of the parent directory applies.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::path::Path;

/// Sets the mode of a new file: only its owner may access it.
#[cfg(unix)]
pub(crate) fn options(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt as _;
    options.mode(0o600)
}

/// Creates a directory that only its owner may access.
#[cfg(unix)]
pub(crate) fn create_directory(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().mode(0o700).create(path)
}

/// Whether other users have access.
#[cfg(unix)]
pub(crate) fn is_open_to_others(metadata: &Metadata) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    metadata.permissions().mode() & 0o077 != 0
}

/// Removes other users' access to a file or directory.
#[cfg(unix)]
pub(crate) fn close(path: &Path, metadata: &Metadata) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = if metadata.is_dir() { 0o700 } else { 0o600 };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

/// Removes other users' access to an open file.
#[cfg(unix)]
pub(crate) fn close_file(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    file.set_permissions(std::fs::Permissions::from_mode(0o600))
}

/// Opens a file. A symbolic link is an error.
#[cfg(unix)]
pub(crate) fn open_no_link(options: &OpenOptions, path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut options = options.clone();
    // Without O_NONBLOCK, opening a named pipe would block until it has a reader.
    options.custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK);
    self::options(&mut options).open(path)
}

#[cfg(windows)]
pub(crate) fn options(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}

#[cfg(windows)]
pub(crate) fn create_directory(path: &Path) -> io::Result<()> {
    std::fs::create_dir(path)
}

#[cfg(windows)]
pub(crate) fn is_open_to_others(_: &Metadata) -> bool {
    false
}

#[cfg(windows)]
pub(crate) fn close(_: &Path, _: &Metadata) -> io::Result<()> {
    Ok(())
}

#[cfg(windows)]
pub(crate) fn close_file(_: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(windows)]
pub(crate) fn open_no_link(options: &OpenOptions, path: &Path) -> io::Result<File> {
    if path.is_symlink() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    options.open(path)
}

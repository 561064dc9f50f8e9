//! Signing keys in files, for one machine.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use p256::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, LineEnding};

use tegata_common::keys::{Jwk, KeyLocation, KeyPurpose, Kid};

use crate::{Secret, Signer, SigningError, jwk_of};

/// The key files of one machine: `<kid>.pem` in PKCS #8 with mode 0600, in a directory with mode 0700.
/// Release keys are in its subdirectory `release`.
#[derive(Clone, Debug)]
pub struct KeyFiles(PathBuf);

impl KeyFiles {
    /// The key files in a directory, which is created with the first key.
    pub fn in_directory(directory: impl Into<PathBuf>) -> Self {
        Self(directory.into())
    }

    /// The key files of a purpose.
    pub(crate) fn of(&self, purpose: KeyPurpose) -> Self {
        match purpose {
            KeyPurpose::Lease => self.clone(),
            KeyPurpose::Release => Self(self.0.join("release")),
        }
    }

    /// Generates a key and writes its file.
    pub fn create(&self) -> Result<(Jwk, KeyLocation), SigningError> {
        let mut scalar = [0; 32];
        let secret = loop {
            getrandom::fill(&mut scalar)?;
            // Fails for 0 and for values not below the group's order, with negligible probability.
            if let Ok(secret) = p256::SecretKey::from_slice(&scalar) {
                break secret;
            }
        };
        let jwk = jwk_of(&secret.public_key());
        let path = self.path(&jwk.kid);
        let pem = secret
            .to_pkcs8_pem(LineEnding::LF)
            .map_err(|error| SigningError::file(&path, error))?;
        create_directory(&self.0).map_err(|error| SigningError::file(&self.0, error))?;
        create_new(&path)
            .and_then(|mut file| {
                file.write_all(pem.as_bytes())?;
                file.sync_all()
            })
            .map_err(|error| SigningError::file(&path, error))?;
        Ok((jwk, KeyLocation::File))
    }

    /// Opens a key for signing. A file that other users can read is rejected.
    pub fn signer(&self, kid: &Kid) -> Result<Signer, SigningError> {
        let path = self.path(kid);
        let failed = |error: io::Error| SigningError::file(&path, error);
        let mut file = File::open(&path).map_err(failed)?;
        if let Some(mode) = open_mode(&file).map_err(failed)? {
            let reason = format!("its mode is {mode:03o}; a signing key must be 600");
            return Err(SigningError::file(&path, reason));
        }
        let mut pem = String::new();
        file.read_to_string(&mut pem).map_err(failed)?;
        let key = p256::SecretKey::from_pkcs8_pem(&pem)
            .map_err(|error| SigningError::file(&path, error))?;
        Ok(Signer {
            kid: jwk_of(&key.public_key()).kid,
            secret: Secret::Local(key.into()),
        })
    }

    /// Removes a key's file.
    pub fn remove(&self, kid: &Kid) -> Result<(), SigningError> {
        let path = self.path(kid);
        fs::remove_file(&path).map_err(|error| SigningError::file(&path, error))
    }

    fn path(&self, kid: &Kid) -> PathBuf {
        self.0.join(format!("{kid}.pem"))
    }
}

#[cfg(unix)]
fn create_directory(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

#[cfg(unix)]
fn create_new(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
}

/// The mode of a file that other users have rights on; otherwise `None`.
#[cfg(unix)]
fn open_mode(file: &File) -> io::Result<Option<u32>> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = file.metadata()?.permissions().mode() & 0o777;
    Ok((mode & 0o077 != 0).then_some(mode))
}

/// On Windows, the access control list of the directory restricts the files.
#[cfg(windows)]
fn create_directory(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

#[cfg(windows)]
fn create_new(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}

#[cfg(windows)]
fn open_mode(_: &File) -> io::Result<Option<u32>> {
    Ok(None)
}

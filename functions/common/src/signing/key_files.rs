//! Signing keys in files, for one machine.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::PathBuf;

use p256::pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, LineEnding};

use super::{Jwk, KeyLocation, Secret, Signer, SigningError};

/// The key files of one machine: `<kid>.pem`, PKCS #8, mode 0600, in a directory of mode 0700.
#[derive(Clone, Debug)]
pub struct KeyFiles(PathBuf);

impl KeyFiles {
    /// The key files in a directory, which is made when the first key is.
    pub fn in_directory(directory: impl Into<PathBuf>) -> Self {
        Self(directory.into())
    }

    /// Makes a key and writes its file.
    pub fn create(&self) -> Result<(Jwk, KeyLocation), SigningError> {
        let mut scalar = [0; 32];
        let secret = loop {
            getrandom::fill(&mut scalar)?;
            // Fails for 0 and for what is not below the group's order: about never.
            if let Ok(secret) = p256::SecretKey::from_slice(&scalar) {
                break secret;
            }
        };
        let jwk = Jwk::of(&secret.public_key());
        let path = self.path(&jwk.kid);
        let pem = secret
            .to_pkcs8_pem(LineEnding::LF)
            .map_err(|error| SigningError::file(&path, error))?;
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.0)
            .map_err(|error| SigningError::file(&self.0, error))?;
        fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .and_then(|mut file| {
                file.write_all(pem.as_bytes())?;
                file.sync_all()
            })
            .map_err(|error| SigningError::file(&path, error))?;
        Ok((jwk, KeyLocation::File))
    }

    /// Opens a key to sign with. A file that others can read is refused.
    pub fn signer(&self, kid: &str) -> Result<Signer, SigningError> {
        let path = self.path(kid);
        let failed = |error: std::io::Error| SigningError::file(&path, error);
        let mode = fs::metadata(&path).map_err(failed)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            let reason = format!("its mode is {mode:03o}; a signing key must be 600");
            return Err(SigningError::file(&path, reason));
        }
        let pem = fs::read_to_string(&path).map_err(failed)?;
        let key = p256::SecretKey::from_pkcs8_pem(&pem)
            .map_err(|error| SigningError::file(&path, error))?;
        Ok(Signer {
            kid: Jwk::of(&key.public_key()).kid,
            secret: Secret::Local(key.into()),
        })
    }

    /// Removes a key's file.
    pub fn remove(&self, kid: &str) -> Result<(), SigningError> {
        let path = self.path(kid);
        fs::remove_file(&path).map_err(|error| SigningError::file(&path, error))
    }

    fn path(&self, kid: &str) -> PathBuf {
        self.0.join(format!("{kid}.pem"))
    }
}

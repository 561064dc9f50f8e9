//! Where signing keys are kept: what opens the one that is active.

use super::kms::create_kms_key;
use super::{Jwk, KeyFiles, KeyLocation, KeyRegister, Kid, RegisterError, Signer, SigningError};
use crate::table::{Key, Revision, Table, TableError};

/// The place of the private halves.
#[derive(Clone, Debug)]
pub enum Keeper {
    /// Files, on one machine.
    Files(KeyFiles),
    /// AWS KMS.
    Kms(aws_sdk_kms::Client),
}

/// Why there is nothing to sign with.
#[derive(Debug, thiserror::Error)]
pub enum KeeperError {
    /// The register of keys cannot be read.
    #[error(transparent)]
    Table(#[from] TableError),
    /// It has no active key.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// The key cannot be opened.
    #[error(transparent)]
    Signing(#[from] SigningError),
    /// The key is somewhere else.
    #[error("the active key {0} is not kept here")]
    Elsewhere(Kid),
}

impl Keeper {
    /// What signs with the active key of a table's register.
    pub async fn signer(&self, table: &Table) -> Result<Signer, KeeperError> {
        let (register, _) = read_register(table).await?;
        let active = register.active()?;
        match (self, &active.location) {
            (Self::Files(files), KeyLocation::File) => Ok(files.signer(&active.jwk.kid)?),
            (Self::Kms(client), KeyLocation::Kms(id)) => {
                Ok(Signer::kms(client.clone(), id, active.jwk.kid.clone()))
            }
            _ => Err(KeeperError::Elsewhere(active.jwk.kid.clone())),
        }
    }

    /// Makes a key, for a stack and in the account of the caller's ARN, or for this machine.
    pub async fn create(
        &self,
        stack: &str,
        caller: &str,
    ) -> Result<(Jwk, KeyLocation), SigningError> {
        match self {
            Self::Files(files) => files.create(),
            Self::Kms(client) => create_kms_key(client, stack, caller).await,
        }
    }

    /// Removes the private half of a retired key from this machine. A KMS key is left alone.
    pub fn remove(&self, kid: &Kid) -> Result<(), SigningError> {
        match self {
            Self::Files(files) => files.remove(kid),
            Self::Kms(_) => Ok(()),
        }
    }
}

/// The register of signing keys, empty at first, and the revision to change it from.
pub async fn read_register(table: &Table) -> Result<(KeyRegister, Option<Revision>), TableError> {
    let stored = table.get::<KeyRegister>(&Key::signing_keys()).await?;
    Ok(match stored {
        Some(stored) => (stored.value, Some(stored.revision)),
        None => (KeyRegister::default(), None),
    })
}

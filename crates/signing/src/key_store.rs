//! Where signing keys are kept: what opens the one that is active.

use tegata_common::keys::{Jwk, KeyLocation, KeyRegister, Kid, RegisterError};

use crate::kms::create_kms_key;
use crate::{KeyFiles, Signer, SigningError};

/// The place of the private halves.
#[derive(Clone, Debug)]
pub enum KeyStore {
    /// Files, on one machine.
    Files(KeyFiles),
    /// AWS KMS.
    Kms(aws_sdk_kms::Client),
}

/// Why there is nothing to sign with.
#[derive(Debug, thiserror::Error)]
pub enum KeyStoreError {
    /// The register has no active key.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// The key cannot be opened.
    #[error(transparent)]
    Signing(#[from] SigningError),
    /// The key is somewhere else.
    #[error("the active key {0} is not kept here")]
    Elsewhere(Kid),
}

impl KeyStore {
    /// What signs with the active key of a register.
    pub fn signer(&self, register: &KeyRegister) -> Result<Signer, KeyStoreError> {
        let active = register.active()?;
        match (self, &active.location) {
            (Self::Files(files), KeyLocation::File) => Ok(files.signer(&active.jwk.kid)?),
            (Self::Kms(client), KeyLocation::Kms(id)) => {
                Ok(Signer::kms(client.clone(), id, active.jwk.kid.clone()))
            }
            _ => Err(KeyStoreError::Elsewhere(active.jwk.kid.clone())),
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

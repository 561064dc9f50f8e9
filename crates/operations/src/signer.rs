//! What signs: the active key of a register.

use tegata_common::keys::KeyPurpose;
use tegata_signing::{KeyStore, KeyStoreError, ReleaseSigner, Signer};
use tegata_storage::TableError;
use tegata_storage::licenses::Licenses;

/// Why nothing can be signed.
#[derive(Debug, thiserror::Error)]
pub enum NoSigner {
    /// The register of keys cannot be read.
    #[error(transparent)]
    Table(#[from] TableError),
    /// It has no active key, or the key cannot be opened.
    #[error(transparent)]
    KeyStore(#[from] KeyStoreError),
}

/// Opens the active key of leases.
pub async fn signer(keys: &KeyStore, licenses: &Licenses) -> Result<Signer, NoSigner> {
    let (register, _) = licenses.key_register(KeyPurpose::Lease).await?;
    Ok(keys.signer(&register)?)
}

/// Opens the active key of releases.
pub async fn release_signer(
    keys: &KeyStore,
    licenses: &Licenses,
) -> Result<ReleaseSigner, NoSigner> {
    let (register, _) = licenses.key_register(KeyPurpose::Release).await?;
    Ok(keys.release_signer(&register)?)
}

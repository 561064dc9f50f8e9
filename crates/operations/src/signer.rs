//! What signs: the active key of the register.

use tegata_signing::{KeyStore, KeyStoreError, Signer};
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

/// Opens the active key of a table's register.
pub async fn signer(keys: &KeyStore, licenses: &Licenses) -> Result<Signer, NoSigner> {
    let (register, _) = licenses.key_register().await?;
    Ok(keys.signer(&register)?)
}

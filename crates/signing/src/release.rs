//! Signing and verification of release documents.

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use tegata_common::keys::{Jwks, Kid};
use tegata_common::product::ProductSlug;
use tegata_common::release::{Release, ReleaseError, TYP};

use crate::verify::verify_typed;
use crate::{Signer, SigningError, VerifyError};

/// Signs release documents, with a key of a register of release keys.
#[derive(Clone, Debug)]
pub struct ReleaseSigner(Signer);

impl ReleaseSigner {
    pub(crate) fn new(signer: Signer) -> Self {
        Self(signer)
    }

    /// The id of the key that signs.
    pub fn kid(&self) -> &str {
        self.0.kid()
    }

    /// Signs a release document.
    ///
    /// # Errors
    ///
    /// [`SigningError::Release`] if a loader would refuse it.
    pub async fn sign(&self, release: &Release) -> Result<String, SigningError> {
        release.check()?;
        self.0.jws(TYP, release).await
    }
}

/// The hash by which the payload of a release document is recorded: SHA-256, as 64 lower-case
/// hexadecimal digits.
pub fn payload_sha256(release: &Release) -> Result<String, SigningError> {
    Ok(hash(&serde_json::to_vec(release)?))
}

fn hash(payload: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(payload))
}

/// A verified release document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedRelease {
    /// The claims.
    pub release: Release,
    /// The id of the key that signed it.
    pub kid: Kid,
    /// The hash of its payload ([`payload_sha256`]).
    pub payload_sha256: String,
}

/// Why a release document is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseVerifyError {
    /// The signature, the header or the form of the claims.
    #[error("it is not authentic: {0}")]
    NotAuthentic(#[from] VerifyError),
    /// A document of another product.
    #[error("it is the document of {0}")]
    OtherProduct(ProductSlug),
    /// Claims that must not be used.
    #[error(transparent)]
    Release(#[from] ReleaseError),
}

/// Verifies a product's release document with the published release keys, as the loader does.
/// Whether it is the newest one is for the caller to compare.
pub fn verify_release(
    keys: &Jwks,
    product: &ProductSlug,
    jws: &str,
) -> Result<VerifiedRelease, ReleaseVerifyError> {
    let verified = verify_typed::<Release>(keys, TYP, jws)?;
    let release = verified.claims;
    if release.aud != *product {
        return Err(ReleaseVerifyError::OtherProduct(release.aud));
    }
    release.check()?;
    Ok(VerifiedRelease {
        release,
        kid: verified.kid,
        payload_sha256: hash(&verified.payload),
    })
}

//! Signing of leases and release documents as compact JWS, and verification against the published
//! JWKS.
//!
//! The private keys are in AWS KMS, or on one machine in files with mode 0600. The table contains the
//! registers: the published public keys of a purpose, and which of them signs. A lease key signs no
//! release, and a release key no lease: each has its register, its key policy or directory, and its
//! `typ` in the header.

mod key_files;
mod key_store;
mod kms;
mod release;
mod stored;
#[cfg(test)]
mod testing;
mod verify;

use std::fmt;
use std::path::Path;

use data_encoding::BASE64URL_NOPAD;
use jiff::{SignedDuration, Timestamp};
use p256::ecdsa::signature::Signer as _;

use serde::Serialize;
use tegata_common::calendar::{OutOfRange, whole_second};

use tegata_common::keys::{Jwk, Kid};
use tegata_common::lease::{ALG, Claims, Lease, SignedLicense, StateClaims, TYP, expiry};
use tegata_common::license::License;

pub use key_files::KeyFiles;
pub use key_store::{KeyStore, KeyStoreError};
pub use release::{
    ReleaseSigner, ReleaseVerifyError, VerifiedRelease, payload_sha256, verify_release,
};
pub use stored::{LeaseError, check_lease};
pub use verify::{VerifyError, verify, verify_as};

/// Why a key or a signature could not be created.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// A key file could not be read or written.
    #[error("{path}: {reason}")]
    File {
        path: String,
        /// What is wrong, and what is accepted.
        reason: String,
    },
    /// An error of KMS, with its causes.
    #[error("KMS: {0}")]
    Kms(String),
    /// The caller's ARN has no account, which the key policy needs to name the account's roles.
    #[error("the caller's ARN {0:?} names no account")]
    NoAccount(String),
    /// The stack's name is too long for the patterns of role names in the key policy.
    #[error(
        "the stack's name has {length} characters; keys can be made for one of at most {longest} \
         characters, because CloudFormation shortens the names of roles that would be longer than 64"
    )]
    StackName {
        /// The maximum number of characters.
        longest: usize,
        /// The number of characters of the stack's name.
        length: usize,
    },
    /// The random number generator of the operating system failed.
    #[error("no random bytes: {0}")]
    Random(#[from] getrandom::Error),
    /// A date is outside the range of the calendar.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
    /// The claims of a release document that a loader would refuse.
    #[error(transparent)]
    Release(#[from] tegata_common::release::ReleaseError),
    /// The claims could not be serialized.
    #[error("claims: {0}")]
    Claims(#[from] serde_json::Error),
}

/// Converts a public key for the JWKS.
fn jwk_of(key: &p256::PublicKey) -> Jwk {
    let point = p256::ecdsa::VerifyingKey::from(key).to_sec1_point(false);
    // An uncompressed point is 0x04, x, y.
    let (x, y) = point.as_bytes()[1..].split_at(32);
    Jwk::of(x, y)
}

impl SigningError {
    fn file(path: &Path, reason: impl fmt::Display) -> Self {
        Self::File {
            path: path.display().to_string(),
            reason: reason.to_string(),
        }
    }

    fn kms(error: impl std::error::Error + 'static) -> Self {
        Self::Kms(tegata_aws::causes(&error))
    }
}

/// Signs leases with a KMS key, or with a private key read from a local file.
#[derive(Clone)]
pub struct Signer {
    kid: Kid,
    secret: Secret,
}

#[derive(Clone)]
enum Secret {
    Kms {
        client: aws_sdk_kms::Client,
        key_id: String,
    },
    Local(p256::ecdsa::SigningKey),
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.kid)
    }
}

impl Signer {
    /// Signs with a KMS key.
    pub fn kms(client: aws_sdk_kms::Client, key_id: impl Into<String>, kid: Kid) -> Self {
        let key_id = key_id.into();
        Self {
            kid,
            secret: Secret::Kms { client, key_id },
        }
    }

    /// The id of the key that signs.
    pub fn kid(&self) -> &str {
        self.kid.as_str()
    }

    /// Signs a lease for a licence.
    ///
    /// The `iat` is `now`, but at least one second later than the previous lease's (`newer_than`):
    /// plug-ins use the newer of two leases, and `iat` has whole seconds.
    pub async fn sign(
        &self,
        license: License,
        now: Timestamp,
        newer_than: Option<Timestamp>,
    ) -> Result<SignedLicense, SigningError> {
        let now = whole_second(now);
        let second = SignedDuration::from_secs(1);
        let issued_at = newer_than.map_or(now, |before| now.max(whole_second(before) + second));
        let mut jti = [0; 16];
        getrandom::fill(&mut jti)?;
        let claims = Claims::of(&license, issued_at, BASE64URL_NOPAD.encode(&jti))?;
        let expires_at = expiry(&license, issued_at)?;
        let without_serial = match license.policy.limits_answers_without_serial() {
            true => {
                let state = StateClaims::of(&license, &claims, expires_at);
                Some(self.jws(TYP, &state).await?)
            }
            false => None,
        };
        let lease = Lease {
            jws: self.jws(TYP, &claims).await?,
            kid: self.kid.to_string(),
            issued_at,
            expires_at,
            without_serial,
        };
        Ok(SignedLicense { license, lease })
    }

    async fn jws(&self, typ: &str, claims: &impl Serialize) -> Result<String, SigningError> {
        let header = serde_json::json!({ "alg": ALG, "kid": self.kid, "typ": typ });
        let input = format!(
            "{}.{}",
            BASE64URL_NOPAD.encode(&serde_json::to_vec(&header)?),
            BASE64URL_NOPAD.encode(&serde_json::to_vec(claims)?)
        );
        let signature = self.raw_signature(input.as_bytes()).await?;
        Ok(format!("{input}.{}", BASE64URL_NOPAD.encode(&signature)))
    }

    /// The signature as r‖s, 32 bytes each (RFC 7518, section 3.4).
    async fn raw_signature(&self, message: &[u8]) -> Result<[u8; 64], SigningError> {
        let signature: p256::ecdsa::Signature = match &self.secret {
            Secret::Local(key) => key.sign(message),
            Secret::Kms { client, key_id } => kms::sign(client, key_id, message).await?,
        };
        Ok(signature.to_bytes().into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jwk_matches_the_rfc_7515_example_key() {
        // RFC 7515, appendix A.3: d, x and y of its ES256 example.
        let d = BASE64URL_NOPAD
            .decode(b"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI")
            .unwrap();
        let jwk = jwk_of(&p256::SecretKey::from_slice(&d).unwrap().public_key());
        assert_eq!(jwk.x, "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU");
        assert_eq!(jwk.y, "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
    }

    #[tokio::test]
    async fn of_two_leases_the_later_has_the_greater_second() {
        let directory = tempfile::tempdir().unwrap();
        let files = KeyFiles::in_directory(directory.path());
        let (jwk, _) = files.create().unwrap();
        let signer = files.signer(&jwk.kid).unwrap();
        let license = testing::license(tegata_common::license::Plan::Trial { days: 30 });
        let now: Timestamp = "2017-10-03T10:00:00.9+09:00".parse().unwrap();
        let second = now.as_second();
        for (newer_than, issued_at) in [
            (None, second),
            (Some(now), second + 1),
            (Some(now + SignedDuration::from_secs(60)), second + 61),
            (Some(now - SignedDuration::from_secs(60)), second),
        ] {
            let signed = signer.sign(license.clone(), now, newer_than).await.unwrap();
            let lease = signed.lease;
            assert_eq!(lease.issued_at.as_second(), issued_at, "{newer_than:?}");
            assert_eq!(lease.issued_at.subsec_nanosecond(), 0);
        }
    }
}

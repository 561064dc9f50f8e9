//! Signing keys and what they sign: leases as compact JWS, and the JWKS that plug-ins check with.
//!
//! The private half lives in AWS KMS, or on one machine in a file of mode 0600. What is kept in
//! the table is the register: which keys are published, and which one signs.

use std::fmt;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{KeySpec, KeyUsageType, MessageType, SigningAlgorithmSpec, Tag};
use data_encoding::BASE64URL_NOPAD;
use jiff::{SignedDuration, Timestamp};
use p256::ecdsa::signature::Signer as _;
use p256::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _, EncodePrivateKey as _, LineEnding};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::aws;
use crate::calendar::{OutOfRange, whole_second};
use crate::lease::{ALG, Claims, Lease, TYP, expiry};
use crate::license::{License, SignedLicense};

/// How many keys are published at a time: enough that every cached lease verifies while the keys
/// rotate.
pub const PUBLISHED_KEYS: usize = 2;

/// A public key as the JWKS shows it (RFC 7517).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwk {
    /// Always `EC`.
    pub kty: String,
    /// Always `P-256`.
    pub crv: String,
    /// The point's x, base64url.
    pub x: String,
    /// The point's y, base64url.
    pub y: String,
    /// The RFC 7638 thumbprint.
    pub kid: String,
    /// Always `ES256`.
    pub alg: String,
    /// Always `sig`.
    #[serde(rename = "use")]
    pub usage: String,
}

impl Jwk {
    fn of(key: &p256::PublicKey) -> Self {
        let point = p256::ecdsa::VerifyingKey::from(key).to_sec1_point(false);
        // An uncompressed point is 0x04, x, y.
        let (x, y) = point.as_bytes()[1..].split_at(32);
        let (x, y) = (BASE64URL_NOPAD.encode(x), BASE64URL_NOPAD.encode(y));
        // RFC 7638: the required members in lexicographic order, without blanks.
        let thumbprint = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        Self {
            kty: "EC".into(),
            crv: "P-256".into(),
            kid: BASE64URL_NOPAD.encode(&Sha256::digest(thumbprint.as_bytes())),
            x,
            y,
            alg: ALG.into(),
            usage: "sig".into(),
        }
    }
}

/// The JWKS document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwks {
    /// The published keys; the signing one first.
    pub keys: Vec<Jwk>,
}

/// What a published key is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// Signs.
    Active,
    /// Published ahead, so that plug-ins know it before it signs.
    Next,
    /// Signed until the last rotation; leases of it are still cached.
    Previous,
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Active => "active",
            Self::Next => "next",
            Self::Previous => "previous",
        })
    }
}

/// Where a private key is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyLocation {
    /// In AWS KMS, by key id or ARN.
    Kms(String),
    /// In `keys/<kid>.pem` of the local directory.
    File,
}

/// A key in the register.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisteredKey {
    /// Its public half.
    pub jwk: Jwk,
    /// Where its private half is.
    pub location: KeyLocation,
    /// What it is for.
    pub state: KeyState,
    /// When it was made.
    pub created_at: Timestamp,
    /// When the next key took over from it. Its last lease was signed before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_since: Option<Timestamp>,
}

/// The register of signing keys: at most [`PUBLISHED_KEYS`], one of them active.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRegister {
    /// The published keys.
    pub keys: Vec<RegisteredKey>,
}

/// Why the register cannot be changed this way, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// A third key.
    #[error(
        "two keys are published already ({0}); retire the one that is not active, then create the next"
    )]
    Full(String),
    /// The key is there.
    #[error("key {0} is registered already")]
    Duplicate(String),
    /// Nothing to rotate to.
    #[error("there is no next key to rotate to; create one, publish the JWKS, then rotate")]
    NoNext,
    /// No key at all.
    #[error("there is no signing key yet; run `tegata key create`")]
    Empty,
    /// A key id that is not in the register.
    #[error("key {0} is not registered")]
    Unknown(String),
    /// The one that signs.
    #[error("key {0} is the active one; rotate first")]
    Active(String),
}

impl KeyRegister {
    /// Refuses if there is no room for another key: asked before one is made.
    pub fn check_room(&self) -> Result<(), RegisterError> {
        if self.keys.len() < PUBLISHED_KEYS {
            return Ok(());
        }
        let kids: Vec<&str> = self.keys.iter().map(|key| key.jwk.kid.as_str()).collect();
        Err(RegisterError::Full(kids.join(", ")))
    }

    /// The register with a new key: active if it is the first, else the next one.
    pub fn with(
        &self,
        jwk: Jwk,
        location: KeyLocation,
        now: Timestamp,
    ) -> Result<Self, RegisterError> {
        self.check_room()?;
        if self.keys.iter().any(|key| key.jwk.kid == jwk.kid) {
            return Err(RegisterError::Duplicate(jwk.kid));
        }
        let state = match self.keys.is_empty() {
            true => KeyState::Active,
            false => KeyState::Next,
        };
        let mut register = self.clone();
        register.keys.push(RegisteredKey {
            jwk,
            location,
            state,
            created_at: now,
            previous_since: None,
        });
        Ok(register)
    }

    /// The register after the next key took over from the active one.
    pub fn rotated(&self, now: Timestamp) -> Result<Self, RegisterError> {
        if !self.keys.iter().any(|key| key.state == KeyState::Next) {
            return Err(RegisterError::NoNext);
        }
        let mut register = self.clone();
        for key in &mut register.keys {
            match key.state {
                KeyState::Next => key.state = KeyState::Active,
                KeyState::Active => {
                    key.state = KeyState::Previous;
                    key.previous_since = Some(now);
                }
                KeyState::Previous => {}
            }
        }
        Ok(register)
    }

    /// The register without a key that does not sign.
    pub fn without(&self, kid: &str) -> Result<Self, RegisterError> {
        let key = self
            .keys
            .iter()
            .find(|key| key.jwk.kid == kid)
            .ok_or_else(|| RegisterError::Unknown(kid.to_owned()))?;
        if key.state == KeyState::Active {
            return Err(RegisterError::Active(kid.to_owned()));
        }
        let mut register = self.clone();
        register.keys.retain(|key| key.jwk.kid != kid);
        Ok(register)
    }

    /// The key that signs.
    pub fn active(&self) -> Result<&RegisteredKey, RegisterError> {
        self.keys
            .iter()
            .find(|key| key.state == KeyState::Active)
            .ok_or(RegisterError::Empty)
    }

    /// The JWKS to publish, the active key first.
    pub fn jwks(&self) -> Jwks {
        let mut keys: Vec<&RegisteredKey> = self.keys.iter().collect();
        keys.sort_by_key(|key| key.state != KeyState::Active);
        Jwks {
            keys: keys.into_iter().map(|key| key.jwk.clone()).collect(),
        }
    }
}

/// Why a key or a signature could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// A key file's trouble.
    #[error("{path}: {reason}")]
    File {
        /// Which file.
        path: String,
        /// What is wrong, and what is accepted.
        reason: String,
    },
    /// KMS's own error, with its causes.
    #[error("KMS: {0}")]
    Kms(String),
    /// The operating system's generator failed.
    #[error("no random bytes: {0}")]
    Random(#[from] getrandom::Error),
    /// Dates beyond the calendar.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
    /// Claims that are no JSON.
    #[error("claims: {0}")]
    Claims(#[from] serde_json::Error),
}

impl SigningError {
    fn file(path: &Path, reason: impl fmt::Display) -> Self {
        Self::File {
            path: path.display().to_string(),
            reason: reason.to_string(),
        }
    }

    fn kms(error: impl std::error::Error + 'static) -> Self {
        Self::Kms(aws::causes(&error))
    }
}

/// What signs: a KMS key, or a local key file's contents.
#[derive(Clone)]
pub struct Signer {
    kid: String,
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
    pub fn kms(
        client: aws_sdk_kms::Client,
        key_id: impl Into<String>,
        kid: impl Into<String>,
    ) -> Self {
        let key_id = key_id.into();
        Self {
            kid: kid.into(),
            secret: Secret::Kms { client, key_id },
        }
    }

    /// The id of the key that signs.
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// Signs a licence's facts into a lease.
    ///
    /// Its `iat` is `now`, but later than that of the lease `before`: of two leases the newer
    /// counts, and `iat` has whole seconds.
    pub async fn sign(
        &self,
        license: License,
        now: Timestamp,
        before: Option<&Lease>,
    ) -> Result<SignedLicense, SigningError> {
        let now = whole_second(now);
        let second = SignedDuration::from_secs(1);
        let issued_at = before.map_or(now, |before| now.max(before.issued_at + second));
        let mut jti = [0; 16];
        getrandom::fill(&mut jti)?;
        let claims = Claims::of(&license, issued_at, BASE64URL_NOPAD.encode(&jti))?;
        let lease = Lease {
            jws: self.jws(&claims).await?,
            kid: self.kid.clone(),
            issued_at,
            expires_at: expiry(&license, issued_at)?,
        };
        Ok(SignedLicense { license, lease })
    }

    async fn jws(&self, claims: &Claims) -> Result<String, SigningError> {
        let header = serde_json::json!({ "alg": ALG, "kid": self.kid, "typ": TYP });
        let input = format!(
            "{}.{}",
            BASE64URL_NOPAD.encode(&serde_json::to_vec(&header)?),
            BASE64URL_NOPAD.encode(&serde_json::to_vec(claims)?)
        );
        let signature = self.raw_signature(input.as_bytes()).await?;
        Ok(format!("{input}.{}", BASE64URL_NOPAD.encode(&signature)))
    }

    /// r‖s, 32 bytes each, as RFC 7518 wants it.
    async fn raw_signature(&self, message: &[u8]) -> Result<[u8; 64], SigningError> {
        let signature: p256::ecdsa::Signature = match &self.secret {
            Secret::Local(key) => key.sign(message),
            Secret::Kms { client, key_id } => {
                let output = client
                    .sign()
                    .key_id(key_id)
                    .signing_algorithm(SigningAlgorithmSpec::EcdsaSha256)
                    .message_type(MessageType::Digest)
                    .message(Blob::new(Sha256::digest(message).to_vec()))
                    .send()
                    .await
                    .map_err(SigningError::kms)?;
                let der = output.signature.unwrap_or_else(|| Blob::new(Vec::new()));
                signature_from_der(der.as_ref())?
            }
        };
        Ok(signature.to_bytes().into())
    }
}

fn signature_from_der(der: &[u8]) -> Result<p256::ecdsa::Signature, SigningError> {
    p256::ecdsa::Signature::from_der(der)
        .map_err(|_| SigningError::Kms("its answer is not an ECDSA signature on P-256".into()))
}

/// Makes a signing key in KMS, tagged so that roles can be limited to it.
pub async fn create_kms_key(
    client: &aws_sdk_kms::Client,
    stack: &str,
) -> Result<(Jwk, KeyLocation), SigningError> {
    let tag = |key: &str, value: &str| {
        Tag::builder()
            .tag_key(key)
            .tag_value(value)
            .build()
            .map_err(SigningError::kms)
    };
    let created = client
        .create_key()
        .key_spec(KeySpec::EccNistP256)
        .key_usage(KeyUsageType::SignVerify)
        .description(format!("tegata lease signing, stack {stack}"))
        .tags(tag("tegata:stack", stack)?)
        .tags(tag("tegata:purpose", "lease-signing")?)
        .send()
        .await
        .map_err(SigningError::kms)?;
    let key_id = created
        .key_metadata
        .and_then(|metadata| metadata.arn)
        .ok_or_else(|| SigningError::Kms("CreateKey answered without an ARN".into()))?;
    let jwk = kms_public_key(client, &key_id).await?;
    Ok((jwk, KeyLocation::Kms(key_id)))
}

/// The public half of a KMS key.
async fn kms_public_key(client: &aws_sdk_kms::Client, key_id: &str) -> Result<Jwk, SigningError> {
    let output = client
        .get_public_key()
        .key_id(key_id)
        .send()
        .await
        .map_err(SigningError::kms)?;
    let der = output.public_key.unwrap_or_else(|| Blob::new(Vec::new()));
    let key = p256::PublicKey::from_public_key_der(der.as_ref())
        .map_err(|_| SigningError::Kms(format!("{key_id} is not an ECC_NIST_P256 key")))?;
    Ok(Jwk::of(&key))
}

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

#[cfg(test)]
mod tests {
    use super::*;

    fn jwk(seed: u8) -> Jwk {
        let secret = p256::SecretKey::from_slice(&[seed; 32]).unwrap();
        Jwk::of(&secret.public_key())
    }

    fn states(register: &KeyRegister) -> Vec<KeyState> {
        register.keys.iter().map(|key| key.state).collect()
    }

    #[test]
    fn the_register_publishes_two_keys_and_signs_with_one() {
        use KeyState::{Active, Next, Previous};
        let now = Timestamp::UNIX_EPOCH;
        let empty = KeyRegister::default();
        assert_eq!(empty.active(), Err(RegisterError::Empty));
        assert_eq!(empty.rotated(now), Err(RegisterError::NoNext));

        let one = empty.with(jwk(1), KeyLocation::File, now).unwrap();
        assert_eq!(states(&one), [Active]);
        assert_eq!(
            one.with(jwk(1), KeyLocation::File, now),
            Err(RegisterError::Duplicate(jwk(1).kid))
        );
        assert_eq!(
            one.without(&jwk(1).kid),
            Err(RegisterError::Active(jwk(1).kid))
        );

        let two = one.with(jwk(2), KeyLocation::File, now).unwrap();
        assert_eq!(states(&two), [Active, Next]);
        assert_eq!(two.active().unwrap().jwk, jwk(1));
        assert!(matches!(
            two.with(jwk(3), KeyLocation::File, now),
            Err(RegisterError::Full(_))
        ));

        let rotated = two.rotated(now).unwrap();
        assert_eq!(states(&rotated), [Previous, Active]);
        assert_eq!(rotated.jwks().keys, [jwk(2), jwk(1)]);
        assert_eq!(rotated.rotated(now), Err(RegisterError::NoNext));

        let retired = rotated.without(&jwk(1).kid).unwrap();
        assert_eq!(retired.jwks().keys, [jwk(2)]);
        assert_eq!(
            retired.without("nobody"),
            Err(RegisterError::Unknown("nobody".into()))
        );
    }

    #[test]
    fn a_jwk_matches_the_rfc_7515_example_key() {
        // RFC 7515, appendix A.3: d, x and y of its ES256 example.
        let d = BASE64URL_NOPAD
            .decode(b"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI")
            .unwrap();
        let jwk = Jwk::of(&p256::SecretKey::from_slice(&d).unwrap().public_key());
        assert_eq!(jwk.x, "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU");
        assert_eq!(jwk.y, "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
    }

    #[test]
    fn der_signatures_become_raw_ones() {
        let key = p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
        // Signatures whose halves have leading zeros or a high bit differ in DER length.
        for message in 0..500_u32 {
            let signature: p256::ecdsa::Signature = key.sign(&message.to_be_bytes());
            let read = signature_from_der(signature.to_der().as_bytes()).unwrap();
            assert_eq!(read.to_bytes(), signature.to_bytes());
        }
        for bad in [&b""[..], &[0x30], &[0x30, 0x06, 2, 1, 0, 2, 1, 0], &[0; 64]] {
            assert!(signature_from_der(bad).is_err());
        }
    }
}

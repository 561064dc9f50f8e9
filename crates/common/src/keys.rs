//! The registers of signing keys: the published public keys, which of them signs, and where the
//! private keys are. There is one for leases and one for releases.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::lease::ALG;

/// The maximum number of published keys of a purpose. With two, every cached lease and every release
/// document still verifies during a rotation.
pub const PUBLISHED_KEYS: usize = 2;

/// What a key signs. A key has one purpose: each purpose has its register, its published key set, and
/// its own key policy or directory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyPurpose {
    /// Leases ([`lease`](crate::lease)). Published at `/.well-known/jwks.json`.
    #[default]
    Lease,
    /// Release documents ([`release`](crate::release)). Published at
    /// `/.well-known/release-keys.json`.
    Release,
}

impl KeyPurpose {
    /// All purposes.
    pub const ALL: [Self; 2] = [Self::Lease, Self::Release];

    /// The purpose as it is written in options and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lease => "lease",
            Self::Release => "release",
        }
    }

    /// The path of the published key set on the CDN.
    pub fn jwks_path(self) -> &'static str {
        match self {
            Self::Lease => ".well-known/jwks.json",
            Self::Release => ".well-known/release-keys.json",
        }
    }

    fn is_lease(&self) -> bool {
        *self == Self::Lease
    }
}

impl fmt::Display for KeyPurpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The id of a key: its RFC 7638 thumbprint, SHA-256 in base64url without padding (43 characters).
///
/// On one machine it is part of a file name (`keys/<kid>.pem`, `keys/release/<kid>.pem`). Therefore every other text is
/// rejected, also when it is read from the table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Kid(String);

/// An invalid key id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key id has 43 base64url characters, as shown by `tegata key list`")]
pub struct InvalidKid;

impl Kid {
    /// The key id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Kid {
    type Error = InvalidKid;

    fn try_from(text: String) -> Result<Self, InvalidKid> {
        let hash = BASE64URL_NOPAD.decode(text.as_bytes());
        match hash.is_ok_and(|hash| hash.len() == 32) {
            true => Ok(Self(text)),
            false => Err(InvalidKid),
        }
    }
}

impl FromStr for Kid {
    type Err = InvalidKid;

    fn from_str(text: &str) -> Result<Self, InvalidKid> {
        text.to_owned().try_into()
    }
}

impl fmt::Display for Kid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A public key in the JWKS (RFC 7517): always ECDSA on P-256.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwk {
    /// Always `EC`.
    pub kty: String,
    /// Always `P-256`.
    pub crv: String,
    /// The x coordinate, 32 bytes in base64url.
    pub x: String,
    /// The y coordinate, 32 bytes in base64url.
    pub y: String,
    /// The RFC 7638 thumbprint.
    pub kid: Kid,
    /// Always `ES256`.
    pub alg: String,
    /// Always `sig`.
    #[serde(rename = "use")]
    pub usage: String,
}

impl Jwk {
    /// The key with these coordinates, 32 bytes each.
    pub fn of(x: &[u8], y: &[u8]) -> Self {
        let (x, y) = (BASE64URL_NOPAD.encode(x), BASE64URL_NOPAD.encode(y));
        // RFC 7638: the required members in lexicographic order, without white space.
        let thumbprint = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        Self {
            kty: "EC".into(),
            crv: "P-256".into(),
            kid: Kid(BASE64URL_NOPAD.encode(&Sha256::digest(thumbprint.as_bytes()))),
            x,
            y,
            alg: ALG.into(),
            usage: "sig".into(),
        }
    }
}

/// The published key set of a purpose (RFC 7517), served by the CDN ([`KeyPurpose::jwks_path`]).
///
/// Plug-ins also pin these keys, so that they verify leases and releases without a request.
///
/// ```
/// use tegata_common::keys::{Jwk, Jwks};
///
/// let jwks = Jwks { keys: vec![Jwk::of(&[1; 32], &[2; 32])] };
/// let json = serde_json::to_value(&jwks)?;
/// assert_eq!(json["keys"][0]["alg"], "ES256");
/// assert_eq!(json["keys"][0]["use"], "sig");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Jwks {
    /// The published keys, the active one first.
    pub keys: Vec<Jwk>,
}

/// The place of a published key in the rotation: `next` → `active` → `previous`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// Signs all that is new. Exactly one key of a purpose is active.
    Active,
    /// Published in advance, so that plug-ins have it before it signs.
    Next,
    /// Signed until the last rotation. Plug-ins still have leases or releases signed with it.
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

/// Where the private key is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyLocation {
    /// In AWS KMS, by key id or ARN.
    Kms(String),
    /// In a file of the local directory: `keys/<kid>.pem`, or `keys/release/<kid>.pem` for a release
    /// key.
    File,
}

/// An entry of the [`KeyRegister`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisteredKey {
    /// The public key.
    pub jwk: Jwk,
    /// Where the private key is stored.
    pub location: KeyLocation,
    /// The key's place in the rotation.
    pub state: KeyState,
    /// When the key was added to the register.
    pub created_at: Timestamp,
    /// When the key was rotated out. It signed nothing after this instant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_since: Option<Timestamp>,
}

/// The register of the signing keys of a purpose.
///
/// It has at most [`PUBLISHED_KEYS`] keys. Unless it is empty, exactly one is active. A rotation has
/// three steps, so that no lease fails to verify: create the next key and publish the JWKS; rotate;
/// retire the previous key when its last lease has expired.
///
/// ```
/// use tegata_common::keys::{Jwk, KeyLocation, KeyRegister};
///
/// let now = "2026-11-22T01:00:00Z".parse()?;
/// let (first, second) = (Jwk::of(&[1; 32], &[1; 32]), Jwk::of(&[2; 32], &[2; 32]));
/// let register = KeyRegister::default()
///     .with(first.clone(), KeyLocation::File, now)?
///     .with(second.clone(), KeyLocation::File, now)?
///     .rotated(now)?;
/// assert_eq!(register.active()?.jwk, second);
/// assert_eq!(register.without(first.kid.as_str())?.jwks().keys, [second]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRegister {
    /// What the keys sign. Missing in registers of lease keys.
    #[serde(default, skip_serializing_if = "KeyPurpose::is_lease")]
    pub purpose: KeyPurpose,
    /// The published keys, in the order in which they were added.
    pub keys: Vec<RegisteredKey>,
}

/// Why a change of the register was rejected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegisterError {
    /// There are [`PUBLISHED_KEYS`] keys already; their ids, separated by commas.
    #[error(
        "two keys are published already ({0}); retire the one that is not active, then create the next"
    )]
    Full(String),
    /// The key is in the register already.
    #[error("key {0} is already registered")]
    Duplicate(Kid),
    /// A rotation without a [`KeyState::Next`] key.
    #[error("there is no next key to rotate to; create one, publish the JWKS, then rotate")]
    NoNext,
    /// The register has no key, so nothing can be signed.
    #[error("there is no {0} key yet; run `tegata key create --purpose {0}`")]
    Empty(KeyPurpose),
    /// No key has this id.
    #[error("key {0} is not registered")]
    Unknown(String),
    /// The active key cannot be retired.
    #[error("key {0} is active; rotate first")]
    Active(Kid),
}

impl KeyRegister {
    /// The empty register of a purpose.
    pub fn of(purpose: KeyPurpose) -> Self {
        Self {
            purpose,
            keys: Vec::new(),
        }
    }

    /// Fails if the register is full. Call it before a private key is created.
    pub fn check_room(&self) -> Result<(), RegisterError> {
        if self.keys.len() < PUBLISHED_KEYS {
            return Ok(());
        }
        let kids: Vec<&str> = self.keys.iter().map(|key| key.jwk.kid.as_str()).collect();
        Err(RegisterError::Full(kids.join(", ")))
    }

    /// Adds a key: [`KeyState::Active`] if it is the first, otherwise [`KeyState::Next`].
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

    /// Makes the next key active and the active key previous.
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

    /// Removes a key that is not active.
    pub fn without(&self, kid: &str) -> Result<Self, RegisterError> {
        let key = self
            .keys
            .iter()
            .find(|key| key.jwk.kid.as_str() == kid)
            .ok_or_else(|| RegisterError::Unknown(kid.to_owned()))?;
        if key.state == KeyState::Active {
            return Err(RegisterError::Active(key.jwk.kid.clone()));
        }
        let mut register = self.clone();
        register.keys.retain(|key| key.jwk.kid.as_str() != kid);
        Ok(register)
    }

    /// The active key, which signs.
    pub fn active(&self) -> Result<&RegisteredKey, RegisterError> {
        self.keys
            .iter()
            .find(|key| key.state == KeyState::Active)
            .ok_or(RegisterError::Empty(self.purpose))
    }

    /// The JWKS to publish.
    pub fn jwks(&self) -> Jwks {
        let mut keys: Vec<&RegisteredKey> = self.keys.iter().collect();
        keys.sort_by_key(|key| key.state != KeyState::Active);
        Jwks {
            keys: keys.into_iter().map(|key| key.jwk.clone()).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwk(seed: u8) -> Jwk {
        Jwk::of(&[seed; 32], &[seed; 32])
    }

    fn states(register: &KeyRegister) -> Vec<KeyState> {
        register.keys.iter().map(|key| key.state).collect()
    }

    #[test]
    fn the_register_publishes_two_keys_and_signs_with_one() {
        use KeyState::{Active, Next, Previous};
        let now = Timestamp::UNIX_EPOCH;
        let empty = KeyRegister::default();
        assert_eq!(empty.active(), Err(RegisterError::Empty(KeyPurpose::Lease)));
        assert_eq!(empty.rotated(now), Err(RegisterError::NoNext));

        let one = empty.with(jwk(1), KeyLocation::File, now).unwrap();
        assert_eq!(states(&one), [Active]);
        assert_eq!(
            one.with(jwk(1), KeyLocation::File, now),
            Err(RegisterError::Duplicate(jwk(1).kid))
        );
        assert_eq!(
            one.without(jwk(1).kid.as_str()),
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

        let retired = rotated.without(jwk(1).kid.as_str()).unwrap();
        assert_eq!(retired.jwks().keys, [jwk(2)]);
        assert_eq!(
            retired.without("nobody"),
            Err(RegisterError::Unknown("nobody".into()))
        );
    }

    #[test]
    fn a_register_without_a_purpose_is_one_of_lease_keys() {
        let lease = KeyRegister::of(KeyPurpose::Lease);
        let release = KeyRegister::of(KeyPurpose::Release);
        for (register, stored) in [
            (&lease, serde_json::json!({ "keys": [] })),
            (
                &release,
                serde_json::json!({ "purpose": "release", "keys": [] }),
            ),
        ] {
            assert_eq!(serde_json::to_value(register).unwrap(), stored);
            assert_eq!(
                &serde_json::from_value::<KeyRegister>(stored).unwrap(),
                register
            );
        }
        assert_eq!(
            release.active().unwrap_err().to_string(),
            "there is no release key yet; run `tegata key create --purpose release`"
        );
        // A change keeps the purpose.
        let now = Timestamp::UNIX_EPOCH;
        let one = release.with(jwk(1), KeyLocation::File, now).unwrap();
        assert_eq!(one.purpose, KeyPurpose::Release);
    }

    #[test]
    fn states_are_named_in_lower_case() {
        let states = [KeyState::Active, KeyState::Next, KeyState::Previous];
        assert_eq!(
            states.map(|state| state.to_string()),
            ["active", "next", "previous"]
        );
    }

    #[test]
    fn only_a_thumbprint_is_a_key_id() {
        // RFC 7638, section 3.1, over the key of RFC 7515, appendix A.3.
        let decoded = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).unwrap();
        let known = Jwk::of(
            &decoded("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"),
            &decoded("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"),
        );
        let kid = "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U";
        assert_eq!(
            (known.kid.as_str(), known.kid.to_string().as_str()),
            (kid, kid)
        );

        let kid = jwk(1).kid;
        assert_eq!(kid.as_str().parse(), Ok(kid.clone()));
        let padded = format!("{kid}=");
        for text in ["", "../dynamodb", "/etc/passwd", "a/b", "key", &padded] {
            assert_eq!(text.parse::<Kid>(), Err(InvalidKid), "{text}");
        }
        let mut stored = serde_json::to_value(jwk(1)).unwrap();
        assert_eq!(
            serde_json::from_value::<Jwk>(stored.clone()).unwrap(),
            jwk(1)
        );
        stored["kid"] = "../../victim".into();
        assert!(serde_json::from_value::<Jwk>(stored).is_err());
    }
}

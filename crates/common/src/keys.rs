//! The register of signing keys: which are published, which one signs, where the private halves
//! are.

use std::fmt;
use std::str::FromStr;

use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::lease::ALG;

/// How many keys are published at a time: enough that every cached lease verifies while the keys
/// rotate.
pub const PUBLISHED_KEYS: usize = 2;

/// The id of a key: its RFC 7638 thumbprint, a SHA-256 hash in base64url.
///
/// It names a file on one machine, so that no other text is read as one, from the table either.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Kid(String);

/// A text that is no key id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key id is 43 letters of base64url, as `tegata key list` shows it")]
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
    pub kid: Kid,
    /// Always `ES256`.
    pub alg: String,
    /// Always `sig`.
    #[serde(rename = "use")]
    pub usage: String,
}

impl Jwk {
    /// The key at a point of the curve, by its two coordinates of 32 bytes.
    pub fn of(x: &[u8], y: &[u8]) -> Self {
        let (x, y) = (BASE64URL_NOPAD.encode(x), BASE64URL_NOPAD.encode(y));
        // RFC 7638: the required members in lexicographic order, without blanks.
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
    Duplicate(Kid),
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
    Active(Kid),
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
            .find(|key| key.jwk.kid.as_str() == kid)
            .ok_or_else(|| RegisterError::Unknown(kid.to_owned()))?;
        if key.state == KeyState::Active {
            return Err(RegisterError::Active(key.jwk.kid.clone()));
        }
        let mut register = self.clone();
        register.keys.retain(|key| key.jwk.kid.as_str() != kid);
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
        assert_eq!(empty.active(), Err(RegisterError::Empty));
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

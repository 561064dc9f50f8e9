//! Verification with the published keys, as in a plug-in.

use data_encoding::BASE64URL_NOPAD;
use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::{Signature, VerifyingKey};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use tegata_common::keys::{Jwk, Jwks, Kid};
use tegata_common::lease::{ALG, Claims, TYP};

/// Why a lease or a release document could not be verified.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VerifyError {
    /// The format, the header or the claims are invalid.
    #[error("it does not have the expected form: {0}")]
    Form(&'static str),
    /// No published key has the `kid` of the header.
    #[error("its key {0} is not published")]
    UnknownKey(String),
    /// The published key with this id is invalid.
    #[error("the published key {0} is not a point on P-256")]
    Key(Kid),
    /// The signature is invalid.
    #[error("its signature does not fit")]
    Signature,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    alg: String,
    kid: String,
    typ: String,
}

/// Verifies a lease with the published keys, and returns its claims. The expiry is not checked.
pub fn verify(keys: &Jwks, jws: &str) -> Result<Claims, VerifyError> {
    verify_as(keys, jws)
}

/// Like [`verify`], with another type of claims, such as
/// [`StateClaims`](tegata_common::lease::StateClaims) for the lease of a request without a serial.
pub fn verify_as<C: DeserializeOwned>(keys: &Jwks, jws: &str) -> Result<C, VerifyError> {
    Ok(verify_typed(keys, TYP, jws)?.claims)
}

/// A verified JWS.
pub(crate) struct Verified<C> {
    pub(crate) claims: C,
    /// The key that signed it.
    pub(crate) kid: Kid,
    /// The decoded payload, from which the claims were read.
    pub(crate) payload: Vec<u8>,
}

/// Verifies a compact JWS of a type with the keys published for its purpose. The header has exactly
/// the members that signing writes: an extension (`crit`) is not understood.
pub(crate) fn verify_typed<C: DeserializeOwned>(
    keys: &Jwks,
    typ: &str,
    jws: &str,
) -> Result<Verified<C>, VerifyError> {
    let parts: Vec<&str> = jws.split('.').collect();
    let [header, payload, signature] = parts[..] else {
        return Err(VerifyError::Form("it has not three parts"));
    };
    let decode = |part: &str| {
        let decoded = BASE64URL_NOPAD.decode(part.as_bytes());
        decoded.map_err(|_| VerifyError::Form("a part is not base64url"))
    };
    let read: Header = serde_json::from_slice(&decode(header)?)
        .map_err(|_| VerifyError::Form("its header is incomplete"))?;
    if read.alg != ALG || read.typ != typ {
        return Err(VerifyError::Form("its algorithm or type is another"));
    }
    let Some(jwk) = keys.keys.iter().find(|key| key.kid.as_str() == read.kid) else {
        return Err(VerifyError::UnknownKey(read.kid));
    };
    let key = verifying_key(jwk).ok_or_else(|| VerifyError::Key(jwk.kid.clone()))?;
    let signature = Signature::from_slice(&decode(signature)?)
        .map_err(|_| VerifyError::Form("its signature has another length"))?;
    let signed = jws.rsplit_once('.').map_or(jws, |(signed, _)| signed);
    key.verify(signed.as_bytes(), &signature)
        .map_err(|_| VerifyError::Signature)?;
    let payload = decode(payload)?;
    let claims = serde_json::from_slice(&payload)
        .map_err(|_| VerifyError::Form("its claims are incomplete"))?;
    Ok(Verified {
        claims,
        kid: jwk.kid.clone(),
        payload,
    })
}

fn verifying_key(jwk: &Jwk) -> Option<VerifyingKey> {
    let mut point = vec![4]; // uncompressed
    for coordinate in [&jwk.x, &jwk.y] {
        point.extend(BASE64URL_NOPAD.decode(coordinate.as_bytes()).ok()?);
    }
    VerifyingKey::from_sec1_bytes(&point).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KeyFiles;
    use crate::testing::license;
    use tegata_common::lease::StateClaims;
    use tegata_common::license::Plan;

    #[tokio::test]
    async fn a_lease_is_authentic_by_its_own_key_only() {
        let directory = tempfile::tempdir().unwrap();
        let keys = KeyFiles::in_directory(directory.path().join("keys"));
        let (jwk, _) = keys.create().unwrap();
        let (other, _) = keys.create().unwrap();
        let signer = keys.signer(&jwk.kid).unwrap();
        let now = "2017-10-03T10:00:00+09:00".parse().unwrap();
        let signed = signer
            .sign(license(Plan::Trial { days: 30 }), now, None)
            .await;
        let lease = signed.unwrap().lease;
        let (jws, without_serial) = (lease.jws, lease.without_serial.unwrap());
        let published = |keys: &[&Jwk]| Jwks {
            keys: keys.iter().map(|key| (*key).clone()).collect(),
        };
        let claims = verify(&published(&[&other, &jwk]), &jws).unwrap();
        assert_eq!(claims.sub.as_str(), "example.cybozu.com");
        // Of what a request without a serial gets, too, which has fewer claims.
        let said: StateClaims = verify_as(&published(&[&jwk]), &without_serial).unwrap();
        assert_eq!((said.sub, said.exp), (claims.sub, claims.exp));
        assert_eq!(
            verify(&published(&[&other]), &jws),
            Err(VerifyError::UnknownKey(jwk.kid.to_string()))
        );
        // Another key under the same name, or no key.
        let forged = Jwk {
            kid: jwk.kid.clone(),
            ..other.clone()
        };
        assert_eq!(
            verify(&published(&[&forged]), &jws),
            Err(VerifyError::Signature)
        );
        let broken = Jwk {
            x: "AAAA".to_owned(),
            ..jwk.clone()
        };
        assert_eq!(
            verify(&published(&[&broken]), &jws),
            Err(VerifyError::Key(jwk.kid.clone()))
        );
        let [header, payload, signature] = jws.split('.').collect::<Vec<_>>()[..] else {
            panic!("{jws}");
        };
        let published = published(&[&jwk]);
        let changed = BASE64URL_NOPAD.encode(b"{}");
        assert_eq!(
            verify(&published, &format!("{header}.{changed}.{signature}")),
            Err(VerifyError::Signature)
        );
        let none = BASE64URL_NOPAD.encode(br#"{"alg":"none","kid":"1","typ":"license+jwt"}"#);
        for wrong in [
            String::new(),
            format!("{header}.{payload}"),
            format!("{none}.{payload}."),
            format!("{header}.{payload}.AAAA"),
            format!("{header}.{payload}.{signature}=="),
        ] {
            let refused = verify(&published, &wrong);
            assert!(
                matches!(refused, Err(VerifyError::Form(_))),
                "{wrong}: {refused:?}"
            );
        }
    }

    /// Each differs from a true lease in one thing of its header, which is signed.
    #[test]
    fn another_algorithm_or_type_is_not_believed() {
        use p256::ecdsa::signature::Signer as _;
        let key = p256::ecdsa::SigningKey::from_slice(&[7; 32]).unwrap();
        let point = key.verifying_key().to_sec1_point(false);
        let (x, y) = point.as_bytes()[1..].split_at(32);
        let jwk = Jwk::of(x, y);
        let published = Jwks {
            keys: vec![jwk.clone()],
        };
        let token = |header: serde_json::Value| {
            let header = BASE64URL_NOPAD.encode(header.to_string().as_bytes());
            let input = format!("{header}.{}", BASE64URL_NOPAD.encode(b"{\"a\":1}"));
            let signature: Signature = key.sign(input.as_bytes());
            format!("{input}.{}", BASE64URL_NOPAD.encode(&signature.to_bytes()))
        };
        let header =
            |alg: &str, typ: &str| serde_json::json!({ "alg": alg, "kid": jwk.kid, "typ": typ });
        let read = verify_as::<serde_json::Value>(&published, &token(header(ALG, TYP)));
        assert_eq!(read, Ok(serde_json::json!({ "a": 1 })));
        for (alg, typ) in [
            ("HS256", TYP),
            ("none", TYP),
            (ALG, "JWT"),
            (ALG, tegata_common::release::TYP),
            ("HS256", "JWT"),
        ] {
            let read = verify_as::<serde_json::Value>(&published, &token(header(alg, typ)));
            let refused = VerifyError::Form("its algorithm or type is another");
            assert_eq!(read, Err(refused), "{alg} {typ}");
        }
    }
}

//! `client/test/vectors/releases.json`: release documents, the verdict on each, and what tenants run.
//! The client's tests read the same file.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::path::Path;

use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::{Value, json};
use tegata_common::domain::{BaseDomains, Domain};
use tegata_common::keys::{Jwk, Jwks, KeyPurpose, KeyRegister};
use tegata_common::release::{Release, TenantNumber};
use tegata_common::version::PluginVersion;
use tegata_signing::{
    KeyFiles, KeyStore, ReleaseVerifyError, VerifyError, payload_sha256, verify_release,
};

const FILE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../client/test/vectors/releases.json"
);

/// A key for tests, which anybody knows.
fn key(seed: u8) -> (SigningKey, Jwk) {
    let key = SigningKey::from_slice(&[seed; 32]).unwrap();
    let point = key.verifying_key().to_sec1_point(false);
    let (x, y) = point.as_bytes()[1..].split_at(32);
    (key, Jwk::of(x, y))
}

fn jws(key: &SigningKey, header: &Value, payload: &Value) -> String {
    let input = [header, payload].map(|part| BASE64URL_NOPAD.encode(part.to_string().as_bytes()));
    let input = input.join(".");
    let signature: Signature = key.sign(input.as_bytes());
    format!("{input}.{}", BASE64URL_NOPAD.encode(&signature.to_bytes()))
}

fn sri(letter: &str) -> String {
    format!("sha384-{}", letter.repeat(64))
}

fn least() -> Value {
    json!({
        "iss": "https://license.example.com",
        "aud": "sheet",
        "iat": 1796000000,
        "version": "1.8.0",
        "files": { "plugin.min.js": sri("A") },
        "notice": "2026-11-01-sheet-1.8.0",
    })
}

fn full() -> Value {
    json!({
        "iss": "https://license.example.com",
        "aud": "sheet",
        "iat": 1796000600,
        "version": "1.9.0",
        "files": { "chunk/a.js": sri("C"), "plugin.min.js": sri("B") },
        "notice": "2026-12-05-sheet-1.9.0",
        "from": 1796001000,
        "stage": { "percent": 50, "tenants": [number("1.9.0", "example.cybozu.com")] },
        "before": { "version": "1.8.0", "files": { "plugin.min.js": sri("A") } },
    })
}

fn domain(host: &str) -> Domain {
    BaseDomains::default().canonicalize(host).unwrap()
}

fn number(version: &str, host: &str) -> String {
    TenantNumber::of(&version.parse().unwrap(), &domain(host)).to_string()
}

/// Name, document and verdict: `valid`, or the client's word for what is wrong.
fn documents() -> Vec<(&'static str, String, &'static str)> {
    let ((active, active_jwk), (next, next_jwk)) = (key(1), key(2));
    let (lease, lease_jwk) = key(3);
    let header = json!({ "alg": "ES256", "typ": "release+jwt", "kid": active_jwk.kid });
    let with = |member: &str, value: Value| {
        let mut header = header.clone();
        header[member] = value;
        jws(&active, &header, &full())
    };
    let claims = |member: &str, value: Option<Value>| {
        let mut claims = full();
        match value {
            Some(value) => claims[member] = value,
            None => drop(claims.as_object_mut().unwrap().remove(member)),
        }
        jws(&active, &header, &claims)
    };
    let valid = jws(&active, &header, &full());
    let [head, body, signature] = valid.split('.').collect::<Vec<_>>()[..] else {
        unreachable!()
    };
    let other_body = BASE64URL_NOPAD.encode(least().to_string().as_bytes());
    let der: Signature = active.sign(format!("{head}.{body}").as_bytes());
    let der = BASE64URL_NOPAD.encode(der.to_der().as_bytes());
    let by_next = json!({ "alg": "ES256", "typ": "release+jwt", "kid": next_jwk.kid });
    let by_lease = json!({ "alg": "ES256", "typ": "release+jwt", "kid": lease_jwk.kid });
    vec![
        ("for all tenants", jws(&active, &header, &least()), "valid"),
        ("for a stage, from an instant", valid.clone(), "valid"),
        ("by the next key", jws(&next, &by_next, &full()), "valid"),
        (
            "another payload",
            format!("{head}.{other_body}.{signature}"),
            "forged",
        ),
        ("no signature", format!("{head}.{body}."), "forged"),
        ("two parts", format!("{head}.{body}"), "forged"),
        ("half of it", valid[..valid.len() / 2].to_owned(), "forged"),
        ("empty", String::new(), "forged"),
        (
            "a signature in DER",
            format!("{head}.{body}.{der}"),
            "forged",
        ),
        (
            "the type of a lease",
            with("typ", "license+jwt".into()),
            "forged",
        ),
        ("another type", with("typ", "JWT".into()), "forged"),
        ("no algorithm", with("alg", "none".into()), "forged"),
        ("another algorithm", with("alg", "HS256".into()), "forged"),
        ("an extension", with("crit", json!(["exp"])), "forged"),
        (
            "a lease key under its id",
            jws(&lease, &by_lease, &full()),
            "unknown_key",
        ),
        (
            "a lease key under a release key's id",
            jws(&lease, &header, &full()),
            "forged",
        ),
        (
            "another product's",
            claims("aud", Some("gantt".into())),
            "wrong_product",
        ),
        ("no version", claims("version", None), "malformed"),
        ("no files", claims("files", None), "malformed"),
        ("no iat", claims("iat", None), "malformed"),
        (
            "iat as text",
            claims("iat", Some("1796000600".into())),
            "malformed",
        ),
        (
            "from as text",
            claims("from", Some("1796001000".into())),
            "malformed",
        ),
        (
            "before without files",
            claims("before", Some(json!({ "version": "1.8.0" }))),
            "malformed",
        ),
    ]
}

fn verdict(read: Result<(), ReleaseVerifyError>) -> &'static str {
    match read {
        Ok(()) => "valid",
        Err(ReleaseVerifyError::NotAuthentic(VerifyError::UnknownKey(_))) => "unknown_key",
        Err(ReleaseVerifyError::NotAuthentic(VerifyError::Form("its claims are incomplete"))) => {
            "malformed"
        }
        Err(ReleaseVerifyError::NotAuthentic(_)) => "forged",
        Err(ReleaseVerifyError::OtherProduct(_)) => "wrong_product",
        Err(ReleaseVerifyError::Release(_)) => "malformed",
    }
}

/// What the file has to contain.
fn expected() -> Value {
    let (_, active) = key(1);
    let (_, next) = key(2);
    let keys = Jwks {
        keys: vec![active, next],
    };
    let product = "sheet".parse().unwrap();
    let documents = documents().into_iter().map(|(name, jws, expected)| {
        let read = verify_release(&keys, &product, &jws);
        assert_eq!(verdict(read.map(|_| ())), expected, "{name}");
        json!({ "name": name, "jws": jws, "verdict": expected })
    });
    let tenants = [
        "example.cybozu.com",
        "abc.kintone.com",
        "sample-01.cybozu.cn",
        "tenant-4.cybozu.com",
        "tenant-7.cybozu.com",
    ];
    let numbers = ["1.9.0", "2.0.0-rc.1"].iter().flat_map(|version| {
        tenants.map(|host| {
            let version: PluginVersion = version.parse().unwrap();
            let number = TenantNumber::of(&version, &domain(host));
            let belongs = |percent: u8| number.belongs_to(percent.try_into().unwrap());
            json!({
                "version": version, "domain": host, "number": number,
                "belongs_to": { "1": belongs(1), "10": belongs(10), "50": belongs(50) },
            })
        })
    });
    let release: Release = serde_json::from_value(full()).unwrap();
    let runs = [1_796_000_999, 1_796_001_000].iter().flat_map(|at| {
        let instant = Timestamp::from_second(*at).unwrap();
        let release = &release;
        tenants.map(|host| {
            let files = release.files_for(&domain(host), instant).unwrap();
            json!({ "domain": host, "at": at, "version": files.version })
        })
    });
    json!({
        "about": "Written by crates/signing/tests/release_vectors.rs. Keys of tests, which anybody knows.",
        "product": product,
        "keys": keys,
        "numbers": numbers.collect::<Vec<_>>(),
        "documents": documents.collect::<Vec<_>>(),
        "runs": { "document": "for a stage, from an instant", "cases": runs.collect::<Vec<_>>() },
    })
}

#[test]
fn the_vectors_are_what_this_code_says() {
    let expected = serde_json::to_string_pretty(&expected()).unwrap() + "\n";
    let written = std::fs::read_to_string(FILE).unwrap_or_default();
    if written != expected {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("releases.json");
        std::fs::write(&path, expected).unwrap();
        panic!("{FILE} is another one; copy {} over it", path.display());
    }
}

/// What the signer writes verifies, and is recorded by the hash of its payload.
#[tokio::test]
async fn a_release_key_signs_what_a_loader_accepts() {
    let directory = tempfile::tempdir().unwrap();
    let store = KeyStore::Files(KeyFiles::in_directory(directory.path()));
    let (jwk, location) = store
        .create(KeyPurpose::Release, "", "local:test")
        .await
        .unwrap();
    let file = directory.path().join(format!("release/{}.pem", jwk.kid));
    assert!(file.exists(), "release keys have a place of their own");
    let register = KeyRegister::of(KeyPurpose::Release);
    let register = register.with(jwk, location, Timestamp::UNIX_EPOCH).unwrap();
    let signer = store.release_signer(&register).unwrap();
    let release: Release = serde_json::from_value(full()).unwrap();
    let jws = signer.sign(&release).await.unwrap();

    let header: Value = serde_json::from_slice(
        &BASE64URL_NOPAD
            .decode(jws.split('.').next().unwrap().as_bytes())
            .unwrap(),
    )
    .unwrap();
    assert_eq!(
        header,
        json!({ "alg": "ES256", "typ": "release+jwt", "kid": signer.kid() })
    );
    let product = "sheet".parse().unwrap();
    let verified = verify_release(&register.jwks(), &product, &jws).unwrap();
    assert_eq!(verified.release, release);
    assert_eq!(verified.kid.as_str(), signer.kid());
    assert_eq!(verified.payload_sha256, payload_sha256(&release).unwrap());
    // As a lease it is nothing, whichever keys are published.
    assert!(matches!(
        tegata_signing::verify(&register.jwks(), &jws),
        Err(VerifyError::Form(_))
    ));
    // What a loader would refuse is not signed.
    let empty: Value = json!({ "iss": "i", "aud": "sheet", "iat": 1, "version": "1", "files": {} });
    let empty: Release = serde_json::from_value(empty).unwrap();
    assert!(signer.sign(&empty).await.is_err());
}

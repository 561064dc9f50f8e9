//! The store of the private keys: files on one machine, or AWS KMS.

use tegata_common::keys::{Jwk, KeyLocation, KeyPurpose, KeyRegister, Kid, RegisterError};

use crate::kms::create_kms_key;
use crate::{KeyFiles, ReleaseSigner, Signer, SigningError};

/// The store of the private keys.
#[derive(Clone, Debug)]
pub enum KeyStore {
    /// Files, on one machine.
    Files(KeyFiles),
    /// AWS KMS.
    Kms(aws_sdk_kms::Client),
}

/// Why the active key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyStoreError {
    /// The register has no active key.
    #[error(transparent)]
    Register(#[from] RegisterError),
    /// The key could not be opened.
    #[error(transparent)]
    Signing(#[from] SigningError),
    /// The active key is in another store than this one.
    #[error("the active key {0} is not kept here")]
    Elsewhere(Kid),
    /// The register is one of keys with another purpose.
    #[error("a {of} key does not sign for the purpose {wanted}")]
    Purpose {
        /// The purpose of the register.
        of: KeyPurpose,
        /// The purpose that a key was needed for.
        wanted: KeyPurpose,
    },
}

impl KeyStore {
    /// A signer of leases, with the active key of their register.
    pub fn signer(&self, register: &KeyRegister) -> Result<Signer, KeyStoreError> {
        self.signer_for(KeyPurpose::Lease, register)
    }

    /// A signer of release documents, with the active key of their register.
    pub fn release_signer(&self, register: &KeyRegister) -> Result<ReleaseSigner, KeyStoreError> {
        let signer = self.signer_for(KeyPurpose::Release, register)?;
        Ok(ReleaseSigner::new(signer))
    }

    fn signer_for(
        &self,
        wanted: KeyPurpose,
        register: &KeyRegister,
    ) -> Result<Signer, KeyStoreError> {
        let of = register.purpose;
        if of != wanted {
            return Err(KeyStoreError::Purpose { of, wanted });
        }
        let active = register.active()?;
        match (self, &active.location) {
            (Self::Files(files), KeyLocation::File) => {
                Ok(files.of(wanted).signer(&active.jwk.kid)?)
            }
            (Self::Kms(client), KeyLocation::Kms(id)) => {
                Ok(Signer::kms(client.clone(), id, active.jwk.kid.clone()))
            }
            _ => Err(KeyStoreError::Elsewhere(active.jwk.kid.clone())),
        }
    }

    /// Creates a key: in files for this machine, or in KMS for a stack, in the account of the
    /// caller's ARN.
    pub async fn create(
        &self,
        purpose: KeyPurpose,
        stack: &str,
        caller: &str,
    ) -> Result<(Jwk, KeyLocation), SigningError> {
        match self {
            Self::Files(files) => files.of(purpose).create(),
            Self::Kms(client) => create_kms_key(client, purpose, stack, caller).await,
        }
    }

    /// Deletes the private key of a retired key from this machine. A key in KMS is not deleted.
    pub fn remove(&self, purpose: KeyPurpose, kid: &Kid) -> Result<(), SigningError> {
        match self {
            Self::Files(files) => files.of(purpose).remove(kid),
            Self::Kms(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use jiff::Timestamp;
    use tegata_common::license::Plan;

    use super::*;
    use crate::testing::{FakeKms, license};
    use crate::verify;

    const CALLER: &str = "arn:aws:sts::123456789012:assumed-role/tegata-KeysRole-A1/taro";

    fn register(jwk: Jwk, location: KeyLocation) -> KeyRegister {
        let now = Timestamp::UNIX_EPOCH;
        KeyRegister::default().with(jwk, location, now).unwrap()
    }

    /// Signs a licence with the active key, and checks the lease as a plug-in does.
    async fn signs(store: &KeyStore, register: &KeyRegister) {
        let kid = register.active().unwrap().jwk.kid.clone();
        let signer = store.signer(register).unwrap();
        assert_eq!(signer.kid(), kid.as_str());
        assert_eq!(format!("{signer:?}"), format!("Signer({kid})"));
        let now = "2017-10-03T10:00:00+09:00".parse().unwrap();
        let signed = signer
            .sign(license(Plan::Trial { days: 30 }), now, None)
            .await;
        let lease = signed.unwrap().lease;
        assert_eq!(lease.kid, kid.as_str());
        let claims = verify(&register.jwks(), &lease.jws).unwrap();
        assert_eq!(claims.sub.as_str(), "example.cybozu.com");
    }

    #[tokio::test]
    async fn files_sign_until_they_are_removed() {
        let directory = tempfile::tempdir().unwrap();
        let keys = directory.path().join("deep/keys");
        let store = KeyStore::Files(KeyFiles::in_directory(&keys));
        let (jwk, location) = store
            .create(KeyPurpose::Lease, "tegata", CALLER)
            .await
            .unwrap();
        assert_eq!(location, KeyLocation::File);
        let file = keys.join(format!("{}.pem", jwk.kid));
        let mode = |path: &std::path::Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&keys), mode(&file)), (0o700, 0o600));
        let register = register(jwk.clone(), location);
        signs(&store, &register).await;

        for others in [0o640, 0o604, 0o610, 0o601] {
            std::fs::set_permissions(&file, PermissionsExt::from_mode(others)).unwrap();
            let refused = store.signer(&register).unwrap_err().to_string();
            let expected = format!("its mode is {others:03o}; a signing key must be 600");
            assert!(refused.ends_with(&expected), "{refused}");
        }
        for own in [0o600, 0o400] {
            std::fs::set_permissions(&file, PermissionsExt::from_mode(own)).unwrap();
            assert!(store.signer(&register).is_ok(), "{own:o}");
        }

        store.remove(KeyPurpose::Lease, &jwk.kid).unwrap();
        assert!(!file.exists());
        let gone = store
            .remove(KeyPurpose::Lease, &jwk.kid)
            .unwrap_err()
            .to_string();
        assert!(gone.starts_with(&file.display().to_string()), "{gone}");
    }

    #[tokio::test]
    async fn a_key_signs_for_its_own_purpose_only() {
        let directory = tempfile::tempdir().unwrap();
        let files = KeyStore::Files(KeyFiles::in_directory(directory.path()));
        let kms = FakeKms::default();
        for store in [files, KeyStore::Kms(kms.client())] {
            for purpose in KeyPurpose::ALL {
                let (jwk, location) = store.create(purpose, "tegata", CALLER).await.unwrap();
                let register = KeyRegister::of(purpose);
                let register = register.with(jwk, location, Timestamp::UNIX_EPOCH);
                let register = register.unwrap();
                let refused = match purpose {
                    KeyPurpose::Lease => {
                        store.signer(&register).unwrap();
                        store.release_signer(&register).map(|_| ())
                    }
                    KeyPurpose::Release => {
                        store.release_signer(&register).unwrap();
                        store.signer(&register).map(|_| ())
                    }
                };
                let refused = refused.unwrap_err().to_string();
                let reason = format!("a {purpose} key does not sign");
                assert!(refused.starts_with(&reason), "{refused}");
                // Nor does a register that names a key of the other purpose.
                if let KeyStore::Files(_) = &store {
                    let mut planted = register.clone();
                    planted.purpose = match purpose {
                        KeyPurpose::Lease => KeyPurpose::Release,
                        KeyPurpose::Release => KeyPurpose::Lease,
                    };
                    let refused = match planted.purpose {
                        KeyPurpose::Lease => store.signer(&planted).map(|_| ()),
                        KeyPurpose::Release => store.release_signer(&planted).map(|_| ()),
                    };
                    assert!(matches!(refused, Err(KeyStoreError::Signing(_))));
                }
            }
        }
        let requests = kms.requests();
        let (_, creation) = requests
            .iter()
            .rfind(|(name, _)| name == "CreateKey")
            .unwrap();
        assert_eq!(
            creation["Description"],
            "tegata release signing, stack tegata"
        );
        let policy = creation["Policy"].as_str().unwrap();
        assert!(policy.contains("role/tegata-PublishingRole-*"), "{policy}");
        assert!(!policy.contains("RenewalRole"), "{policy}");
    }

    #[tokio::test]
    async fn kms_signs_with_the_key_it_made() {
        let kms = FakeKms::default();
        let store = KeyStore::Kms(kms.client());
        let (jwk, location) = store
            .create(KeyPurpose::Lease, "tegata", CALLER)
            .await
            .unwrap();
        assert_eq!(location, KeyLocation::Kms(FakeKms::ARN.to_owned()));
        let requests = kms.requests();
        let operations: Vec<&str> = requests.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(operations, ["CreateKey", "GetPublicKey"]);
        let (_, creation) = &requests[0];
        assert_eq!(creation["Tags"], serde_json::Value::Null);
        let policy = creation["Policy"].as_str().unwrap();
        assert!(policy.contains("role/tegata-RenewalRole-*"), "{policy}");

        signs(&store, &register(jwk.clone(), location)).await;
        // A KMS key is not tegata's to remove.
        let before = kms.requests().len();
        store.remove(KeyPurpose::Lease, &jwk.kid).unwrap();
        assert_eq!(kms.requests().len(), before);
    }

    #[tokio::test]
    async fn an_error_of_kms_names_its_cause() {
        let kms = FakeKms::default();
        let (jwk, _) = KeyStore::Kms(kms.client())
            .create(KeyPurpose::Lease, "tegata", CALLER)
            .await
            .unwrap();
        let other = KeyLocation::Kms("arn:aws:kms:ap-northeast-1:123456789012:key/other".into());
        let signer = KeyStore::Kms(kms.client())
            .signer(&register(jwk, other))
            .unwrap();
        let now = "2017-10-03T10:00:00+09:00".parse().unwrap();
        let refused = signer
            .sign(license(Plan::Trial { days: 30 }), now, None)
            .await;
        let refused = refused.unwrap_err().to_string();
        assert!(
            refused.starts_with("KMS: ") && refused.contains("NotFoundException"),
            "{refused}"
        );
    }

    #[test]
    fn a_key_that_is_kept_elsewhere_does_not_sign() {
        let jwk = Jwk::of(&[1; 32], &[1; 32]);
        let files = KeyStore::Files(KeyFiles::in_directory("keys"));
        let kms = KeyStore::Kms(FakeKms::default().client());
        let in_kms = KeyLocation::Kms(FakeKms::ARN.to_owned());
        for (store, location) in [(&files, in_kms), (&kms, KeyLocation::File)] {
            let refused = store.signer(&register(jwk.clone(), location)).unwrap_err();
            let expected = format!("the active key {} is not kept here", jwk.kid);
            assert_eq!(refused.to_string(), expected);
        }
        let empty = files.signer(&KeyRegister::default()).unwrap_err();
        assert!(matches!(
            empty,
            KeyStoreError::Register(RegisterError::Empty(KeyPurpose::Lease))
        ));
    }
}

//! Verification of a stored lease against its licence and the key register.

use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;

use crate::VerifyError;
use crate::verify::verify;
use tegata_common::keys::KeyRegister;
use tegata_common::lease::{Claims, SignedLicense};

/// Why a stored lease is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LeaseError {
    /// The signature or the format is invalid.
    #[error("its lease is not authentic: {0}")]
    NotAuthentic(VerifyError),
    /// The key is not in the register: it has been retired, or never belonged to this stack.
    #[error("its lease is signed by a key that is not registered")]
    UnknownKey,
    /// The claims differ from the licence, or from the attributes stored with the lease.
    #[error("its lease says something else: {0}")]
    Contradiction(&'static str),
}

/// Checks that the claims of a lease agree with its licence, and that a registered key has signed it.
pub fn check_lease(register: &KeyRegister, signed: &SignedLicense) -> Result<(), LeaseError> {
    let SignedLicense { license, lease } = signed;
    let is_signed = match verify(&register.jwks(), &lease.jws) {
        Ok(_) => Ok(()),
        // The claims are compared in any case: the key may have been retired.
        Err(VerifyError::UnknownKey(_)) => Err(LeaseError::UnknownKey),
        Err(error) => return Err(LeaseError::NotAuthentic(error)),
    };
    let form = || LeaseError::NotAuthentic(VerifyError::Form("its claims are incomplete"));
    let claims = claims(&lease.jws).ok_or_else(form)?;
    let issued_at = Timestamp::from_second(claims.iat).map_err(|_| form())?;
    let expected = Claims::of(license, issued_at, claims.jti.clone()).map_err(|_| form())?;
    if let Some(what) = difference(&claims, &expected) {
        return Err(LeaseError::Contradiction(what));
    }
    if (lease.issued_at, lease.expires_at.as_second()) != (issued_at, claims.exp) {
        return Err(LeaseError::Contradiction("its instants"));
    }
    is_signed
}

fn claims(jws: &str) -> Option<Claims> {
    let payload = jws.split('.').nth(1)?;
    let payload = BASE64URL_NOPAD.decode(payload.as_bytes()).ok()?;
    serde_json::from_slice(&payload).ok()
}

/// The first difference between two claims, as a text for operators.
fn difference(claims: &Claims, expected: &Claims) -> Option<&'static str> {
    let facts = [
        (
            "the suspension",
            claims.suspended_from == expected.suspended_from,
        ),
        ("the domain", claims.sub == expected.sub),
        ("the product", claims.aud == expected.aud),
        ("the term", claims.term == expected.term),
        ("the users", claims.users == expected.users),
        ("the edition", claims.edition == expected.edition),
        ("the quotas", claims.quotas == expected.quotas),
        ("the kind", claims.kind == expected.kind),
        (
            "the last instant",
            claims.valid_until == expected.valid_until,
        ),
        ("another fact", claims == expected),
    ];
    let mut different = facts.into_iter().filter(|(_, is_same)| !is_same);
    different.next().map(|(what, _)| what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::KeyFiles;
    use crate::testing::license;
    use tegata_common::calendar::Billing;
    use tegata_common::license::Plan;

    #[tokio::test]
    async fn a_lease_proves_its_licence_and_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let files = KeyFiles::in_directory(directory.path());
        let (jwk, location) = files.create().unwrap();
        let now: Timestamp = "2017-10-03T10:00:00+09:00".parse().unwrap();
        let register = KeyRegister::default()
            .with(jwk.clone(), location, now)
            .unwrap();
        let signer = files.signer(&jwk.kid).unwrap();
        let license = license(Plan::Paid {
            billing: Billing::Monthly,
        });
        let signed = signer.sign(license, now, None).await.unwrap();
        assert_eq!(check_lease(&register, &signed), Ok(()));

        let mut suspended = signed.clone();
        suspended.license.suspended_from = Some(now);
        let contradiction = LeaseError::Contradiction("the suspension");
        assert_eq!(check_lease(&register, &suspended), Err(contradiction));

        // Another signature, of the right form.
        let mut forged = signed.clone();
        let (input, _) = forged.lease.jws.rsplit_once('.').unwrap();
        forged.lease.jws = format!("{input}.{}", BASE64URL_NOPAD.encode(&[1; 64]));
        let not_authentic = LeaseError::NotAuthentic(VerifyError::Signature);
        assert_eq!(check_lease(&register, &forged), Err(not_authentic));

        let nothing = KeyRegister::default();
        assert_eq!(check_lease(&nothing, &signed), Err(LeaseError::UnknownKey));
        let contradiction = LeaseError::Contradiction("the suspension");
        assert_eq!(check_lease(&nothing, &suspended), Err(contradiction));
    }

    #[tokio::test]
    async fn a_contradiction_names_the_fact() {
        let directory = tempfile::tempdir().unwrap();
        let files = KeyFiles::in_directory(directory.path());
        let (jwk, location) = files.create().unwrap();
        let now: Timestamp = "2017-10-03T10:00:00+09:00".parse().unwrap();
        let register = KeyRegister::default()
            .with(jwk.clone(), location, now)
            .unwrap();
        let license = license(Plan::Paid {
            billing: Billing::Monthly,
        });
        let signer = files.signer(&jwk.kid).unwrap();
        let signed = signer.sign(license, now, None).await.unwrap();
        let other_domain = tegata_common::domain::BaseDomains::default()
            .canonicalize("other.cybozu.com")
            .unwrap();

        type Change = Box<dyn Fn(&mut SignedLicense)>;
        let changes: [(&str, Change); 10] = [
            (
                "the domain",
                Box::new(move |of| of.license.domain = other_domain.clone()),
            ),
            (
                "the product",
                Box::new(|of| of.license.product = "gantt".parse().unwrap()),
            ),
            (
                "the term",
                Box::new(|of| of.license.term.ends_on = of.license.term.starts_on),
            ),
            ("the users", Box::new(|of| of.license.users = 5_000)),
            (
                "the edition",
                Box::new(|of| of.license.edition = "premium".into()),
            ),
            (
                "the quotas",
                Box::new(|of| {
                    of.license.quotas.insert("rows".into(), 1);
                }),
            ),
            (
                "the kind",
                Box::new(|of| {
                    of.license.kind = tegata_common::license::LicenseKind::Trial;
                }),
            ),
            (
                "another fact",
                Box::new(|of| of.license.policy.issuer = "https://other.example".into()),
            ),
            (
                "its instants",
                Box::new(|of| of.lease.issued_at = Timestamp::UNIX_EPOCH),
            ),
            (
                "its instants",
                Box::new(|of| of.lease.expires_at = Timestamp::UNIX_EPOCH),
            ),
        ];
        for (what, change) in changes {
            let mut changed = signed.clone();
            change(&mut changed);
            let contradiction = LeaseError::Contradiction(what);
            assert_eq!(
                check_lease(&register, &changed),
                Err(contradiction),
                "{what}"
            );
        }
        // The last instant moves with the contract's end, the term does not.
        let mut longer = signed.clone();
        longer.license.valid_until = "2030-01-01T00:00:00Z".parse().unwrap();
        let contradiction = LeaseError::Contradiction("the last instant");
        assert_eq!(check_lease(&register, &longer), Err(contradiction));
    }
}

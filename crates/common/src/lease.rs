//! Leases: the signed, time-limited document that a plug-in caches.
//!
//! A lease is a compact JWS (RFC 7515) whose payload carries the licence's facts. It is made when
//! a licence is written, never when one is looked up.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

use crate::calendar::{self, OutOfRange, Term};
use crate::domain::Domain;
use crate::license::{License, LicenseKind};
use crate::product::ProductSlug;

/// The `typ` of a lease's header (RFC 8725, section 3.11: explicit typing).
pub const TYP: &str = "license+jwt";

/// The only algorithm: ECDSA on P-256 with SHA-256.
pub const ALG: &str = "ES256";

/// A lease as it is kept beside its licence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The compact JWS.
    pub jws: String,
    /// The id of the key that signed it.
    pub kid: String,
    /// Its `iat`.
    pub issued_at: Timestamp,
    /// Its `exp`.
    pub expires_at: Timestamp,
    /// The JWS for requests without a serial, if those are told less: the same licence, signed
    /// with the other, saying [`StateClaims`]. A lease of an earlier version has none until it is
    /// signed again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without_serial: Option<String>,
}

/// A licence and the lease that says the same under signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedLicense {
    /// The facts.
    pub license: License,
    /// What the plug-in caches.
    pub lease: Lease,
}

/// The payload of a lease. It has no code: the plug-in derives that by kintone's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who signed.
    pub iss: String,
    /// The product that may read it.
    pub aud: ProductSlug,
    /// The tenant it is about.
    pub sub: Domain,
    /// When it was signed, in seconds since 1970. Among authentic leases the newest counts.
    pub iat: i64,
    /// When the licence becomes usable, in seconds since 1970.
    pub nbf: i64,
    /// The hard stop offline, in seconds since 1970.
    pub exp: i64,
    /// This lease's own id.
    pub jti: String,
    /// As in [`License`].
    pub kind: LicenseKind,
    /// As in [`License`].
    pub edition: String,
    /// As in [`License`].
    pub users: u32,
    /// As in [`License`].
    pub quotas: BTreeMap<String, u64>,
    /// As in [`License`].
    pub term: Term,
    /// RFC 3339 with the product's offset, as all instants below.
    pub usable_from: String,
    /// Present if the licence is suspended, now or later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended_from: Option<String>,
    /// When `VALID` ends.
    pub valid_until: String,
    /// When `GRACE` ends.
    pub grace_until: String,
}

/// The payload of a lease for a request without a serial: what the code follows from while the
/// lease lives, and nothing else.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateClaims {
    /// Who signed.
    pub iss: String,
    /// The product.
    pub aud: ProductSlug,
    /// The tenant.
    pub sub: Domain,
    /// When it was signed, in seconds since 1970.
    pub iat: i64,
    /// When the licence becomes usable, in seconds since 1970.
    pub nbf: i64,
    /// The hard stop offline, in seconds since 1970.
    pub exp: i64,
    /// The lease's id.
    pub jti: String,
    /// The instants by which the code is decided.
    #[serde(flatten)]
    pub state: StateInstants,
}

/// What stands for an instant after the lease's end: which one it is, is not told. A plug-in that goes
/// by it is stopped by the lease's end, and is not told that the licence has expired.
const UNTOLD: Timestamp = Timestamp::constant(253_402_128_000, 0);

/// The instants at which the code changes, as far as they matter while a lease lives. Each is RFC
/// 3339 with the product's offset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateInstants {
    /// When the licence becomes usable.
    pub usable_from: String,
    /// Present if the licence is suspended by the lease's end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended_from: Option<String>,
    /// When `VALID` ends: an instant of the year 9999 if that is after the lease's end.
    pub valid_until: String,
    /// When `GRACE` ends, in the same way.
    pub grace_until: String,
}

impl StateInstants {
    /// The instants of a licence that matter until a lease's end.
    pub fn of(license: &License, lease_end: Timestamp) -> Self {
        let local = |instant| calendar::rfc3339(instant, &license.policy);
        let told = |end: Timestamp| local(if end > lease_end { UNTOLD } else { end });
        let bounds = license.bounds();
        let suspended_from = license.suspended_from.filter(|from| *from <= lease_end);
        Self {
            usable_from: local(bounds.usable_from),
            suspended_from: suspended_from.map(local),
            valid_until: told(bounds.valid_until),
            grace_until: told(bounds.grace_until),
        }
    }
}

impl StateClaims {
    /// What the lease for requests without a serial says beside a lease that says all.
    pub fn of(license: &License, claims: &Claims, lease_end: Timestamp) -> Self {
        Self {
            iss: claims.iss.clone(),
            aud: claims.aud.clone(),
            sub: claims.sub.clone(),
            iat: claims.iat,
            nbf: claims.nbf,
            exp: claims.exp,
            jti: claims.jti.clone(),
            state: StateInstants::of(license, lease_end),
        }
    }
}

/// The end of a lease signed at an instant: the earlier of the end of grace, under this domain,
/// and the policy's lease days.
///
/// The lease of a licence whose grace is over is born expired. That is its message: it is
/// authentic, newer than what the plug-in caches, and of no use.
pub fn expiry(license: &License, issued_at: Timestamp) -> Result<Timestamp, OutOfRange> {
    let longest = issued_at.checked_add(lease_hours(license).hours())?;
    Ok(longest.min(license.bounds().grace_until))
}

/// How long a lease may live, in hours.
fn lease_hours(license: &License) -> i64 {
    i64::from(license.policy.lease_days) * 24
}

impl SignedLicense {
    /// The instant from which the lease is to be signed again: half of the lease days after it
    /// was. `None` if a new one could not live longer.
    pub fn resign_at(&self) -> Option<Timestamp> {
        let half = (lease_hours(&self.license) / 2).hours();
        let lives_longer = self.lease.expires_at < self.license.bounds().grace_until;
        lives_longer
            .then(|| self.lease.issued_at.checked_add(half).ok())
            .flatten()
    }

    /// The share of its lease days that the lease has left at an instant, from 0 to 1. `None` if
    /// it lives as long as its licence does: then it is no longer signed again.
    pub fn lease_left(&self, now: Timestamp) -> Option<f64> {
        self.resign_at()?;
        let whole = SignedDuration::from_hours(lease_hours(&self.license));
        let end = self.lease.issued_at.checked_add(whole).ok()?;
        let left = end.duration_since(now).as_secs_f64() / whole.as_secs_f64();
        Some(left.clamp(0.0, 1.0))
    }
}

impl Claims {
    /// What a lease says of a licence when it is signed at an instant.
    pub fn of(license: &License, issued_at: Timestamp, jti: String) -> Result<Self, OutOfRange> {
        let policy = &license.policy;
        let bounds = license.bounds();
        let local = |instant| calendar::rfc3339(instant, policy);
        Ok(Self {
            iss: policy.issuer.clone(),
            aud: license.product.clone(),
            sub: license.domain.clone(),
            iat: issued_at.as_second(),
            nbf: bounds.usable_from.as_second(),
            exp: expiry(license, issued_at)?.as_second(),
            jti,
            kind: license.kind,
            edition: license.edition.clone(),
            users: license.users,
            quotas: license.quotas.clone(),
            term: license.term,
            usable_from: local(bounds.usable_from),
            suspended_from: license.suspended_from.map(local),
            valid_until: local(bounds.valid_until),
            grace_until: local(bounds.grace_until),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::Billing;
    use crate::license::Plan;
    use crate::license::testing::license;

    #[test]
    fn a_lease_ends_with_its_days_or_with_grace() {
        let license = license(Plan::Paid {
            billing: Billing::Monthly,
        });
        for (issued_at, expires_at) in [
            ("2017-10-03T10:00:00+09:00", "2017-10-17T10:00:00+09:00"),
            ("2017-11-24T08:59:59+09:00", "2017-12-08T08:59:59+09:00"),
            ("2017-11-30T10:00:00+09:00", "2017-12-08T09:00:00+09:00"),
            ("2018-03-01T00:00:00+09:00", "2017-12-08T09:00:00+09:00"),
        ] {
            let expiry = expiry(&license, issued_at.parse().unwrap()).unwrap();
            assert_eq!(expiry, expires_at.parse().unwrap(), "{issued_at}");
        }
    }

    #[test]
    fn a_lease_is_signed_again_at_half_of_its_days_unless_it_lives_as_long_as_its_licence() {
        let at = |instant: &str| instant.parse::<Timestamp>().unwrap();
        let signed = |issued_at: &str| {
            let license = license(Plan::Trial { days: 30 }); // grace ends on 2017-11-09, 09:00
            let issued_at = at(issued_at);
            SignedLicense {
                lease: Lease {
                    jws: String::new(),
                    kid: String::new(),
                    issued_at,
                    expires_at: expiry(&license, issued_at).unwrap(),
                    without_serial: None,
                },
                license,
            }
        };
        let early = signed("2017-10-03T10:00:00+09:00");
        let half = at("2017-10-10T10:00:00+09:00");
        assert_eq!(early.resign_at(), Some(half));
        assert_eq!(early.lease_left(half), Some(0.5));
        assert_eq!(
            early.lease_left(half + SignedDuration::from_hours(500)),
            Some(0.0)
        );
        let last = signed("2017-10-26T10:00:00+09:00");
        assert_eq!((last.resign_at(), last.lease_left(half)), (None, None));
    }

    #[test]
    fn claims_say_what_the_licence_says_in_the_products_zone() {
        let license = license(Plan::Trial { days: 30 })
            .suspended("2017-10-20T00:00:00Z".parse().unwrap())
            .unwrap();
        let issued_at = "2017-10-03T10:00:00.75+09:00".parse().unwrap();
        let claims = Claims::of(&license, issued_at, "id".into()).unwrap();
        assert_eq!(
            serde_json::to_value(&claims).unwrap(),
            serde_json::json!({
                "iss": "https://license.example.com",
                "aud": "sheet",
                "sub": "example.cybozu.com",
                "iat": 1506992400,
                "nbf": 1506992400,
                "exp": 1506992400 + 14 * 86400,
                "jti": "id",
                "kind": "trial",
                "edition": "standard",
                "users": 50,
                "quotas": {},
                "term": { "starts_on": "2017-10-03", "ends_on": "2017-11-01" },
                "usable_from": "2017-10-03T10:00:00+09:00",
                "suspended_from": "2017-10-20T09:00:00+09:00",
                "valid_until": "2017-11-02T09:00:00+09:00",
                "grace_until": "2017-11-09T09:00:00+09:00",
            })
        );
    }

    #[test]
    fn without_a_serial_a_lease_says_what_the_code_follows_from_while_it_lives() {
        let at = |instant: &str| instant.parse::<Timestamp>().unwrap();
        let license = license(Plan::Paid {
            billing: Billing::Monthly,
        });
        let said = |license: &License, issued_at: &str| {
            let end = expiry(license, at(issued_at)).unwrap();
            let claims = Claims::of(license, at(issued_at), "id".into()).unwrap();
            let said = StateClaims::of(license, &claims, end);
            serde_json::to_value(said).unwrap()
        };
        // Neither the end of the term nor a suspension after the lease's end.
        let suspended = license
            .clone()
            .suspended(at("2017-10-20T00:00:00Z"))
            .unwrap();
        let early = said(&suspended, "2017-10-03T10:00:00+09:00");
        assert_eq!(
            early,
            serde_json::json!({
                "iss": "https://license.example.com",
                "aud": "sheet",
                "sub": "example.cybozu.com",
                "iat": 1506992400,
                "nbf": 1506992400,
                "exp": 1506992400 + 14 * 86400,
                "jti": "id",
                "usable_from": "2017-10-03T10:00:00+09:00",
                "valid_until": "9999-12-30T09:00:00+09:00",
                "grace_until": "9999-12-30T09:00:00+09:00",
            })
        );
        let later = said(&suspended, "2017-10-10T10:00:00+09:00");
        assert_eq!(later["suspended_from"], "2017-10-20T09:00:00+09:00");
        // What ends while the lease lives ends at its own instant.
        let last = said(&license, "2017-11-30T10:00:00+09:00");
        assert_eq!(last["valid_until"], "2017-12-01T09:00:00+09:00");
        assert_eq!(last["grace_until"], "2017-12-08T09:00:00+09:00");
    }
}

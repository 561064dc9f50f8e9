//! Leases: the signed document with an expiry that a plug-in caches.
//!
//! A lease is a compact JWS (RFC 7515) whose payload ([`Claims`]) contains the licence's facts. It
//! is signed when a licence is written or renewed, never during a lookup: the function that faces
//! the internet has no access to the signing key.
//!
//! Denials are signed too. A lease of a suspended or expired licence says so; among authentic leases
//! the plug-in uses the one with the newest `iat`.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

use crate::calendar::{self, OutOfRange, Term};
use crate::domain::Domain;
use crate::license::{License, LicenseKind};
use crate::product::{Policy, ProductSlug};

/// The `typ` header of a lease (RFC 8725, section 3.11: explicit typing).
pub const TYP: &str = "license+jwt";

/// The `alg` header: ECDSA on P-256 with SHA-256 (RFC 7518). No other algorithm is used.
pub const ALG: &str = "ES256";

/// A signed lease, stored in the same item as its licence.
///
/// It expires at the earlier of the end of grace and `iat` + the policy's lease days ([`expiry`]).
/// After half of the lease days it is signed again ([`SignedLicense::re_sign_at`]).
///
/// ```
/// use tegata_common::lease::Lease;
///
/// let lease: Lease = serde_json::from_str(
///     r#"{ "jws": "eyJ…", "kid": "…", "issued_at": "2026-11-22T01:00:00Z",
///          "expires_at": "2026-12-06T01:00:00Z" }"#,
/// )?;
/// assert_eq!(lease.without_serial, None);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The compact JWS: header, payload and signature in base64url, separated by dots.
    pub jws: String,
    /// The id of the key that signed it ([`Kid`](crate::keys::Kid)).
    pub kid: String,
    /// The claim `iat`.
    pub issued_at: Timestamp,
    /// The claim `exp`.
    pub expires_at: Timestamp,
    /// The JWS with [`StateClaims`] for requests without a serial, if the policy restricts their
    /// answers ([`WithoutSerial::State`](crate::product::WithoutSerial)). Missing in leases signed
    /// by earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub without_serial: Option<String>,
}

/// A licence and its signed lease, which are written together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedLicense {
    /// The licence.
    pub license: License,
    /// The lease that the plug-in caches.
    pub lease: Lease,
}

/// The payload of a lease (RFC 7519).
///
/// It has no [`Code`](crate::license::Code): the plug-in derives the code from the instants and
/// kintone's clock. Numeric dates are seconds since 1970; all other instants are RFC 3339 with the
/// offset of the product's time zone.
///
/// ```
/// use tegata_common::lease::Claims;
///
/// let claims: Claims = serde_json::from_str(
///     r#"{ "iss": "https://license.example.com", "aud": "sheet", "sub": "example.cybozu.com",
///          "iat": 1795309391, "nbf": 1790989200, "exp": 1796518991, "jti": "3f0c",
///          "kind": "paid", "edition": "standard", "users": 50, "quotas": {},
///          "term": { "starts_on": "2026-11-01", "ends_on": "2027-10-31" },
///          "usable_from": "2026-10-03T10:00:00+09:00",
///          "valid_until": "2027-11-01T09:00:00+09:00",
///          "grace_until": "2027-11-08T09:00:00+09:00" }"#,
/// )?;
/// assert_eq!(claims.exp - claims.iat, 14 * 24 * 60 * 60);
/// assert_eq!(claims.suspended_from, None);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// The issuer, from the product's policy.
    pub iss: String,
    /// The product that the lease is for.
    pub aud: ProductSlug,
    /// The tenant that the lease is for.
    pub sub: Domain,
    /// When the lease was signed, in seconds since 1970. Among authentic leases the newest one is
    /// used.
    pub iat: i64,
    /// When the licence becomes usable, in seconds since 1970.
    pub nbf: i64,
    /// When the lease expires, in seconds since 1970. Offline, the plug-in stops then.
    pub exp: i64,
    /// The lease's unique id.
    pub jti: String,
    /// Trial or paid.
    pub kind: LicenseKind,
    /// The edition, such as `standard`.
    pub edition: String,
    /// The number of users.
    pub users: u32,
    /// Further limits by name.
    pub quotas: BTreeMap<String, u64>,
    /// The current term.
    pub term: Term,
    /// When the licence becomes usable.
    pub usable_from: String,
    /// Present if the licence is suspended, now or in the future.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended_from: Option<String>,
    /// When `VALID` ends.
    pub valid_until: String,
    /// When `GRACE` ends.
    pub grace_until: String,
    /// Where administrators get help and buy, from the product's policy.
    #[serde(flatten)]
    pub vendor: VendorLinks,
}

/// Where a customer gets help and buys, from the product's policy
/// ([`Policy::support`](crate::product::Policy::support)). Each is missing if the vendor does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct VendorLinks {
    /// A mail address or an `https` URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub support: Option<String>,
    /// An `https` URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purchase_url: Option<String>,
}

impl VendorLinks {
    fn of(policy: &Policy) -> Self {
        Self {
            support: policy.support.clone(),
            purchase_url: policy.purchase_url.clone(),
        }
    }
}

/// The payload of a lease for requests without a serial: only what is needed to derive the code
/// during the lease's lifetime.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateClaims {
    /// The issuer, from the product's policy.
    pub iss: String,
    /// The product that the lease is for.
    pub aud: ProductSlug,
    /// The tenant that the lease is for.
    pub sub: Domain,
    /// When the lease was signed, in seconds since 1970.
    pub iat: i64,
    /// When the licence becomes usable, in seconds since 1970.
    pub nbf: i64,
    /// When the lease expires, in seconds since 1970.
    pub exp: i64,
    /// The lease's unique id.
    pub jti: String,
    /// The instants from which the code is derived.
    #[serde(flatten)]
    pub state: StateInstants,
    /// Where administrators get help and buy.
    #[serde(flatten)]
    pub vendor: VendorLinks,
}

/// Replaces an instant after the lease's expiry, which is not disclosed. The plug-in stops at the
/// lease's expiry, before it would reach this instant.
const UNTOLD: Timestamp = Timestamp::constant(253_402_128_000, 0);

/// The instants at which the code changes during a lease's lifetime. Each is RFC 3339 with the offset
/// of the product's time zone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateInstants {
    /// When the licence becomes usable.
    pub usable_from: String,
    /// Present if the licence is suspended before the lease expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended_from: Option<String>,
    /// When `VALID` ends. An instant in the year 9999 if that is after the lease expires.
    pub valid_until: String,
    /// When `GRACE` ends. An instant in the year 9999 if that is after the lease expires.
    pub grace_until: String,
}

impl StateInstants {
    /// The instants of a licence for a lease that expires at `lease_end`.
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
    /// The claims for requests without a serial, with the same times and id as `claims`.
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
            vendor: claims.vendor.clone(),
        }
    }
}

/// When a lease signed at `issued_at` expires: at the earlier of the end of grace under this domain
/// and `issued_at` + the policy's lease days.
///
/// The lease of a licence whose grace has ended is already expired when it is signed. That is
/// intended: it is authentic and newer than the cached lease, so that the plug-in stops.
pub fn expiry(license: &License, issued_at: Timestamp) -> Result<Timestamp, OutOfRange> {
    let longest = issued_at.checked_add(lease_hours(license).hours())?;
    Ok(longest.min(license.bounds().grace_until))
}

/// The lifetime of a lease in hours.
fn lease_hours(license: &License) -> i64 {
    i64::from(license.policy.lease_days) * 24
}

impl SignedLicense {
    /// When the lease is due to be signed again: half of the lease days after it was signed.
    /// `None` if a new lease would not expire later.
    pub fn re_sign_at(&self) -> Option<Timestamp> {
        let half = (lease_hours(&self.license) / 2).hours();
        let lives_longer = self.lease.expires_at < self.license.bounds().grace_until;
        lives_longer
            .then(|| self.lease.issued_at.checked_add(half).ok())
            .flatten()
    }

    /// The remaining fraction of the lease days, from 0 to 1. `None` if the lease lasts until the
    /// end of grace, and is not signed again.
    pub fn lease_left(&self, now: Timestamp) -> Option<f64> {
        self.re_sign_at()?;
        let whole = SignedDuration::from_hours(lease_hours(&self.license));
        let end = self.lease.issued_at.checked_add(whole).ok()?;
        let left = end.duration_since(now).as_secs_f64() / whole.as_secs_f64();
        Some(left.clamp(0.0, 1.0))
    }
}

impl Claims {
    /// The claims of a lease that is signed at `issued_at`.
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
            vendor: VendorLinks::of(policy),
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
    fn a_lease_expires_after_its_days_or_with_grace() {
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
    fn a_lease_is_signed_again_at_half_of_its_days_unless_it_lasts_until_the_end_of_grace() {
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
        assert_eq!(early.re_sign_at(), Some(half));
        assert_eq!(early.lease_left(half), Some(0.5));
        assert_eq!(
            early.lease_left(half + SignedDuration::from_hours(500)),
            Some(0.0)
        );
        let last = signed("2017-10-26T10:00:00+09:00");
        assert_eq!((last.re_sign_at(), last.lease_left(half)), (None, None));
    }

    #[test]
    fn claims_have_the_licences_facts_in_the_products_time_zone() {
        let mut license = license(Plan::Trial { days: 30 })
            .suspended("2017-10-20T00:00:00Z".parse().unwrap())
            .unwrap();
        license.policy.support = Some("support@vendor.example".to_owned());
        let issued_at = "2017-10-03T10:00:00.75+09:00".parse().unwrap();
        let claims = Claims::of(&license, issued_at, "id".into()).unwrap();
        assert_eq!(
            serde_json::to_value(&claims).unwrap(),
            serde_json::json!({
                "support": "support@vendor.example",
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
    fn a_lease_without_a_serial_has_only_the_instants_within_its_lifetime() {
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
        // Without the end of the term and a suspension, both after the lease's expiry.
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
        // Instants before the lease's expiry are disclosed.
        let last = said(&license, "2017-11-30T10:00:00+09:00");
        assert_eq!(last["valid_until"], "2017-12-01T09:00:00+09:00");
        assert_eq!(last["grace_until"], "2017-12-08T09:00:00+09:00");
    }
}

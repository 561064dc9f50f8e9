//! The answer's body: the licence's facts beside the lease that says them under signature.

use std::collections::BTreeMap;

use jiff::{Timestamp, ToSpan};
use serde::Serialize;
use tegata_common::calendar::{self, Term};
use tegata_common::lease::{SignedLicense, StateInstants};
use tegata_common::license::{Code, License, LicenseKind};

/// Every code but `VALID` is asked about again after this many hours at the latest, so that a
/// customer who renews or is let in again need not wait for the next day.
const IMPATIENT_REFRESH_HOURS: u16 = 1;

/// What a plug-in reads. All instants are RFC 3339 with the product's offset.
#[derive(Debug, Serialize)]
pub struct LicenseAnswer<'a> {
    /// The state of the licence at `evaluated_at`.
    pub code: Code,
    product: &'a str,
    domain: &'a str,
    #[serde(flatten)]
    grant: Option<Grant<'a>>,
    #[serde(flatten)]
    state: StateInstants,
    refresh_after: String,
    evaluated_at: String,
    lease: &'a str,
}

/// What a licence grants.
#[derive(Debug, Serialize)]
struct Grant<'a> {
    kind: LicenseKind,
    edition: &'a str,
    users: u32,
    quotas: &'a BTreeMap<String, u64>,
    term: Term,
}

impl<'a> LicenseAnswer<'a> {
    /// All that is said of a licence, which is as of now.
    pub fn of(signed: &'a SignedLicense, now: Timestamp) -> Self {
        let SignedLicense { license, lease } = signed;
        let local = |instant| calendar::rfc3339(instant, &license.policy);
        let bounds = license.bounds();
        let grant = Grant {
            kind: license.kind,
            edition: &license.edition,
            users: license.users,
            quotas: &license.quotas,
            term: license.term,
        };
        let state = StateInstants {
            usable_from: local(bounds.usable_from),
            suspended_from: license.suspended_from.map(local),
            valid_until: local(bounds.valid_until),
            grace_until: local(bounds.grace_until),
        };
        Self::new(license, now, Some(grant), state, &lease.jws)
    }

    /// What is said of it to a request without a serial.
    pub fn without_serial(signed: &'a SignedLicense, now: Timestamp) -> Self {
        let SignedLicense { license, lease } = signed;
        if !license.policy.tells_less_without_serial() {
            return Self::of(signed, now);
        }
        let state = StateInstants::of(license, lease.expires_at.max(now));
        // An item of an earlier version has none until its lease is signed again. Without a lease
        // the plug-in would not work.
        let lease = lease.without_serial.as_ref().unwrap_or(&lease.jws);
        Self::new(license, now, None, state, lease)
    }

    fn new(
        license: &'a License,
        now: Timestamp,
        grant: Option<Grant<'a>>,
        state: StateInstants,
        lease: &'a str,
    ) -> Self {
        let local = |instant| calendar::rfc3339(instant, &license.policy);
        let code = license.code_at(now);
        let hours = match code {
            Code::Valid => license.policy.refresh_hours,
            _ => license.policy.refresh_hours.min(IMPATIENT_REFRESH_HOURS),
        };
        let refresh_after = now.checked_add(i64::from(hours).hours()).unwrap_or(now);
        Self {
            code,
            product: license.product.as_str(),
            domain: license.domain.as_str(),
            grant,
            state,
            refresh_after: local(refresh_after),
            evaluated_at: local(now),
            lease,
        }
    }
}

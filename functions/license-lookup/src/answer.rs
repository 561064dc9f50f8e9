//! The answer's body: the licence's facts beside the lease that says them under signature.

use std::collections::BTreeMap;

use jiff::{Timestamp, ToSpan};
use serde::Serialize;
use tegata_common::calendar::{self, Term};
use tegata_common::lease::SignedLicense;
use tegata_common::license::{Code, Kind};

/// Every code but `VALID` is asked about again after this many hours at the latest, so that a
/// customer who renews or is let in again need not wait for the next day.
const IMPATIENT_REFRESH_HOURS: u16 = 1;

/// What a plug-in reads. All instants are RFC 3339 with the product's offset.
#[derive(Debug, Serialize)]
pub struct Answer<'a> {
    /// The state of the licence at `evaluated_at`.
    pub code: Code,
    product: &'a str,
    domain: &'a str,
    kind: Kind,
    edition: &'a str,
    users: u32,
    quotas: &'a BTreeMap<String, u64>,
    term: Term,
    usable_from: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    suspended_from: Option<String>,
    valid_until: String,
    grace_until: String,
    refresh_after: String,
    evaluated_at: String,
    lease: &'a str,
}

impl<'a> Answer<'a> {
    /// What is said of a licence, which is as of now.
    pub fn of(signed: &'a SignedLicense, now: Timestamp) -> Self {
        let SignedLicense { license, lease } = signed;
        let local = |instant| calendar::rfc3339(instant, &license.policy);
        let bounds = license.bounds();
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
            kind: license.kind,
            edition: &license.edition,
            users: license.users,
            quotas: &license.quotas,
            term: license.term,
            usable_from: local(bounds.usable_from),
            suspended_from: license.suspended_from.map(local),
            valid_until: local(bounds.valid_until),
            grace_until: local(bounds.grace_until),
            refresh_after: local(refresh_after),
            evaluated_at: local(now),
            lease: &lease.jws,
        }
    }
}

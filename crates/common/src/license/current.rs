//! A licence as of an instant: its code, its bounds, and which serials it accepts.

use jiff::Timestamp;
use serde::Serialize;

use super::{Code, License};
use crate::calendar::OutOfRange;
use crate::serial::Serial;

/// A licence as of an instant: ended terms are renewed, and scheduled changes that are due are
/// applied.
///
/// Only this type has the code, the bounds and the check of a serial. They can therefore never be
/// derived from a stored licence that is out of date.
#[derive(Clone, Debug)]
pub struct CurrentLicense {
    license: License,
    now: Timestamp,
}

/// A rule that decides the code. The first one that applies wins; the order of the variants is the
/// order of the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// The contract has left this domain. Its present owner may be a stranger, so the code is
    /// `NOT_FOUND`.
    Released,
    /// An operator has suspended the licence. This takes precedence over all dates.
    Suspended,
    /// `usable_from` is in the future.
    NotStarted,
    /// `valid_until` is in the future.
    Valid,
    /// `grace_until` is in the future.
    Grace,
    /// `grace_until` has passed.
    Expired,
}

impl Rule {
    /// The code if this rule applies.
    pub fn code(self) -> Code {
        match self {
            Self::Released => Code::NotFound,
            Self::Suspended => Code::Suspended,
            Self::NotStarted => Code::NotStarted,
            Self::Valid => Code::Valid,
            Self::Grace => Code::Grace,
            Self::Expired => Code::Expired,
        }
    }
}

/// The result of a rule at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct RuleResult {
    /// The rule.
    pub rule: Rule,
    /// The instant that the rule compares with. `Released`, `Suspended` and `Expired` apply from
    /// this instant on, the others before it. `None` if the licence has no such instant.
    pub boundary: Option<Timestamp>,
    /// Whether the rule applies.
    pub applies: bool,
}

/// The instants at which the code changes, limited to the time in which the contract covers the
/// domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// From when the licence can be used under the domain.
    pub usable_from: Timestamp,
    /// When `VALID` ends.
    pub valid_until: Timestamp,
    /// When `GRACE` ends.
    pub grace_until: Timestamp,
    /// When the contract leaves the domain, if that is scheduled.
    pub released_at: Option<Timestamp>,
}

impl License {
    /// The licence as of an instant.
    ///
    /// ```
    /// # use tegata_common::{calendar::Billing, domain::BaseDomains, product::Catalogue, serial::Serial};
    /// use tegata_common::license::{Code, License, Order, Plan};
    ///
    /// # let catalogue: Catalogue = serde_json::from_str(
    /// #     r#"{ "issuer": "https://license.example.com",
    /// #          "products": { "sheet": { "name": { "ja": "シート", "en": "Sheet" } } } }"#,
    /// # )?;
    /// # let order = Order {
    /// #     domain: BaseDomains::default().canonicalize("example.cybozu.com")?,
    /// #     customer: None,
    /// #     plan: Plan::Paid { billing: Billing::Monthly },
    /// #     edition: "standard".to_owned(),
    /// #     users: 50,
    /// #     quotas: Default::default(),
    /// #     usable_from: "2026-10-03T10:00:00+09:00".parse()?,
    /// # };
    /// # let serial = Serial::from_random([7; 20]);
    /// # let license = License::issue(order, &catalogue.products[0], serial.hash())?;
    /// // Issued in October 2026 and never written since.
    /// assert_eq!(license.term.ends_on.to_string(), "2026-11-30");
    /// let current = license.at("2027-06-15T12:00:00+09:00".parse()?);
    /// assert_eq!(current.license().term.ends_on.to_string(), "2027-06-30");
    /// assert_eq!(current.code(), Code::Valid);
    /// assert!(current.accepts(&serial));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn at(&self, now: Timestamp) -> CurrentLicense {
        let license = match self.as_of(now) {
            Ok(license) => license,
            // Outside the range of the calendar no term renews.
            Err(OutOfRange) => self.clone(),
        };
        CurrentLicense { license, now }
    }

    /// The code at an instant. A boundary instant belongs to the state that begins at it: at
    /// `valid_until` the code is `GRACE`.
    pub fn code_at(&self, now: Timestamp) -> Code {
        self.at(now).code()
    }

    /// The bounds of the licence as stored, which a lease states.
    pub(crate) fn bounds(&self) -> Bounds {
        // An item whose own domain is not among the contract's domains is treated as released.
        let (from, released_at) = match self.own_domain() {
            Some(name) => (name.from, name.until),
            None => (self.usable_from, Some(Timestamp::MIN)),
        };
        let capped = |instant: Timestamp| released_at.map_or(instant, |end| instant.min(end));
        Bounds {
            usable_from: self.usable_from.max(from),
            valid_until: capped(self.valid_until),
            grace_until: capped(self.grace_until),
            released_at,
        }
    }
}

impl CurrentLicense {
    /// The licence with its facts as of the instant.
    pub fn license(&self) -> &License {
        &self.license
    }

    /// The instant.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The contract's bounds under this domain.
    pub fn bounds(&self) -> Bounds {
        self.license.bounds()
    }

    /// Whether the contract covers the domain beyond the instant: its last day has not ended, and it
    /// has not left the domain. Whether the licence can be used, because it has started and is not
    /// suspended, does not matter.
    pub fn is_under_contract(&self) -> bool {
        self.now < self.bounds().valid_until
    }

    /// The result of each rule, in the order of the rules.
    pub fn rules(&self) -> [RuleResult; 6] {
        let bounds = self.bounds();
        let since = |rule, boundary: Option<Timestamp>| RuleResult {
            rule,
            boundary,
            applies: boundary.is_some_and(|boundary| boundary <= self.now),
        };
        let before = |rule, boundary| RuleResult {
            rule,
            boundary: Some(boundary),
            applies: self.now < boundary,
        };
        [
            since(Rule::Released, bounds.released_at),
            since(Rule::Suspended, self.license.suspended_from),
            before(Rule::NotStarted, bounds.usable_from),
            before(Rule::Valid, bounds.valid_until),
            before(Rule::Grace, bounds.grace_until),
            since(Rule::Expired, Some(bounds.grace_until)),
        ]
    }

    /// The code: that of the first rule that applies.
    pub fn code(&self) -> Code {
        let rules = self.rules();
        let decisive = rules.iter().find(|result| result.applies);
        decisive.map_or(Code::Expired, |result| result.rule.code())
    }

    /// Whether a serial is accepted: the current one, or a replaced one during its overlap.
    pub fn accepts(&self, serial: &Serial) -> bool {
        let mut previous = self.license.previous_serials.iter();
        let is_previous = previous.any(|p| self.now < p.until && p.sha256.matches(serial));
        self.license.serial_sha256.matches(serial) || is_previous
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan as _;

    use super::super::testing::*;
    use super::*;
    use crate::license::{LicenseError, Plan};

    #[test]
    fn the_code_at_each_boundary_of_a_contract_that_was_cancelled() {
        let cancelled_at = at("2017-11-10T10:00:00+09:00");
        let license = license(MONTHLY)
            .cancelled("2017-11-10".parse().unwrap(), cancelled_at)
            .unwrap();
        for (instant, code) in [
            ("0001-01-02T00:00:00Z", Code::NotStarted),
            ("2017-10-03T09:59:59.999+09:00", Code::NotStarted),
            ("2017-10-03T10:00:00+09:00", Code::Valid), // the free days
            ("2017-10-31T23:59:59+09:00", Code::Valid),
            ("2017-11-01T00:00:00+09:00", Code::Valid), // the term
            ("2017-12-01T08:59:59.999+09:00", Code::Valid), // the morning after it
            ("2017-12-01T09:00:00+09:00", Code::Grace),
            ("2017-12-08T08:59:59.999+09:00", Code::Grace),
            ("2017-12-08T09:00:00+09:00", Code::Expired),
            ("9999-01-01T00:00:00Z", Code::Expired),
        ] {
            assert_eq!(license.code_at(at(instant)), code, "{instant}");
        }
    }

    #[test]
    fn a_replaced_serial_is_accepted_up_to_its_instant() {
        let [old, new] =
            ["ABCD-EFGH-IJKL-MNOP", "ABCD-EFGH-IJKL-MNOQ"].map(|text| Serial::parse(text).unwrap());
        let now = at("2017-11-10T10:00:00+09:00");
        let until = at("2017-11-17T10:00:00+09:00");
        let mut license = license(MONTHLY);
        license.serial_sha256 = old.hash();
        let license = license.reissued(new.hash(), until, now);
        for (instant, accepts_old) in [(until - 1.second(), true), (until, false)] {
            let current = license.at(instant);
            assert_eq!(current.now(), instant);
            assert_eq!(
                (current.accepts(&new), current.accepts(&old)),
                (true, accepts_old)
            );
        }
    }

    #[test]
    fn without_grace_days_valid_is_followed_by_expired() {
        let mut product = product();
        product.policy.grace_days = 0;
        let plan = Plan::Trial { days: 3 };
        let hash = license(plan).serial_sha256;
        let license = License::issue(order(plan), &product, hash).unwrap();
        let end = license.valid_until;
        assert_eq!(license.code_at(end - 1.nanosecond()), Code::Valid);
        assert_eq!(license.code_at(end), Code::Expired);
    }

    #[test]
    fn a_suspension_takes_precedence_from_its_instant_on() {
        let from = at("2017-11-15T00:00:00+09:00");
        let license = license(MONTHLY).suspended(from).unwrap();
        assert_eq!(license.code_at(from - 1.nanosecond()), Code::Valid);
        assert_eq!(license.code_at(from), Code::Suspended);
        assert_eq!(license.code_at(license.grace_until), Code::Suspended);
        assert_eq!(
            license.suspended(from),
            Err(LicenseError::AlreadySuspended(from))
        );
        let resumed = license.resumed().unwrap();
        assert_eq!(resumed.code_at(from), Code::Valid);
        assert_eq!(resumed.resumed(), Err(LicenseError::NotSuspended));
    }

    #[test]
    fn an_item_outside_its_contract_is_not_found() {
        let mut license = license(MONTHLY);
        license.domain = domain("other.cybozu.com");
        let now = at("2017-11-15T00:00:00+09:00");
        assert_eq!(license.code_at(now), Code::NotFound);
    }
}

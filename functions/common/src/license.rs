//! Licences: what a tenant may use of a product and when, and the code that follows from it.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

use crate::calendar::{self, Billing, OutOfRange, Term};
use crate::domain::Domain;
use crate::product::{Policy, Product, ProductSlug};
use crate::serial::SerialHash;

/// What a plug-in is told about its licence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Code {
    /// In use.
    Valid,
    /// Ended, and still working for the policy's grace days.
    Grace,
    /// Ended, and its grace over.
    Expired,
    /// Stopped by an operator.
    Suspended,
    /// Not usable yet.
    NotStarted,
    /// No licence, or not with this serial.
    NotFound,
}

impl Code {
    /// The code as it stands in answers, records and listings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Valid => "VALID",
            Self::Grace => "GRACE",
            Self::Expired => "EXPIRED",
            Self::Suspended => "SUSPENDED",
            Self::NotStarted => "NOT_STARTED",
            Self::NotFound => "NOT_FOUND",
        }
    }
}

/// Whether a licence is tried or bought.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Free, for a number of days; ends by itself.
    Trial,
    /// Bought; renews by itself until cancelled.
    Paid,
}

/// A tenant's right to use a product: the facts, without signature.
///
/// What it does not have is written as null and must be there to be read: an item that lost its
/// suspension is unreadable, not valid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct License {
    /// The tenant.
    pub domain: Domain,
    /// The product.
    pub product: ProductSlug,
    /// Tried or bought.
    pub kind: Kind,
    /// The edition sold, such as `standard`.
    pub edition: String,
    /// The number of users bought.
    pub users: u32,
    /// Further limits by name.
    pub quotas: BTreeMap<String, u64>,
    /// How long its terms are; a trial has none.
    #[serde(deserialize_with = "Option::deserialize")]
    pub billing: Option<Billing>,
    /// The second from which it is usable: when the order was processed.
    pub usable_from: Timestamp,
    /// The current term. Before its first day lie the free days of a paid licence.
    pub term: Term,
    /// The contract's last day, once that is known: of a trial, or after a cancellation.
    #[serde(deserialize_with = "Option::deserialize")]
    pub ends_on: Option<Date>,
    /// The second from which it is suspended.
    #[serde(deserialize_with = "Option::deserialize")]
    pub suspended_from: Option<Timestamp>,
    /// The instant at which `VALID` ends: the cut-off after the term's last day.
    pub valid_until: Timestamp,
    /// The instant at which `GRACE` ends.
    pub grace_until: Timestamp,
    /// What the catalogue fixed for it when it was issued.
    pub policy: Policy,
    /// The hash of its serial.
    pub serial_sha256: SerialHash,
}

/// What is ordered.
#[derive(Clone, Debug)]
pub struct Order {
    /// For which tenant.
    pub domain: Domain,
    /// Tried for a number of days, or bought with a billing interval.
    pub plan: Plan,
    /// The edition.
    pub edition: String,
    /// The number of users.
    pub users: u32,
    /// Further limits by name.
    pub quotas: BTreeMap<String, u64>,
    /// When the order is processed, or a later instant from which it is to work.
    pub usable_from: Timestamp,
}

/// How an order is paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Free for this many days, the day of the order included.
    Trial {
        /// 1 to 366.
        days: u16,
    },
    /// Bought.
    Paid {
        /// The length of its terms.
        billing: Billing,
    },
}

/// Why a licence cannot be written this way, with the accepted form.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LicenseError {
    /// An edition that is no word.
    #[error("edition must be 1 to 32 of a-z, 0-9 and '-', such as standard")]
    Edition,
    /// No users, or more than any tenant has.
    #[error("users must be 1 to 1000000")]
    Users,
    /// A quota's name.
    #[error("quota {0:?}: its name must be 1 to 32 of a-z, 0-9 and '_', such as records_per_day")]
    QuotaName(String),
    /// A trial of no length, or an endless one.
    #[error("days of a trial must be 1 to 366")]
    TrialDays,
    /// Dates beyond the calendar.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
    /// A second suspension.
    #[error("the licence is suspended already, from {0}")]
    AlreadySuspended(Timestamp),
    /// Nothing to resume.
    #[error("the licence is not suspended")]
    NotSuspended,
    /// A second cancellation.
    #[error("the contract is cancelled already; its last day is {0}")]
    AlreadyCancelled(Date),
    /// A trial ends by itself.
    #[error("a trial ends by itself, on {0}; to stop it now, suspend it")]
    TrialEnds(Date),
    /// A cancellation after the term.
    #[error("the term ends on {0}; a contract is cancelled on a day up to then")]
    TermEnded(Date),
}

/// New values for what a customer can change at any time; `None` leaves a field as it is.
#[derive(Clone, Debug, Default)]
pub struct Amendment {
    /// The edition.
    pub edition: Option<String>,
    /// The number of users.
    pub users: Option<u32>,
    /// Limits to set; one that is set to `None` is removed.
    pub quotas: BTreeMap<String, Option<u64>>,
}

impl License {
    /// The licence that an order starts.
    pub fn issue(
        order: Order,
        product: &Product,
        serial: SerialHash,
    ) -> Result<Self, LicenseError> {
        let policy = product.policy.clone();
        let usable_from = calendar::whole_second(order.usable_from);
        let ordered_on = calendar::date_of(usable_from, &policy);
        let (kind, billing, term, ends_on) = match order.plan {
            Plan::Trial { days } => {
                if !(1..=366).contains(&days) {
                    return Err(LicenseError::TrialDays);
                }
                let ends_on = ordered_on
                    .checked_add((i32::from(days) - 1).days())
                    .map_err(OutOfRange::from)?;
                let term = Term {
                    starts_on: ordered_on,
                    ends_on,
                };
                (Kind::Trial, None, term, Some(ends_on))
            }
            Plan::Paid { billing } => {
                let term = calendar::first_term(ordered_on, billing)?;
                (Kind::Paid, Some(billing), term, None)
            }
        };
        let license = Self {
            domain: order.domain,
            product: product.slug.clone(),
            kind,
            edition: order.edition,
            users: order.users,
            quotas: order.quotas,
            billing,
            usable_from,
            term,
            ends_on,
            suspended_from: None,
            valid_until: calendar::end_of_use(term.ends_on, &policy)?,
            grace_until: calendar::end_of_grace(term.ends_on, &policy)?,
            policy,
            serial_sha256: serial,
        };
        license.check()?;
        Ok(license)
    }

    /// The code at an instant. Each boundary instant belongs to what begins at it.
    ///
    /// A suspension is an operator's decision about this customer, so it is told before
    /// anything that dates say.
    pub fn code_at(&self, now: Timestamp) -> Code {
        if self.suspended_from.is_some_and(|from| from <= now) {
            Code::Suspended
        } else if now < self.usable_from {
            Code::NotStarted
        } else if now < self.valid_until {
            Code::Valid
        } else if now < self.grace_until {
            Code::Grace
        } else {
            Code::Expired
        }
    }

    /// The licence with other edition, users or quotas, effective at once.
    pub fn amended(&self, amendment: Amendment) -> Result<Self, LicenseError> {
        let mut license = self.clone();
        if let Some(edition) = amendment.edition {
            license.edition = edition;
        }
        if let Some(users) = amendment.users {
            license.users = users;
        }
        for (name, value) in amendment.quotas {
            match value {
                Some(value) => license.quotas.insert(name, value),
                None => license.quotas.remove(&name),
            };
        }
        license.check()?;
        Ok(license)
    }

    /// The licence suspended from an instant.
    pub fn suspended(&self, from: Timestamp) -> Result<Self, LicenseError> {
        if let Some(since) = self.suspended_from {
            return Err(LicenseError::AlreadySuspended(since));
        }
        let mut license = self.clone();
        license.suspended_from = Some(calendar::whole_second(from));
        Ok(license)
    }

    /// The licence without its suspension. Its dates have not moved meanwhile.
    pub fn resumed(&self) -> Result<Self, LicenseError> {
        if self.suspended_from.is_none() {
            return Err(LicenseError::NotSuspended);
        }
        let mut license = self.clone();
        license.suspended_from = None;
        Ok(license)
    }

    /// The licence cancelled on a day: it gets a last day by the calendar's rule.
    pub fn cancelled(&self, cancelled_on: Date) -> Result<Self, LicenseError> {
        let billing = match (self.billing, self.ends_on) {
            (None, last_day) => {
                return Err(LicenseError::TrialEnds(
                    last_day.unwrap_or(self.term.ends_on),
                ));
            }
            (Some(_), Some(last_day)) => return Err(LicenseError::AlreadyCancelled(last_day)),
            (Some(billing), None) => billing,
        };
        if cancelled_on > self.term.ends_on {
            return Err(LicenseError::TermEnded(self.term.ends_on));
        }
        let mut license = self.clone();
        license.ends_on = Some(calendar::last_day_when_cancelled(
            self.term,
            billing,
            cancelled_on,
            &self.policy,
        )?);
        Ok(license)
    }

    fn check(&self) -> Result<(), LicenseError> {
        let is_word = |text: &str, extra: u8| {
            (1..=32).contains(&text.len())
                && text
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == extra)
        };
        if !is_word(&self.edition, b'-') {
            return Err(LicenseError::Edition);
        }
        if !(1..=1_000_000).contains(&self.users) {
            return Err(LicenseError::Users);
        }
        if let Some(name) = self.quotas.keys().find(|name| !is_word(name, b'_')) {
            return Err(LicenseError::QuotaName(name.clone()));
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use crate::domain::BaseDomains;
    use crate::product::Catalogue;
    use crate::serial::Serial;

    pub(crate) fn product() -> Product {
        let catalogue = serde_json::json!({
            "issuer": "https://license.example.com",
            "products": { "sheet": { "name": { "ja": "シート", "en": "Sheet" } } },
        });
        serde_json::from_value::<Catalogue>(catalogue)
            .unwrap()
            .products
            .remove(0)
    }

    pub(crate) fn policy() -> Policy {
        product().policy
    }

    pub(crate) fn order(plan: Plan) -> Order {
        Order {
            domain: BaseDomains::default()
                .canonicalize("example.cybozu.com")
                .unwrap(),
            plan,
            edition: "standard".into(),
            users: 50,
            quotas: BTreeMap::new(),
            usable_from: "2017-10-03T10:00:00+09:00".parse().unwrap(),
        }
    }

    pub(crate) fn license(plan: Plan) -> License {
        let serial = Serial::parse("ABCD-EFGH-IJKL-MNOP").unwrap().hash();
        License::issue(order(plan), &product(), serial).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::testing::*;
    use super::*;

    const MONTHLY: Plan = Plan::Paid {
        billing: Billing::Monthly,
    };

    fn at(instant: &str) -> Timestamp {
        instant.parse().unwrap()
    }

    #[test]
    fn the_code_at_each_boundary() {
        let license = license(MONTHLY);
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
    fn without_grace_days_valid_is_followed_by_expired() {
        let mut product = product();
        product.policy.grace_days = 0;
        let hash = license(MONTHLY).serial_sha256;
        let license = License::issue(order(MONTHLY), &product, hash).unwrap();
        let end = license.valid_until;
        assert_eq!(license.code_at(end - 1.nanosecond()), Code::Valid);
        assert_eq!(license.code_at(end), Code::Expired);
    }

    #[test]
    fn a_suspension_is_told_first_from_its_instant_on() {
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
    fn a_trial_lasts_its_days_and_the_morning_after() {
        let license = license(Plan::Trial { days: 30 });
        assert_eq!(license.term.ends_on.to_string(), "2017-11-01");
        assert_eq!(license.ends_on, Some(license.term.ends_on));
        assert_eq!(license.valid_until, at("2017-11-02T09:00:00+09:00"));
        assert_eq!(
            license.cancelled("2017-10-10".parse().unwrap()),
            Err(LicenseError::TrialEnds(license.term.ends_on))
        );
    }

    #[test]
    fn a_cancelled_contract_gets_a_last_day() {
        let license = license(MONTHLY);
        for (day, last_day) in [("2017-11-20", "2017-11-30"), ("2017-11-21", "2017-12-31")] {
            let cancelled = license.cancelled(day.parse().unwrap()).unwrap();
            let last_day: Date = last_day.parse().unwrap();
            assert_eq!(cancelled.ends_on, Some(last_day));
            assert_eq!(
                cancelled.cancelled(day.parse().unwrap()),
                Err(LicenseError::AlreadyCancelled(last_day))
            );
        }
        assert_eq!(
            license.cancelled("2017-12-01".parse().unwrap()),
            Err(LicenseError::TermEnded(license.term.ends_on))
        );
    }

    #[test]
    fn amendments_change_what_they_name_and_are_checked() {
        let license = license(MONTHLY);
        let changed = license
            .amended(Amendment {
                users: Some(80),
                quotas: [("rows".to_owned(), Some(1000))].into(),
                ..Amendment::default()
            })
            .unwrap();
        assert_eq!((changed.users, changed.quotas["rows"]), (80, 1000));
        assert_eq!(changed.edition, license.edition);
        let removed = changed
            .amended(Amendment {
                quotas: [("rows".to_owned(), None)].into(),
                ..Amendment::default()
            })
            .unwrap();
        assert!(removed.quotas.is_empty());
        let users = |users| Amendment {
            users: Some(users),
            ..Amendment::default()
        };
        assert_eq!(license.amended(users(0)), Err(LicenseError::Users));
        assert_eq!(license.amended(users(1_000_001)), Err(LicenseError::Users));
        let edition = Amendment {
            edition: Some("Über".into()),
            ..Amendment::default()
        };
        assert_eq!(license.amended(edition), Err(LicenseError::Edition));
    }
}

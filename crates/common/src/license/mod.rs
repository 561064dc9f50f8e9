//! Licences: which product a tenant may use and when, and the code that follows from it.
//!
//! A licence is a contract's state under one domain. Changes that happen with time only (renewed
//! terms, scheduled changes) are a pure function of the licence and the instant,
//! [`License::as_of`]. Every reader of an item applies it, so that an answer does not depend on when
//! the item was last written.

mod change;
mod current;
mod domains;
mod last_day;
mod order;
mod row;
mod time;

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::calendar::{Billing, OutOfRange, Term};
use crate::customer::CustomerId;
use crate::domain::Domain;
use crate::product::{KintonePluginId, Policy, ProductSlug};
use crate::serial::SerialHash;

pub use change::Amendment;
pub use current::{Bounds, CurrentLicense, Rule, RuleResult};
pub use domains::{ContractDomain, Purpose, QUARANTINE_DAYS};
pub use last_day::LastDay;
pub use order::{Order, Plan};
pub use row::{Cell, ContractRow, RowError};

/// The state of a licence, as answered to the plug-in.
///
/// Written in upper case with underscores: `VALID`, `NOT_STARTED`. The plug-in may be used with
/// `VALID` and `GRACE`.
///
/// A lease does not contain the code: the plug-in derives it from the lease's instants and kintone's
/// clock (white paper: time is judged by kintone's clock). [`Rule`] is the order of the decisions.
///
/// ```
/// use tegata_common::license::Code;
///
/// assert_eq!(Code::NotStarted.as_str(), "NOT_STARTED");
/// assert_eq!(serde_json::to_string(&Code::NotStarted)?, r#""NOT_STARTED""#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Code {
    /// The licence can be used.
    Valid,
    /// The licence has ended and can still be used for the policy's grace days.
    Grace,
    /// The licence and its grace days have ended.
    Expired,
    /// An operator has suspended the licence.
    Suspended,
    /// The licence is not usable yet.
    NotStarted,
    /// There is no licence, or the serial does not match. The two are not distinguished, so that
    /// nobody can find out which tenants are customers.
    NotFound,
}

impl Code {
    /// All codes.
    pub const ALL: [Self; 6] = [
        Self::Valid,
        Self::Grace,
        Self::Expired,
        Self::Suspended,
        Self::NotStarted,
        Self::NotFound,
    ];

    /// Parses a code, such as `NOT_STARTED`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == text)
    }

    /// Whether the code in an access record is that of an existing licence. Records also contain
    /// the codes of problems, which are not of this type.
    pub fn states_a_license(text: &str) -> bool {
        Self::parse(text).is_some_and(|code| code != Self::NotFound)
    }

    /// Whether the plug-in may be used: `VALID` and `GRACE`.
    pub fn is_usable(self) -> bool {
        matches!(self, Self::Valid | Self::Grace)
    }

    /// The code as written in answers, records and listings.
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

/// Whether a licence is a trial or paid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LicenseKind {
    /// Free for a number of days. Ends automatically.
    Trial,
    /// Renews automatically until it is cancelled.
    Paid,
}

/// A licence: a tenant's right to use a product, without signature.
///
/// A contract may cover several domains. It has one item per domain, equal except for
/// [`domain`](Self::domain), and all are written in one transaction.
///
/// # Invariants
///
/// - A paid licence has `billing` and `first_term_on`; a trial has neither, and always has `ends_on`.
/// - Instants have whole seconds. Dates are in the time zone of the policy.
/// - `valid_until` and `grace_until` follow from the dates and the policy. They are stored so that
///   a licence is never bound to less than an earlier answer said.
/// - Optional fields are stored as null and must be present when an item is read: an item that has
///   lost its suspension is unreadable, not `VALID`.
///
/// # Time
///
/// A stored licence may be out of date. [`as_of`](Self::as_of) applies everything that happens with
/// time only. The code, the bounds and the check of a serial are methods of [`CurrentLicense`], which
/// [`at`](Self::at) returns. Every change is a method that returns the changed licence or a
/// [`LicenseError`].
///
/// ```
/// use tegata_common::calendar::Billing;
/// use tegata_common::domain::BaseDomains;
/// use tegata_common::license::{Code, License, Order, Plan};
/// use tegata_common::product::Catalogue;
/// use tegata_common::serial::Serial;
///
/// let catalogue: Catalogue = serde_json::from_str(
///     r#"{ "issuer": "https://license.example.com",
///          "products": { "sheet": { "name": { "ja": "シート", "en": "Sheet" } } } }"#,
/// )?;
/// let order = Order {
///     domain: BaseDomains::default().canonicalize("example.cybozu.com")?,
///     customer: Some("C-0042".parse()?),
///     plan: Plan::Paid { billing: Billing::Monthly },
///     edition: "standard".to_owned(),
///     users: 50,
///     quotas: Default::default(),
///     usable_from: "2026-10-03T10:00:00+09:00".parse()?,
/// };
/// let serial = Serial::parse("ABCD-EFGH-IJKL-MNOP")?;
/// let license = License::issue(order, &catalogue.products[0], serial.hash())?;
///
/// // The paid term starts on the 1st of the following month; the days before it are free.
/// assert_eq!(license.term.starts_on.to_string(), "2026-11-01");
/// let november = "2026-11-20T12:00:00+09:00".parse()?;
/// assert_eq!(license.code_at(november), Code::Valid);
///
/// // Cancelled on the 20th, it ends with the term, at 09:00 on the next day.
/// let cancelled = license.cancelled("2026-11-20".parse()?, november)?;
/// assert_eq!(cancelled.ends_on.map(|day| day.to_string()).as_deref(), Some("2026-11-30"));
/// assert_eq!(cancelled.code_at("2026-12-01T09:00:00+09:00".parse()?), Code::Grace);
/// assert_eq!(cancelled.code_at("2026-12-08T09:00:00+09:00".parse()?), Code::Expired);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct License {
    /// The tenant that this item is for.
    pub domain: Domain,
    /// The product's slug.
    pub product: ProductSlug,
    /// The customer who signed the contract. Without one, nobody can be notified.
    #[serde(deserialize_with = "Option::deserialize")]
    pub customer: Option<CustomerId>,
    /// Trial or paid.
    pub kind: LicenseKind,
    /// The edition, such as `standard`: 1 to 32 characters of `a-z`, `0-9` and `-`.
    pub edition: String,
    /// The number of users: 1 to 1,000,000. It is passed to the plug-in and not enforced here.
    pub users: u32,
    /// Further limits by name, such as `records_per_day`, passed to the plug-in. A name has 1 to 32
    /// characters of `a-z`, `0-9` and `_`.
    pub quotas: BTreeMap<String, u64>,
    /// The billing interval, which is the length of a term. `None` for a trial.
    #[serde(deserialize_with = "Option::deserialize")]
    pub billing: Option<Billing>,
    /// The billing interval from the next term on, if a change is scheduled.
    #[serde(deserialize_with = "Option::deserialize")]
    pub next_billing: Option<Billing>,
    /// The first day of the first paid term; the days before it are free. `None` for a trial.
    #[serde(deserialize_with = "Option::deserialize")]
    pub first_term_on: Option<Date>,
    /// The instant from which the licence can be used: when the order was processed, or later.
    pub usable_from: Timestamp,
    /// The current term, or the first one if it has not started yet.
    pub term: Term,
    /// The contract's last day: of a trial, or of a cancelled contract. `None` while the contract
    /// renews.
    #[serde(deserialize_with = "Option::deserialize")]
    pub ends_on: Option<Date>,
    /// The instant from which the licence is suspended. It may be in the future.
    #[serde(deserialize_with = "Option::deserialize")]
    pub suspended_from: Option<Timestamp>,
    /// The instant at which `VALID` ends: the cut-off time after the last day to which the contract
    /// is bound. From the day after the cancellation deadline, that is the last day of the next
    /// term.
    pub valid_until: Timestamp,
    /// The instant at which `GRACE` ends.
    pub grace_until: Timestamp,
    /// The contract's domains, including this one and those in quarantine; at most [`MAX_DOMAINS`].
    #[serde(rename = "names")]
    pub domains: Vec<ContractDomain>,
    /// The product's policy, copied from the catalogue when the licence was issued.
    pub policy: Policy,
    /// The product's plug-in ids in kintone, copied from the catalogue. Missing in items of earlier
    /// versions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kintone_plugin_ids: Vec<KintonePluginId>,
    /// The hash of the current serial.
    pub serial_sha256: SerialHash,
    /// Replaced serials that are still accepted.
    pub previous_serials: Vec<PreviousSerial>,
}

/// A replaced serial that is accepted during an overlap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviousSerial {
    /// The hash of the serial.
    pub sha256: SerialHash,
    /// The instant from which the serial is rejected.
    pub until: Timestamp,
}

/// Why a change of a licence was rejected. The message says what is accepted instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LicenseError {
    /// The edition has an invalid length or character.
    #[error("edition must be 1 to 32 characters of a-z, 0-9 and '-', such as standard")]
    Edition,
    /// The number of users is out of range.
    #[error("users must be 1 to 1000000")]
    Users,
    /// The name of a quota has an invalid length or character.
    #[error(
        "quota {0:?}: the name must be 1 to 32 characters of a-z, 0-9 and '_', such as records_per_day"
    )]
    QuotaName(String),
    /// The quota to remove does not exist.
    #[error("there is no quota {0:?}")]
    NoQuota(String),
    /// The length of a trial is out of range.
    #[error("days of a trial must be 1 to 366")]
    TrialDays,
    /// A date is outside the range of the calendar.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
    /// The licence is suspended already, or the suspension is scheduled.
    #[error("the licence is already suspended, from {0}")]
    AlreadySuspended(Timestamp),
    /// The licence to resume is not suspended.
    #[error("the licence is not suspended")]
    NotSuspended,
    /// The contract is cancelled already; its last day.
    #[error("the contract is already cancelled; its last day is {0}")]
    AlreadyCancelled(Date),
    /// A trial cannot be cancelled or continued; its last day.
    #[error("a trial ends automatically, on {0}; to stop it now, suspend it")]
    TrialEnds(Date),
    /// The day of the cancellation is after the current term, which ends on this day.
    #[error("the term ends on {0}; the day of the cancellation must not be later")]
    TermEnded(Date),
    /// There is no cancellation to withdraw.
    #[error("the contract is not cancelled")]
    NotCancelled,
    /// The contract has ended, so that its cancellation can no longer be withdrawn.
    #[error(
        "the contract ended on {0}; `license convert` starts a new contract with the same serial"
    )]
    Ended(Date),
    /// A trial has no billing interval.
    #[error("a trial has no billing interval; `license convert` makes it a paid licence")]
    TrialBilling,
    /// A cancelled contract that has not ended yet cannot be ordered again.
    #[error("the contract ends on {0}; `tegata license cancel --withdraw` continues it")]
    Running(Date),
    /// A suspended licence cannot be converted: it would be paid for and stay suspended.
    #[error("the licence is suspended; resume it first")]
    Suspended,
    /// The contract has renewed since the day of the cancellation, and would have ended before.
    #[error(
        "cancelled on {on}, the contract would have ended on {last_day}, but it has renewed since; to end it with the current term, use --on {term_starts_on}"
    )]
    CancelledTooLongAgo {
        /// The day of the cancellation.
        on: Date,
        /// The last day that the cancellation would have led to.
        last_day: Date,
        /// The first day of the current term.
        term_starts_on: Date,
    },
    /// The day of the cancellation is before the contract's first day.
    #[error("the contract starts on {0}; the day of the cancellation must not be earlier")]
    CancelledBeforeStart(Date),
    /// The licence to convert is paid already and renews.
    #[error("the licence is already paid and renews; there is nothing to convert")]
    AlreadyPaid,
    /// The contract does not have this domain.
    #[error("{0} is not a domain of this contract")]
    UnknownDomain(Domain),
    /// The contract has this domain already.
    #[error("{0} is already a domain of this contract")]
    KnownDomain(Domain),
    /// The contract has left the domain, or will leave it.
    #[error("the contract leaves {domain} at {until}")]
    DomainLeaves {
        /// The domain.
        domain: Domain,
        /// The instant from which the contract no longer covers it.
        until: Timestamp,
    },
    /// The domain would be covered twice, with a gap between.
    #[error(
        "the contract leaves {domain} at {until}; keep it without a gap, or add it again after that instant"
    )]
    DomainGap {
        /// The domain.
        domain: Domain,
        /// The instant from which the contract no longer covers it.
        until: Timestamp,
    },
    /// The domain to keep is not scheduled to leave.
    #[error("the contract does not leave {0}")]
    DomainStays(Domain),
    /// The last production domain of a running contract cannot be removed.
    #[error(
        "{0} is the contract's only production domain; cancel or suspend the contract, or move it"
    )]
    LastDomain(Domain),
    /// More than [`MAX_DOMAINS`] domains.
    #[error("a contract has at most {MAX_DOMAINS} domains, including those in quarantine")]
    TooManyDomains,
}

/// The maximum number of domains of a contract, including those in quarantine. All items of a
/// contract are written in one transaction of at most 100 items.
pub const MAX_DOMAINS: usize = 10;

impl License {
    /// The kintone plug-in ids for which the official sample's API answers without a serial. Empty
    /// if the product requires a serial.
    pub fn open_plugin_ids(&self) -> &[KintonePluginId] {
        match self.policy.requires_serial {
            true => &[],
            false => &self.kintone_plugin_ids,
        }
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
        if self.domains.len() > MAX_DOMAINS {
            return Err(LicenseError::TooManyDomains);
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use crate::domain::BaseDomains;
    use crate::product::{Catalogue, Product};
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
            domain: domain("example.cybozu.com"),
            customer: None,
            plan,
            edition: "standard".into(),
            users: 50,
            quotas: BTreeMap::new(),
            usable_from: "2017-10-03T10:00:00+09:00".parse().unwrap(),
        }
    }

    pub(crate) fn domain(host: &str) -> Domain {
        BaseDomains::default().canonicalize(host).unwrap()
    }

    pub(crate) fn at(instant: &str) -> Timestamp {
        instant.parse().unwrap()
    }

    pub(crate) const MONTHLY: Plan = Plan::Paid {
        billing: Billing::Monthly,
    };

    pub(crate) const YEARLY: Plan = Plan::Paid {
        billing: Billing::Yearly,
    };

    pub(crate) fn license(plan: Plan) -> License {
        let serial = Serial::parse("ABCD-EFGH-IJKL-MNOP").unwrap().hash();
        License::issue(order(plan), &product(), serial).unwrap()
    }
}

#[cfg(test)]
mod tests {
    use super::testing::license;
    use super::*;

    fn trial() -> License {
        license(Plan::Trial { days: 30 })
    }

    #[test]
    fn a_plug_in_works_while_its_code_is_valid_or_grace() {
        for (code, name, is_usable) in [
            (Code::Valid, "VALID", true),
            (Code::Grace, "GRACE", true),
            (Code::Expired, "EXPIRED", false),
            (Code::Suspended, "SUSPENDED", false),
            (Code::NotStarted, "NOT_STARTED", false),
            (Code::NotFound, "NOT_FOUND", false),
        ] {
            assert_eq!((code.as_str(), code.is_usable()), (name, is_usable));
            assert_eq!(serde_json::to_value(code).unwrap(), name);
        }
    }

    #[test]
    fn without_a_serial_a_licence_is_found_by_its_plug_in_ids_only_where_none_is_required() {
        let mut license = trial();
        license.kintone_plugin_ids = vec!["abcdefghijklmnopabcdefghijklmnop".parse().unwrap()];
        assert_eq!(license.open_plugin_ids(), license.kintone_plugin_ids);
        license.policy.requires_serial = true;
        assert!(license.open_plugin_ids().is_empty());
    }

    #[test]
    fn editions_users_quotas_and_domains_have_limits() {
        type Change = Box<dyn Fn(&mut License)>;
        let edition = |text: String| -> Change { Box::new(move |of| of.edition = text.clone()) };
        let users = |users| -> Change { Box::new(move |of| of.users = users) };
        let quota = |name: String| -> Change {
            Box::new(move |of| {
                of.quotas.insert(name.clone(), 1);
            })
        };
        let domains = |count| -> Change {
            Box::new(move |of| of.domains = vec![of.domains[0].clone(); count])
        };
        for accepted in [
            edition("a".repeat(32)),
            edition("pro-2".into()),
            users(1),
            users(1_000_000),
            quota("rows_2".into()),
            quota("9".into()),
            domains(MAX_DOMAINS),
        ] {
            let mut license = trial();
            accepted(&mut license);
            assert_eq!(license.check(), Ok(()), "{license:?}");
        }
        for (refused, error) in [
            (edition(String::new()), LicenseError::Edition),
            (edition("a".repeat(33)), LicenseError::Edition),
            (edition("Pro".into()), LicenseError::Edition),
            (edition("pro_2".into()), LicenseError::Edition),
            (users(0), LicenseError::Users),
            (users(1_000_001), LicenseError::Users),
            (
                quota("rows-2".into()),
                LicenseError::QuotaName("rows-2".into()),
            ),
            (quota(String::new()), LicenseError::QuotaName(String::new())),
            (domains(MAX_DOMAINS + 1), LicenseError::TooManyDomains),
        ] {
            let mut license = trial();
            refused(&mut license);
            assert_eq!(license.check(), Err(error));
        }
    }
}

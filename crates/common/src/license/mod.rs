//! Licences: what a tenant may use of a product and when, and the code that follows from it.
//!
//! A licence is a contract's state under one domain. What time alone does to a contract (terms
//! that renew, changes that were scheduled) is a pure function of the licence and the instant,
//! [`License::as_of`]: whoever reads an item applies it, so that no answer depends on when the
//! item was last written.

mod change;
mod current;
mod domains;
mod last_day;
mod order;
mod record;
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
pub use record::{Cell, ContractRow, RowError};

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
    /// All codes.
    pub const ALL: [Self; 6] = [
        Self::Valid,
        Self::Grace,
        Self::Expired,
        Self::Suspended,
        Self::NotStarted,
        Self::NotFound,
    ];

    /// The code of this spelling, such as `NOT_STARTED`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.as_str() == text)
    }

    /// Whether a spelling, of a record, is the code of a licence that was found. Records also have
    /// the codes of problems.
    pub fn states_a_license(text: &str) -> bool {
        Self::parse(text).is_some_and(|code| code != Self::NotFound)
    }

    /// Whether the plug-in works: `VALID` and `GRACE`.
    pub fn is_usable(self) -> bool {
        matches!(self, Self::Valid | Self::Grace)
    }

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
pub enum LicenseKind {
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
    /// Whose contract it is, where that is recorded.
    #[serde(deserialize_with = "Option::deserialize")]
    pub customer: Option<CustomerId>,
    /// Tried or bought.
    pub kind: LicenseKind,
    /// The edition sold, such as `standard`.
    pub edition: String,
    /// The number of users bought.
    pub users: u32,
    /// Further limits by name.
    pub quotas: BTreeMap<String, u64>,
    /// How long its terms are; a trial has none.
    #[serde(deserialize_with = "Option::deserialize")]
    pub billing: Option<Billing>,
    /// How long they are from the next term on, if that is to change.
    #[serde(deserialize_with = "Option::deserialize")]
    pub next_billing: Option<Billing>,
    /// The first day of its first paid term: up to then its days are free. A trial has none.
    #[serde(deserialize_with = "Option::deserialize")]
    pub first_term_on: Option<Date>,
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
    /// The instant at which `VALID` ends, as far as that is certain: the cut-off after the last
    /// day that the contract is bound to. When a term can no longer be cancelled, that is the
    /// last day of the next one.
    pub valid_until: Timestamp,
    /// The instant at which `GRACE` ends.
    pub grace_until: Timestamp,
    /// The domains under which the contract works, this one included. Each has an item of its
    /// own, which differs in its domain only.
    #[serde(rename = "names")]
    pub domains: Vec<ContractDomain>,
    /// What the catalogue fixed for it when it was issued.
    pub policy: Policy,
    /// The ids under which kintone knows the product's builds, as the catalogue had them. An item
    /// that was written before they were noted has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub kintone_plugin_ids: Vec<KintonePluginId>,
    /// The hash of its serial.
    pub serial_sha256: SerialHash,
    /// The serials before, each while it is still accepted.
    pub previous_serials: Vec<PreviousSerial>,
}

/// A serial that was replaced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviousSerial {
    /// Its hash.
    pub sha256: SerialHash,
    /// The second from which it is no longer accepted.
    pub until: Timestamp,
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
    /// A quota that is not there.
    #[error("there is no quota {0:?}")]
    NoQuota(String),
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
    /// Nothing to take back.
    #[error("the contract is not cancelled")]
    NotCancelled,
    /// A contract that has ended cannot go on; it can be ordered again.
    #[error("the contract ended on {0}; `license convert` makes it a new one with the same serial")]
    Ended(Date),
    /// A trial is not billed.
    #[error("a trial has no billing interval; `license convert` makes it a paid licence")]
    TrialBilling,
    /// It is bought, cancelled, and not over.
    #[error("the contract runs until {0}; `tegata license cancel --withdraw` lets it go on")]
    Running(Date),
    /// It would be bought and stay suspended.
    #[error("the licence is suspended; resume it first")]
    Suspended,
    /// A cancellation that was forgotten.
    #[error(
        "cancelled on {on}, the contract would have ended on {last_day}, and it has renewed since; to end it with the current term, say --on {term_starts_on}"
    )]
    CancelledTooLongAgo {
        /// The day of the cancellation.
        on: Date,
        /// The last day that the rule gives.
        last_day: Date,
        /// The current term's first day.
        term_starts_on: Date,
    },
    /// A cancellation before there was a contract.
    #[error("the contract starts on {0}; it cannot have been cancelled before")]
    CancelledBeforeStart(Date),
    /// It is bought already.
    #[error("the contract is paid for and running; there is nothing to convert")]
    AlreadyPaid,
    /// A domain that the contract has not.
    #[error("{0} is not a domain of this contract")]
    UnknownDomain(Domain),
    /// A domain that the contract has.
    #[error("{0} is a domain of this contract already")]
    KnownDomain(Domain),
    /// A domain that is being given up, or has been.
    #[error("{domain} is given up from {until}")]
    DomainLeaves {
        /// Which.
        domain: Domain,
        /// From when.
        until: Timestamp,
    },
    /// A domain that works twice, with a gap.
    #[error("{domain} works until {until}; it can go on working, or start again once that is past")]
    DomainGap {
        /// Which.
        domain: Domain,
        /// Until when.
        until: Timestamp,
    },
    /// Nothing to keep.
    #[error("{0} is not given up")]
    DomainStays(Domain),
    /// A contract needs a domain.
    #[error(
        "{0} is the contract's only production domain; cancel or suspend the contract, or move it"
    )]
    LastDomain(Domain),
    /// More domains than one transaction writes.
    #[error("a contract has at most {MAX_DOMAINS} domains, those in quarantine included")]
    TooManyDomains,
}

/// How many domains a contract may have at a time.
pub const MAX_DOMAINS: usize = 10;

impl License {
    /// The kintone plug-in ids under which the licence is answered without a serial: none if the
    /// product requires one.
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

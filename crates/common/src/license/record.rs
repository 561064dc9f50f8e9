//! A contract as a file states it: what imports read and exports write.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;

use super::{ContractDomain, License, LicenseError, LicenseKind, Order, Plan, Purpose};
use crate::calendar::{self, Billing};
use crate::customer::CustomerId;
use crate::domain::Domain;
use crate::product::{Product, ProductSlug};
use crate::serial::SerialHash;

/// A contract's facts as one row. What has no value in the row is stated to be absent; what the
/// file has no column for is [`Cell::Unstated`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContractRow {
    /// The domain of the row: a production domain that the contract keeps.
    pub domain: Domain,
    /// The product.
    pub product: ProductSlug,
    /// Tried or bought.
    pub kind: LicenseKind,
    /// The number of users.
    pub users: u32,
    /// How long its terms are; a trial has none.
    pub billing: Option<Billing>,
    /// When it became usable.
    pub usable_from: Timestamp,
    /// The customer.
    pub customer: Cell<Option<CustomerId>>,
    /// The edition.
    pub edition: Cell<String>,
    /// Further limits.
    pub quotas: Cell<BTreeMap<String, u64>>,
    /// The billing interval from the next term on, if that changes.
    pub next_billing: Cell<Option<Billing>>,
    /// The first day of its first paid term. Needed where that is not the month after it became
    /// usable: of a trial that was bought.
    pub first_term_on: Cell<Option<Date>>,
    /// The first day of a term of it, current or past. Needed where the first term was not of
    /// today's length.
    pub term_starts_on: Cell<Option<Date>>,
    /// The last day: of a trial, or of a contract that was cancelled.
    pub ends_on: Cell<Option<Date>>,
    /// From when it is suspended.
    pub suspended_from: Cell<Option<Timestamp>>,
    /// Its other production domains.
    pub other_domains: Cell<Vec<Domain>>,
    /// Its development domains.
    pub development_domains: Cell<Vec<Domain>>,
    /// The hash of its serial, if the row states one.
    pub serial_sha256: Option<SerialHash>,
}

/// A value, or no statement about it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Cell<T> {
    /// The file has no such column.
    #[default]
    Unstated,
    /// The file says so.
    Stated(T),
}

impl<T> Cell<T> {
    fn or(self, unstated: T) -> T {
        match self {
            Self::Unstated => unstated,
            Self::Stated(value) => value,
        }
    }
}

/// Why a row cannot be a contract: which of its columns, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{column}: {reason}")]
pub struct RowError {
    /// The column.
    pub column: &'static str,
    /// What is wrong, and what is accepted.
    pub reason: String,
}

fn refuse<T>(column: &'static str, reason: impl ToString) -> Result<T, RowError> {
    Err(RowError {
        column,
        reason: reason.to_string(),
    })
}

/// The column that a rule of the licence is about.
fn blame(error: &LicenseError) -> &'static str {
    match error {
        LicenseError::Edition => "edition",
        LicenseError::Users => "users",
        LicenseError::QuotaName(_) => "quotas",
        LicenseError::TrialDays => "ends_on",
        LicenseError::TooManyDomains | LicenseError::KnownDomain(_) => "development_domains",
        _ => "usable_from",
    }
}

impl From<LicenseError> for RowError {
    fn from(error: LicenseError) -> Self {
        Self {
            column: blame(&error),
            reason: error.to_string(),
        }
    }
}

impl ContractRow {
    /// A contract's row, or `None` if this is not the item that it is written for: the one of its
    /// first production domain that it keeps.
    pub fn of(license: &License) -> Option<Self> {
        let staying = |purpose| {
            let names = license.domains.iter();
            let names = names.filter(move |name| name.until.is_none() && name.purpose == purpose);
            names.map(|name| name.domain.clone())
        };
        let mut production = staying(Purpose::Production);
        // A contract of development domains only is written for the first of them.
        let main = production
            .next()
            .or_else(|| staying(Purpose::Development).next())?;
        if main != license.domain {
            return None;
        }
        let development = staying(Purpose::Development).filter(|domain| *domain != main);
        Some(Self {
            domain: main.clone(),
            product: license.product.clone(),
            kind: license.kind,
            users: license.users,
            billing: license.billing,
            usable_from: license.usable_from,
            customer: Cell::Stated(license.customer.clone()),
            edition: Cell::Stated(license.edition.clone()),
            quotas: Cell::Stated(license.quotas.clone()),
            next_billing: Cell::Stated(license.next_billing),
            first_term_on: Cell::Stated(license.first_term_on),
            term_starts_on: Cell::Stated(Some(license.term.starts_on)),
            ends_on: Cell::Stated(license.ends_on),
            suspended_from: Cell::Stated(license.suspended_from),
            other_domains: Cell::Stated(production.collect()),
            development_domains: Cell::Stated(development.collect()),
            serial_sha256: Some(license.serial_sha256),
        })
    }

    /// The contract that the row starts, as of an instant.
    pub fn issue(
        self,
        product: &Product,
        serial: SerialHash,
        now: Timestamp,
    ) -> Result<License, RowError> {
        let ordered_on = calendar::date_of(self.usable_from, &product.policy);
        let ends_on = self.ends_on.clone().or(None);
        let plan = match (self.kind, self.billing, ends_on) {
            (LicenseKind::Paid, Some(billing), _) => Plan::Paid { billing },
            (LicenseKind::Paid, None, _) => {
                return refuse("billing", "a paid licence is monthly or yearly");
            }
            (LicenseKind::Trial, Some(_), _) => return refuse("billing", "a trial has none"),
            (LicenseKind::Trial, None, None) => {
                return refuse("ends_on", "a trial has a last day");
            }
            (LicenseKind::Trial, None, Some(last_day)) => {
                let days = ordered_on.until(last_day).map_or(0, |span| span.get_days());
                Plan::Trial {
                    days: u16::try_from(days + 1).unwrap_or(0),
                }
            }
        };
        let order = Order {
            domain: self.domain.clone(),
            customer: self.customer.clone().or(None),
            plan,
            edition: self.edition.clone().or("standard".to_owned()),
            users: self.users,
            quotas: self.quotas.clone().or(BTreeMap::new()),
            usable_from: self.usable_from,
        };
        let mut license = License::issue(order, product, serial)?;
        if let (Cell::Stated(Some(first)), LicenseKind::Paid) = (&self.first_term_on, self.kind) {
            if first.day() != 1 || *first < license.term.starts_on {
                let reason = format!(
                    "terms start on the 1st of a month, here on {} or later",
                    license.term.starts_on
                );
                return refuse("first_term_on", reason);
            }
            let billing = self.billing.unwrap_or(Billing::Monthly);
            license.first_term_on = Some(*first);
            license.term = calendar::term_from(*first, billing)
                .map_err(|error| RowError::from(LicenseError::from(error)))?;
        }
        let starts_on = self.term_starts_on.clone().or(None);
        if let (Some(starts_on), LicenseKind::Paid) = (starts_on, self.kind) {
            if starts_on.day() != 1 || starts_on < license.term.starts_on {
                let first = license.term.starts_on;
                return refuse(
                    "term_starts_on",
                    format!("a term starts on the 1st of a month, here on {first} or later"),
                );
            }
            let billing = self.billing.unwrap_or(Billing::Monthly);
            license.term = calendar::term_from(starts_on, billing)
                .map_err(|error| RowError::from(LicenseError::from(error)))?;
        }
        // A row that states the term may end within it: such a contract came from elsewhere.
        if let (LicenseKind::Paid, Some(last_day)) = (self.kind, ends_on)
            && starts_on.is_some_and(|starts_on| starts_on <= last_day)
            && last_day <= license.term.ends_on
        {
            license.ends_on = Some(last_day);
        }
        self.change(license, now)
    }

    /// A contract with what the row says otherwise of it, as of an instant.
    ///
    /// What an import may not change is refused: it has a command of its own, with its rules.
    pub fn change(self, license: License, now: Timestamp) -> Result<License, RowError> {
        // The row may be older than the contract's current term.
        if self.kind != license.kind {
            return refuse("kind", "it is another; `tegata license convert` changes it");
        }
        if self.usable_from != license.usable_from {
            return refuse("usable_from", "it is another, and cannot be changed");
        }
        if self
            .serial_sha256
            .is_some_and(|hash| hash != license.serial_sha256)
        {
            return refuse(
                "serial",
                "it is another; `tegata license reissue-serial` changes it",
            );
        }
        let mut changed = license;
        // A billing interval that was to change when the row was written may have changed since.
        let next_billing = self.next_billing.clone().or(changed.next_billing);
        let is_past = next_billing.is_some() && next_billing == changed.billing;
        if self.billing != changed.billing && !is_past {
            return refuse(
                "billing",
                "it is another; state the new one as next_billing, or see `tegata license change`",
            );
        }
        changed.next_billing = next_billing.filter(|_| !is_past);
        if changed.kind == LicenseKind::Trial && changed.next_billing.is_some() {
            return refuse("next_billing", "a trial has none");
        }
        changed.customer = self.customer.or(changed.customer);
        changed.edition = self.edition.or(changed.edition);
        changed.users = self.users;
        changed.quotas = self.quotas.or(changed.quotas);
        changed.suspended_from = self
            .suspended_from
            .or(changed.suspended_from)
            .map(calendar::whole_second);
        let ends_on = self.ends_on.or(changed.ends_on);
        if ends_on != changed.ends_on {
            if changed.kind == LicenseKind::Trial {
                return refuse("ends_on", "the last day of a trial cannot be changed");
            }
            if let Some(last_day) = ends_on {
                check_last_day(&changed, last_day)?;
            }
            changed.ends_on = ends_on;
        }
        let others = self.other_domains.or(Vec::new());
        let developments = self.development_domains.or(Vec::new());
        let added = others
            .iter()
            .map(|domain| (domain, Purpose::Production))
            .chain(developments.iter().map(|d| (d, Purpose::Development)));
        for (domain, purpose) in added {
            let known = changed.domains.iter().find(|name| name.domain == *domain);
            match known {
                Some(ContractDomain {
                    purpose: known,
                    until: None,
                    ..
                }) if *known == purpose => {}
                Some(ContractDomain { until: None, .. }) => {
                    let column = match purpose {
                        Purpose::Production => "other_domains",
                        Purpose::Development => "development_domains",
                    };
                    return refuse(column, format!("{domain} is for something else"));
                }
                _ => {
                    changed =
                        changed.with_domain(domain, purpose, changed.usable_from.max(now), now)?
                }
            }
        }
        changed.check()?;
        let changed = changed
            .as_of(now)
            .map_err(|error| RowError::from(LicenseError::from(error)))?;
        Ok(changed.restated(now)?)
    }
}

/// Refuses a last day that no term of the contract ends on.
fn check_last_day(license: &License, last_day: Date) -> Result<(), RowError> {
    let mut current = license.clone();
    while current.term.ends_on < last_day {
        let billing = current.next_billing.take().or(current.billing);
        let billing = billing.unwrap_or(Billing::Monthly);
        current.billing = Some(billing);
        current.term = calendar::next_term(current.term, billing)
            .map_err(|error| RowError::from(LicenseError::from(error)))?;
    }
    if current.term.ends_on == last_day {
        return Ok(());
    }
    let term = license.term.ends_on;
    refuse(
        "ends_on",
        format!(
            "a contract ends with a term: this one's on {term}, or a later term's last day such as {}",
            current.term.ends_on
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::license::Amendment;

    const NOW: &str = "2018-02-10T12:00:00+09:00";

    #[test]
    fn a_contract_survives_its_row() {
        let now = at(NOW);
        let plain = license(MONTHLY).as_of(now).unwrap();
        let cancelled = plain.cancelled("2018-02-10".parse().unwrap(), now).unwrap();
        let rebilled = Amendment {
            billing: Some(Billing::Yearly),
            quotas: [("rows".to_owned(), Some(9))].into(),
            customer: Some("C-0042".parse().unwrap()),
            ..Amendment::default()
        };
        let rebilled = plain.amended(rebilled, now).unwrap();
        let trial = license(Plan::Trial { days: 30 });
        let converted = trial.converted(Billing::Yearly, now).unwrap();
        for license in [
            plain.clone(),
            license(YEARLY).as_of(now).unwrap(),
            trial,
            converted,
            cancelled,
            rebilled,
            plain.suspended(now).unwrap(),
        ] {
            let record = ContractRow::of(&license).unwrap();
            let issued = record.clone().issue(&product(), license.serial_sha256, now);
            assert_eq!(issued.as_ref(), Ok(&license));
            let unchanged = record.change(license.clone(), now);
            assert_eq!(unchanged, Ok(license));
        }
    }

    #[test]
    fn a_row_that_was_written_terms_ago_says_the_same() {
        let record = ContractRow::of(&license(MONTHLY)).unwrap();
        let now = at(NOW);
        let license = license(MONTHLY).as_of(now).unwrap();
        assert_eq!(record.change(license.clone(), now), Ok(license));
    }

    #[test]
    fn several_domains_are_one_row() {
        let now = at(NOW);
        let names = [
            ("dev.cybozu.com", Purpose::Development),
            ("second.cybozu.com", Purpose::Production),
        ];
        let mut contract = license(YEARLY).as_of(now).unwrap();
        for (name, purpose) in names {
            contract = contract
                .with_domain(&domain(name), purpose, now, now)
                .unwrap();
            assert_eq!(ContractRow::of(&contract.under(&domain(name))), None);
        }
        let record = ContractRow::of(&contract).unwrap();
        assert_eq!(
            record.clone().change(contract.clone(), now),
            Ok(contract.clone())
        );
        let fresh = license(YEARLY).as_of(now).unwrap();
        let issued = record.issue(&product(), fresh.serial_sha256, now).unwrap();
        assert_eq!(issued.domains.len(), 3);
        // Moved: the row is that of the new name.
        let new = domain("renamed.cybozu.com");
        let moved = fresh.moved(&new, now, now, now).unwrap();
        assert_eq!(ContractRow::of(&moved), None);
        assert_eq!(ContractRow::of(&moved.under(&new)).unwrap().domain, new);
    }

    #[test]
    fn what_has_a_command_of_its_own_is_refused_with_its_column() {
        let now = at(NOW);
        let contract = license(MONTHLY).as_of(now).unwrap();
        let record = || ContractRow::of(&contract).unwrap();
        let day = |text: &str| Cell::Stated(Some(text.parse().unwrap()));
        let hash = crate::serial::Serial::parse("QRST-UVWX-YZ23-4567")
            .unwrap()
            .hash();
        for (changed, column) in [
            (
                ContractRow {
                    kind: LicenseKind::Trial,
                    ..record()
                },
                "kind",
            ),
            (
                ContractRow {
                    usable_from: now,
                    ..record()
                },
                "usable_from",
            ),
            (
                ContractRow {
                    billing: Some(Billing::Yearly),
                    ..record()
                },
                "billing",
            ),
            (
                ContractRow {
                    serial_sha256: Some(hash),
                    ..record()
                },
                "serial",
            ),
            (
                ContractRow {
                    users: 0,
                    ..record()
                },
                "users",
            ),
            (
                ContractRow {
                    edition: Cell::Stated("X".to_owned()),
                    ..record()
                },
                "edition",
            ),
            (
                ContractRow {
                    ends_on: day("2018-03-15"),
                    ..record()
                },
                "ends_on",
            ),
            (
                ContractRow {
                    ends_on: day("2018-01-31"),
                    ..record()
                },
                "ends_on",
            ),
        ] {
            let refused = changed.change(contract.clone(), now).unwrap_err();
            assert_eq!(refused.column, column, "{refused}");
        }
        let cancelled = ContractRow {
            ends_on: day("2018-03-31"),
            ..record()
        };
        let cancelled = cancelled.change(contract.clone(), now).unwrap();
        assert_eq!(cancelled.valid_until, at("2018-04-01T09:00:00+09:00"));
        let again = ContractRow {
            ends_on: Cell::Stated(None),
            ..record()
        };
        assert_eq!(again.change(cancelled, now), Ok(contract.clone()));
        let odd = ContractRow {
            term_starts_on: day("2018-02-15"),
            serial_sha256: None,
            ..record()
        };
        let refused = odd.issue(&product(), hash, now).unwrap_err();
        assert_eq!(refused.column, "term_starts_on");
    }
}

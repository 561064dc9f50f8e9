//! Rows of imports and exports: a contract's facts in one row of a CSV or JSON file.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;

use super::{License, LicenseError, LicenseKind, Order, Plan, Purpose};
use crate::calendar::{self, Billing};
use crate::customer::CustomerId;
use crate::domain::Domain;
use crate::product::{Product, ProductSlug};
use crate::serial::SerialHash;

/// A contract's facts as one row of an import or export.
///
/// An export writes one row per contract, for the first production domain that the contract keeps
/// ([`ContractRow::of`]). An import issues a contract ([`issue`](Self::issue)) or changes an
/// existing one ([`change`](Self::change)); changes that have a command of their own are rejected.
///
/// An empty field removes the fact ([`Cell::Value`] with `None`). A missing column
/// ([`Cell::Missing`]) leaves the fact unchanged.
///
/// ```
/// use tegata_common::calendar::Billing;
/// use tegata_common::domain::BaseDomains;
/// use tegata_common::license::{Cell, ContractRow, LicenseKind};
///
/// let row = ContractRow {
///     domain: BaseDomains::default().canonicalize("example.cybozu.com")?,
///     product: "sheet".parse()?,
///     kind: LicenseKind::Paid,
///     users: 50,
///     billing: Some(Billing::Monthly),
///     usable_from: "2026-10-03T10:00:00+09:00".parse()?,
///     customer: Cell::Value(Some("C-0042".parse()?)),
///     edition: Cell::Missing, // `standard` for a new contract
///     quotas: Cell::Missing,
///     next_billing: Cell::Missing,
///     first_term_on: Cell::Missing,
///     term_starts_on: Cell::Missing,
///     ends_on: Cell::Missing,
///     suspended_from: Cell::Missing,
///     other_domains: Cell::Missing,
///     development_domains: Cell::Missing,
///     serial_sha256: None,
/// };
/// # let catalogue: tegata_common::product::Catalogue = serde_json::from_str(
/// #     r#"{ "issuer": "https://license.example.com",
/// #          "products": { "sheet": { "name": { "ja": "シート", "en": "Sheet" } } } }"#,
/// # )?;
/// # let product = &catalogue.products[0];
/// # let serial = tegata_common::serial::Serial::from_random([7; 20]).hash();
/// let now = "2026-10-03T10:00:00+09:00".parse()?;
/// let license = row.clone().issue(product, serial, now)?;
/// assert_eq!(license.edition, "standard");
/// // Importing the same row again changes nothing.
/// assert_eq!(row.change(license.clone(), now)?, license);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContractRow {
    /// The domain of the row: a production domain that the contract keeps.
    pub domain: Domain,
    /// The product's slug.
    pub product: ProductSlug,
    /// Trial or paid.
    pub kind: LicenseKind,
    /// The number of users: 1 to 1,000,000.
    pub users: u32,
    /// The billing interval. `None` for a trial.
    pub billing: Option<Billing>,
    /// The instant from which the licence can be used. An import cannot change it.
    pub usable_from: Timestamp,
    /// The customer who signed the contract.
    pub customer: Cell<Option<CustomerId>>,
    /// The edition. `standard` for a new contract if the column is missing.
    pub edition: Cell<String>,
    /// Further limits by name.
    pub quotas: Cell<BTreeMap<String, u64>>,
    /// The billing interval from the next term on, if a change is scheduled.
    pub next_billing: Cell<Option<Billing>>,
    /// The first day of the first paid term. Required if that is not the 1st of the month after
    /// `usable_from`, as for a converted trial.
    pub first_term_on: Cell<Option<Date>>,
    /// The first day of any term, current or past. Required if the billing interval has changed
    /// since the first term.
    pub term_starts_on: Cell<Option<Date>>,
    /// The last day of a trial or of a cancelled contract.
    pub ends_on: Cell<Option<Date>>,
    /// The instant from which the licence is suspended.
    pub suspended_from: Cell<Option<Timestamp>>,
    /// The contract's other production domains.
    pub other_domains: Cell<Vec<Domain>>,
    /// The contract's development domains.
    pub development_domains: Cell<Vec<Domain>>,
    /// The hash of the serial, if the row has one.
    pub serial_sha256: Option<SerialHash>,
}

/// The value of an optional column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Cell<T> {
    /// The file does not have the column.
    #[default]
    Missing,
    /// The value in the row. An empty field is `None`.
    Value(T),
}

impl<T> Cell<T> {
    fn or(self, default: T) -> T {
        match self {
            Self::Missing => default,
            Self::Value(value) => value,
        }
    }
}

/// An invalid row.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{column}: {reason}")]
pub struct RowError {
    /// The name of the invalid column.
    pub column: &'static str,
    /// What is invalid, and what is accepted.
    pub reason: String,
}

fn refuse<T>(column: &'static str, reason: impl ToString) -> Result<T, RowError> {
    Err(RowError {
        column,
        reason: reason.to_string(),
    })
}

/// The column that an error refers to.
fn column_of(error: &LicenseError) -> &'static str {
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
            column: column_of(&error),
            reason: error.to_string(),
        }
    }
}

impl ContractRow {
    /// The row of a contract. `None` unless the item is that of the contract's first production
    /// domain that it keeps, so that an export has one row per contract.
    pub fn of(license: &License) -> Option<Self> {
        let staying = |purpose| {
            let names = license.domains.iter();
            let names = names.filter(move |name| name.until.is_none() && name.purpose == purpose);
            names.map(|name| name.domain.clone())
        };
        let mut production = staying(Purpose::Production);
        // A contract with development domains only gets a row for the first of them.
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
            customer: Cell::Value(license.customer.clone()),
            edition: Cell::Value(license.edition.clone()),
            quotas: Cell::Value(license.quotas.clone()),
            next_billing: Cell::Value(license.next_billing),
            first_term_on: Cell::Value(license.first_term_on),
            term_starts_on: Cell::Value(Some(license.term.starts_on)),
            ends_on: Cell::Value(license.ends_on),
            suspended_from: Cell::Value(license.suspended_from),
            other_domains: Cell::Value(production.collect()),
            development_domains: Cell::Value(development.collect()),
            serial_sha256: Some(license.serial_sha256),
        })
    }

    /// Issues the contract of a new row, as of an instant.
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
            (LicenseKind::Trial, Some(_), _) => {
                return refuse("billing", "must be empty for a trial");
            }
            (LicenseKind::Trial, None, None) => {
                return refuse("ends_on", "is required for a trial; state the last day");
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
        if let (Cell::Value(Some(first)), LicenseKind::Paid) = (&self.first_term_on, self.kind) {
            if first.day() != 1 || *first < license.term.starts_on {
                let reason = format!(
                    "must be the 1st of a month, {} or later",
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
                    format!("must be the 1st of a month, {first} or later"),
                );
            }
            let billing = self.billing.unwrap_or(Billing::Monthly);
            license.term = calendar::term_from(starts_on, billing)
                .map_err(|error| RowError::from(LicenseError::from(error)))?;
        }
        // With term_starts_on, the last day may be within the term: a contract that was imported
        // from another system may end on any day.
        if let (LicenseKind::Paid, Some(last_day)) = (self.kind, ends_on)
            && starts_on.is_some_and(|starts_on| starts_on <= last_day)
            && last_day <= license.term.ends_on
        {
            license.ends_on = Some(last_day);
        }
        self.change(license, now)
    }

    /// Changes a contract to the facts in the row, as of an instant.
    ///
    /// # Errors
    ///
    /// Among others, if the row differs in a fact that an import cannot change, because it has a
    /// command of its own.
    pub fn change(self, license: License, now: Timestamp) -> Result<License, RowError> {
        self.check_unchangeable(&license)?;
        let mut changed = license;
        // A change of the billing interval that was scheduled in the row may have taken effect.
        let next_billing = self.next_billing.clone().or(changed.next_billing);
        let is_past = next_billing.is_some() && next_billing == changed.billing;
        if self.billing != changed.billing && !is_past {
            return refuse(
                "billing",
                "differs from the contract; use next_billing, or `tegata license change`",
            );
        }
        changed.next_billing = next_billing.filter(|_| !is_past);
        if changed.kind == LicenseKind::Trial && changed.next_billing.is_some() {
            return refuse("next_billing", "must be empty for a trial");
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
        changed = add_domains(changed, self.other_domains, Purpose::Production, now)?;
        changed = add_domains(changed, self.development_domains, Purpose::Development, now)?;
        changed.check()?;
        let changed = changed
            .as_of(now)
            .map_err(|error| RowError::from(LicenseError::from(error)))?;
        Ok(changed.restated(now)?)
    }

    /// Rejects a row that differs in a fact that an import cannot change.
    fn check_unchangeable(&self, license: &License) -> Result<(), RowError> {
        if self.kind != license.kind {
            return refuse(
                "kind",
                "differs from the contract; change it with `tegata license convert`",
            );
        }
        if self.usable_from != license.usable_from {
            return refuse(
                "usable_from",
                "differs from the contract, and cannot be changed",
            );
        }
        if self
            .serial_sha256
            .is_some_and(|hash| hash != license.serial_sha256)
        {
            return refuse(
                "serial",
                "differs from the contract; change it with `tegata license reissue-serial`",
            );
        }
        Ok(())
    }
}

/// Adds the domains of a column that the contract does not have yet.
fn add_domains(
    license: License,
    domains: Cell<Vec<Domain>>,
    purpose: Purpose,
    now: Timestamp,
) -> Result<License, RowError> {
    let mut changed = license;
    for domain in domains.or(Vec::new()) {
        let known = changed
            .domains
            .iter()
            .find(|known| known.domain == domain && known.until.is_none());
        match known {
            Some(known) if known.purpose == purpose => {}
            Some(_) => {
                let column = match purpose {
                    Purpose::Production => "other_domains",
                    Purpose::Development => "development_domains",
                };
                return refuse(
                    column,
                    format!("{domain} is a domain of the contract for another purpose"),
                );
            }
            None => {
                let from = changed.usable_from.max(now);
                changed = changed.with_domain(&domain, purpose, from, now)?;
            }
        }
    }
    Ok(changed)
}

/// Rejects a last day on which no term of the contract ends.
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
            "must be the last day of a term: {term}, or of a later term such as {}",
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
    fn a_contract_round_trips_through_its_row() {
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
    fn a_row_of_an_earlier_term_changes_nothing() {
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
        // After a move, the row is that of the new domain.
        let new = domain("renamed.cybozu.com");
        let moved = fresh.moved(&new, now, now, now).unwrap();
        assert_eq!(ContractRow::of(&moved), None);
        assert_eq!(ContractRow::of(&moved.under(&new)).unwrap().domain, new);
    }

    #[test]
    fn changes_with_a_command_of_their_own_are_rejected_with_the_column() {
        let now = at(NOW);
        let contract = license(MONTHLY).as_of(now).unwrap();
        let record = || ContractRow::of(&contract).unwrap();
        let day = |text: &str| Cell::Value(Some(text.parse().unwrap()));
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
                    edition: Cell::Value("X".to_owned()),
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
            ends_on: Cell::Value(None),
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

    #[test]
    fn a_rule_of_the_licence_names_the_column_that_it_is_about() {
        let name = super::super::testing::domain("dev.cybozu.com");
        for (error, column) in [
            (LicenseError::Edition, "edition"),
            (LicenseError::Users, "users"),
            (LicenseError::QuotaName("rows".into()), "quotas"),
            (LicenseError::TrialDays, "ends_on"),
            (LicenseError::TooManyDomains, "development_domains"),
            (LicenseError::KnownDomain(name), "development_domains"),
            (LicenseError::NotCancelled, "usable_from"),
        ] {
            let refused = RowError::from(error.clone());
            assert_eq!(
                (refused.column, refused.reason),
                (column, error.to_string())
            );
        }
    }
}

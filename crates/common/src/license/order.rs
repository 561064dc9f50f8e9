//! New licences: orders, and the conversion of a trial into a paid licence.

use std::collections::BTreeMap;

use jiff::{Timestamp, ToSpan};

use super::{ContractDomain, License, LicenseError, LicenseKind, Purpose};
use crate::calendar::{self, Billing, OutOfRange, Term};
use crate::customer::CustomerId;
use crate::domain::Domain;
use crate::product::Product;
use crate::serial::SerialHash;

/// An order of a product.
#[derive(Clone, Debug)]
pub struct Order {
    /// The tenant that will use the product.
    pub domain: Domain,
    /// The customer who placed the order.
    pub customer: Option<CustomerId>,
    /// Trial or paid.
    pub plan: Plan,
    /// The edition, such as `standard`.
    pub edition: String,
    /// The number of users: 1 to 1,000,000.
    pub users: u32,
    /// Further limits by name, such as `records_per_day`.
    pub quotas: BTreeMap<String, u64>,
    /// When the order is processed, or a later instant from which the licence can be used. A
    /// fraction of a second is cut off.
    pub usable_from: Timestamp,
}

/// Trial or paid, with the length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Plan {
    /// Free for this many days, including the day of the order.
    Trial {
        /// The number of days: 1 to 366.
        days: u16,
    },
    /// Paid, renewing automatically.
    Paid {
        /// The billing interval.
        billing: Billing,
    },
}

impl License {
    /// Issues the licence for an order, as of the instant from which it can be used.
    ///
    /// # Errors
    ///
    /// If the edition, the users, a quota's name or the days of a trial are invalid.
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
                (LicenseKind::Trial, None, term, Some(ends_on))
            }
            Plan::Paid { billing } => {
                let term = calendar::first_term(ordered_on, billing)?;
                (LicenseKind::Paid, Some(billing), term, None)
            }
        };
        let license = Self {
            domains: vec![ContractDomain {
                domain: order.domain.clone(),
                purpose: Purpose::Production,
                from: usable_from,
                until: None,
            }],
            domain: order.domain,
            product: product.slug.clone(),
            customer: order.customer,
            kind,
            edition: order.edition,
            users: order.users,
            quotas: order.quotas,
            billing,
            next_billing: None,
            first_term_on: billing.map(|_| term.starts_on),
            usable_from,
            term,
            ends_on,
            suspended_from: None,
            valid_until: calendar::end_of_use(term.ends_on, &policy)?,
            grace_until: calendar::end_of_grace(term.ends_on, &policy)?,
            policy,
            kintone_plugin_ids: product.kintone_plugin_ids.clone(),
            serial_sha256: serial,
            previous_serials: Vec::new(),
        };
        license.check()?;
        Ok(license)
    }

    /// Converts a trial into a paid licence, or starts a new contract after one that has ended.
    ///
    /// The serial stays the same, so that the customer does not have to configure anything. The
    /// licence can be used at once; the paid term starts on the 1st of the following month.
    pub fn converted(&self, billing: Billing, now: Timestamp) -> Result<Self, LicenseError> {
        let today = calendar::date_of(now, &self.policy);
        let has_ended = self.ends_on.is_some_and(|last_day| last_day < today);
        match (self.kind, self.ends_on) {
            (LicenseKind::Paid, Some(last_day)) if !has_ended => {
                return Err(LicenseError::Running(last_day));
            }
            (LicenseKind::Paid, None) => return Err(LicenseError::AlreadyPaid),
            _ => {}
        }
        if self.suspended_from.is_some_and(|from| from <= now) {
            return Err(LicenseError::Suspended);
        }
        let mut license = self.as_of(now)?;
        // If the trial has not started, the order counts from the day on which it would start.
        let ordered_on = calendar::date_of(license.usable_from, &license.policy).max(today);
        license.kind = LicenseKind::Paid;
        license.billing = Some(billing);
        license.next_billing = None; // was scheduled for the contract that ended
        license.term = calendar::first_term(ordered_on, billing)?;
        license.first_term_on = Some(license.term.starts_on);
        license.ends_on = None;
        license.restated(now)
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::license::{Amendment, Code};

    #[test]
    fn a_trial_ends_at_the_cut_off_after_its_days() {
        let license = license(Plan::Trial { days: 30 });
        assert_eq!(license.term.ends_on.to_string(), "2017-11-01");
        assert_eq!(license.ends_on, Some(license.term.ends_on));
        assert_eq!(license.valid_until, at("2017-11-02T09:00:00+09:00"));
        for days in [0, 367] {
            let order = order(Plan::Trial { days });
            let issued = License::issue(order, &product(), license.serial_sha256);
            assert_eq!(issued, Err(LicenseError::TrialDays));
        }
    }

    #[test]
    fn a_converted_trial_keeps_its_serial_and_has_free_days() {
        let trial = license(Plan::Trial { days: 30 });
        for (bought_at, starts_on) in [
            ("2017-10-20T10:00:00+09:00", "2017-11-01"),
            // After the trial has ended it is usable at once, too.
            ("2018-02-10T10:00:00+09:00", "2018-03-01"),
            // Before it starts, it has the free days of the month in which it starts.
            ("2017-09-20T10:00:00+09:00", "2017-11-01"),
        ] {
            let bought_at = at(bought_at);
            let bought = trial.converted(Billing::Yearly, bought_at).unwrap();
            assert_eq!(bought.term.starts_on.to_string(), starts_on);
            assert_eq!(bought.serial_sha256, trial.serial_sha256);
            assert_eq!((bought.kind, bought.ends_on), (LicenseKind::Paid, None));
            let usable_at = bought_at.max(trial.usable_from);
            assert_eq!(bought.code_at(usable_at), Code::Valid);
            let again = bought.converted(Billing::Yearly, bought_at);
            assert_eq!(again, Err(LicenseError::AlreadyPaid));
        }
    }

    #[test]
    fn only_an_ended_contract_can_be_ordered_again() {
        let license = license(MONTHLY);
        let now = at("2017-11-10T10:00:00+09:00");
        let cancelled = license
            .cancelled("2017-11-10".parse().unwrap(), now)
            .unwrap();
        let last_day = cancelled.ends_on.unwrap();
        assert_eq!(
            cancelled.converted(Billing::Monthly, now),
            Err(LicenseError::Running(last_day))
        );
        let later = at("2018-01-15T10:00:00+09:00");
        assert_eq!(cancelled.code_at(later), Code::Expired);
        let again = cancelled.converted(Billing::Monthly, later).unwrap();
        assert_eq!(again.code_at(later), Code::Valid);
        assert_eq!(again.term.starts_on.to_string(), "2018-02-01");
        let suspended = cancelled.suspended(later).unwrap();
        assert_eq!(
            suspended.converted(Billing::Monthly, later),
            Err(LicenseError::Suspended)
        );
    }

    #[test]
    fn a_new_contract_drops_the_scheduled_billing_of_the_ended_one() {
        let now = at("2017-11-10T10:00:00+09:00");
        let yearly = Amendment {
            billing: Some(Billing::Yearly),
            ..Amendment::default()
        };
        let planned = license(MONTHLY).amended(yearly, now).unwrap();
        let cancelled = planned.cancelled("2017-11-10".parse().unwrap(), now);
        let later = at("2018-01-15T10:00:00+09:00");
        let again = cancelled.unwrap().converted(Billing::Monthly, later);
        let march = again
            .unwrap()
            .as_of(at("2018-03-01T10:00:00+09:00"))
            .unwrap();
        assert_eq!(march.term.ends_on.to_string(), "2018-03-31");
    }

    #[test]
    fn a_contract_is_ordered_again_after_its_last_day() {
        let now = at("2017-11-10T12:00:00+09:00");
        let cancelled = license(MONTHLY).cancelled("2017-11-10".parse().unwrap(), now);
        let cancelled = cancelled.unwrap();
        let last_day = cancelled.ends_on.unwrap();
        assert_eq!(
            cancelled.converted(Billing::Monthly, at("2017-11-30T23:59:59+09:00")),
            Err(LicenseError::Running(last_day))
        );
        let next_day = at("2017-12-01T00:00:00+09:00");
        let again = cancelled.converted(Billing::Monthly, next_day).unwrap();
        assert_eq!(again.term.starts_on, "2018-01-01".parse().unwrap());
    }
}

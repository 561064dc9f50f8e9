//! Changes of a contract by an operator: amendments, suspension, cancellation, a new serial.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;

use super::{License, LicenseError, LicenseKind, PreviousSerial};
use crate::calendar::{self, Billing, Term};
use crate::customer::CustomerId;
use crate::serial::SerialHash;

/// The maximum number of replaced serials that are accepted at a time.
const MAX_PREVIOUS_SERIALS: usize = 4;

/// New values for the facts that a customer can change at any time. `None` leaves a fact unchanged.
#[derive(Clone, Debug, Default)]
pub struct Amendment {
    /// The customer who signed the contract.
    pub customer: Option<CustomerId>,
    /// The edition. Effective at once.
    pub edition: Option<String>,
    /// The number of users. Effective at once.
    pub users: Option<u32>,
    /// Quotas to set, or to remove with `None`.
    pub quotas: BTreeMap<String, Option<u64>>,
    /// The billing interval from the next term on.
    pub billing: Option<Billing>,
}

impl License {
    /// Changes the customer, edition, users or quotas, effective at once, or the billing interval,
    /// effective at the next term.
    pub fn amended(&self, amendment: Amendment, now: Timestamp) -> Result<Self, LicenseError> {
        let mut license = self.as_of(now)?;
        if let Some(billing) = amendment.billing {
            license = license.rebilled(billing, now)?;
        }
        if let Some(customer) = amendment.customer {
            license.customer = Some(customer);
        }
        if let Some(edition) = amendment.edition {
            license.edition = edition;
        }
        if let Some(users) = amendment.users {
            license.users = users;
        }
        for (name, value) in amendment.quotas {
            match value {
                Some(value) => {
                    license.quotas.insert(name, value);
                }
                None if license.quotas.remove(&name).is_none() => {
                    return Err(LicenseError::NoQuota(name));
                }
                None => {}
            }
        }
        license.check()?;
        Ok(license)
    }

    /// Changes the billing interval from the next term on. During the free days the next term is
    /// the first one.
    fn rebilled(&self, billing: Billing, now: Timestamp) -> Result<Self, LicenseError> {
        let current = match (self.billing, self.ends_on) {
            (None, _) => return Err(LicenseError::TrialBilling),
            (Some(_), Some(last_day)) => return Err(LicenseError::AlreadyCancelled(last_day)),
            (Some(current), None) => current,
        };
        let mut license = self.clone();
        if calendar::date_of(now, &self.policy) < self.term.starts_on {
            license.billing = Some(billing);
            license.next_billing = None;
            license.term = calendar::term_from(self.term.starts_on, billing)?;
        } else {
            license.next_billing = (billing != current).then_some(billing);
        }
        license.restated(now)
    }

    /// Suspends the licence from an instant on, which may be in the future.
    pub fn suspended(&self, from: Timestamp) -> Result<Self, LicenseError> {
        if let Some(since) = self.suspended_from {
            return Err(LicenseError::AlreadySuspended(since));
        }
        let mut license = self.clone();
        license.suspended_from = Some(calendar::whole_second(from));
        Ok(license)
    }

    /// Removes the suspension. The contract's dates are the same as before: a suspension does not
    /// extend a term.
    pub fn resumed(&self) -> Result<Self, LicenseError> {
        if self.suspended_from.is_none() {
            return Err(LicenseError::NotSuspended);
        }
        let mut license = self.clone();
        license.suspended_from = None;
        Ok(license)
    }

    /// Cancels the contract as of a day, and sets its last day by the rule of
    /// [`calendar::last_day_when_cancelled`]. The day may be in the past, if the cancellation was
    /// recorded late.
    ///
    /// # Errors
    ///
    /// Among others, if by that rule the contract would have ended before its current term: the
    /// answers given since cannot be withdrawn.
    pub fn cancelled(&self, cancelled_on: Date, now: Timestamp) -> Result<Self, LicenseError> {
        let mut license = self.as_of(now)?;
        let billing = match (license.billing, license.ends_on) {
            (None, last_day) => {
                return Err(LicenseError::TrialEnds(
                    last_day.unwrap_or(license.term.ends_on),
                ));
            }
            (Some(_), Some(last_day)) => return Err(LicenseError::AlreadyCancelled(last_day)),
            (Some(billing), None) => license.next_billing.unwrap_or(billing),
        };
        if cancelled_on > license.term.ends_on {
            return Err(LicenseError::TermEnded(license.term.ends_on));
        }
        let ordered_on = calendar::date_of(license.usable_from, &license.policy);
        if cancelled_on < ordered_on.min(calendar::date_of(now, &license.policy)) {
            return Err(LicenseError::CancelledBeforeStart(ordered_on));
        }
        let last_day = |term, billing| {
            calendar::last_day_when_cancelled(term, billing, cancelled_on, &license.policy)
        };
        let mut ends_on = last_day(license.term, billing)?;
        // The contract has renewed since that day: it might have ended before the current term.
        let past = license.term_of(cancelled_on)?;
        if past != license.term {
            ends_on = last_day(past, license.billing.unwrap_or(billing))?;
            if ends_on < license.term.ends_on {
                return Err(LicenseError::CancelledTooLongAgo {
                    on: cancelled_on,
                    last_day: ends_on,
                    term_starts_on: license.term.starts_on,
                });
            }
        }
        license.ends_on = Some(ends_on);
        license.restated(now)
    }

    /// The term that contains a day which is not after the current term. Earlier terms are assumed
    /// to have today's length; the free days belong to the first term.
    fn term_of(&self, day: Date) -> Result<Term, LicenseError> {
        let (Some(billing), Some(first)) = (self.billing, self.first_term_on) else {
            return Ok(self.term);
        };
        let mut term = self.term;
        while day < term.starts_on && first < term.starts_on {
            term = calendar::term_before(term, billing)?;
        }
        Ok(term)
    }

    /// Withdraws the cancellation of a contract that has not ended: it renews automatically again.
    pub fn with_cancellation_withdrawn(&self, now: Timestamp) -> Result<Self, LicenseError> {
        let mut license = self.as_of(now)?;
        let last_day = match (license.kind, license.ends_on) {
            (LicenseKind::Paid, Some(last_day)) => last_day,
            (LicenseKind::Trial, last_day) => {
                return Err(LicenseError::TrialEnds(
                    last_day.unwrap_or(license.term.ends_on),
                ));
            }
            (LicenseKind::Paid, None) => return Err(LicenseError::NotCancelled),
        };
        if calendar::date_of(now, &license.policy) > last_day {
            return Err(LicenseError::Ended(last_day));
        }
        license.ends_on = None;
        license.restated(now)
    }

    /// Replaces the serial. The current one is accepted until `previous_until`, and earlier ones
    /// until the end of their own overlaps: the customer may not have received the latest one.
    ///
    /// Without an overlap (`previous_until` is not after `now`) all replaced serials are rejected
    /// at once: this is for a leaked serial.
    pub fn reissued(&self, serial: SerialHash, previous_until: Timestamp, now: Timestamp) -> Self {
        let mut license = self.clone();
        let until = calendar::whole_second(previous_until);
        if until <= now {
            license.previous_serials.clear();
        } else {
            license.previous_serials.push(PreviousSerial {
                sha256: self.serial_sha256,
                until,
            });
            let surplus = license
                .previous_serials
                .len()
                .saturating_sub(MAX_PREVIOUS_SERIALS);
            license.previous_serials.drain(..surplus);
        }
        license.serial_sha256 = serial;
        license
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::license::{Code, Plan};
    use crate::serial::Serial;

    #[test]
    fn a_cancelled_contract_gets_a_last_day() {
        let license = license(MONTHLY);
        for (day, last_day) in [("2017-11-20", "2017-11-30"), ("2017-11-21", "2017-12-31")] {
            let now = at(&format!("{day}T12:00:00+09:00"));
            let cancelled = license.cancelled(day.parse().unwrap(), now).unwrap();
            let last_day: Date = last_day.parse().unwrap();
            assert_eq!(cancelled.ends_on, Some(last_day));
            assert_eq!(
                cancelled.cancelled(day.parse().unwrap(), now),
                Err(LicenseError::AlreadyCancelled(last_day))
            );
        }
        let now = at("2017-11-20T12:00:00+09:00");
        assert_eq!(
            license.cancelled("2017-12-01".parse().unwrap(), now),
            Err(LicenseError::TermEnded(license.term.ends_on))
        );
        let trial = super::super::testing::license(Plan::Trial { days: 30 });
        assert_eq!(
            trial.cancelled("2017-10-10".parse().unwrap(), now),
            Err(LicenseError::TrialEnds(trial.term.ends_on))
        );
    }

    #[test]
    fn a_cancellation_recorded_late_counts_from_its_day() {
        // Received on the 19th, recorded on the 25th: until then the contract was bound to
        // December, and no longer is.
        let now = at("2017-11-25T12:00:00+09:00");
        let bound = license(MONTHLY).as_of(now).unwrap();
        assert_eq!(bound.valid_until, at("2018-01-01T09:00:00+09:00"));
        let cancelled = bound.cancelled("2017-11-19".parse().unwrap(), now).unwrap();
        assert_eq!(cancelled.valid_until, at("2017-12-01T09:00:00+09:00"));
        let date = |day: &str| day.parse::<Date>().unwrap();
        // After the renewal: a cancellation after November's deadline means the end of December.
        let now = at("2017-12-05T12:00:00+09:00");
        let cancelled = bound.cancelled(date("2017-11-25"), now).unwrap();
        assert_eq!(cancelled.ends_on, Some(date("2017-12-31")));
        // By the deadline in November it would have ended with November, which is past.
        assert_eq!(
            bound.cancelled(date("2017-11-19"), now),
            Err(LicenseError::CancelledTooLongAgo {
                on: date("2017-11-19"),
                last_day: date("2017-11-30"),
                term_starts_on: date("2017-12-01"),
            })
        );
        let yearly = super::super::testing::license(YEARLY);
        let now = at("2018-11-02T12:00:00+09:00");
        let forgotten = yearly.cancelled(date("2018-10-19"), now);
        assert!(matches!(
            forgotten,
            Err(LicenseError::CancelledTooLongAgo { .. })
        ));
        let late = yearly.cancelled(date("2018-10-25"), now).unwrap();
        assert_eq!(late.ends_on, Some(date("2019-10-31")));
        // In the free days, recorded in the first term.
        let now = at("2017-11-05T12:00:00+09:00");
        let free = license(MONTHLY).cancelled(date("2017-10-10"), now).unwrap();
        assert_eq!(free.ends_on, Some(date("2017-11-30")));
        let trial = super::super::testing::license(Plan::Trial { days: 30 });
        let ordered_at = at("2018-05-10T12:00:00+09:00");
        let bought = trial.converted(Billing::Monthly, ordered_at).unwrap();
        let june = at("2018-06-05T12:00:00+09:00");
        let free = bought.cancelled(date("2018-05-15"), june).unwrap();
        assert_eq!(free.ends_on, Some(date("2018-06-30")));
        assert_eq!(
            bound.cancelled(date("2016-11-19"), now),
            Err(LicenseError::CancelledBeforeStart(date("2017-10-03")))
        );
    }

    #[test]
    fn a_cancellation_is_withdrawn_until_the_contract_ends() {
        let license = license(MONTHLY);
        let now = at("2017-11-10T12:00:00+09:00");
        assert_eq!(
            license.with_cancellation_withdrawn(now),
            Err(LicenseError::NotCancelled)
        );
        let cancelled = license
            .cancelled("2017-11-10".parse().unwrap(), now)
            .unwrap();
        assert_eq!(cancelled.with_cancellation_withdrawn(now).unwrap(), license);
        let last_day = cancelled.ends_on.unwrap();
        let late = cancelled.with_cancellation_withdrawn(at("2017-11-30T23:59:59+09:00"));
        assert_eq!(late.unwrap().ends_on, None);
        assert_eq!(
            cancelled.with_cancellation_withdrawn(at("2017-12-01T00:00:00+09:00")),
            Err(LicenseError::Ended(last_day))
        );
    }

    #[test]
    fn amendments_change_only_the_given_facts_and_are_validated() {
        let license = license(MONTHLY);
        let now = license.usable_from;
        let changed = license
            .amended(
                Amendment {
                    users: Some(80),
                    quotas: [("rows".to_owned(), Some(1000))].into(),
                    ..Amendment::default()
                },
                now,
            )
            .unwrap();
        assert_eq!((changed.users, changed.quotas["rows"]), (80, 1000));
        assert_eq!(changed.edition, license.edition);
        let removed = changed
            .amended(
                Amendment {
                    quotas: [("rows".to_owned(), None)].into(),
                    ..Amendment::default()
                },
                now,
            )
            .unwrap();
        assert!(removed.quotas.is_empty());
        let users = |users| Amendment {
            users: Some(users),
            ..Amendment::default()
        };
        for wrong in [0, 1_000_001] {
            let amended = license.amended(users(wrong), now);
            assert_eq!(amended, Err(LicenseError::Users));
        }
        let edition = Amendment {
            edition: Some("Über".into()),
            ..Amendment::default()
        };
        assert_eq!(license.amended(edition, now), Err(LicenseError::Edition));
    }

    #[test]
    fn another_billing_interval_takes_effect_at_the_next_term() {
        let billing = |billing| Amendment {
            billing: Some(billing),
            ..Amendment::default()
        };
        let license = license(MONTHLY);
        // In the free days, the first term is the next.
        let free = at("2017-10-20T12:00:00+09:00");
        let yearly = license.amended(billing(Billing::Yearly), free).unwrap();
        assert_eq!(yearly.billing, Some(Billing::Yearly));
        assert_eq!(yearly.term.ends_on.to_string(), "2018-10-31");
        // Later, it waits.
        let november = at("2017-11-05T12:00:00+09:00");
        let waiting = license.amended(billing(Billing::Yearly), november).unwrap();
        assert_eq!(waiting.billing, Some(Billing::Monthly));
        assert_eq!(waiting.next_billing, Some(Billing::Yearly));
        assert_eq!(waiting.term, license.term);
        let december = at("2017-12-01T00:00:00+09:00");
        let changed = waiting.as_of(december).unwrap();
        assert_eq!(
            (changed.billing, changed.next_billing),
            (Some(Billing::Yearly), None)
        );
        assert_eq!(changed.term.starts_on.to_string(), "2017-12-01");
        assert_eq!(changed.term.ends_on.to_string(), "2018-11-30");
        // Withdrawn before it takes effect.
        let back = waiting.amended(billing(Billing::Monthly), november);
        assert_eq!(back.unwrap().next_billing, None);
        // Cancelled after the deadline: the next term has the new length and is the last one.
        let late = at("2017-11-25T12:00:00+09:00");
        let cancelled = waiting
            .cancelled("2017-11-25".parse().unwrap(), late)
            .unwrap();
        assert_eq!(cancelled.ends_on.unwrap().to_string(), "2018-11-30");
        assert_eq!(
            cancelled.amended(billing(Billing::Monthly), late),
            Err(LicenseError::AlreadyCancelled(cancelled.ends_on.unwrap()))
        );
        let trial = super::super::testing::license(Plan::Trial { days: 5 });
        assert_eq!(
            trial.amended(billing(Billing::Monthly), free),
            Err(LicenseError::TrialBilling)
        );
    }

    #[test]
    fn replaced_serials_are_accepted_until_their_overlaps_end() {
        let first = Serial::parse("ABCD-EFGH-IJKL-MNOP").unwrap();
        let lost = Serial::parse("QRST-UVWX-YZ23-4567").unwrap();
        let new = Serial::parse("AAAA-BBBB-CCCC-DDDD").unwrap();
        let now = at("2017-11-08T00:00:00+09:00");
        let until = at("2017-11-15T00:00:00+09:00");
        let later = at("2017-11-16T00:00:00+09:00");
        // The customer never received the second serial, and gets a third one.
        let license =
            license(MONTHLY)
                .reissued(lost.hash(), until, now)
                .reissued(new.hash(), later, now);
        let second = jiff::SignedDuration::from_secs(1);
        for (now, first_is_accepted, lost_is_accepted) in [
            (until - second, true, true),
            (until, false, true),
            (later, false, false),
        ] {
            assert!(license.at(now).accepts(&new));
            assert_eq!(license.at(now).accepts(&first), first_is_accepted);
            assert_eq!(license.at(now).accepts(&lost), lost_is_accepted);
            let accepted = u8::from(first_is_accepted) + u8::from(lost_is_accepted);
            let current = license.as_of(now).unwrap();
            assert_eq!(current.previous_serials.len(), usize::from(accepted));
            assert_eq!(current.code_at(now), Code::Valid);
        }
        let leaked = license.reissued(first.hash(), now, now);
        assert!(!leaked.at(now).accepts(&new) && !leaked.at(now).accepts(&lost));
    }

    #[test]
    fn a_contract_is_cancelled_from_its_order_to_its_terms_last_day() {
        let license = license(MONTHLY);
        let cancelled = |day: &str| {
            let now = at("2017-11-30T12:00:00+09:00");
            let cancelled = license.cancelled(day.parse().unwrap(), now)?;
            Ok(cancelled.ends_on.unwrap().to_string())
        };
        assert_eq!(cancelled("2017-10-03"), Ok("2017-11-30".to_owned()));
        assert_eq!(cancelled("2017-11-30"), Ok("2017-12-31".to_owned()));
        let ordered_on = "2017-10-03".parse().unwrap();
        assert_eq!(
            cancelled("2017-10-02"),
            Err(LicenseError::CancelledBeforeStart(ordered_on))
        );
        let last_day = "2017-11-30".parse().unwrap();
        assert_eq!(
            cancelled("2017-12-01"),
            Err(LicenseError::TermEnded(last_day))
        );
    }

    #[test]
    fn the_days_before_the_first_term_belong_to_it() {
        let first = license(MONTHLY);
        let third = first.as_of(at("2018-01-15T00:00:00+09:00")).unwrap();
        for (license, day, starts_on) in [
            (&first, "2017-10-03", "2017-11-01"),
            (&third, "2017-10-03", "2017-11-01"),
            (&third, "2017-11-30", "2017-11-01"),
            (&third, "2017-12-01", "2017-12-01"),
            (&third, "2018-01-31", "2018-01-01"),
        ] {
            let term = license.term_of(day.parse().unwrap()).unwrap();
            assert_eq!(term.starts_on, starts_on.parse().unwrap(), "{day}");
        }
    }

    #[test]
    fn a_billing_interval_changes_at_once_only_before_the_first_term() {
        let license = license(MONTHLY);
        let (before, first_day) = (
            at("2017-10-31T23:59:59+09:00"),
            at("2017-11-01T00:00:00+09:00"),
        );
        let early = license.rebilled(Billing::Yearly, before).unwrap();
        assert_eq!(
            (early.billing, early.next_billing),
            (Some(Billing::Yearly), None)
        );
        assert_eq!(early.term.ends_on, "2018-10-31".parse().unwrap());
        let later = license.rebilled(Billing::Yearly, first_day).unwrap();
        assert_eq!(
            (later.billing, later.next_billing),
            (Some(Billing::Monthly), Some(Billing::Yearly))
        );
        assert_eq!(later.term, license.term);
    }
}

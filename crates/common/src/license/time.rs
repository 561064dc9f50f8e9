//! Changes of a contract that happen with time only: renewal, the end of overlaps and quarantines.

use jiff::Timestamp;
use jiff::civil::Date;

use super::{License, LicenseError};
use crate::calendar::{self, OutOfRange};

impl License {
    /// The licence as of an instant: ended terms are renewed, scheduled changes that are due are
    /// applied, and ended overlaps and quarantines are removed.
    ///
    /// Intermediate steps do not change the result: `l.as_of(a)?.as_of(b)? == l.as_of(b)?` for
    /// a ≤ b. Therefore the renewal function may run late, twice or not at all.
    pub fn as_of(&self, now: Timestamp) -> Result<Self, OutOfRange> {
        let mut license = self.clone();
        license.renew(now)?;
        let bound_to = license.bound_to(calendar::date_of(now, &license.policy))?;
        let valid_until = calendar::end_of_use(bound_to, &license.policy)?;
        // A contract that renews is never bound to an earlier day than before. The clock that
        // stored the later day may have been ahead of this one.
        if license.ends_on.is_some() || valid_until > license.valid_until {
            license.valid_until = valid_until;
            license.grace_until = calendar::end_of_grace(bound_to, &license.policy)?;
        }
        license
            .previous_serials
            .retain(|previous| now < previous.until);
        let own = license.domain.clone();
        license.domains.retain(|name| {
            name.domain == own || name.quarantined_until().is_none_or(|free| now < free)
        });
        Ok(license)
    }

    /// The earliest instant at which [`License::as_of`] returns a different licence.
    pub fn changes_at(&self) -> Option<Timestamp> {
        let after = |day: Date| {
            let start = day.tomorrow().ok()?;
            let start = start.to_zoned_datetime(self.policy.time_zone.tz().clone());
            Some(start.ok()?.timestamp())
        };
        let deadline = calendar::cancellation_deadline(self.term, &self.policy).ok();
        let names = self
            .domains
            .iter()
            .filter_map(|name| name.quarantined_until());
        let serials = self.previous_serials.iter().map(|serial| serial.until);
        [deadline.and_then(after), after(self.term.ends_on)]
            .into_iter()
            .flatten()
            .chain(names)
            .chain(serials)
            .filter(|instant| self.as_of(*instant).is_ok_and(|then| then != *self))
            .min()
    }

    /// Recalculates `valid_until` and `grace_until` after an operator's change, and checks the
    /// licence.
    pub(super) fn restated(mut self, now: Timestamp) -> Result<Self, LicenseError> {
        let bound_to = self.bound_to(calendar::date_of(now, &self.policy))?;
        self.valid_until = calendar::end_of_use(bound_to, &self.policy)?;
        self.grace_until = calendar::end_of_grace(bound_to, &self.policy)?;
        self.check()?;
        Ok(self)
    }

    /// Replaces an ended term by the one that contains today.
    fn renew(&mut self, now: Timestamp) -> Result<(), OutOfRange> {
        let today = calendar::date_of(now, &self.policy);
        while self.term.ends_on < today {
            let ends_with_this_term = self
                .ends_on
                .is_some_and(|last_day| last_day <= self.term.ends_on);
            let Some(billing) = self.next_billing.or(self.billing) else {
                return Ok(()); // a trial
            };
            if ends_with_this_term {
                return Ok(());
            }
            self.term = calendar::next_term(self.term, billing)?;
            self.billing = Some(billing);
            self.next_billing = None;
        }
        Ok(())
    }

    /// The last day to which the contract is bound: of the current term, or of the next one after
    /// the cancellation deadline.
    fn bound_to(&self, today: Date) -> Result<Date, OutOfRange> {
        match (self.ends_on, self.next_billing.or(self.billing)) {
            (Some(last_day), _) => Ok(last_day),
            (None, Some(billing)) => {
                calendar::last_day_when_cancelled(self.term, billing, today, &self.policy)
            }
            (None, None) => Ok(self.term.ends_on),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use proptest::prelude::*;

    use super::super::testing::*;
    use super::*;
    use crate::calendar::Billing;
    use crate::license::{Amendment, Code, Plan, Purpose};

    #[test]
    fn a_contract_renews_until_it_is_cancelled() {
        // The documented example, ordered on 2017-10-03, monthly.
        let license = license(MONTHLY);
        for (instant, starts_on, ends_on, valid_until) in [
            (
                "2017-10-03T10:00:00+09:00",
                "2017-11-01",
                "2017-11-30",
                "2017-12-01",
            ),
            (
                "2017-10-31T23:59:59+09:00",
                "2017-11-01",
                "2017-11-30",
                "2017-12-01",
            ),
            (
                "2017-11-20T23:59:59+09:00",
                "2017-11-01",
                "2017-11-30",
                "2017-12-01",
            ),
            // From the 21st on it is bound to December.
            (
                "2017-11-21T00:00:00+09:00",
                "2017-11-01",
                "2017-11-30",
                "2018-01-01",
            ),
            (
                "2017-11-30T23:59:59+09:00",
                "2017-11-01",
                "2017-11-30",
                "2018-01-01",
            ),
            (
                "2017-12-01T00:00:00+09:00",
                "2017-12-01",
                "2017-12-31",
                "2018-01-01",
            ),
            (
                "2018-02-28T00:00:00+09:00",
                "2018-02-01",
                "2018-02-28",
                "2018-04-01",
            ),
            (
                "2020-02-29T12:00:00+09:00",
                "2020-02-01",
                "2020-02-29",
                "2020-04-01",
            ),
        ] {
            let current = license.as_of(at(instant)).unwrap();
            assert_eq!(current.term.starts_on.to_string(), starts_on, "{instant}");
            assert_eq!(current.term.ends_on.to_string(), ends_on, "{instant}");
            let end = at(&format!("{valid_until}T09:00:00+09:00"));
            assert_eq!(current.valid_until, end, "{instant}");
            assert_eq!(license.code_at(at(instant)), Code::Valid, "{instant}");
        }
        let yearly = super::super::testing::license(YEARLY);
        let bound = yearly.as_of(at("2018-10-21T00:00:00+09:00")).unwrap();
        assert_eq!(bound.term.ends_on.to_string(), "2018-10-31");
        assert_eq!(bound.valid_until, at("2019-11-01T09:00:00+09:00"));
    }

    #[test]
    fn no_term_renews_beyond_the_calendar() {
        let license = license(MONTHLY);
        let last = at("9999-12-29T00:00:00Z");
        assert!(license.as_of(last).is_err());
        assert_eq!(license.code_at(last), Code::Expired);
    }

    #[test]
    fn a_clock_that_is_behind_does_not_shorten_a_contract() {
        let ahead = at("2017-11-21T00:00:00+09:00");
        let bound = license(MONTHLY).as_of(ahead).unwrap();
        let behind = ahead - SignedDuration::from_secs(1);
        assert_eq!(bound.as_of(behind).unwrap(), bound);
    }

    fn contract() -> impl Strategy<Value = License> {
        let plan = prop_oneof![
            Just(MONTHLY),
            Just(YEARLY),
            (1u16..=366).prop_map(|days| Plan::Trial { days }),
        ];
        let zone = prop::sample::select(vec![
            "Asia/Tokyo",
            "America/New_York",
            "Pacific/Apia",
            "Asia/Kathmandu",
        ]);
        let changes = prop::collection::vec((0u8..8, 0i64..900 * 24), 0..6);
        (plan, zone, 0i64..1500 * 24, 1i8..=31, 0u16..=30, changes).prop_map(
            |(plan, zone, ordered, cancel_by_day, grace_days, changes)| {
                let mut product = product();
                product.policy.time_zone = crate::product::Zone::named(zone).unwrap();
                product.policy.cancel_by_day = cancel_by_day;
                product.policy.grace_days = grace_days;
                let mut order = order(plan);
                order.usable_from += SignedDuration::from_hours(ordered);
                let mut now = order.usable_from;
                let hash = license(plan).serial_sha256;
                let mut contract = License::issue(order, &product, hash).unwrap();
                let mut hours: Vec<(u8, i64)> = changes;
                hours.sort_by_key(|(_, hour)| *hour);
                for (what, hour) in hours {
                    now = contract.usable_from + SignedDuration::from_hours(hour);
                    let today = calendar::date_of(now, &contract.policy);
                    let billing = |billing| Amendment {
                        billing: Some(billing),
                        ..Amendment::default()
                    };
                    let changed = match what {
                        0 => contract.cancelled(today, now),
                        1 => contract.with_cancellation_withdrawn(now),
                        2 => contract.amended(billing(Billing::Yearly), now),
                        3 => contract.amended(billing(Billing::Monthly), now),
                        4 => contract.converted(Billing::Monthly, now),
                        5 => contract.suspended(now),
                        6 => {
                            Ok(contract.reissued(hash, now + SignedDuration::from_hours(100), now))
                        }
                        _ => {
                            let name = domain(&format!("name-{hour}.cybozu.com"));
                            let both = now + SignedDuration::from_hours(48);
                            contract
                                .with_domain(&name, Purpose::Development, now, now)
                                .and_then(|two| two.without_domain(&name, both, now))
                        }
                    };
                    contract = changed.unwrap_or(contract);
                }
                contract.as_of(now).unwrap()
            },
        )
    }

    proptest! {
        #[test]
        fn intermediate_steps_do_not_change_the_result(
            contract in contract(),
            first in 0i64..800 * 24 * 60,
            then in 0i64..800 * 24 * 60,
        ) {
            let a = contract.usable_from + SignedDuration::from_mins(900 * 24 * 60 + first);
            let b = a + SignedDuration::from_mins(then);
            let once = contract.as_of(b).unwrap();
            prop_assert_eq!(&contract.as_of(a).unwrap().as_of(b).unwrap(), &once);
            prop_assert_eq!(&once.as_of(b).unwrap(), &once);
            prop_assert_eq!(once.code_at(b), contract.code_at(b));
        }

        #[test]
        fn nothing_changes_before_changes_at(contract in contract(), part in 0f64..1.0) {
            let now = contract.usable_from + SignedDuration::from_hours(900 * 24);
            let current = contract.as_of(now).unwrap();
            match current.changes_at() {
                None => {
                    let late = now + SignedDuration::from_hours(20 * 365 * 24);
                    prop_assert_eq!(&current.as_of(late).unwrap(), &current);
                }
                Some(change) => {
                    prop_assert!(change > now);
                    prop_assert_ne!(&current.as_of(change).unwrap(), &current);
                    let just_before = change - SignedDuration::from_nanos(1);
                    prop_assert_eq!(&current.as_of(just_before).unwrap(), &current);
                    let before = now + (change - now).mul_f64(part);
                    prop_assert_eq!(&current.as_of(before).unwrap(), &current);
                }
            }
        }

        #[test]
        fn terms_are_whole_months_that_contain_today_or_are_the_last(contract in contract(), hours in 0i64..800 * 24) {
            let now = contract.usable_from + SignedDuration::from_hours(900 * 24 + hours);
            let current = contract.as_of(now).unwrap();
            let today = calendar::date_of(now, &current.policy);
            if current.billing.is_some() {
                prop_assert_eq!(current.term.starts_on.day(), 1);
                prop_assert_eq!(current.term.ends_on, current.term.ends_on.last_of_month());
            }
            match current.ends_on {
                None => prop_assert!(today <= current.term.ends_on),
                Some(last_day) => prop_assert!(today <= current.term.ends_on || current.term.ends_on == last_day),
            }
            prop_assert!(current.valid_until <= current.grace_until);
        }
    }
}

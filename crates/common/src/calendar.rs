//! The contract calendar: pure functions on dates in the product's time zone.
//!
//! The rules are those of a kintone plug-in vendor:
//!
//! - A paid term starts on the 1st of the month after the order. The days before it are free.
//! - Terms are whole calendar months and renew automatically.
//! - A term can be cancelled up to the 20th of its last month; a later cancellation takes effect
//!   one term later.
//! - A licence ends at the cut-off time (09:00 by default) on the day after its last day, followed by
//!   the grace days.
//!
//! ```
//! use tegata_common::calendar::{Billing, first_term, next_term};
//!
//! let term = first_term("2026-10-03".parse()?, Billing::Monthly)?;
//! assert_eq!(term.starts_on.to_string(), "2026-11-01");
//! assert_eq!(next_term(term, Billing::Yearly)?.ends_on.to_string(), "2027-11-30");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use jiff::civil::Date;
use jiff::{SignedDuration, Span, Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

use crate::product::Policy;

/// A paid term or a trial period: whole days in the product's time zone, both ends included.
///
/// A paid term starts on the 1st of a month and ends on the last day of a month ([`Billing`]). A
/// trial may start and end on any day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Term {
    /// The first day, inclusive.
    pub starts_on: Date,
    /// The last day, inclusive.
    pub ends_on: Date,
}

/// The billing interval of a contract, which is the length of its terms.
///
/// A change from one to the other takes effect at the next term.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Billing {
    /// One calendar month.
    Monthly,
    /// Twelve calendar months.
    Yearly,
}

/// A date outside the range that the calendar supports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the date is out of range; dates are from 0001-01-01 to 9999-12-01")]
pub struct OutOfRange;

impl From<jiff::Error> for OutOfRange {
    fn from(_: jiff::Error) -> Self {
        Self
    }
}

impl Billing {
    fn months(self) -> Span {
        match self {
            Self::Monthly => 1.month(),
            Self::Yearly => 12.months(),
        }
    }
}

/// The first paid term of a contract ordered on a day. It starts on the 1st of the following month.
///
/// The days before it are free and not part of the term.
pub fn first_term(ordered_on: Date, billing: Billing) -> Result<Term, OutOfRange> {
    term_from(ordered_on.last_of_month().tomorrow()?, billing)
}

/// The term after a renewal. It starts on the day after the given term's last day.
pub fn next_term(term: Term, billing: Billing) -> Result<Term, OutOfRange> {
    term_from(term.ends_on.tomorrow()?, billing)
}

/// The previous term, assuming that it had the same billing interval.
pub fn term_before(term: Term, billing: Billing) -> Result<Term, OutOfRange> {
    term_from(term.starts_on.checked_sub(billing.months())?, billing)
}

/// The term that starts on the given day.
pub fn term_from(starts_on: Date, billing: Billing) -> Result<Term, OutOfRange> {
    Ok(Term {
        starts_on,
        ends_on: starts_on.checked_add(billing.months())?.yesterday()?,
    })
}

/// The last day of a contract that is cancelled on the given day.
///
/// Up to [`cancellation_deadline`] the contract ends with the current term; after it, with the next
/// term.
pub fn last_day_when_cancelled(
    term: Term,
    billing: Billing,
    cancelled_on: Date,
    policy: &Policy,
) -> Result<Date, OutOfRange> {
    let deadline = cancellation_deadline(term, policy)?;
    if cancelled_on <= deadline {
        Ok(term.ends_on)
    } else {
        Ok(next_term(term, billing)?.ends_on)
    }
}

/// The last day on which a cancellation still ends the contract with this term: the policy's
/// `cancel_by_day` (the 20th by default) of the term's last month, or the last day of a shorter
/// month.
pub fn cancellation_deadline(term: Term, policy: &Policy) -> Result<Date, OutOfRange> {
    let last_month = term.ends_on;
    let day = policy.cancel_by_day.clamp(1, last_month.days_in_month());
    Ok(Date::new(last_month.year(), last_month.month(), day)?)
}

/// The instant at which `VALID` ends: the cut-off time on the day after the contract's last day.
pub fn end_of_use(last_day: Date, policy: &Policy) -> Result<Timestamp, OutOfRange> {
    at_cut_off(last_day.tomorrow()?, policy)
}

/// The instant at which `GRACE` ends: `grace_days` after [`end_of_use`], at the same local time.
pub fn end_of_grace(last_day: Date, policy: &Policy) -> Result<Timestamp, OutOfRange> {
    let day = last_day
        .tomorrow()?
        .checked_add(i32::from(policy.grace_days).days())?;
    at_cut_off(day, policy)
}

/// The policy's cut-off time on a day, as an instant.
pub fn at_cut_off(day: Date, policy: &Policy) -> Result<Timestamp, OutOfRange> {
    Ok(day
        .to_datetime(policy.cut_off)
        .to_zoned_datetime(policy.time_zone.tz().clone())?
        .timestamp())
}

/// The date of an instant in the product's time zone.
pub fn date_of(instant: Timestamp, policy: &Policy) -> Date {
    instant
        .to_zoned_datetime(policy.time_zone.tz().clone())
        .date()
}

/// Truncates an instant to whole seconds, the precision of contracts and leases.
pub fn whole_second(instant: Timestamp) -> Timestamp {
    instant - SignedDuration::from_nanos(i64::from(instant.subsec_nanosecond()))
}

/// Formats an instant for answers and leases: RFC 3339, to the second, with the offset of the
/// product's time zone, such as `2026-12-01T09:00:00+09:00`.
pub fn rfc3339(instant: Timestamp, policy: &Policy) -> String {
    let tz = policy.time_zone.tz();
    instant
        .to_zoned_datetime(tz.clone())
        .strftime("%Y-%m-%dT%H:%M:%S%:z")
        .to_string()
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;
    use crate::license::testing::policy;

    fn term(starts_on: &str, ends_on: &str) -> Term {
        Term {
            starts_on: starts_on.parse().unwrap(),
            ends_on: ends_on.parse().unwrap(),
        }
    }

    #[test]
    fn a_paid_term_starts_on_the_1st_of_the_month_after_the_order() {
        use Billing::{Monthly, Yearly};
        for (ordered_on, billing, starts_on, ends_on) in [
            // The documented example: free to 2017-10-31.
            ("2017-10-03", Monthly, "2017-11-01", "2017-11-30"),
            ("2017-10-03", Yearly, "2017-11-01", "2018-10-31"),
            ("2026-01-01", Monthly, "2026-02-01", "2026-02-28"),
            ("2026-01-31", Monthly, "2026-02-01", "2026-02-28"),
            ("2028-01-31", Monthly, "2028-02-01", "2028-02-29"),
            ("2027-02-28", Yearly, "2027-03-01", "2028-02-29"),
            ("2028-02-29", Yearly, "2028-03-01", "2029-02-28"),
            ("2026-12-31", Yearly, "2027-01-01", "2027-12-31"),
        ] {
            let first = first_term(ordered_on.parse().unwrap(), billing).unwrap();
            assert_eq!(first, term(starts_on, ends_on), "{ordered_on} {billing:?}");
        }
    }

    #[test]
    fn terms_follow_each_other_without_a_gap() {
        for billing in [Billing::Monthly, Billing::Yearly] {
            let mut current = first_term(date(2023, 10, 31), billing).unwrap();
            for _ in 0..30 {
                let next = next_term(current, billing).unwrap();
                assert_eq!(next.starts_on, current.ends_on.tomorrow().unwrap());
                assert_eq!(next.ends_on, next.ends_on.last_of_month());
                current = next;
            }
        }
    }

    #[test]
    fn a_cancellation_by_the_20th_ends_the_term_and_a_later_one_the_next() {
        let mut policy = policy();
        let november = term("2026-11-01", "2026-11-30");
        let year = term("2026-11-01", "2027-10-31");
        for (term, billing, cancelled_on, last_day) in [
            (november, Billing::Monthly, "2026-10-03", "2026-11-30"),
            (november, Billing::Monthly, "2026-11-20", "2026-11-30"),
            (november, Billing::Monthly, "2026-11-21", "2026-12-31"),
            (year, Billing::Yearly, "2026-12-25", "2027-10-31"),
            (year, Billing::Yearly, "2027-10-20", "2027-10-31"),
            (year, Billing::Yearly, "2027-10-21", "2028-10-31"),
        ] {
            let day =
                last_day_when_cancelled(term, billing, cancelled_on.parse().unwrap(), &policy);
            assert_eq!(day.unwrap().to_string(), last_day, "{cancelled_on}");
        }
        // A deadline day that the month does not have is its last day.
        policy.cancel_by_day = 31;
        let february = term("2027-02-01", "2027-02-28");
        assert_eq!(
            cancellation_deadline(february, &policy).unwrap(),
            date(2027, 2, 28)
        );
    }

    #[test]
    fn a_licence_ends_at_the_cut_off_on_the_day_after_its_last_day() {
        let mut policy = policy();
        for (zone, last_day, end, grace) in [
            (
                "Asia/Tokyo",
                "2026-11-30",
                "2026-12-01T00:00:00Z",
                "2026-12-08T00:00:00Z",
            ),
            (
                "Asia/Tokyo",
                "2028-02-28",
                "2028-02-29T00:00:00Z",
                "2028-03-07T00:00:00Z",
            ),
            (
                "America/New_York",
                "2026-10-31",
                "2026-11-01T14:00:00Z",
                "2026-11-08T14:00:00Z",
            ),
            // Summer time ends between the end of use and the end of grace: 09:00 stays 09:00.
            (
                "America/New_York",
                "2026-10-27",
                "2026-10-28T13:00:00Z",
                "2026-11-04T14:00:00Z",
            ),
        ] {
            policy.time_zone = crate::product::Zone::named(zone).unwrap();
            let last_day = last_day.parse().unwrap();
            assert_eq!(end_of_use(last_day, &policy).unwrap().to_string(), end);
            assert_eq!(end_of_grace(last_day, &policy).unwrap().to_string(), grace);
        }
    }

    #[test]
    fn the_end_of_the_calendar_is_an_error() {
        let last = date(9999, 12, 31);
        assert_eq!(first_term(last, Billing::Monthly), Err(OutOfRange));
        assert_eq!(end_of_use(last, &policy()), Err(OutOfRange));
    }

    #[test]
    fn a_fraction_of_a_second_is_left_out() {
        let at = |instant: &str| instant.parse::<Timestamp>().unwrap();
        for (instant, second) in [
            ("2017-10-03T10:00:00.999999999Z", "2017-10-03T10:00:00Z"),
            ("2017-10-03T10:00:00Z", "2017-10-03T10:00:00Z"),
        ] {
            assert_eq!(whole_second(at(instant)), at(second));
        }
    }
}

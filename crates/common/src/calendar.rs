//! The contract calendar: pure functions over dates in the product's time zone.
//!
//! The rules are those of a kintone plug-in vendor: the paid term starts on the 1st of the month
//! after the order, terms are whole months and renew by themselves, a term can be cancelled up to
//! the 20th of its last month, and a licence ends at the cut-off time on the day after its last
//! day.

use jiff::civil::Date;
use jiff::{SignedDuration, Span, Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

use crate::product::Policy;

/// A span of whole days, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Term {
    /// The first day.
    pub starts_on: Date,
    /// The last day.
    pub ends_on: Date,
}

/// How long a paid term is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Billing {
    /// One calendar month.
    Monthly,
    /// Twelve calendar months.
    Yearly,
}

/// A date beyond the years that the calendar can hold.
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

/// The first paid term of a contract ordered on a day: from the 1st of the following month.
///
/// The days before it are free and not part of the term.
pub fn first_term(ordered_on: Date, billing: Billing) -> Result<Term, OutOfRange> {
    term_from(ordered_on.last_of_month().tomorrow()?, billing)
}

/// The term that follows when a contract renews.
pub fn next_term(term: Term, billing: Billing) -> Result<Term, OutOfRange> {
    term_from(term.ends_on.tomorrow()?, billing)
}

/// The term that a term followed, if that was of the same length.
pub fn term_before(term: Term, billing: Billing) -> Result<Term, OutOfRange> {
    term_from(term.starts_on.checked_sub(billing.months())?, billing)
}

/// The term that starts on a day.
pub fn term_from(starts_on: Date, billing: Billing) -> Result<Term, OutOfRange> {
    Ok(Term {
        starts_on,
        ends_on: starts_on.checked_add(billing.months())?.yesterday()?,
    })
}

/// The last day of a contract cancelled on a day.
///
/// Up to the policy's day (the 20th) of the term's last month, the contract ends with the term;
/// later, one term on. In a month without that day, its last day counts.
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

/// The last day on which a cancellation still ends the contract with this term.
pub fn cancellation_deadline(term: Term, policy: &Policy) -> Result<Date, OutOfRange> {
    let last_month = term.ends_on;
    let day = policy.cancel_by_day.clamp(1, last_month.days_in_month());
    Ok(Date::new(last_month.year(), last_month.month(), day)?)
}

/// The instant at which use ends after a last day: the cut-off time of the day after.
pub fn end_of_use(last_day: Date, policy: &Policy) -> Result<Timestamp, OutOfRange> {
    at_cut_off(last_day.tomorrow()?, policy)
}

/// The instant at which grace ends: the policy's grace days after [`end_of_use`], at the same
/// local time.
pub fn end_of_grace(last_day: Date, policy: &Policy) -> Result<Timestamp, OutOfRange> {
    let day = last_day
        .tomorrow()?
        .checked_add(i32::from(policy.grace_days).days())?;
    at_cut_off(day, policy)
}

/// The cut-off time of a day.
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

/// An instant without its fraction of a second. Contracts and leases know whole seconds only.
pub fn whole_second(instant: Timestamp) -> Timestamp {
    instant - SignedDuration::from_nanos(i64::from(instant.subsec_nanosecond()))
}

/// An instant as answers and leases show it: RFC 3339 to the second with the product's offset,
/// such as `2026-12-01T09:00:00+09:00`.
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

//! Contracts imported from a system that stored only their last day, such as Cybozu's official
//! licence sample.

use jiff::Timestamp;
use jiff::civil::Date;

use super::{License, LicenseError, Order, Plan};
use crate::calendar::{self, Billing, OutOfRange, Term};
use crate::domain::Domain;
use crate::product::Product;
use crate::serial::SerialHash;

/// A contract with a known last day, and assumptions for everything else.
///
/// Cybozu's official licence sample stores a tenant and an `expirationDate`, and nothing else. An
/// import supplies the billing interval, the users and whether the contract renews.
///
/// ```
/// use tegata_common::calendar::Billing;
/// use tegata_common::domain::BaseDomains;
/// use tegata_common::license::{LastDay, License};
/// use tegata_common::product::Catalogue;
/// use tegata_common::serial::Serial;
///
/// # let catalogue: Catalogue = serde_json::from_str(
/// #     r#"{ "issuer": "https://license.example.com",
/// #          "products": { "sheet": { "name": { "ja": "シート", "en": "Sheet" } } } }"#,
/// # )?;
/// let known = LastDay {
///     domain: BaseDomains::default().canonicalize("example.cybozu.com")?,
///     last_day: "2027-03-15".parse()?,
///     billing: Billing::Yearly,
///     users: 50,
///     renews: false,
/// };
/// let (serial, now) = (Serial::from_random([7; 20]), "2026-11-22T10:00:00+09:00".parse()?);
/// let license = License::of_last_day(known, &catalogue.products[0], serial.hash(), now)?;
/// // The term is the one that ends with the month; the contract ends on its last day.
/// assert_eq!(license.term.ends_on.to_string(), "2027-03-31");
/// assert_eq!(license.valid_until, "2027-03-16T09:00:00+09:00".parse()?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct LastDay {
    /// The tenant.
    pub domain: Domain,
    /// The contract's last day, in the product's time zone.
    pub last_day: Date,
    /// The billing interval: the assumed length of the term that ends with the last day's month.
    pub billing: Billing,
    /// The assumed number of users.
    pub users: u32,
    /// Whether the contract renews after the last day. Ignored if the last day has passed.
    pub renews: bool,
}

/// The term that ends with the month of a day.
fn term_of(last_day: Date, billing: Billing) -> Result<Term, OutOfRange> {
    let month = calendar::term_from(last_day.first_of_month(), Billing::Monthly)?;
    let following = month.ends_on.tomorrow()?;
    let next = calendar::term_from(following, billing)?;
    calendar::term_before(next, billing)
}

impl License {
    /// Issues the paid contract whose term ends with the last day's month, as of now. If it does
    /// not renew, it ends on the last day, which may be in the middle of the term.
    ///
    /// It can be used from the day before the term, or from now if that is earlier, as if it had
    /// been ordered then.
    pub fn of_last_day(
        known: LastDay,
        product: &Product,
        serial: SerialHash,
        now: Timestamp,
    ) -> Result<Self, LicenseError> {
        let LastDay {
            domain,
            last_day,
            billing,
            users,
            renews,
        } = known;
        let term = term_of(last_day, billing)?;
        let ordered_on = term.starts_on.yesterday().map_err(OutOfRange::from)?;
        let ordered_at = ordered_on
            .to_zoned_datetime(product.policy.time_zone.tz().clone())
            .map_err(OutOfRange::from)?;
        let order = Order {
            domain,
            customer: None,
            plan: Plan::Paid { billing },
            edition: "standard".to_owned(),
            users,
            quotas: Default::default(),
            usable_from: ordered_at.timestamp().min(now),
        };
        let mut license = Self::issue(order, product, serial)?;
        license.term = term;
        license.first_term_on = Some(term.starts_on);
        let today = calendar::date_of(now, &license.policy);
        license.ends_on = (!renews || last_day < today).then_some(last_day);
        license.as_of(now)?.restated(now)
    }

    /// Whether this contract may be the import of a contract with the given last day: its first
    /// paid term is not later than the term that ends with that day's month. An import that is
    /// repeated recognises its own contracts by this.
    pub fn may_be_of_last_day(&self, last_day: Date) -> bool {
        let Some(billing) = self.billing else {
            return false;
        };
        let term = term_of(last_day, billing);
        term.is_ok_and(|term| {
            self.first_term_on
                .is_none_or(|first| first <= term.starts_on)
        })
    }

    /// Changes the last day of a contract that ends. It renews after that day if `renews` is set
    /// and the day has not passed.
    pub fn with_last_day(
        &self,
        last_day: Date,
        renews: bool,
        now: Timestamp,
    ) -> Result<Self, LicenseError> {
        let billing = match (self.billing, self.ends_on) {
            (None, _) => return Err(LicenseError::TrialEnds(self.term.ends_on)),
            (Some(_), None) => return Err(LicenseError::NotCancelled),
            (Some(billing), Some(_)) => billing,
        };
        let mut license = self.clone();
        license.term = term_of(last_day, billing)?;
        license.first_term_on = self.first_term_on.min(Some(license.term.starts_on));
        license.next_billing = None;
        let today = calendar::date_of(now, &license.policy);
        license.ends_on = (!renews || last_day < today).then_some(last_day);
        license.as_of(now)?.restated(now)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::testing::*;
    use super::*;
    use crate::license::{Code, ContractRow};

    const NOW: &str = "2026-11-22T10:00:00+09:00";

    fn known(last_day: &str, billing: Billing, renews: bool) -> License {
        let known = LastDay {
            domain: domain("example.cybozu.com"),
            last_day: last_day.parse().unwrap(),
            billing,
            users: 50,
            renews,
        };
        let serial = license(MONTHLY).serial_sha256;
        License::of_last_day(known, &product(), serial, at(NOW)).unwrap()
    }

    #[test]
    fn a_contract_that_renews_goes_on_until_its_last_day_has_passed() {
        let day = |text: &str| text.parse::<jiff::civil::Date>().unwrap();
        let known_end = known("2027-03-31", Billing::Yearly, false);
        // NOW is on the 22nd.
        for (last_day, ends_on) in [
            ("2026-11-22", None),
            ("2026-11-21", Some(day("2026-11-21"))),
        ] {
            assert_eq!(known(last_day, Billing::Monthly, true).ends_on, ends_on);
            let moved = known_end.with_last_day(day(last_day), true, at(NOW));
            assert_eq!(moved.unwrap().ends_on, ends_on, "{last_day}");
        }
    }

    #[test]
    fn a_contract_ends_on_its_last_day_and_not_with_the_term() {
        for (last_day, billing, starts_on, ends_on, code) in [
            (
                "2027-03-31",
                Billing::Yearly,
                "2026-04-01",
                "2027-03-31",
                Code::Valid,
            ),
            (
                "2027-03-15",
                Billing::Yearly,
                "2026-04-01",
                "2027-03-31",
                Code::Valid,
            ),
            (
                "2027-03-15",
                Billing::Monthly,
                "2027-03-01",
                "2027-03-31",
                Code::Valid,
            ),
            (
                "2026-11-22",
                Billing::Monthly,
                "2026-11-01",
                "2026-11-30",
                Code::Valid,
            ),
            (
                "2026-11-21",
                Billing::Monthly,
                "2026-11-01",
                "2026-11-30",
                Code::Grace,
            ),
            (
                "2026-11-14",
                Billing::Monthly,
                "2026-11-01",
                "2026-11-30",
                Code::Expired,
            ),
            (
                "2020-02-29",
                Billing::Yearly,
                "2019-03-01",
                "2020-02-29",
                Code::Expired,
            ),
            (
                "2099-12-31",
                Billing::Yearly,
                "2099-01-01",
                "2099-12-31",
                Code::Valid,
            ),
        ] {
            let license = known(last_day, billing, false);
            assert_eq!(license.term.starts_on.to_string(), starts_on, "{last_day}");
            assert_eq!(license.term.ends_on.to_string(), ends_on, "{last_day}");
            assert_eq!(license.code_at(at(NOW)), code, "{last_day}");
            let last_day = last_day.parse().unwrap();
            assert_eq!(license.ends_on, Some(last_day));
            let end = calendar::end_of_use(last_day, &license.policy).unwrap();
            assert_eq!(license.valid_until, end);
            assert!(license.usable_from <= at(NOW));
        }
    }

    #[test]
    fn an_imported_contract_renews_unless_it_has_ended() {
        let license = known("2027-03-15", Billing::Yearly, true);
        assert_eq!(license.ends_on, None);
        assert_eq!(license.valid_until, at("2027-04-01T09:00:00+09:00"));
        assert_eq!(license.code_at(at("2031-01-01T00:00:00Z")), Code::Valid);
        let ended = known("2026-11-14", Billing::Yearly, true);
        assert_eq!(ended.code_at(at(NOW)), Code::Expired);
    }

    #[test]
    fn the_last_day_can_be_changed() {
        let now = at(NOW);
        let license = known("2026-12-31", Billing::Yearly, false);
        let longer = license.with_last_day("2027-12-15".parse().unwrap(), false, now);
        let longer = longer.unwrap();
        assert_eq!(longer.valid_until, at("2027-12-16T09:00:00+09:00"));
        assert_eq!(longer.term.starts_on.to_string(), "2027-01-01");
        assert_eq!(longer.usable_from, license.usable_from);
        let day = "2027-12-15".parse().unwrap();
        let renewing = known("2026-12-31", Billing::Yearly, true);
        assert_eq!(
            renewing.with_last_day(day, false, now),
            Err(LicenseError::NotCancelled)
        );
        let trial = super::super::testing::license(Plan::Trial { days: 5 });
        assert!(trial.with_last_day(day, false, now).is_err());
        let on = license.with_last_day(day, true, now).unwrap();
        assert_eq!(
            (on.ends_on, on.term.ends_on.to_string()),
            (None, "2027-12-31".to_owned())
        );
        let past = "2026-11-01".parse().unwrap();
        let ended = license.with_last_day(past, true, now).unwrap();
        assert_eq!(ended.ends_on, Some(past));
        // True for the day of the import, however often it has renewed, and false for earlier days.
        let later = renewing.as_of(at("2029-06-01T00:00:00Z")).unwrap();
        for (day, may_be) in [
            ("2026-12-31", true),
            ("2026-12-01", true),
            ("2026-11-01", false),
        ] {
            assert_eq!(
                later.may_be_of_last_day(day.parse().unwrap()),
                may_be,
                "{day}"
            );
        }
        // Withdrawn, it continues in whole terms; ordered again after its end, from the next month.
        let on = license.with_cancellation_withdrawn(now).unwrap();
        assert_eq!(on.valid_until, at("2027-01-01T09:00:00+09:00"));
        let ended = known("2026-11-14", Billing::Yearly, false);
        let again = ended.converted(Billing::Yearly, now).unwrap();
        assert_eq!(again.term.starts_on.to_string(), "2026-12-01");
    }

    proptest! {
        /// It is a contract like any other: it renews as expected, and round-trips through its row.
        #[test]
        fn it_survives_time_and_its_row(
            days in -3000i32..30_000,
            yearly in any::<bool>(),
            renews in any::<bool>(),
        ) {
            let now = at(NOW);
            let today: Date = "2026-11-22".parse().unwrap();
            let last_day = today + jiff::Span::new().days(days);
            let billing = if yearly { Billing::Yearly } else { Billing::Monthly };
            let license = known(&last_day.to_string(), billing, renews);
            prop_assert_eq!(&license.as_of(now).unwrap(), &license);
            let works = last_day >= today;
            let code = license.code_at(now);
            prop_assert_eq!(works, code == Code::Valid, "{:?}", code);
            let record = ContractRow::of(&license).unwrap();
            let unchanged = record.clone().change(license.clone(), now);
            prop_assert_eq!(unchanged.as_ref(), Ok(&license));
            let issued = record.issue(&product(), license.serial_sha256, now);
            prop_assert_eq!(issued.as_ref(), Ok(&license));
        }
    }
}

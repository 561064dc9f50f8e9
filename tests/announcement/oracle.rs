//! Who has to be told of a release, and who was: worked out from the list of what customers did and
//! which mails were taken, without the code under test. Instants are seconds, days are counted in
//! the product's zone.

use std::collections::{BTreeMap, BTreeSet};

use tegata_tests::contract_world::oracle::{first_day, month_of};

pub(crate) type Second = i64;

const DAY: Second = 86_400;
/// Tokyo is nine hours ahead, and a day's licence ends at 09:00 of the next: at midnight UTC.
const ZONE: Second = 9 * 3600;
const CUT_OFF: Second = 9 * 3600;

/// Days since 1970 in the zone.
pub(crate) fn day(at: Second) -> i64 {
    (at + ZONE).div_euclid(DAY)
}

/// When a licence ends whose last day is given.
fn end_of(last_day: i64) -> Second {
    (last_day + 1) * DAY - ZONE + CUT_OFF
}

/// What becomes of mail to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mailbox {
    /// Mail arrives.
    Works,
    /// There is no such mailbox.
    Missing,
    /// It is full, for a time.
    Full,
    /// Its owner reports the mail as spam.
    Complains,
    /// SES refuses mail to it.
    Refused,
    /// SES takes the mail, and its answer is lost.
    AnswerLost,
    /// SES does not take the mail, and answers with an error of its own.
    NotTaken,
}

impl Mailbox {
    pub(crate) const ALL: [Self; 7] = [
        Self::Works,
        Self::Missing,
        Self::Full,
        Self::Complains,
        Self::Refused,
        Self::AnswerLost,
        Self::NotTaken,
    ];

    /// The start of the local part of such an address, by which the stand-in of SES knows it.
    pub(crate) fn prefix(self) -> &'static str {
        match self {
            Self::Works => "works",
            Self::Missing => "missing",
            Self::Full => "full",
            Self::Complains => "complains",
            Self::Refused => "refused",
            Self::AnswerLost => "answer-lost",
            Self::NotTaken => "not-taken",
        }
    }

    pub(crate) fn of(address: &str) -> Self {
        let found = Self::ALL
            .into_iter()
            .find(|of| address.starts_with(of.prefix()));
        found.unwrap()
    }

    /// Nobody may write to it again.
    fn is_lost_for_good(self) -> bool {
        matches!(self, Self::Missing | Self::Complains)
    }

    fn gets_mail(self) -> bool {
        matches!(self, Self::Works | Self::AnswerLost)
    }
}

/// A contract, as a list of facts.
#[derive(Clone, Debug)]
pub(crate) struct Contract {
    pub(crate) host: String,
    pub(crate) customer: Option<usize>,
    pub(crate) usable_from: Second,
    /// Of a trial. Others renew.
    pub(crate) trial_days: Option<i64>,
    /// The day on which it was cancelled, unless that was withdrawn.
    pub(crate) cancelled_on: Option<i64>,
}

impl Contract {
    /// When the contract ends, if it does.
    pub(crate) fn ends_at(&self) -> Option<Second> {
        match (self.trial_days, self.cancelled_on) {
            (Some(days), _) => Some(end_of(day(self.usable_from) + days - 1)),
            (None, Some(on)) => Some(end_of(last_day(day(self.usable_from), on))),
            (None, None) => None,
        }
    }
}

/// The last day of a monthly contract that is cancelled on a day: of its term, if that is by the
/// 20th of the month in which the term ends, else of the next one.
fn last_day(usable_from: i64, cancelled_on: i64) -> i64 {
    let first_term = month_of(usable_from) + 1;
    let term = month_of(cancelled_on).max(first_term);
    let is_in_time = cancelled_on < first_day(term) + 20;
    first_day(term + if is_in_time { 1 } else { 2 }) - 1
}

/// A customer's contacts: the address, and whether it is a primary one. An additional one here has
/// asked for releases.
#[derive(Clone, Debug, Default)]
pub(crate) struct Customer {
    pub(crate) contacts: BTreeMap<String, bool>,
}

#[derive(Debug, Default)]
pub(crate) struct Oracle {
    pub(crate) contracts: Vec<Contract>,
    pub(crate) customers: Vec<Customer>,
}

impl Oracle {
    /// Who has to be told and has not been, at an instant at which nothing is under way, of a release
    /// at another. `taken` are the addresses to which SES took a mail.
    pub(crate) fn not_told(
        &self,
        taken: &BTreeSet<String>,
        now: Second,
        planned: Second,
    ) -> BTreeSet<String> {
        let lasts_beyond = now.max(planned);
        let mut missing = BTreeSet::new();
        for contract in &self.contracts {
            if contract.ends_at().is_some_and(|end| end <= lasts_beyond) {
                continue;
            }
            match contract.customer {
                None => missing.insert(format!("{} sheet", contract.host)),
                Some(number) if !self.is_told(number, taken) => missing.insert(name(number)),
                Some(_) => false,
            };
        }
        missing
    }

    fn is_told(&self, number: usize, taken: &BTreeSet<String>) -> bool {
        let contacts = &self.customers[number].contacts;
        let is_dead =
            |address: &str| Mailbox::of(address).is_lost_for_good() && taken.contains(address);
        let mut primary = contacts.iter().filter(|(_, is_primary)| **is_primary);
        let has_primary = primary.any(|(address, _)| !is_dead(address));
        let mut living = contacts.keys().filter(|address| !is_dead(address));
        has_primary
            && living.all(|address| Mailbox::of(address).gets_mail() && taken.contains(address))
    }

    /// Everybody to whom the promise is made has been told or is listed, and nobody is listed who
    /// was told.
    pub(crate) fn judge(
        &self,
        expected: &BTreeSet<String>,
        listed: &BTreeSet<String>,
    ) -> Result<(), String> {
        let of = |names: Vec<&String>| {
            let contacts = |name: &str| {
                let number = name
                    .strip_prefix("C-")
                    .and_then(|of| of.parse::<usize>().ok());
                number.map(|number| self.customers[number].contacts.clone())
            };
            let named: Vec<_> = names.iter().map(|of| (*of, contacts(of))).collect();
            format!("{named:?}")
        };
        let forgotten: Vec<&String> = expected.difference(listed).collect();
        if !forgotten.is_empty() {
            return Err(format!("not told, and not listed: {}", of(forgotten)));
        }
        let too_many: Vec<&String> = listed.difference(expected).collect();
        if !too_many.is_empty() {
            return Err(format!("listed, and told: {}", of(too_many)));
        }
        Ok(())
    }
}

/// The id of a customer.
pub(crate) fn name(number: usize) -> String {
    format!("C-{number}")
}

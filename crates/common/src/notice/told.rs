//! Who has been told of a notice, and who could not be.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::audience::{Unreachable, UnreachableReason};
use super::delivery::{Delivery, State};
use super::id::ContactHash;

/// The largest number of unreachable contracts that a record names. DynamoDB limits an item to
/// 400 KB.
pub const MAX_UNREACHABLE: usize = 2_000;

/// The last calculation of a notice's audience: the item `audience` of the notices table.
///
/// `announce` writes it, so that the publishing role does not read customers and licences.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AudienceRecord {
    /// The instant as of which the audience was calculated.
    pub calculated_at: Timestamp,
    /// The contracts without a reachable primary contact that have not been told otherwise, and the
    /// items that could not be read; sorted, at most [`MAX_UNREACHABLE`].
    pub unreachable: Vec<Unreachable>,
    /// The number of those that are not named for lack of room.
    pub unnamed: usize,
    /// The recipients of deliveries that have not succeeded, and are no recipients any more: their
    /// address was corrected, or their contract has ended. Nobody waits for these deliveries.
    pub withdrawn: BTreeSet<ContactHash>,
}

impl AudienceRecord {
    /// The record of a calculation, with the names that there is room for.
    pub fn new(
        calculated_at: Timestamp,
        mut unreachable: Vec<Unreachable>,
        withdrawn: BTreeSet<ContactHash>,
    ) -> Self {
        let unnamed = unreachable.len().saturating_sub(MAX_UNREACHABLE);
        unreachable.truncate(MAX_UNREACHABLE);
        Self {
            calculated_at,
            unreachable,
            unnamed,
            withdrawn,
        }
    }
}

/// How a customer was told of a notice without a mail, by an operator's word: the item `WHO` of a
/// notice. Its revision has the operator and the instant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ToldOtherwise {
    /// The customer's id, or the name of whatever else [`NotTold::who`] named.
    pub who: String,
    /// How, as a text for auditors, such as `by telephone`.
    pub how: String,
}

/// A customer or licence that has not been told of a notice.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct NotTold {
    /// The customer's id; `<domain> <product>` of a licence without a customer; or the key of an
    /// item that could not be read.
    pub who: String,
    /// The reason.
    pub because: NotToldBecause,
}

/// Why a customer or licence has not been told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(untagged)]
pub enum NotToldBecause {
    /// There was nobody to write to.
    Unreachable(UnreachableReason),
    /// The state of the mail to one of its contacts: `BOUNCED`, `COMPLAINED`, `FAILED`, `UNKNOWN`.
    Mail(State),
}

impl NotToldBecause {
    /// The reason as a text for operators.
    pub fn words(self) -> &'static str {
        match self {
            Self::Unreachable(because) => because.words(),
            Self::Mail(State::Bounced) => "the mail bounced",
            Self::Mail(State::Complained) => "the mail was reported as spam",
            Self::Mail(State::Failed) => "the mail could not be sent",
            Self::Mail(_) => "it is not known whether the mail was sent",
        }
    }
}

/// Whether a mail in a state has told its recipient: `SENT` or `DELIVERED`. A mail that bounced or
/// was reported as spam has not.
pub fn has_told(state: State) -> bool {
    matches!(state, State::Sent | State::Delivered)
}

/// Who has not been told of a notice at an instant, sorted, each once: the customers of deliveries
/// that bounced, were reported as spam, failed or have an unknown outcome, and the contracts that its
/// audience record names; without those who were told otherwise.
///
/// ```
/// use std::collections::BTreeMap;
/// use tegata_common::notice::{AudienceRecord, not_told};
///
/// let record: AudienceRecord = serde_json::from_str(
///     r#"{ "calculated_at": "2026-12-01T00:00:00Z", "unnamed": 0, "withdrawn": [],
///          "unreachable": [{ "who": "C-0042", "because": "no_primary_contact" }] }"#,
/// )?;
/// let now = "2026-12-01T00:01:00Z".parse().unwrap();
/// let not_told = not_told([], Some(&record), &BTreeMap::<String, ()>::new(), now);
/// assert_eq!(not_told[0].who, "C-0042");
/// assert_eq!(not_told[0].because.words(), "the customer has no primary contact");
/// # Ok::<(), serde_json::Error>(())
/// ```
pub fn not_told<'a, T>(
    deliveries: impl IntoIterator<Item = &'a Delivery>,
    record: Option<&AudienceRecord>,
    told_otherwise: &BTreeMap<String, T>,
    now: Timestamp,
) -> Vec<NotTold> {
    let mut not_told = BTreeMap::new();
    let unreachable = record.into_iter().flat_map(|record| &record.unreachable);
    for Unreachable { who, because } in unreachable {
        not_told.insert(who.clone(), NotToldBecause::Unreachable(*because));
    }
    for delivery in deliveries {
        let state = delivery.facts.state(now);
        let is_waiting = matches!(state, State::Pending | State::Sending);
        if has_told(state) || is_waiting || is_withdrawn(delivery, record) {
            continue;
        }
        let because = NotToldBecause::Mail(state);
        for customer in &delivery.customers {
            let who = customer.customer_id.to_string();
            not_told.entry(who).or_insert(because);
        }
        if delivery.customers.is_empty() {
            let who = delivery.delivery.to_string();
            not_told.entry(who).or_insert(because);
        }
    }
    let not_told = not_told.into_iter();
    not_told
        .filter(|(who, _)| !told_otherwise.contains_key(who))
        .map(|(who, because)| NotTold { who, because })
        .collect()
}

/// Whether nobody waits for a delivery any more, as its recipient is no recipient any more.
pub fn is_withdrawn(delivery: &Delivery, record: Option<&AudienceRecord>) -> bool {
    record.is_some_and(|record| record.withdrawn.contains(&delivery.delivery.contact))
}

//! One update to one contact: what is known of it, and the state that follows.
//!
//! What is known only grows: the evidence of a mail's way arrives twice and in any order, and is
//! joined so that neither matters. The state is a pure function of what is known and the instant.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::audience::RecipientRole;
use super::id::{DeliveryId, NoticeId};
use crate::customer::{CustomerId, EmailAddress, Language};

/// How far a delivery is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    /// To be sent.
    Pending,
    /// Being sent.
    Sending,
    /// Accepted by SES.
    Sent,
    /// Accepted by the contact's mail server.
    Delivered,
    /// Turned back by it.
    Bounced,
    /// Reported as unwanted by the contact.
    Complained,
    /// Not sent: SES refused it, or it could not be rendered.
    Failed,
    /// Sent or not: nobody knows yet.
    Unknown,
}

impl State {
    /// All states, in the order of a delivery's life.
    pub const ALL: [Self; 8] = [
        Self::Pending,
        Self::Sending,
        Self::Sent,
        Self::Delivered,
        Self::Bounced,
        Self::Complained,
        Self::Failed,
        Self::Unknown,
    ];

    /// The state as it stands in listings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Sending => "SENDING",
            Self::Sent => "SENT",
            Self::Delivered => "DELIVERED",
            Self::Bounced => "BOUNCED",
            Self::Complained => "COMPLAINED",
            Self::Failed => "FAILED",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// Whether something has still to be done or found out.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Sending | Self::Unknown)
    }
}

/// A customer on whose behalf a contact is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerName {
    /// Its id.
    pub customer_id: CustomerId,
    /// Its name.
    pub name: String,
}

/// One update of a notice to one contact.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Of which notice.
    pub notice_id: NoticeId,
    /// Which one.
    pub delivery: DeliveryId,
    /// Where to.
    pub email: RecipientAddress,
    /// In which language.
    pub language: Language,
    /// As what the contact is told.
    pub why: RecipientRole,
    /// On behalf of which customers.
    pub customers: Vec<CustomerName>,
    /// What is known of it.
    pub facts: Facts,
}

/// The address of a delivery as the table has it. One that is malformed is kept, so that it fails
/// its own delivery and no other.
#[derive(Clone, PartialEq, Eq)]
pub enum RecipientAddress {
    /// One that SES can send to.
    Valid(EmailAddress),
    /// One that no mail can be rendered with.
    Malformed(String),
}

impl RecipientAddress {
    /// The address as text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Valid(address) => address.as_str(),
            Self::Malformed(text) => text,
        }
    }

    /// The address, if SES can send to it.
    pub fn valid(&self) -> Option<&EmailAddress> {
        match self {
            Self::Valid(address) => Some(address),
            Self::Malformed(_) => None,
        }
    }
}

impl From<EmailAddress> for RecipientAddress {
    fn from(address: EmailAddress) -> Self {
        Self::Valid(address)
    }
}

/// Hidden: an address must not reach a log.
impl fmt::Debug for RecipientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecipientAddress(…)")
    }
}

impl Serialize for RecipientAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for RecipientAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let read = EmailAddress::of_stored(&text);
        Ok(read.map_or(Self::Malformed(text), Self::Valid))
    }
}

/// What is known of a delivery.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Its attempts, the first at first.
    pub attempts: Vec<Attempt>,
    /// Why there may be a further attempt, for each beyond the first.
    pub again: Vec<RetryReason>,
    /// The instant before which it is not to be attempted: SES was asked too fast.
    #[serde(default)]
    pub not_before: Option<Timestamp>,
}

/// Why a delivery is attempted once more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "lowercase")]
pub enum RetryReason {
    /// Its outcome stayed unknown, and this kind of notice is rather sent twice than not at all.
    Unknown {
        /// When that was decided.
        at: Timestamp,
    },
    /// An operator wants it so.
    Operator {
        /// When.
        at: Timestamp,
        /// Who: an ARN, or `local:<user>`.
        by: String,
    },
}

/// What is known of one attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Who is about to send, if anybody.
    pub claim: Option<Claim>,
    /// What SES answered.
    pub outcome: Option<Outcome>,
    /// SES reports: sent.
    pub sent_at: Option<Timestamp>,
    /// SES reports: delivered.
    pub delivered_at: Option<Timestamp>,
    /// SES reports: bounced.
    pub bounce: Option<Bounce>,
    /// SES reports: complained about.
    pub complained_at: Option<Timestamp>,
    /// SES reports: refused after all, and why.
    pub rejected: Option<Rejected>,
    /// SES reports: delayed, last at.
    pub delayed_at: Option<Timestamp>,
    /// An operator knows that it was sent.
    pub vouched: Option<OperatorConfirmation>,
}

/// That a sender has taken a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// When.
    pub at: Timestamp,
    /// When it will have ended, whatever it is doing.
    pub until: Timestamp,
    /// A random number: by it a sender knows its own claim again.
    pub nonce: u32,
}

/// What came of asking SES to send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "lowercase")]
pub enum Outcome {
    /// SES has it.
    Accepted {
        /// When.
        at: Timestamp,
        /// SES's name of it.
        message_id: String,
    },
    /// SES does not take it, or there is no mail to give it.
    Refused {
        /// When.
        at: Timestamp,
        /// Why.
        reason: String,
    },
    /// Nobody knows.
    Lost {
        /// When.
        at: Timestamp,
        /// What was seen instead of an answer.
        reason: String,
    },
}

/// That an operator knows that a mail was sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorConfirmation {
    /// When that was said.
    pub at: Timestamp,
    /// By whom.
    pub by: String,
}

/// That SES gave up on a mail before sending it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rejected {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: String,
}

/// A mail that came back.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Bounce {
    /// For how long.
    pub kind: BounceKind,
    /// When.
    pub at: Timestamp,
    /// SES's bounce subtype, such as `MailboxFull`.
    pub subtype: String,
}

impl Bounce {
    /// Whether the address is lost.
    pub fn is_permanent(&self) -> bool {
        self.kind == BounceKind::Permanent
    }
}

/// Whether an address that bounced is lost; the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BounceKind {
    /// It does not exist, or takes no mail.
    Permanent,
    /// SES could not tell.
    Undetermined,
    /// It may work again; an absence note is of this kind too.
    Transient,
}

/// A piece of evidence of an attempt's way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// SES has taken the mail.
    Sent(Timestamp),
    /// The contact's mail server has.
    Delivered(Timestamp),
    /// It came back.
    Bounced(Bounce),
    /// The contact did not want it.
    Complained(Timestamp),
    /// SES did not send it after all.
    Rejected(Rejected),
    /// It is late.
    Delayed(Timestamp),
}

/// The earlier or smaller of what is known and what is new.
fn join<T: Ord + Clone>(known: &mut Option<T>, new: &T) {
    if known.as_ref().is_none_or(|known| new < known) {
        *known = Some(new.clone());
    }
}

impl Attempt {
    /// Joins a piece of evidence: in any order, as often as it comes.
    fn record(&mut self, evidence: &Evidence) {
        match evidence {
            Evidence::Sent(at) => join(&mut self.sent_at, at),
            Evidence::Delivered(at) => join(&mut self.delivered_at, at),
            Evidence::Bounced(bounce) => join(&mut self.bounce, bounce),
            Evidence::Complained(at) => join(&mut self.complained_at, at),
            Evidence::Rejected(rejected) => join(&mut self.rejected, rejected),
            Evidence::Delayed(at) => self.delayed_at = self.delayed_at.max(Some(*at)),
        }
    }

    /// The attempt's state. Evidence of a later step counts for the earlier ones, and evidence
    /// counts more than what the sender saw.
    pub fn state(&self, now: Timestamp) -> State {
        let is_lost = self.bounce.as_ref().is_some_and(Bounce::is_permanent);
        let was_accepted = matches!(self.outcome, Some(Outcome::Accepted { .. }));
        if self.complained_at.is_some() {
            State::Complained
        } else if is_lost {
            State::Bounced
        } else if self.delivered_at.is_some() {
            // An absence note comes as a transient bounce after the delivery.
            State::Delivered
        } else if self.bounce.is_some() {
            State::Bounced
        } else if self.vouched.is_some() {
            State::Sent
        } else if self.rejected.is_some() {
            State::Failed
        } else if self.sent_at.is_some() || was_accepted {
            State::Sent
        } else {
            match (&self.outcome, self.claim) {
                (Some(Outcome::Refused { .. }), _) => State::Failed,
                (Some(Outcome::Lost { .. }), _) => State::Unknown,
                (_, Some(claim)) if claim.until <= now => State::Unknown,
                (_, Some(_)) => State::Sending,
                (_, None) => State::Pending,
            }
        }
    }

    /// Since when its outcome is unknown, if it is.
    fn unknown_since(&self, now: Timestamp) -> Option<Timestamp> {
        if self.state(now) != State::Unknown {
            return None;
        }
        match (&self.outcome, self.claim) {
            (Some(Outcome::Lost { at, .. }), _) => Some(*at),
            (_, claim) => claim.map(|claim| claim.until),
        }
    }

    /// Why it failed, bounced or is unknown, in words.
    pub fn reason(&self) -> Option<String> {
        if let Some(bounce) = &self.bounce {
            return Some(format!("{:?} {}", bounce.kind, bounce.subtype));
        }
        if let Some(rejected) = &self.rejected {
            return Some(rejected.reason.clone());
        }
        match &self.outcome {
            Some(Outcome::Refused { reason, .. } | Outcome::Lost { reason, .. }) => {
                Some(reason.clone())
            }
            None if self.claim.is_some() => Some("the sender did not come back".to_owned()),
            _ => None,
        }
    }

    /// The instant of the last thing known.
    fn last_seen(&self) -> Option<Timestamp> {
        let outcome = self.outcome.as_ref().map(|outcome| match outcome {
            Outcome::Accepted { at, .. }
            | Outcome::Refused { at, .. }
            | Outcome::Lost { at, .. } => *at,
        });
        [
            self.claim.map(|claim| claim.at),
            outcome,
            self.sent_at,
            self.delivered_at,
            self.bounce.as_ref().map(|bounce| bounce.at),
            self.complained_at,
            self.rejected.as_ref().map(|rejected| rejected.at),
            self.vouched.as_ref().map(|vouched| vouched.at),
        ]
        .into_iter()
        .flatten()
        .max()
    }
}

impl Facts {
    /// The number of the last attempt that may be made; 1 for the first.
    pub fn allowed(&self) -> u16 {
        u16::try_from(self.again.len() + 1).unwrap_or(u16::MAX)
    }

    /// Joins a piece of evidence of an attempt: in any order, as often as it comes.
    pub fn record(&mut self, attempt: u16, evidence: &Evidence) {
        self.attempt_mut(attempt).record(evidence);
    }

    /// An attempt, from 1.
    pub fn attempt_mut(&mut self, number: u16) -> &mut Attempt {
        let index = usize::from(number.max(1)) - 1;
        if self.attempts.len() <= index {
            self.attempts.resize_with(index + 1, Attempt::default);
        }
        &mut self.attempts[index]
    }

    /// The state: whoever was told is told, whichever attempt it was; an address that bounced for
    /// good is lost, unless an operator has allowed another attempt since; otherwise the last
    /// attempt counts.
    pub fn state(&self, now: Timestamp) -> State {
        let states = self.attempts.iter().map(|attempt| attempt.state(now));
        let told = states
            .filter(|state| matches!(state, State::Sent | State::Delivered | State::Complained));
        told.max_by_key(|state| match state {
            State::Complained => 2,
            State::Delivered => 1,
            _ => 0,
        })
        .unwrap_or_else(|| {
            if self.is_lost() {
                return State::Bounced;
            }
            let last = self.attempts.get(usize::from(self.allowed()) - 1);
            last.map_or(State::Pending, |attempt| attempt.state(now))
        })
    }

    fn is_lost(&self) -> bool {
        self.attempts.iter().enumerate().any(|(index, attempt)| {
            let bounced = attempt.bounce.as_ref().is_some_and(Bounce::is_permanent);
            let since = self.again.get(index..).unwrap_or_default();
            let is_wanted = since
                .iter()
                .any(|again| matches!(again, RetryReason::Operator { .. }));
            bounced && !is_wanted
        })
    }

    /// Since when the outcome is unknown, if it is.
    pub fn unknown_since(&self, now: Timestamp) -> Option<Timestamp> {
        if self.state(now) != State::Unknown {
            return None;
        }
        let last = self.attempts.get(usize::from(self.allowed()) - 1);
        last.and_then(|attempt| attempt.unknown_since(now))
    }

    /// Whether the outcome has been unknown for longer than evidence takes to arrive.
    pub fn is_overdue(&self, now: Timestamp, window: SignedDuration) -> bool {
        let since = self.unknown_since(now);
        since.is_some_and(|since| since + window <= now)
    }

    /// Attempts that were allowed because the one before stayed unknown.
    pub fn unknown_resends(&self) -> usize {
        let again = self.again.iter();
        again
            .filter(|again| matches!(again, RetryReason::Unknown { .. }))
            .count()
    }

    /// Why the last attempt did not arrive, in words.
    pub fn reason(&self) -> Option<String> {
        self.attempts.last().and_then(Attempt::reason)
    }

    /// The instant of the last thing known.
    pub fn last_seen(&self) -> Option<Timestamp> {
        self.attempts.iter().filter_map(Attempt::last_seen).max()
    }

    /// The bounce or complaint after which an address is not to be written to.
    pub fn is_undeliverable(&self) -> bool {
        self.attempts.iter().any(|attempt| {
            let is_lost = attempt.bounce.as_ref().is_some_and(Bounce::is_permanent);
            is_lost || attempt.complained_at.is_some()
        })
    }
}

/// Deliveries counted by state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    counts: BTreeMap<State, usize>,
    /// Deliveries whose outcome has been unknown for longer than evidence takes.
    pub overdue: usize,
}

impl Tally {
    /// Counts deliveries at an instant.
    pub fn of<'a>(
        deliveries: impl IntoIterator<Item = &'a Facts>,
        now: Timestamp,
        window: SignedDuration,
    ) -> Self {
        let mut tally = Self::default();
        for facts in deliveries {
            *tally.counts.entry(facts.state(now)).or_default() += 1;
            tally.overdue += usize::from(facts.is_overdue(now, window));
        }
        tally
    }

    /// How many are in a state.
    pub fn count(&self, state: State) -> usize {
        self.counts.get(&state).copied().unwrap_or_default()
    }

    /// How many there are.
    pub fn total(&self) -> usize {
        self.counts.values().sum()
    }

    /// How many have still to be sent or found out about.
    pub fn open(&self) -> usize {
        let counts = self.counts.iter();
        counts
            .filter(|(state, _)| state.is_open())
            .map(|(_, count)| count)
            .sum()
    }

    /// How many have still to be sent.
    pub fn waiting(&self) -> usize {
        self.count(State::Pending) + self.count(State::Sending)
    }

    /// How many were attempted, and how many of these went wrong.
    pub fn errors(&self) -> (usize, usize) {
        let wrong = [
            State::Bounced,
            State::Complained,
            State::Failed,
            State::Unknown,
        ];
        let wrong = wrong.into_iter().map(|state| self.count(state)).sum();
        (wrong, self.total() - self.waiting())
    }

    /// States and counts, those that occur, the most frequent first.
    pub fn by_count(&self) -> Vec<(State, usize)> {
        let mut counts: Vec<(State, usize)> = self
            .counts
            .iter()
            .map(|(state, count)| (*state, *count))
            .collect();
        counts.sort_by_key(|(_, count)| Reverse(*count));
        counts
    }
}

/// `30 PENDING, 2 BOUNCED`
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (state, count)) in self.by_count().into_iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{count} {}", state.as_str())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn evidence() -> impl Strategy<Value = (u16, Evidence)> {
        let kinds = prop_oneof![
            Just(BounceKind::Permanent),
            Just(BounceKind::Undetermined),
            Just(BounceKind::Transient),
        ];
        let subtypes = prop_oneof![Just("General"), Just("MailboxFull")];
        let instants = (0..5_i64).prop_map(at);
        let evidence = prop_oneof![
            instants.clone().prop_map(Evidence::Sent),
            instants.clone().prop_map(Evidence::Delivered),
            (kinds, instants.clone(), subtypes).prop_map(|(kind, at, subtype)| {
                let subtype = subtype.to_owned();
                Evidence::Bounced(Bounce { kind, at, subtype })
            }),
            instants.clone().prop_map(Evidence::Complained),
            (instants.clone(), prop_oneof![Just("a"), Just("b")]).prop_map(|(at, reason)| {
                let reason = reason.to_owned();
                Evidence::Rejected(Rejected { at, reason })
            }),
            instants.prop_map(Evidence::Delayed),
        ];
        (1..=3_u16, evidence)
    }

    fn recorded(start: &Facts, evidence: &[(u16, Evidence)]) -> Facts {
        let mut facts = start.clone();
        for (attempt, evidence) in evidence {
            facts.record(*attempt, evidence);
        }
        facts
    }

    proptest! {
        /// Any order, any repetition, with the sender's own outcome before, between or after.
        #[test]
        fn evidence_commutes_and_repeats(
            (evidence, shuffled) in prop::collection::vec(evidence(), 0..12)
                .prop_flat_map(|all| (Just(all.clone()), Just(all).prop_shuffle())),
            repeated in prop::collection::vec(0..12_usize, 0..6),
            place in 0..13_usize,
        ) {
            let outcome = Outcome::Accepted { at: at(0), message_id: "m".to_owned() };
            let start = Facts { again: vec![RetryReason::Unknown { at: at(1) }; 2], ..Facts::default() };

            let mut once = recorded(&start, &evidence);
            once.attempt_mut(1).outcome = Some(outcome.clone());

            let mut order = shuffled.clone();
            for index in repeated {
                if let Some(again) = evidence.get(index) {
                    order.push(again.clone());
                }
            }
            let (before, after) = order.split_at(place.min(order.len()));
            let mut otherwise = recorded(&start, before);
            otherwise.attempt_mut(1).outcome = Some(outcome);
            let otherwise = recorded(&otherwise, after);

            prop_assert_eq!(once.state(at(9)), otherwise.state(at(9)));
            once.attempt_mut(3);
            let mut otherwise = otherwise;
            otherwise.attempt_mut(3);
            prop_assert_eq!(once, otherwise);
        }
    }

    fn of(attempts: Vec<Attempt>, again: usize) -> Facts {
        let again = vec![RetryReason::Unknown { at: at(0) }; again];
        Facts {
            attempts,
            again,
            not_before: None,
        }
    }

    #[test]
    fn the_state_of_an_attempt() {
        let claim = Some(Claim {
            at: at(0),
            until: at(60),
            nonce: 0,
        });
        let claimed = Attempt {
            claim,
            ..Attempt::default()
        };
        let with = |evidence: &[Evidence]| {
            let mut attempt = claimed.clone();
            for evidence in evidence {
                attempt.record(evidence);
            }
            attempt
        };
        let bounced = |kind| {
            Evidence::Bounced(Bounce {
                kind,
                at: at(3),
                subtype: "x".to_owned(),
            })
        };
        let rejected = Evidence::Rejected(Rejected {
            at: at(1),
            reason: "virus".to_owned(),
        });
        let (sent, delivered) = (Evidence::Sent(at(1)), Evidence::Delivered(at(2)));
        for (attempt, state) in [
            (Attempt::default(), State::Pending),
            (claimed.clone(), State::Sending),
            (with(&[Evidence::Delayed(at(1))]), State::Sending),
            (with(std::slice::from_ref(&sent)), State::Sent),
            (with(&[sent.clone(), delivered.clone()]), State::Delivered),
            (
                with(&[delivered.clone(), bounced(BounceKind::Transient)]),
                State::Delivered,
            ),
            (
                with(&[delivered.clone(), bounced(BounceKind::Permanent)]),
                State::Bounced,
            ),
            (
                with(&[sent.clone(), bounced(BounceKind::Transient)]),
                State::Bounced,
            ),
            (with(&[sent.clone(), rejected]), State::Failed),
            (
                with(&[delivered, Evidence::Complained(at(9))]),
                State::Complained,
            ),
        ] {
            assert_eq!(attempt.state(at(10)), state, "{attempt:?}");
        }
        // The sender did not come back; evidence says what became of it.
        assert_eq!(claimed.state(at(60)), State::Unknown);
        assert_eq!(with(&[sent]).state(at(60)), State::Sent);
    }

    #[test]
    fn whoever_was_told_is_not_told_again() {
        let lost = Attempt {
            outcome: Some(Outcome::Lost {
                at: at(0),
                reason: "503".to_owned(),
            }),
            ..Attempt::default()
        };
        let window = SignedDuration::from_mins(60);
        assert_eq!(of(vec![lost.clone()], 0).state(at(0)), State::Unknown);
        assert!(!of(vec![lost.clone()], 0).is_overdue(at(3599), window));
        assert!(of(vec![lost.clone()], 0).is_overdue(at(3600), window));
        // Another attempt is allowed: to be sent, unless the first turns out to have arrived.
        let mut again = of(vec![lost], 1);
        assert_eq!(again.state(at(0)), State::Pending);
        again.record(1, &Evidence::Sent(at(5)));
        assert_eq!(again.state(at(0)), State::Sent);
        assert_eq!((again.allowed(), again.unknown_resends()), (2, 1));
        // A late bounce of the first says that there is no use in a second.
        let bounce = Evidence::Bounced(Bounce {
            kind: BounceKind::Permanent,
            at: at(5),
            subtype: "General".to_owned(),
        });
        let mut bounced = of(vec![Attempt::default()], 1);
        bounced.record(1, &bounce);
        assert_eq!(bounced.state(at(9)), State::Bounced);
        bounced.again[0] = RetryReason::Operator {
            at: at(6),
            by: "operator".to_owned(),
        };
        assert_eq!(bounced.state(at(9)), State::Pending);
    }

    #[test]
    fn a_tally_counts_what_went_wrong_among_what_was_attempted() {
        let bounced = Evidence::Bounced(Bounce {
            kind: BounceKind::Permanent,
            at: at(0),
            subtype: "General".to_owned(),
        });
        let mut facts = vec![Facts::default(); 10];
        for (index, evidence) in [Evidence::Sent(at(0)), bounced].iter().enumerate() {
            facts[index].record(1, evidence);
        }
        let tally = Tally::of(&facts, at(1), SignedDuration::from_mins(60));
        assert_eq!(tally.errors(), (1, 2));
        assert_eq!((tally.total(), tally.open()), (10, 8));
        assert!(facts[1].is_undeliverable() && !facts[0].is_undeliverable());
    }
}

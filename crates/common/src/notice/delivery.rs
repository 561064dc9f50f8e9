//! The delivery of one update to one contact: the recorded facts, and the state derived from them.
//!
//! Facts are only added. SES events arrive in any order and more than once; they are merged so that
//! neither matters. The state is a pure function of the facts and the instant.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::audience::RecipientRole;
use super::id::{DeliveryId, NoticeId};
use crate::customer::{CustomerId, EmailAddress, Language};

/// The state of a delivery or an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum State {
    /// Not attempted yet.
    Pending,
    /// A sender has claimed it.
    Sending,
    /// Accepted by SES.
    Sent,
    /// Accepted by the recipient's mail server.
    Delivered,
    /// Rejected by the recipient's mail server.
    Bounced,
    /// Reported as spam by the recipient.
    Complained,
    /// Not sent: SES rejected it, or it could not be rendered.
    Failed,
    /// The outcome was lost. The mail may have been sent.
    Unknown,
}

impl State {
    /// All states, in the order of the variants.
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

    /// The state as written in listings.
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

    /// Whether the delivery is not settled: not sent yet, or with an unknown outcome.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Sending | Self::Unknown)
    }
}

/// The customer that a recipient belongs to, as shown in the mail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomerName {
    /// The customer's id.
    pub customer_id: CustomerId,
    /// The customer's name at the time of the announcement.
    pub name: String,
}

/// The delivery of one update of a notice to one contact: the item `delivery#<id>` of the notices
/// table.
///
/// Its key is derived from the update and the address ([`DeliveryId`]), so that announcing an update
/// twice does not create a second delivery. SES has no idempotency key: the SDK makes one attempt
/// only, and an outcome that was lost is [`State::Unknown`] until an SES event or an operator settles
/// it.
///
/// ```
/// use jiff::Timestamp;
/// use tegata_common::notice::{Evidence, Facts, Outcome, State};
///
/// let now: Timestamp = "2026-11-27T01:00:00Z".parse()?;
/// let mut facts = Facts::default();
/// assert_eq!(facts.state(now), State::Pending);
/// // The connection broke: the mail may have been sent.
/// facts.attempt_mut(1).outcome = Some(Outcome::Lost { at: now, reason: "time-out".into() });
/// assert_eq!(facts.state(now), State::Unknown);
/// // SES reports the delivery, twice.
/// for _ in 0..2 {
///     facts.record(1, &Evidence::Delivered(now));
/// }
/// assert_eq!(facts.state(now), State::Delivered);
/// # Ok::<(), jiff::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// The notice.
    pub notice_id: NoticeId,
    /// The id of the delivery: the update's number and the hash of the address.
    pub delivery: DeliveryId,
    /// The recipient's address.
    pub email: RecipientAddress,
    /// The language of the mail.
    pub language: Language,
    /// The role in which the contact receives the notice.
    pub why: RecipientRole,
    /// The customers that the recipient belongs to.
    pub customers: Vec<CustomerName>,
    /// The attempts and the SES events.
    pub facts: Facts,
}

/// The address of a delivery as stored: a string, or null after the retention of addresses. A
/// malformed address can be read, so that only its own delivery fails.
#[derive(Clone, PartialEq, Eq)]
pub enum RecipientAddress {
    /// An address that SES can send to.
    Valid(EmailAddress),
    /// An address for which no mail can be rendered.
    Malformed(String),
    /// The address was removed. The delivery's id keeps its hash.
    Removed,
}

impl RecipientAddress {
    /// The address as text; empty if it was removed.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Valid(address) => address.as_str(),
            Self::Malformed(text) => text,
            Self::Removed => "",
        }
    }
}

impl From<EmailAddress> for RecipientAddress {
    fn from(address: EmailAddress) -> Self {
        Self::Valid(address)
    }
}

/// Hides the value: an address must not get into a log.
impl fmt::Debug for RecipientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecipientAddress(…)")
    }
}

impl Serialize for RecipientAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Removed => serializer.serialize_none(),
            address => serializer.serialize_str(address.as_str()),
        }
    }
}

impl<'de> Deserialize<'de> for RecipientAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Some(text) = Option::<String>::deserialize(deserializer)? else {
            return Ok(Self::Removed);
        };
        let read = EmailAddress::of_stored(&text);
        Ok(read.map_or(Self::Malformed(text), Self::Valid))
    }
}

/// The recorded facts of a delivery.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The attempts, in their order.
    pub attempts: Vec<Attempt>,
    /// One reason per allowed retry, so that the number of allowed attempts is one more.
    pub again: Vec<RetryReason>,
    /// The earliest instant of the next attempt, after SES has throttled this one.
    #[serde(default)]
    pub not_before: Option<Timestamp>,
}

/// Why a delivery is retried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "why", rename_all = "lowercase")]
pub enum RetryReason {
    /// The outcome stayed unknown, and the policy for this kind of notice is to send it twice rather
    /// than not at all.
    Unknown {
        /// When the retry was decided.
        at: Timestamp,
    },
    /// An operator has requested it.
    Operator {
        /// When the retry was requested.
        at: Timestamp,
        /// The operator: an ARN, or `local:<user>` on one machine.
        by: String,
    },
}

/// The recorded facts of one attempt to send.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The claim of the sender, written before the call to SES.
    pub claim: Option<Claim>,
    /// The result of the call to SES.
    pub outcome: Option<Outcome>,
    /// The instant of SES's event `Send`.
    pub sent_at: Option<Timestamp>,
    /// The instant of SES's event `Delivery`.
    pub delivered_at: Option<Timestamp>,
    /// SES's event `Bounce`.
    pub bounce: Option<Bounce>,
    /// The instant of SES's event `Complaint`.
    pub complained_at: Option<Timestamp>,
    /// SES's event that the mail was not sent after it had been accepted.
    pub rejected: Option<Rejected>,
    /// The instant of SES's latest event `DeliveryDelay`.
    pub delayed_at: Option<Timestamp>,
    /// An operator's confirmation that the contact has been notified.
    pub vouched: Option<OperatorConfirmation>,
}

/// The claim of a delivery by a sender, so that no other one sends it at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// When the sender claimed the delivery.
    pub at: Timestamp,
    /// When the sender will have been stopped by its time-out. Later, the outcome is unknown.
    pub until: Timestamp,
    /// A random number by which the sender recognises its own claim.
    pub nonce: u32,
}

/// The result of a call to SES.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "lowercase")]
pub enum Outcome {
    /// SES has accepted the mail.
    Accepted {
        /// When SES answered.
        at: Timestamp,
        /// SES's message id.
        message_id: String,
    },
    /// SES has rejected the mail, or the mail could not be rendered.
    Refused {
        /// When SES answered, or the rendering failed.
        at: Timestamp,
        /// The error, without an address.
        reason: String,
    },
    /// There was no clear answer. The mail may have been sent.
    Lost {
        /// When the call ended.
        at: Timestamp,
        /// The error, such as a time-out.
        reason: String,
    },
}

/// An operator's confirmation that a mail was sent, or that the contact was notified otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperatorConfirmation {
    /// When it was confirmed.
    pub at: Timestamp,
    /// The operator: an ARN, or `local:<user>` on one machine.
    pub by: String,
}

/// SES's event that it did not send an accepted mail.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rejected {
    /// The instant of the event.
    pub at: Timestamp,
    /// SES's reason.
    pub reason: String,
}

/// SES's event that a mail bounced.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Bounce {
    /// Permanent or transient.
    pub kind: BounceKind,
    /// The instant of the event.
    pub at: Timestamp,
    /// SES's bounce subtype, such as `MailboxFull`.
    pub subtype: String,
}

impl Bounce {
    /// Whether no further mail may be sent to the address.
    pub fn is_permanent(&self) -> bool {
        self.kind == BounceKind::Permanent
    }
}

/// SES's bounce type, the most severe first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BounceKind {
    /// The address does not exist or does not accept mail.
    Permanent,
    /// SES could not determine the type.
    Undetermined,
    /// A temporary failure. An out-of-office reply is of this type too.
    Transient,
}

/// An SES event about an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// SES has accepted the mail.
    Sent(Timestamp),
    /// The recipient's mail server has accepted the mail.
    Delivered(Timestamp),
    /// The mail bounced.
    Bounced(Bounce),
    /// The recipient has reported the mail as spam.
    Complained(Timestamp),
    /// SES did not send the accepted mail.
    Rejected(Rejected),
    /// The delivery is delayed.
    Delayed(Timestamp),
}

/// Keeps the smaller of two values, so that the order of events does not matter.
fn join<T: Ord + Clone>(known: &mut Option<T>, new: &T) {
    if known.as_ref().is_none_or(|known| new < known) {
        *known = Some(new.clone());
    }
}

impl Attempt {
    /// Merges an event. The order and repetitions do not matter.
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

    /// The state of the attempt. An event of a later step implies the earlier steps, and events
    /// take precedence over the sender's own outcome.
    pub fn state(&self, now: Timestamp) -> State {
        let is_lost = self.bounce.as_ref().is_some_and(Bounce::is_permanent);
        let was_accepted = matches!(self.outcome, Some(Outcome::Accepted { .. }));
        if self.complained_at.is_some() {
            State::Complained
        } else if is_lost {
            State::Bounced
        } else if self.delivered_at.is_some() {
            // An out-of-office reply arrives as a transient bounce after the delivery.
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

    /// Since when the outcome has been unknown. `None` if it is known.
    fn unknown_since(&self, now: Timestamp) -> Option<Timestamp> {
        if self.state(now) != State::Unknown {
            return None;
        }
        match (&self.outcome, self.claim) {
            (Some(Outcome::Lost { at, .. }), _) => Some(*at),
            (_, claim) => claim.map(|claim| claim.until),
        }
    }

    /// Why the attempt failed, bounced or is unknown, as a text for operators.
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
            None if self.claim.is_some() => {
                Some("the sender was stopped before it recorded the outcome".to_owned())
            }
            _ => None,
        }
    }

    /// The instant of the latest fact.
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
    /// The number of allowed attempts: 1, plus one per retry reason.
    pub fn allowed(&self) -> u16 {
        u16::try_from(self.again.len() + 1).unwrap_or(u16::MAX)
    }

    /// Merges an event about an attempt. The order and repetitions do not matter.
    pub fn record(&mut self, attempt: u16, evidence: &Evidence) {
        self.attempt_mut(attempt).record(evidence);
    }

    /// The attempt with a number, counted from 1. Created if it does not exist.
    pub fn attempt_mut(&mut self, number: u16) -> &mut Attempt {
        let index = usize::from(number.max(1)) - 1;
        if self.attempts.len() <= index {
            self.attempts.resize_with(index + 1, Attempt::default);
        }
        &mut self.attempts[index]
    }

    /// The state of the delivery:
    ///
    /// 1. `SENT`, `DELIVERED` or `COMPLAINED`, if any attempt reached the recipient.
    /// 2. `BOUNCED`, if an attempt bounced permanently and no operator has allowed a retry since.
    /// 3. The state of the last allowed attempt.
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

    /// Since when the outcome has been unknown. `None` if it is known.
    pub fn unknown_since(&self, now: Timestamp) -> Option<Timestamp> {
        if self.state(now) != State::Unknown {
            return None;
        }
        let last = self.attempts.get(usize::from(self.allowed()) - 1);
        last.and_then(|attempt| attempt.unknown_since(now))
    }

    /// Whether the outcome has been unknown for longer than `window`, the time in which SES events
    /// arrive.
    pub fn is_overdue(&self, now: Timestamp, window: SignedDuration) -> bool {
        let since = self.unknown_since(now);
        since.is_some_and(|since| since + window <= now)
    }

    /// The number of retries that were allowed because the outcome stayed unknown.
    pub fn unknown_resends(&self) -> usize {
        let again = self.again.iter();
        again
            .filter(|again| matches!(again, RetryReason::Unknown { .. }))
            .count()
    }

    /// Why the last attempt failed, bounced or is unknown, as a text for operators.
    pub fn reason(&self) -> Option<String> {
        self.attempts.last().and_then(Attempt::reason)
    }

    /// The instant of the latest fact of any attempt.
    pub fn last_seen(&self) -> Option<Timestamp> {
        self.attempts.iter().filter_map(Attempt::last_seen).max()
    }

    /// Whether no further mail may be sent to the address, because of a permanent bounce or a
    /// complaint.
    pub fn is_undeliverable(&self) -> bool {
        self.attempts.iter().any(|attempt| {
            let is_lost = attempt.bounce.as_ref().is_some_and(Bounce::is_permanent);
            is_lost || attempt.complained_at.is_some()
        })
    }
}

/// The number of deliveries per state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    counts: BTreeMap<State, usize>,
    /// The number of deliveries whose outcome is overdue ([`Facts::is_overdue`]).
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

    /// The number of deliveries in a state.
    pub fn count(&self, state: State) -> usize {
        self.counts.get(&state).copied().unwrap_or_default()
    }

    /// The number of deliveries.
    pub fn total(&self) -> usize {
        self.counts.values().sum()
    }

    /// The number of open deliveries ([`State::is_open`]).
    pub fn open(&self) -> usize {
        let counts = self.counts.iter();
        counts
            .filter(|(state, _)| state.is_open())
            .map(|(_, count)| count)
            .sum()
    }

    /// The number of deliveries that are pending or being sent.
    pub fn waiting(&self) -> usize {
        self.count(State::Pending) + self.count(State::Sending)
    }

    /// The number of deliveries with an error, and the number of attempted ones.
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

    /// The states that occur, with their counts, the most frequent first.
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

/// Writes the counts as `30 PENDING, 2 BOUNCED`.
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
        /// In any order, with repetitions, and with the sender's own outcome at any position.
        #[test]
        fn events_commute_and_repeat(
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
        // The sender was stopped; an SES event reports the outcome.
        assert_eq!(claimed.state(at(60)), State::Unknown);
        assert_eq!(with(&[sent]).state(at(60)), State::Sent);
    }

    #[test]
    fn a_recipient_of_any_attempt_gets_no_second_mail() {
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
        // A retry is allowed: pending, unless the first mail turns out to be delivered.
        let mut again = of(vec![lost], 1);
        assert_eq!(again.state(at(0)), State::Pending);
        again.record(1, &Evidence::Sent(at(5)));
        assert_eq!(again.state(at(0)), State::Sent);
        assert_eq!((again.allowed(), again.unknown_resends()), (2, 1));
        // A late permanent bounce of the first attempt makes a second one useless.
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
    fn a_tally_counts_errors_among_the_attempted() {
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

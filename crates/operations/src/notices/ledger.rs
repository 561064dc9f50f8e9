//! The ledger of a notice: who was told, for which customer, when, and by what evidence.

use jiff::Timestamp;
use tegata_common::notice::{Delivery, NoticeId, Outcome, State};

use super::{Context, status};
use crate::Error;

/// The columns of the ledger.
pub const LEDGER_HEADER: [&str; 13] = [
    "notice_id",
    "delivery",
    "update",
    "email",
    "role",
    "language",
    "customers",
    "state",
    "attempts",
    "sent_at",
    "settled_at",
    "message_id",
    "reason",
];

/// Reads the ledger of a notice: a row for each delivery.
pub async fn ledger(
    context: &Context<'_>,
    id: &NoticeId,
) -> Result<Vec<[String; LEDGER_HEADER.len()]>, Error> {
    let now = context.caller.now;
    let status = status(context, id, now).await?;
    let deliveries = status.deliveries.iter();
    let rows = deliveries.map(|stored| row(context, &stored.delivery, now));
    Ok(rows.collect())
}

fn row(
    context: &Context<'_>,
    delivery: &Delivery,
    now: Timestamp,
) -> [String; LEDGER_HEADER.len()] {
    let facts = &delivery.facts;
    let sent = facts.attempts.iter().find_map(|attempt| {
        let accepted = match &attempt.outcome {
            Some(Outcome::Accepted { at, .. }) => Some(*at),
            _ => None,
        };
        let vouched = attempt.vouched.as_ref().map(|vouched| vouched.at);
        attempt.sent_at.or(accepted).or(vouched)
    });
    let state = facts.state(now);
    let settled = facts.last_seen().filter(|_| !state.is_open());
    let is_wrong = matches!(
        state,
        State::Failed | State::Unknown | State::Bounced | State::Complained
    );
    let reason = facts.reason().filter(|_| is_wrong);
    let message_id = facts
        .attempts
        .iter()
        .find_map(|attempt| match &attempt.outcome {
            Some(Outcome::Accepted { message_id, .. }) => Some(message_id.clone()),
            _ => None,
        });
    let local = |at: Option<Timestamp>| at.map(|at| context.local_time(at)).unwrap_or_default();
    let customers: Vec<&str> = delivery
        .customers
        .iter()
        .map(|customer| customer.customer_id.as_str())
        .collect();
    let attempts = facts
        .attempts
        .iter()
        .filter(|attempt| attempt.claim.is_some())
        .count();
    [
        delivery.notice_id.to_string(),
        delivery.delivery.to_string(),
        delivery.delivery.update.to_string(),
        delivery.email.as_str().to_owned(),
        delivery.why.as_str().to_owned(),
        delivery.language.as_str().to_owned(),
        customers.join(" "),
        state.as_str().to_owned(),
        attempts.to_string(),
        local(sent),
        local(settled),
        message_id.unwrap_or_default(),
        reason.unwrap_or_default(),
    ]
}

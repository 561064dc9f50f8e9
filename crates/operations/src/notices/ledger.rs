//! The ledger of a notice: who was told, for which customer, when, and by what evidence.

use jiff::Timestamp;
use tegata_common::notice::{
    Attempt, Delivery, Facts, NotTold, NoticeId, Outcome, State, ToldOtherwise,
};
use tegata_storage::Versioned;

use super::{Context, status};
use crate::Error;

/// The columns of the ledger.
pub const LEDGER_HEADER: [&str; 14] = [
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
    "evidence",
];

/// A row of the ledger.
pub type LedgerRow = [String; LEDGER_HEADER.len()];

/// Reads the ledger of a notice: a row for each delivery; for each customer who was told otherwise
/// (state `TOLD_OTHERWISE`); and for each who has not been told (`NOT_TOLD`). `settled_at` is when the
/// state was reached, in the zone of the place.
pub async fn ledger(context: &Context<'_>, id: &NoticeId) -> Result<Vec<LedgerRow>, Error> {
    let now = context.caller.now;
    let status = status(context, id, now).await?;
    let deliveries = status.deliveries.iter();
    let mut rows: Vec<LedgerRow> = deliveries
        .map(|stored| of_delivery(context, &stored.delivery, now))
        .collect();
    let told = status.told_otherwise.values();
    rows.extend(told.map(|told| of_told_otherwise(context, id, told)));
    let calculated_at = status.audience.as_ref().map(|of| of.calculated_at);
    let not_told = status.not_told().into_iter();
    rows.extend(not_told.map(|of| of_not_told(context, id, of, calculated_at)));
    Ok(rows)
}

fn of_told_otherwise(
    context: &Context<'_>,
    id: &NoticeId,
    told: &Versioned<ToldOtherwise>,
) -> LedgerRow {
    let at = context.local_time(told.revision.at);
    let mut row = empty(id);
    row[6] = told.value.who.clone();
    row[7] = "TOLD_OTHERWISE".to_owned();
    row[9].clone_from(&at);
    row[10] = at;
    row[13] = format!("by the word of {}: {}", told.revision.by, told.value.how);
    row
}

fn of_not_told(
    context: &Context<'_>,
    id: &NoticeId,
    not_told: NotTold,
    calculated_at: Option<Timestamp>,
) -> LedgerRow {
    let mut row = empty(id);
    row[12] = not_told.because.words().to_owned();
    row[13] = calculated_at.map_or_else(String::new, |at| {
        format!("audience calculated at {}", context.local_time(at))
    });
    row[6] = not_told.who;
    row[7] = "NOT_TOLD".to_owned();
    row
}

fn empty(id: &NoticeId) -> LedgerRow {
    let mut row = LedgerRow::default();
    row[0] = id.to_string();
    row
}

fn of_delivery(context: &Context<'_>, delivery: &Delivery, now: Timestamp) -> LedgerRow {
    let facts = &delivery.facts;
    let sent = facts.attempts.iter().find_map(|attempt| {
        let accepted = accepted(attempt).map(|(at, _)| at);
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
    let message_id = facts.attempts.iter().find_map(accepted);
    let local = |at: Option<Timestamp>| at.map(|at| context.local_time(at)).unwrap_or_default();
    let customers: Vec<&str> = delivery
        .customers
        .iter()
        .map(|customer| customer.customer_id.as_str())
        .collect();
    let attempts = facts.attempts.iter();
    let attempts = attempts.filter(|attempt| attempt.claim.is_some()).count();
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
        message_id.map(|(_, id)| id).unwrap_or_default(),
        reason.unwrap_or_default(),
        evidence(context, facts).unwrap_or_default(),
    ]
}

/// When SES accepted an attempt's mail, and its message id.
fn accepted(attempt: &Attempt) -> Option<(Timestamp, String)> {
    match &attempt.outcome {
        Some(Outcome::Accepted { at, message_id }) => Some((*at, message_id.clone())),
        _ => None,
    }
}

/// What proves the state, the strongest of the last attempt about which anything is known.
fn evidence(context: &Context<'_>, facts: &Facts) -> Option<String> {
    let of_ses =
        |event: &str, at: Timestamp| format!("SES reported {event} at {}", context.local_time(at));
    facts.attempts.iter().rev().find_map(|attempt| {
        if let Some(at) = attempt.complained_at {
            return Some(of_ses("a complaint", at));
        }
        if let Some(bounce) = attempt.bounce.as_ref()
            && (bounce.is_permanent() || attempt.delivered_at.is_none())
        {
            return Some(of_ses("a bounce", bounce.at));
        }
        if let Some(at) = attempt.delivered_at {
            return Some(of_ses("the delivery", at));
        }
        if let Some(vouched) = &attempt.vouched {
            return Some(format!("by the word of {}", vouched.by));
        }
        if let Some(rejected) = &attempt.rejected {
            return Some(of_ses("that it did not send the mail", rejected.at));
        }
        if let Some(at) = attempt.sent_at {
            return Some(of_ses("the sending", at));
        }
        let at = |at: Timestamp| context.local_time(at);
        match (&attempt.outcome, attempt.claim) {
            (Some(Outcome::Accepted { at: when, .. }), _) => {
                Some(format!("SES accepted the mail at {}", at(*when)))
            }
            (Some(Outcome::Refused { at: when, .. }), _) => {
                Some(format!("refused at {}", at(*when)))
            }
            (Some(Outcome::Lost { at: when, .. }), _) => {
                Some(format!("no answer at {}", at(*when)))
            }
            (None, Some(claim)) => Some(format!("claimed at {}", at(claim.at))),
            (None, None) => None,
        }
    })
}

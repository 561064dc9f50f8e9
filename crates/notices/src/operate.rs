//! An operator's actions on a notice that is being sent: pause, resume, cancel, settle an unknown
//! delivery, retry a failed one.

use jiff::{SignedDuration, Timestamp};
use tegata_common::notice::{
    AcknowledgedErrors, DeliveryId, Facts, Notice, NoticeId, OperatorConfirmation, Pause,
    RetryReason, Sending, State, Tally,
};
use tegata_storage::notices::{Notices, VersionedDelivery, Work};
use tegata_storage::{ChangeContext, TableError, Versioned};

/// How long SES events are awaited before a mail with an unknown outcome may be sent again.
const PATIENCE: SignedDuration = SignedDuration::from_mins(10);

/// Why an action was rejected or failed.
#[derive(Debug, thiserror::Error)]
pub enum OperateError {
    /// The table could not be read or written, or there was a concurrent write.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The notice does not exist.
    #[error("there is no notice {0}")]
    NoNotice(NoticeId),
    /// The delivery does not exist.
    #[error("the notice has no delivery {0}")]
    NoDelivery(DeliveryId),
    /// SES may still report the outcome. The instant from which a retry is allowed.
    #[error("SES may still report the outcome: if it has not by {0:.0}, send the mail again then")]
    TooEarly(Timestamp),
    /// All updates have been announced, so there is nothing to cancel.
    #[error("cannot cancel {0}: all of its updates have been announced")]
    NothingToCancel(NoticeId),
    /// The delivery is in a state that does not allow the action.
    #[error("cannot settle: the delivery is {}, expected {wanted}", .is.as_str())]
    State {
        /// The state of the delivery.
        is: State,
        /// The states that allow the action.
        wanted: &'static str,
    },
}

/// How an operator settles a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The mail was sent, or the contact has been notified in another way.
    Sent,
    /// The mail was not sent, or is to be sent again in any case.
    Resend,
}

/// Reads a notice. Fails if it does not exist.
pub async fn notice(notices: &Notices, id: &NoticeId) -> Result<Versioned<Notice>, OperateError> {
    let stored = notices.get(id).await?;
    stored.ok_or_else(|| OperateError::NoNotice(id.clone()))
}

/// Pauses a notice: no mail of it is sent until it is resumed.
pub async fn pause(
    notices: &Notices,
    stored: &Versioned<Notice>,
    reason: &str,
    act: &ChangeContext<'_>,
) -> Result<(), OperateError> {
    let mut paused = stored.value.clone();
    paused.paused = Some(Pause::new(act.at, act.by, reason));
    let before = Some(&stored.revision);
    notices.put(before, &paused, Work::Due(act.at), act).await?;
    Ok(())
}

/// Resumes a notice. The errors so far are acknowledged, so that they do not pause it again. Updates
/// whose planned instant has passed are still sent, at short notice.
pub async fn resume(
    notices: &Notices,
    stored: &Versioned<Notice>,
    act: &ChangeContext<'_>,
) -> Result<(), OperateError> {
    let last = stored.value.last_announced();
    let id = &stored.value.notice_id;
    let deliveries = notices.deliveries(id, Some(last)).await?;
    let facts = deliveries.iter().map(|stored| &stored.delivery.facts);
    let (wrong, attempted) = Tally::of(facts, act.at, SignedDuration::ZERO).errors();
    let forgiven = AcknowledgedErrors { wrong, attempted };
    let resume = |notice: &mut Notice| {
        notice.paused = None;
        notice.forgiven = forgiven;
        let is_over = notice.kind.has_come(act.at);
        let updates = notice.updates.iter_mut();
        for update in updates.filter(|of| of.announced.is_none() && is_over) {
            let why = "resumed after its planned instant".to_owned();
            update.short_notice.get_or_insert(why);
        }
    };
    reopen(notices, id, resume, act).await
}

/// Writes a notice so that the next run of `announce` queues its open deliveries again.
async fn reopen(
    notices: &Notices,
    id: &NoticeId,
    change: impl Fn(&mut Notice),
    act: &ChangeContext<'_>,
) -> Result<(), OperateError> {
    let reopen = |notice: &mut Notice| {
        change(notice);
        for update in &mut notice.updates {
            update.queued = None;
        }
        true
    };
    match notices.change(id, act, reopen).await? {
        true => Ok(()),
        false => Err(OperateError::NoNotice(id.clone())),
    }
}

/// Removes the updates of a notice that have not been announced yet.
pub async fn cancel(
    notices: &Notices,
    stored: &Versioned<Notice>,
    act: &ChangeContext<'_>,
) -> Result<(), OperateError> {
    let mut cancelled = stored.value.clone();
    cancelled
        .updates
        .retain(|update| update.announced.is_some());
    if cancelled.updates.len() == stored.value.updates.len() {
        return Err(OperateError::NothingToCancel(cancelled.notice_id));
    }
    // The pause was for updates that are no longer sent.
    if cancelled.updates.is_empty() {
        cancelled.paused = None;
    }
    let before = Some(&stored.revision);
    notices
        .put(before, &cancelled, Work::Due(act.at), act)
        .await?;
    Ok(())
}

/// Pauses all sending, with a reason, or resumes it, without one.
pub async fn set_sending(
    notices: &Notices,
    reason: Option<&str>,
    act: &ChangeContext<'_>,
) -> Result<(), OperateError> {
    let change = |sending: &mut Sending| {
        sending.paused = reason.map(|reason| Pause::new(act.at, act.by, reason));
        if reason.is_none() {
            sending.resumed_at = Some(act.at);
        }
        true
    };
    Ok(notices.change_sending(act, change).await?)
}

/// Settles a delivery: as sent, if it is open or failed and the contact has been notified; or to be
/// sent again, if its outcome is unknown.
pub async fn resolve(
    notices: &Notices,
    id: &NoticeId,
    delivery: &DeliveryId,
    verdict: Verdict,
    act: &ChangeContext<'_>,
) -> Result<(), OperateError> {
    let found = notices.delivery(id, delivery).await?;
    let found = found.ok_or_else(|| OperateError::NoDelivery(delivery.clone()))?;
    let is = found.delivery.facts.state(act.at);
    let (may_be_settled, wanted) = match verdict {
        Verdict::Sent => (
            is.is_open() || is == State::Failed,
            "PENDING, SENDING, UNKNOWN or FAILED",
        ),
        Verdict::Resend => (is == State::Unknown, "UNKNOWN"),
    };
    if !may_be_settled {
        return Err(OperateError::State { is, wanted });
    }
    let since = found.delivery.facts.unknown_since(act.at);
    let until = since.map(|since| since + PATIENCE);
    if let (Verdict::Resend, Some(until)) = (verdict, until)
        && act.at < until
    {
        return Err(OperateError::TooEarly(until));
    }
    let mut facts = found.delivery.facts.clone();
    match verdict {
        Verdict::Sent => {
            let last = facts.allowed();
            facts.attempt_mut(last).vouched = Some(OperatorConfirmation {
                at: act.at,
                by: act.by.to_owned(),
            });
        }
        Verdict::Resend => facts.again.push(again(act)),
    }
    notices.write_facts(&found, facts).await?;
    reopen(notices, id, |_| {}, act).await
}

/// The deliveries that may be retried at an instant: failed, or bounced but not permanently.
pub fn failed(deliveries: Vec<VersionedDelivery>, now: Timestamp) -> Vec<VersionedDelivery> {
    let may_be_tried = |facts: &Facts| match facts.state(now) {
        State::Failed => true,
        State::Bounced => !facts.is_undeliverable(),
        _ => false,
    };
    let deliveries = deliveries.into_iter();
    deliveries
        .filter(|stored| may_be_tried(&stored.delivery.facts))
        .collect()
}

/// Allows another attempt of failed deliveries, and queues them.
pub async fn retry(
    notices: &Notices,
    id: &NoticeId,
    failed: &[VersionedDelivery],
    act: &ChangeContext<'_>,
) -> Result<(), OperateError> {
    let mut written = Ok(());
    for delivery in failed {
        let mut facts = delivery.delivery.facts.clone();
        facts.again.push(again(act));
        written = notices.write_facts(delivery, facts).await.map(|_| ());
        if written.is_err() {
            break;
        }
    }
    // Also after an error: the retries that have been allowed, by this or an interrupted earlier
    // call, must be queued.
    reopen(notices, id, |_| {}, act).await?;
    Ok(written?)
}

fn again(act: &ChangeContext<'_>) -> RetryReason {
    RetryReason::Operator {
        at: act.at,
        by: act.by.to_owned(),
    }
}

//! What an operator decides about a notice on its way: stop it, let it go on, settle what is
//! unknown, try again what failed.

use jiff::{SignedDuration, Timestamp};
use tegata_common::notice::{
    AcknowledgedErrors, DeliveryId, Facts, Notice, NoticeId, OperatorConfirmation, Pause,
    RetryReason, Sending, State, Tally,
};
use tegata_storage::notices::{Notices, VersionedDelivery, Work};
use tegata_storage::{ChangeContext, TableError, Versioned};

/// How long evidence is waited for before a mail is sent once more.
const PATIENCE: SignedDuration = SignedDuration::from_mins(10);

/// Why a decision was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum OperateError {
    /// The table failed, or somebody else wrote at the same time.
    #[error(transparent)]
    Table(#[from] TableError),
    /// There is no such notice.
    #[error("there is no notice {0}")]
    NoNotice(NoticeId),
    /// There is no such delivery.
    #[error("the notice has no delivery {0}")]
    NoDelivery(DeliveryId),
    /// SES may still tell what became of it.
    #[error("SES may still tell what became of it: send it once more after {0:.0}, if it has not")]
    TooEarly(Timestamp),
    /// Everything of it has been announced.
    #[error("nothing of {0} is still to be announced")]
    NothingToCancel(NoticeId),
    /// It is in a state in which there is nothing to settle this way.
    #[error("cannot settle: the delivery is {}, expected {wanted}", .is.as_str())]
    State {
        /// What it is.
        is: State,
        /// What it would have to be.
        wanted: &'static str,
    },
}

/// What an operator knows of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was sent, or the contact has been told otherwise.
    Sent,
    /// It was not, or shall be sent once more all the same.
    Resend,
}

/// Reads a notice that must be there.
pub async fn notice(notices: &Notices, id: &NoticeId) -> Result<Versioned<Notice>, OperateError> {
    let stored = notices.get(id).await?;
    stored.ok_or_else(|| OperateError::NoNotice(id.clone()))
}

/// Stops a notice: nothing more of it is sent until it is resumed.
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

/// Lets a notice go on. What has gone wrong so far does not stop it again, and what is late is
/// sent late.
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

/// Writes a notice so that the next run of announcing queues again what is to be sent.
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

/// Takes back what of a notice has not been announced yet.
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
    // Stopped for what is not sent any more.
    if cancelled.updates.is_empty() {
        cancelled.paused = None;
    }
    let before = Some(&stored.revision);
    notices
        .put(before, &cancelled, Work::Due(act.at), act)
        .await?;
    Ok(())
}

/// Stops all sending, or lets it go on.
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

/// Settles a delivery: as sent whatever is still open of it, because the contact has been told; or
/// as to be sent once more if its outcome is unknown.
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

/// The deliveries that may be tried again at an instant: refused by SES, or bounced for a time.
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

/// Lets failed deliveries be attempted once more.
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
    // In any case: what is allowed by now is to be queued, of an earlier try that was broken off
    // too.
    reopen(notices, id, |_| {}, act).await?;
    Ok(written?)
}

fn again(act: &ChangeContext<'_>) -> RetryReason {
    RetryReason::Operator {
        at: act.at,
        by: act.by.to_owned(),
    }
}

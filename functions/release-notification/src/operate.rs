//! What an operator decides about a notice on its way: stop it, let it go on, settle what is
//! unknown, try again what failed.

use jiff::{SignedDuration, Timestamp};
use tegata_common::notice::{
    Again, BounceKind, DeliveryId, Facts, Forgiven, Notice, NoticeId, Pause, Sending, State, Tally,
    Vouched,
};
use tegata_common::table::notices::{Notices, StoredDelivery, Work};
use tegata_common::table::{Act, Stored, TableError};

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
    /// It is not in the state that the decision is for.
    #[error("the delivery is {}, not {}: there is nothing to settle", .is.as_str(), .wanted.as_str())]
    State {
        /// What it is.
        is: State,
        /// What it would have to be.
        wanted: State,
    },
}

/// What an operator knows of a mail whose outcome is unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was sent.
    Sent,
    /// It was not, or shall be sent once more all the same.
    Resend,
}

/// Reads a notice that must be there.
pub async fn notice(notices: &Notices, id: &NoticeId) -> Result<Stored<Notice>, OperateError> {
    let stored = notices.get(id).await?;
    stored.ok_or_else(|| OperateError::NoNotice(id.clone()))
}

/// Stops a notice: nothing more of it is sent until it is resumed.
pub async fn pause(
    notices: &Notices,
    stored: &Stored<Notice>,
    reason: &str,
    act: &Act<'_>,
) -> Result<(), OperateError> {
    let mut paused = stored.value.clone();
    paused.paused = Some(Pause {
        at: act.at,
        by: act.by.to_owned(),
        reason: reason.to_owned(),
    });
    let before = Some(&stored.revision);
    notices.put(before, &paused, Work::Due(act.at), act).await?;
    Ok(())
}

/// Lets a notice go on. What has gone wrong so far does not stop it again, and what is late is
/// sent late.
pub async fn resume(
    notices: &Notices,
    stored: &Stored<Notice>,
    act: &Act<'_>,
) -> Result<(), OperateError> {
    let deliveries = notices.deliveries(&stored.value.notice_id, None).await?;
    let facts = deliveries.iter().map(|stored| &stored.delivery.facts);
    let (wrong, attempted) = Tally::of(facts, act.at, SignedDuration::ZERO).errors();
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let mut resumed = stored.value.clone();
    resumed.paused = None;
    resumed.forgiven = Forgiven {
        wrong: count(wrong),
        attempted: count(attempted),
    };
    let is_over = resumed
        .kind
        .planned_at()
        .is_some_and(|planned| planned <= act.at);
    for update in resumed
        .updates
        .iter_mut()
        .filter(|of| of.announced.is_none() && is_over)
    {
        let why = "resumed after its planned instant".to_owned();
        update.short_notice.get_or_insert(why);
    }
    reopen(notices, stored, resumed, act).await
}

/// Writes a notice so that the next run of announcing queues again what is to be sent.
async fn reopen(
    notices: &Notices,
    stored: &Stored<Notice>,
    mut reopened: Notice,
    act: &Act<'_>,
) -> Result<(), OperateError> {
    for update in &mut reopened.updates {
        update.queued = None;
    }
    let before = Some(&stored.revision);
    notices
        .put(before, &reopened, Work::Due(act.at), act)
        .await?;
    Ok(())
}

/// Stops all sending, or lets it go on.
pub async fn set_sending(
    notices: &Notices,
    reason: Option<&str>,
    act: &Act<'_>,
) -> Result<(), OperateError> {
    let stored = notices.sending().await?;
    let sending = Sending {
        paused: reason.map(|reason| Pause {
            at: act.at,
            by: act.by.to_owned(),
            reason: reason.to_owned(),
        }),
    };
    let before = stored.as_ref().map(|stored| &stored.revision);
    notices.put_sending(before, &sending, act).await?;
    Ok(())
}

/// Settles a delivery whose outcome is unknown.
pub async fn resolve(
    notices: &Notices,
    stored: &Stored<Notice>,
    delivery: &DeliveryId,
    verdict: Verdict,
    act: &Act<'_>,
) -> Result<(), OperateError> {
    let id = &stored.value.notice_id;
    let found = notices.delivery(id, delivery).await?;
    let found = found.ok_or_else(|| OperateError::NoDelivery(delivery.clone()))?;
    let is = found.delivery.facts.state(act.at);
    if is != State::Unknown {
        let wanted = State::Unknown;
        return Err(OperateError::State { is, wanted });
    }
    let mut facts = found.delivery.facts.clone();
    match verdict {
        Verdict::Sent => {
            let last = facts.allowed();
            facts.attempt_mut(last).vouched = Some(Vouched {
                at: act.at,
                by: act.by.to_owned(),
            });
        }
        Verdict::Resend => facts.again.push(again(act)),
    }
    notices.write_facts(&found, facts).await?;
    reopen(notices, stored, stored.value.clone(), act).await
}

/// The deliveries that may be tried again at an instant: refused by SES, or bounced for a time.
pub fn failed(deliveries: Vec<StoredDelivery>, now: Timestamp) -> Vec<StoredDelivery> {
    let may_be_tried = |facts: &Facts| {
        match facts.state(now) {
        State::Failed => true,
        State::Bounced => !facts.attempts.iter().any(|attempt| {
            matches!(&attempt.bounce, Some(bounce) if bounce.kind == BounceKind::Permanent)
        }),
        _ => false,
    }
    };
    let deliveries = deliveries.into_iter();
    deliveries
        .filter(|stored| may_be_tried(&stored.delivery.facts))
        .collect()
}

/// Lets failed deliveries be attempted once more.
pub async fn retry(
    notices: &Notices,
    stored: &Stored<Notice>,
    failed: &[StoredDelivery],
    act: &Act<'_>,
) -> Result<(), OperateError> {
    // Before, too: were this broken off, what is allowed by then would wait for nobody.
    reopen(notices, stored, stored.value.clone(), act).await?;
    for delivery in failed {
        let mut facts = delivery.delivery.facts.clone();
        facts.again.push(again(act));
        notices.write_facts(delivery, facts).await?;
    }
    let stored = notice(notices, &stored.value.notice_id).await?;
    reopen(notices, &stored, stored.value.clone(), act).await
}

fn again(act: &Act<'_>) -> Again {
    Again::Operator {
        at: act.at,
        by: act.by.to_owned(),
    }
}

//! Pausing and resuming a notice, or all sending.

use jiff::SignedDuration;
use tegata_common::notice::{AcknowledgedErrors, Notice, NoticeId, Pause, Sending, Tally};
use tegata_storage::ChangeContext;
use tegata_storage::notices::{Notices, Work};

use super::{ActionReport, Context, NoticeError, known, reopen};
use crate::Error;

/// Pauses a notice, or all sending, if no notice is given: no mail is sent until it is resumed. Mails
/// that SES has are delivered all the same.
pub async fn pause(
    context: &Context<'_>,
    id: Option<&NoticeId>,
    reason: &str,
    dry_run: bool,
) -> Result<ActionReport, Error> {
    if reason.trim().is_empty() {
        return Err(NoticeError::NoReason("--reason").into());
    }
    let change = "pause";
    let (notices, act) = (context.notices, context.caller.change(change));
    match id {
        None if dry_run => {}
        None => set_sending(notices, Some(reason), &act).await?,
        Some(id) => {
            let stored = known(notices, id).await?;
            if let Some(pause) = stored.value.paused {
                let error = NoticeError::AlreadyPaused {
                    id: id.clone(),
                    since: context.local_time(pause.at),
                    reason: pause.reason,
                };
                return Err(error.into());
            }
            let mut paused = stored.value;
            paused.paused = Some(Pause::new(act.at, act.by, reason));
            if !dry_run {
                let before = Some(&stored.revision);
                notices
                    .put(before, &paused, Work::Due(act.at), &act)
                    .await?;
            }
        }
    }
    Ok(ActionReport {
        notice_id: id.cloned(),
        change,
        deliveries: 0,
        dry_run,
    })
}

/// The result of resuming.
#[derive(Debug)]
pub struct ResumeReport {
    /// The action.
    pub action: ActionReport,
    /// The pause that ended.
    pub pause: Pause,
}

/// Resumes a notice, or all sending, if no notice is given.
///
/// The errors of a notice so far are acknowledged, so that they do not pause it again. Updates whose
/// planned instant has passed are still sent, at short notice.
pub async fn resume(
    context: &Context<'_>,
    id: Option<&NoticeId>,
    dry_run: bool,
) -> Result<ResumeReport, Error> {
    let change = "resume";
    let (notices, act) = (context.notices, context.caller.change(change));
    let stored = match id {
        Some(id) => Some(known(notices, id).await?.value),
        None => None,
    };
    let pause = match &stored {
        Some(notice) => notice.paused.clone(),
        None => notices.sending().await?.and_then(|of| of.value.paused),
    };
    let Some(pause) = pause else {
        let what = id.map_or("sending", NoticeId::as_str);
        return Err(NoticeError::NotPaused(what.to_owned()).into());
    };
    match &stored {
        _ if dry_run => {}
        Some(notice) => resume_notice(notices, notice, &act).await?,
        None => set_sending(notices, None, &act).await?,
    }
    Ok(ResumeReport {
        action: ActionReport {
            notice_id: id.cloned(),
            change,
            deliveries: 0,
            dry_run,
        },
        pause,
    })
}

async fn resume_notice(
    notices: &Notices,
    notice: &Notice,
    act: &ChangeContext<'_>,
) -> Result<(), Error> {
    let id = &notice.notice_id;
    let last = Some(notice.last_announced());
    let deliveries = notices.deliveries(id, last).await?;
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

/// Pauses all sending, with a reason, or resumes it, without one.
async fn set_sending(
    notices: &Notices,
    reason: Option<&str>,
    act: &ChangeContext<'_>,
) -> Result<(), Error> {
    let change = |sending: &mut Sending| {
        sending.paused = reason.map(|reason| Pause::new(act.at, act.by, reason));
        if reason.is_none() {
            sending.resumed_at = Some(act.at);
        }
        true
    };
    Ok(notices.change_sending(act, change).await?)
}

//! Cancelling what of a notice has not been announced.

use tegata_common::notice::NoticeId;
use tegata_storage::notices::{Notices, Work};

use super::{ActionReport, NoticeError, known};
use crate::{Caller, Error};

/// Removes the updates of a notice that have not been announced yet.
pub async fn cancel(
    notices: &Notices,
    id: &NoticeId,
    caller: Caller<'_>,
    dry_run: bool,
) -> Result<ActionReport, Error> {
    let change = "cancel";
    let stored = known(notices, id).await?;
    let mut cancelled = stored.value;
    if cancelled.is_announced() {
        return Err(NoticeError::NothingToCancel(id.clone()).into());
    }
    cancelled
        .updates
        .retain(|update| update.announced.is_some());
    // The pause was for updates that are no longer sent.
    if cancelled.updates.is_empty() {
        cancelled.paused = None;
    }
    if !dry_run {
        let act = caller.change(change);
        let before = Some(&stored.revision);
        notices
            .put(before, &cancelled, Work::Due(act.at), &act)
            .await?;
    }
    Ok(ActionReport {
        notice_id: Some(id.clone()),
        change,
        deliveries: 0,
        dry_run,
    })
}

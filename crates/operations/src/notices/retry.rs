//! Another attempt of failed deliveries.

use jiff::Timestamp;
use serde::Serialize;
use tegata_common::notice::{DeliveryId, Facts, NoticeId, RetryReason, State};
use tegata_storage::ChangeContext;
use tegata_storage::notices::{Notices, VersionedDelivery};

use super::{ActionReport, known, reopen};
use crate::{Caller, Error};

/// The result of allowing another attempt.
#[derive(Debug, Serialize)]
pub struct RetryReport {
    /// The action.
    #[serde(flatten)]
    pub action: ActionReport,
    /// The deliveries that are attempted once more.
    #[serde(skip)]
    pub failed: Vec<FailedDelivery>,
}

/// A delivery that may be attempted once more.
#[derive(Debug)]
pub struct FailedDelivery {
    /// The delivery.
    pub delivery: DeliveryId,
    /// `FAILED` or `BOUNCED`.
    pub state: State,
    /// The error, without an address.
    pub reason: String,
}

/// Allows another attempt of the deliveries that have failed, or bounced but not permanently, and
/// queues them. Also if there are none, `announce` looks at the notice again.
pub async fn retry_failed(
    notices: &Notices,
    id: &NoticeId,
    caller: Caller<'_>,
    dry_run: bool,
) -> Result<RetryReport, Error> {
    let change = "retry-failed";
    known(notices, id).await?;
    let deliveries = notices.deliveries(id, None).await?;
    let deliveries: Vec<_> = deliveries
        .into_iter()
        .filter(|stored| may_be_retried(&stored.delivery.facts, caller.now))
        .collect();
    if !dry_run {
        retry(notices, id, &deliveries, &caller.change(change)).await?;
    }
    let failed = deliveries.iter().map(|stored| FailedDelivery {
        delivery: stored.delivery.delivery.clone(),
        state: stored.delivery.facts.state(caller.now),
        reason: stored.delivery.facts.reason().unwrap_or_default(),
    });
    Ok(RetryReport {
        failed: failed.collect(),
        action: ActionReport {
            notice_id: Some(id.clone()),
            change,
            deliveries: deliveries.len(),
            dry_run,
        },
    })
}

fn may_be_retried(facts: &Facts, now: Timestamp) -> bool {
    match facts.state(now) {
        State::Failed => true,
        State::Bounced => !facts.is_undeliverable(),
        _ => false,
    }
}

async fn retry(
    notices: &Notices,
    id: &NoticeId,
    deliveries: &[VersionedDelivery],
    act: &ChangeContext<'_>,
) -> Result<(), Error> {
    let mut written = Ok(());
    for delivery in deliveries {
        let mut facts = delivery.delivery.facts.clone();
        facts.again.push(RetryReason::Operator {
            at: act.at,
            by: act.by.to_owned(),
        });
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

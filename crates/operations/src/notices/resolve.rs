//! Settling a delivery by what an operator knows.

use jiff::SignedDuration;
use tegata_common::notice::{DeliveryId, NoticeId, OperatorConfirmation, RetryReason, State};
use tegata_storage::ChangeContext;
use tegata_storage::notices::{Notices, VersionedDelivery};

use super::{ActionReport, NoticeError, known, reopen};
use crate::{Caller, Error};

/// How long SES events are awaited before a mail with an unknown outcome may be sent again.
const PATIENCE: SignedDuration = SignedDuration::from_mins(10);

/// How an operator settles a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// The mail was sent, or the contact has been notified in another way.
    Sent,
    /// The mail was not sent, or is to be sent again in any case.
    Resend,
}

/// Settles a delivery, or all with an unknown outcome, if none is given: as sent, if it is open or
/// failed and the contact has been notified; or to be sent again, if its outcome is unknown.
pub async fn resolve(
    notices: &Notices,
    id: &NoticeId,
    delivery: Option<&DeliveryId>,
    settlement: Settlement,
    caller: Caller<'_>,
    dry_run: bool,
) -> Result<ActionReport, Error> {
    let change = "resolve";
    known(notices, id).await?;
    let deliveries = match delivery {
        Some(delivery) => {
            let found = notices.delivery(id, delivery).await?;
            let missing = || NoticeError::NoDelivery(delivery.clone());
            vec![found.ok_or_else(missing)?]
        }
        None => {
            let all = notices.deliveries(id, None).await?.into_iter();
            all.filter(|stored| stored.delivery.facts.state(caller.now) == State::Unknown)
                .collect()
        }
    };
    if !dry_run {
        let act = caller.change(change);
        for delivery in &deliveries {
            settle(notices, id, delivery, settlement, &act).await?;
        }
    }
    Ok(ActionReport {
        notice_id: Some(id.clone()),
        change,
        deliveries: deliveries.len(),
        dry_run,
    })
}

async fn settle(
    notices: &Notices,
    id: &NoticeId,
    found: &VersionedDelivery,
    settlement: Settlement,
    act: &ChangeContext<'_>,
) -> Result<(), Error> {
    let is = found.delivery.facts.state(act.at);
    let (may_be_settled, wanted) = match settlement {
        Settlement::Sent => (
            is.is_open() || is == State::Failed,
            "PENDING, SENDING, UNKNOWN or FAILED",
        ),
        Settlement::Resend => (is == State::Unknown, "UNKNOWN"),
    };
    if !may_be_settled {
        return Err(NoticeError::State { is, wanted }.into());
    }
    let since = found.delivery.facts.unknown_since(act.at);
    let until = since.map(|since| since + PATIENCE);
    if let (Settlement::Resend, Some(until)) = (settlement, until)
        && act.at < until
    {
        return Err(NoticeError::TooEarly(until).into());
    }
    let mut facts = found.delivery.facts.clone();
    match settlement {
        Settlement::Sent => {
            let last = facts.allowed();
            facts.attempt_mut(last).vouched = Some(OperatorConfirmation {
                at: act.at,
                by: act.by.to_owned(),
            });
        }
        Settlement::Resend => facts.again.push(RetryReason::Operator {
            at: act.at,
            by: act.by.to_owned(),
        }),
    }
    notices.write_facts(found, facts).await?;
    reopen(notices, id, |_| {}, act).await
}

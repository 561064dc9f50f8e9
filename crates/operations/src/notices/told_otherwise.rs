//! Customers who were told of a notice without a mail.

use tegata_common::notice::{NoticeId, ToldOtherwise};
use tegata_notices::gate::check_told_otherwise;
use tegata_storage::notices::Notices;

use super::{ActionReport, Context, NoticeError, NoticeStatus, status};
use crate::{Caller, Error};

/// Records how a customer was told of a notice whom no mail has reached. The customer must be among
/// those who have not been told.
pub async fn told_otherwise(
    context: &Context<'_>,
    id: &NoticeId,
    told: &ToldOtherwise,
    dry_run: bool,
) -> Result<ActionReport, Error> {
    let status = status(context, id, context.caller.now).await?;
    check(&status, told)?;
    if !dry_run {
        let told = std::slice::from_ref(told);
        record_told_otherwise(context.notices, id, told, context.caller).await?;
    }
    Ok(ActionReport {
        notice_id: Some(id.clone()),
        change: CHANGE,
        deliveries: 0,
        dry_run,
    })
}

/// The name under which history records it.
const CHANGE: &str = "told-otherwise";

fn check(status: &NoticeStatus, told: &ToldOtherwise) -> Result<(), NoticeError> {
    let not_told = status.not_told();
    Ok(check_told_otherwise(
        told,
        &not_told,
        &status.told_otherwise,
    )?)
}

/// Records how customers were told of a notice. The first record of a customer stays.
pub(crate) async fn record_told_otherwise(
    notices: &Notices,
    id: &NoticeId,
    told: &[ToldOtherwise],
    caller: Caller<'_>,
) -> Result<(), Error> {
    let act = caller.change(CHANGE);
    for told in told {
        notices.put_told_otherwise(id, told, &act).await?;
    }
    Ok(())
}

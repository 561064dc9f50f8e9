//! Changes of a contract by an operator.

use jiff::ToSpan as _;
use jiff::civil::Date;
use tegata_common::calendar;
use tegata_common::license::Amendment;

use super::planned::CurrentContract;
use super::{Context, LicenseId, PlannedChange, not_past};
use crate::{Error, When, customers, new_serial};

/// Plans to change edition, users, quotas or customer, effective at once, or the billing interval,
/// effective at the next term.
pub async fn amend(
    context: &Context<'_>,
    id: &LicenseId,
    amendment: Amendment,
) -> Result<PlannedChange, Error> {
    if let Some(customer) = &amendment.customer {
        customers::check_known(context.customers, customer).await?;
    }
    let current = CurrentContract::read(context, id).await?;
    let is_of_billing = amendment.billing.is_some();
    let amended = current.license.amended(amendment, context.caller.now)?;
    let mut remarks = Vec::new();
    if is_of_billing && amended.next_billing.is_some() {
        let first_day = amended.term.ends_on.tomorrow()?;
        remarks.push(format!(
            "the billing interval changes with the term that starts on {first_day}"
        ));
    }
    let planned = current.changed(context, "change", &amended).await?;
    Ok(planned.with_remarks(remarks))
}

/// Plans to replace the serial by a generated one. The previous serial is accepted for
/// `overlap_days` more; with 0, only the new one is accepted.
pub async fn reissue_serial(
    context: &Context<'_>,
    id: &LicenseId,
    overlap_days: u16,
) -> Result<PlannedChange, Error> {
    let now = context.caller.now;
    let current = CurrentContract::read(context, id).await?;
    let serial = new_serial()?;
    let until = now.checked_add((i64::from(overlap_days) * 24).hours())?;
    let reissued = current.license.reissued(serial.hash(), until, now);
    let planned = current
        .changed(context, "reissue-serial", &reissued)
        .await?;
    Ok(planned.with_serial(Some(serial)))
}

/// Plans to suspend a licence, now or from a later instant on.
pub async fn suspend(
    context: &Context<'_>,
    id: &LicenseId,
    from: Option<When>,
) -> Result<PlannedChange, Error> {
    let current = CurrentContract::read(context, id).await?;
    let from = not_past(from, &current.license, context.caller.now)?;
    let suspended = current.license.suspended(from)?;
    current.changed(context, "suspend", &suspended).await
}

/// Plans to end a suspension, or to cancel a scheduled one.
pub async fn resume(context: &Context<'_>, id: &LicenseId) -> Result<PlannedChange, Error> {
    let current = CurrentContract::read(context, id).await?;
    let resumed = current.license.resumed()?;
    current.changed(context, "resume", &resumed).await
}

/// The effect of a cancellation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancellation {
    /// The last day of the contract.
    pub last_day: Date,
    /// The last day on which a cancellation ends the contract with its current term.
    pub deadline: Date,
    /// Whether the contract ends with its current term. Otherwise it ends one term later.
    pub with_this_term: bool,
}

/// Plans to cancel a contract as of the day on which the customer cancelled it. `None` is today.
pub async fn cancel(
    context: &Context<'_>,
    id: &LicenseId,
    cancelled_on: Option<Date>,
) -> Result<(PlannedChange, Cancellation), Error> {
    let now = context.caller.now;
    let current = CurrentContract::read(context, id).await?;
    let (term, policy) = (current.license.term, current.license.policy.clone());
    let today = calendar::date_of(now, &policy);
    let given = cancelled_on.unwrap_or(today);
    if given > today {
        return Err(Error::Future { given, today });
    }
    let cancelled = current.license.cancelled(given, now)?;
    let last_day = cancelled.ends_on.unwrap_or(term.ends_on);
    let cancellation = Cancellation {
        last_day,
        deadline: calendar::cancellation_deadline(term, &policy)?,
        with_this_term: last_day == term.ends_on,
    };
    let planned = current.changed(context, "cancel", &cancelled).await?;
    Ok((planned, cancellation))
}

/// Plans to withdraw a cancellation, so that the contract renews automatically again.
pub async fn withdraw_cancellation(
    context: &Context<'_>,
    id: &LicenseId,
) -> Result<PlannedChange, Error> {
    let current = CurrentContract::read(context, id).await?;
    let continued = current
        .license
        .with_cancellation_withdrawn(context.caller.now)?;
    current
        .changed(context, "withdraw-cancellation", &continued)
        .await
}

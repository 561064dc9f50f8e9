//! Carries out the task that is due for one licence.

use jiff::Timestamp;
use tegata_common::calendar::OutOfRange;
use tegata_common::lease::SignedLicense;
use tegata_common::renewal::Task;
use tegata_signing::{Signer, SigningError};
use tegata_storage::licenses::Licenses;
use tegata_storage::{ChangeContext, Key, Precondition, TableError, Versioned};

/// The result for one licence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenewalOutcome {
    /// The licence was written with its changes over time: a renewed term, a scheduled change, an
    /// ended overlap.
    Renewed,
    /// The lease was signed again.
    ReSigned,
    /// The item was deleted after the quarantine of its domain.
    Released,
    /// Nothing was due: the index is eventually consistent and was out of date.
    Nothing,
    /// The licence was changed concurrently. That change signed a new lease.
    ChangedMeanwhile,
}

/// The task failed. The log has the error.
#[derive(Clone, Copy, Debug)]
pub struct RenewalFailure {
    /// Whether DynamoDB or KMS failed, and not this licence.
    pub is_outage: bool,
    /// The remaining share of the lease's lifetime, if it is known and the lease is to be signed
    /// again.
    pub lease_left: Option<f64>,
}

/// Why the task failed.
#[derive(Debug, thiserror::Error)]
enum ItemError {
    #[error(transparent)]
    Table(#[from] TableError),
    #[error(transparent)]
    Signing(#[from] SigningError),
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
}

/// Reads a licence and carries out its task.
pub async fn renew(
    licenses: &Licenses,
    signer: &Signer,
    key: Key,
    now: Timestamp,
    by: &str,
) -> Result<RenewalOutcome, RenewalFailure> {
    let failed = |error: ItemError, lease_left| {
        tracing::error!(%key, %error, "a licence was not renewed");
        let is_outage = matches!(
            error,
            ItemError::Table(TableError::Database(_)) | ItemError::Signing(SigningError::Kms(_))
        );
        Err(RenewalFailure {
            is_outage,
            lease_left,
        })
    };
    let stored = match licenses.table().get::<SignedLicense>(&key).await {
        Ok(Some(stored)) => stored,
        Ok(None) => return Ok(RenewalOutcome::Nothing),
        Err(error) => return failed(error.into(), None),
    };
    match act_on(licenses, signer, &stored, now, by).await {
        Ok(done) => Ok(done),
        Err(ItemError::Table(TableError::Conflict)) => Ok(RenewalOutcome::ChangedMeanwhile),
        Err(error) => failed(error, stored.value.lease_left(now)),
    }
}

async fn act_on(
    licenses: &Licenses,
    signer: &Signer,
    stored: &Versioned<SignedLicense>,
    now: Timestamp,
    by: &str,
) -> Result<RenewalOutcome, ItemError> {
    let act = |change| ChangeContext {
        at: now,
        by,
        change,
    };
    let lease = Some(stored.value.lease.issued_at);
    match stored.value.task_at(now)? {
        None => Ok(RenewalOutcome::Nothing),
        Some(Task::Renew(license)) => {
            let signed = signer.sign(*license, now, lease).await?;
            let before = Precondition::Current(stored.revision.clone());
            let copied = stored.value.license.open_plugin_ids();
            let write = licenses.writing(before, &signed, copied)?;
            let table = licenses.table();
            table.transact(vec![write], &act("renew")).await?;
            Ok(RenewalOutcome::Renewed)
        }
        Some(Task::ReSign) => {
            let license = stored.value.license.clone();
            let signed = signer.sign(license, now, lease).await?;
            licenses.put_lease(stored, &signed, &act("resign")).await?;
            Ok(RenewalOutcome::ReSigned)
        }
        Some(Task::Release) => {
            licenses.release(stored, &act("release")).await?;
            Ok(RenewalOutcome::Released)
        }
    }
}

//! One licence: what time asks of it, done.

use jiff::Timestamp;
use tegata_common::calendar::OutOfRange;
use tegata_common::lease::SignedLicense;
use tegata_common::renewal::Task;
use tegata_signing::{Signer, SigningError};
use tegata_storage::licenses::Licenses;
use tegata_storage::{ChangeContext, Key, Precondition, TableError, Versioned};

/// What became of a licence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RenewalOutcome {
    /// Its contract went on: a term renewed, a change that was scheduled made, an overlap ended.
    Renewed,
    /// Its lease was signed again.
    Resigned,
    /// Its domain is free again.
    Released,
    /// There was nothing to do: the index was behind the table.
    Nothing,
    /// Somebody changed it at the same time, and wrote a new lease with that.
    ChangedMeanwhile,
}

/// Nothing became of it; the log says why.
#[derive(Clone, Copy, Debug)]
pub struct RenewalFailure {
    /// Whether the database or KMS failed, and not this licence.
    pub is_outage: bool,
    /// The share of its days that its lease has left, where that is known and matters.
    pub lease_left: Option<f64>,
}

/// What can go wrong with one licence.
#[derive(Debug, thiserror::Error)]
enum ItemError {
    #[error(transparent)]
    Table(#[from] TableError),
    #[error(transparent)]
    Signing(#[from] SigningError),
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
}

/// Does what is due of the licence under a key.
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
        Some(Task::Resign) => {
            let license = stored.value.license.clone();
            let signed = signer.sign(license, now, lease).await?;
            licenses.put_lease(stored, &signed, &act("resign")).await?;
            Ok(RenewalOutcome::Resigned)
        }
        Some(Task::Release) => {
            licenses.release(stored, &act("release")).await?;
            Ok(RenewalOutcome::Released)
        }
    }
}

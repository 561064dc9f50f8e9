//! A run: processes the due licences of each shard of the index, page by page.

use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use tegata_aws::TrustError;
use tegata_common::keys::KeyPurpose;
use tegata_common::lease::SignedLicense;
use tegata_signing::{KeyStore, KeyStoreError, Signer};
use tegata_storage::TableError;
use tegata_storage::licenses::{DuePage, Licenses, SHARDS};

use crate::clients;
use crate::item;
use crate::report::RenewalReport;
use crate::settings::RenewalSettings;

/// The number of licences that are processed concurrently. It stays below KMS's quota of 1,000
/// signatures per second at any latency.
const AT_A_TIME: usize = 16;

/// The number of consecutive failures of DynamoDB or KMS after which a run stops, so that it does
/// not add load during an outage. The next run continues. An unreadable licence does not count as
/// an outage and does not affect others.
const OUTAGES_IN_A_ROW: u32 = 50;

/// The function with its table, its keys, and the name that is recorded with changes.
#[derive(Clone, Debug)]
pub struct Renewal {
    licenses: Licenses,
    keys: KeyStore,
    by: String,
}

/// Why a run could not start or continue.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The key register could not be read.
    #[error("no signing key: {0}")]
    KeyRegister(#[source] TableError),
    /// The register has no active key, or the key cannot be opened.
    #[error("no signing key: {0}")]
    Key(#[from] KeyStoreError),
    /// The index of due licences could not be read.
    #[error("the index of renewals: {0}")]
    Index(#[from] TableError),
}

impl Renewal {
    /// Creates the function with its clients.
    pub fn open(settings: &RenewalSettings) -> Result<Self, TrustError> {
        let (licenses, keys) = clients::open(settings)?;
        Ok(Self::new(licenses, keys, &settings.role_arn))
    }

    /// Creates the function with existing stores.
    pub fn new(licenses: Licenses, keys: KeyStore, by: &str) -> Self {
        Self {
            licenses,
            keys,
            by: by.to_owned(),
        }
    }

    async fn signer(&self) -> Result<Signer, RunError> {
        let register = self.licenses.key_register(KeyPurpose::Lease).await;
        let (register, _) = register.map_err(RunError::KeyRegister)?;
        Ok(self.keys.signer(&register)?)
    }

    /// Processes the licences that are due at an instant, until none is left or the time is up.
    pub async fn run(
        &self,
        now: Timestamp,
        time_is_up: impl Fn() -> bool,
    ) -> Result<RenewalReport, RunError> {
        let signer = self.signer().await?;
        let mut report = RenewalReport::default();
        let mut outages = 0;
        for shard in 0..SHARDS {
            let mut page = None;
            loop {
                let DuePage { keys, next } = self.licenses.due(shard, now, page).await?;
                let wanted = keys.len();
                let keys = keys.into_iter().take_while(|_| !time_is_up());
                let mut results = stream::iter(keys)
                    .map(|key| item::renew(&self.licenses, &signer, key, now, &self.by))
                    .buffer_unordered(AT_A_TIME);
                let mut seen = 0;
                while let Some(result) = results.next().await {
                    seen += 1;
                    report.count(&result);
                    let is_outage = result.is_err_and(|failed| failed.is_outage);
                    outages = if is_outage { outages + 1 } else { 0 };
                    if outages >= OUTAGES_IN_A_ROW {
                        tracing::error!("giving up until the next run");
                        report.finished = false;
                        break;
                    }
                }
                drop(results);
                if seen < wanted {
                    report.finished = false;
                }
                page = next;
                if page.is_none() || !report.finished {
                    break;
                }
            }
            if !report.finished {
                break;
            }
        }
        if !report.finished {
            self.measure_remaining(&mut report, now).await?;
        }
        Ok(report)
    }

    /// Records the remaining lifetime of the oldest leases that the run did not sign: the first of
    /// each shard, which has been due the longest.
    async fn measure_remaining(
        &self,
        report: &mut RenewalReport,
        now: Timestamp,
    ) -> Result<(), RunError> {
        for shard in 0..SHARDS {
            let DuePage { keys, .. } = self.licenses.due(shard, now, None).await?;
            let Some(key) = keys.first() else { continue };
            let stored = self.licenses.table().get::<SignedLicense>(key).await;
            if let Ok(Some(stored)) = stored {
                report.saw_lease(stored.value.lease_left(now));
            }
        }
        Ok(())
    }
}

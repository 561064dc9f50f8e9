//! A run: shard by shard, page by page, what is due.

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

/// Licences worked on at a time: below KMS's 1,000 signatures a second at any latency that it
/// has.
const AT_A_TIME: usize = 16;

/// Failures of the database or KMS in a row after which a run gives up: asking on would only add
/// to the trouble. The next run continues. A licence that cannot be read is its own trouble, and
/// keeps no other from being renewed.
const OUTAGES_IN_A_ROW: u32 = 50;

/// The function: the table, the keys, and whom its changes are recorded for.
#[derive(Clone, Debug)]
pub struct Renewal {
    licenses: Licenses,
    keys: KeyStore,
    by: String,
}

/// Why a run could not begin, or go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The register of keys cannot be read.
    #[error("no signing key: {0}")]
    KeyRegister(#[source] TableError),
    /// The register has no active key, or the key cannot be opened.
    #[error("no signing key: {0}")]
    Key(#[from] KeyStoreError),
    /// The index of what is due cannot be read.
    #[error("the index of renewals: {0}")]
    Index(#[from] TableError),
}

impl Renewal {
    /// The function with clients of its own.
    pub fn open(settings: &RenewalSettings) -> Result<Self, TrustError> {
        let (licenses, keys) = clients::open(settings)?;
        Ok(Self::new(licenses, keys, &settings.role_arn))
    }

    /// The function on given stores.
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

    /// Does what is due at an instant, until nothing is left or the time is up.
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
            self.look_at_the_rest(&mut report, now).await?;
        }
        Ok(report)
    }

    /// How old the leases are that a run left undone: the first of each shard, which is the
    /// longest due.
    async fn look_at_the_rest(
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

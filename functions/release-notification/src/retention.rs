//! Removes the addresses from the deliveries of notices whose retention has ended. The id of a
//! delivery keeps the address's hash, so the record of who was told stays complete.

use jiff::Timestamp;
use tegata_common::notice::{NoticeId, RecipientAddress};
use tegata_storage::notices::{VersionedDelivery, Work};
use tegata_storage::{ChangeContext, TableError, Versioned};

use crate::announce::{Announce, AnnounceError};
use crate::report::AnnounceReport;

impl Announce {
    /// Removes the addresses of notices that have no other work. What fails is tried again by the
    /// next run and holds up no other notice.
    pub(crate) async fn remove_expired_addresses(
        &self,
        now: Timestamp,
        time_is_up: &impl Fn() -> bool,
        report: &mut AnnounceReport,
    ) -> Result<(), AnnounceError> {
        for id in self.stores.notices.expiring(now).await? {
            if time_is_up() {
                break;
            }
            match self.expire(&id, now, time_is_up, report).await {
                // Another writer was first: the next run reads the notice as it is then.
                Ok(()) | Err(AnnounceError::Table(TableError::Conflict)) => {}
                Err(error) => {
                    tracing::error!(%id, "addresses were not removed: {error}");
                    report.failed += 1;
                }
            }
        }
        Ok(())
    }

    async fn expire(
        &self,
        id: &NoticeId,
        now: Timestamp,
        time_is_up: &impl Fn() -> bool,
        report: &mut AnnounceReport,
    ) -> Result<(), AnnounceError> {
        let notices = &self.stores.notices;
        let Some(Versioned { value, revision }) = notices.get(id).await? else {
            return Ok(());
        };
        let at = value.addresses_expire_at(self.retention);
        let work = match at.filter(|at| *at > now) {
            Some(later) => Work::Done(Some(later)),
            None => {
                let deliveries = notices.deliveries(id, None).await?;
                self.remove_addresses(id, deliveries, time_is_up, report)
                    .await?;
                Work::Done(None)
            }
        };
        let act = ChangeContext {
            at: now,
            by: &self.by,
            change: "expire-addresses",
        };
        notices.put(Some(&revision), &value, work, &act).await?;
        Ok(())
    }

    /// Removes the addresses of deliveries, and returns the deliveries as they are then.
    pub(crate) async fn remove_addresses(
        &self,
        id: &NoticeId,
        deliveries: Vec<VersionedDelivery>,
        time_is_up: &impl Fn() -> bool,
        report: &mut AnnounceReport,
    ) -> Result<Vec<VersionedDelivery>, AnnounceError> {
        let has_address =
            |stored: &VersionedDelivery| stored.delivery.email != RecipientAddress::Removed;
        if !deliveries.iter().any(has_address) {
            return Ok(deliveries);
        }
        for stored in deliveries.into_iter().filter(has_address) {
            if time_is_up() {
                return Err(AnnounceError::OutOfTime);
            }
            let was_removed = self.stores.notices.remove_address(stored).await?;
            report.addresses_removed += usize::from(was_removed);
        }
        Ok(self.stores.notices.deliveries(id, None).await?)
    }
}

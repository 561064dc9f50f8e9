//! The audience of a release or maintenance, calculated again until its planned instant: whoever
//! orders, is resumed, or gets a first or corrected contact after the announcement is told too.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use tegata_common::notice::{
    AudienceRecord, ContactHash, CustomerName, Notice, NoticeKind, has_told, not_told,
};
use tegata_notices::audience::Registry;
use tegata_storage::notices::VersionedDelivery;

use crate::announce::{Announce, AnnounceError};

/// How long the audience of a release is calculated after the planned instant, while somebody has
/// not been told.
const WATCHED_FOR: SignedDuration = SignedDuration::from_hours(14 * 24);

/// After how long a record is written again although nothing has changed: the gate refuses an old
/// one.
const WRITTEN_AGAIN_AFTER: SignedDuration = SignedDuration::from_mins(5);

/// What came of calculating an audience again.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Watched {
    /// Whether it is to be calculated again.
    pub(crate) is_watched: bool,
    /// The number of customers and licences that cannot be told of a version that is signed ahead.
    pub(crate) not_told_ahead: usize,
}

impl Announce {
    /// Tells whoever has joined the audience since the announcement, and records whom the notice
    /// does not reach. `deliveries` are all of the notice; new ones are added.
    pub(crate) async fn watch(
        &self,
        notice: &Notice,
        deliveries: &mut Vec<VersionedDelivery>,
        now: Timestamp,
        time_is_up: &impl Fn() -> bool,
        registry: &mut Option<Registry>,
    ) -> Result<Watched, AnnounceError> {
        let (notices, id) = (&self.stores.notices, &notice.notice_id);
        let (Some(planned_at), Some(last)) = (notice.kind.planned_at(), notice.announced().last())
        else {
            return Ok(Watched::default());
        };
        let record = notices.audience(id).await?;
        let told = notices.told_otherwise(id).await?;
        let is_told = |record: &AudienceRecord, deliveries: &[VersionedDelivery]| {
            let of_it = deliveries.iter().map(|stored| &stored.delivery);
            record.unnamed == 0 && not_told(of_it, Some(record), &told, now).is_empty()
        };
        let is_final = record.as_ref().is_some_and(|record| {
            let is_release = matches!(notice.kind, NoticeKind::Release { .. });
            let is_over = !is_release || now >= planned_at + WATCHED_FOR;
            record.calculated_at >= planned_at && (is_over || is_told(record, deliveries))
        });
        if is_final {
            return Ok(Watched::default());
        }
        let registry = self.registry(registry).await?;
        for update in notice.announced() {
            self.tell(notice, update, registry, Some(now), now, time_is_up)
                .await?;
        }
        // To whom the promise is made: not to those who were told before, and have no contract any
        // more.
        let audience = registry.audience(notice, last, &BTreeSet::new(), now);
        let mut unreachable = audience.unreachable();
        let recipients = audience.audience.recipients.into_iter();
        let recipients: BTreeMap<ContactHash, Vec<CustomerName>> = recipients
            .map(|of| (ContactHash::of(&of.email), of.customers))
            .collect();
        *deliveries = notices.deliveries(id, None).await?;
        self.set_customers(deliveries, &recipients, now).await?;
        unreachable.retain(|of| !told.contains_key(&of.who));
        let withdrawn = withdrawn(deliveries, &recipients, now);
        let calculated = AudienceRecord::new(now, unreachable, withdrawn);
        let is_known = record.is_some_and(|before| {
            let is_recent = now < before.calculated_at + WRITTEN_AGAIN_AFTER;
            let is_of_before = before.calculated_at < planned_at && now >= planned_at;
            let unchanged = AudienceRecord {
                calculated_at: now,
                ..before
            };
            is_recent && !is_of_before && unchanged == calculated
        });
        if !is_known {
            notices.put_audience(id, &calculated).await?;
        }
        let of_it = deliveries.iter().map(|stored| &stored.delivery);
        let not_told = not_told(of_it, Some(&calculated), &told, now).len() + calculated.unnamed;
        let is_ahead = not_told > 0 && self.is_signed_ahead(notice, now).await?;
        Ok(Watched {
            is_watched: now < planned_at || not_told > 0,
            not_told_ahead: if is_ahead { not_told } else { 0 },
        })
    }

    /// Whether the version of a release notice is signed, and counts later.
    async fn is_signed_ahead(
        &self,
        notice: &Notice,
        now: Timestamp,
    ) -> Result<bool, AnnounceError> {
        let Some(version) = notice.kind.version() else {
            return Ok(false);
        };
        for product in &notice.products {
            let current = self.stores.notices.current_version(&product.slug).await?;
            let rollout = current.map(|current| current.value.rollout);
            let is_ahead = rollout.is_some_and(|rollout| {
                let is_later = rollout.from.is_some_and(|from| from > now);
                rollout.version.as_str() == version && is_later
            });
            if is_ahead {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Brings up to date on whose behalf recipients are told: of a mail that has not arrived, it has
    /// to be known who is not told. A mail that has arrived keeps the customers that it named.
    async fn set_customers(
        &self,
        deliveries: &mut [VersionedDelivery],
        recipients: &BTreeMap<ContactHash, Vec<CustomerName>>,
        now: Timestamp,
    ) -> Result<(), AnnounceError> {
        for stored in deliveries {
            let Some(customers) = recipients.get(&stored.delivery.delivery.contact) else {
                continue;
            };
            let known = &stored.delivery.customers;
            let mut wanted = match has_told(stored.delivery.facts.state(now)) {
                true => known.clone(),
                false => Vec::new(),
            };
            for customer in customers {
                let id = &customer.customer_id;
                // The name that a mail has shown stays in the ledger.
                let mut named = known.iter().filter(|of| of.customer_id == *id);
                if wanted.iter().all(|of| of.customer_id != *id) {
                    wanted.push(named.next().unwrap_or(customer).clone());
                }
            }
            if wanted != *known {
                let read = stored.clone();
                *stored = self.stores.notices.set_customers(read, &wanted).await?;
            }
        }
        Ok(())
    }
}

/// The recipients of deliveries that have not succeeded, and are no recipients any more.
fn withdrawn(
    deliveries: &[VersionedDelivery],
    recipients: &BTreeMap<ContactHash, Vec<CustomerName>>,
    now: Timestamp,
) -> BTreeSet<ContactHash> {
    let deliveries = deliveries.iter().map(|stored| &stored.delivery);
    deliveries
        .filter(|of| !has_told(of.facts.state(now)))
        .map(|of| of.delivery.contact.clone())
        .filter(|contact| !recipients.contains_key(contact))
        .collect()
}

//! The `Notices` table: notices and their deliveries.
//!
//! Partition key `notice_id`, sort key `item`: `notice` and its history, and
//! `delivery#<update>-<hash of the address>` for each delivery. The table also contains the
//! account-wide switch for sending (partition `#sending`), the undeliverable addresses
//! (`#undeliverable`, by hash), and each product's current version on the CDN (`#current`). Who was
//! told of a notice is in `audience.rs`.
//!
//! The index `notices` contains the keys of notices, by whether and when work is due.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::key::{HISTORY, NOTICES};
use crate::{
    ChangeContext, HistoryEntry, Item, Key, Precondition, Table, TableError, Versioned, Write,
};
use tegata_common::notice::{
    ContactHash, Delivery, DeliveryId, Facts, Notice, NoticeId, RecipientAddress, Sending,
};
use tegata_common::product::ProductSlug;
use tegata_common::release::Rollout;
use tegata_common::revision::Revision;

/// The index of notices by whether and when work is due.
pub const INDEX: &str = "notices";

const WORK: &str = "work";
const DUE_AT: &str = "due_at";

/// Whether work is due for a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Work is due from this instant on.
    Due(Timestamp),
    /// Nothing is left to do until this instant, when the addresses in its deliveries are removed;
    /// `None` if it has no addresses.
    Done(Option<Timestamp>),
}

/// The attribute `due_at` of a notice that never has work again. Sorts after every instant.
const NEVER: &str = "never";

/// The prefix of a delivery's sort key.
const DELIVERY: &str = "delivery#";

/// The maximum number of attempts to write an item that has concurrent writers.
const TRIES: usize = 8;

/// The attribute that counts a delivery's writes.
const VERSION: &str = "version";

/// A delivery as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionedDelivery {
    /// The delivery.
    pub delivery: Delivery,
    /// How often it has been written.
    pub version: u64,
}

/// Why mail to an address cannot be delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undeliverable {
    /// When it was recorded.
    pub at: Timestamp,
    /// `bounced` or `complained`, with SES's reason.
    pub reason: String,
}

/// The current version of a product, and why it was allowed to become current.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CurrentVersion {
    /// The version, and the tenants that run it.
    #[serde(flatten)]
    pub rollout: Rollout,
    /// The id of its release notice. (The name `notice_id` is taken by the table's key.)
    pub announced_by: Option<NoticeId>,
    /// The operator's reason for making it current without a notice.
    pub emergency: Option<String>,
    /// The signature of its release document. Missing in items of versions without documents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<DocumentSignature>,
}

/// The claims and the signature of a release document, which the CDN serves. The document itself
/// follows from the current version and the files on the CDN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DocumentSignature {
    /// The claim `iat`, in whole seconds.
    pub issued_at: Timestamp,
    /// The id of the key.
    pub kid: String,
    /// SHA-256 of the payload, as 64 lower-case hexadecimal digits.
    pub payload_sha256: String,
}

impl CurrentVersion {
    /// Whether the release document is signed with a key.
    pub fn is_signed_with(&self, kid: &str) -> bool {
        let document = self.document.as_ref();
        document.is_some_and(|document| document.kid == kid)
    }
}

/// The `Notices` table through a client.
#[derive(Clone, Debug)]
pub struct Notices {
    table: Table,
}

fn sending() -> Key {
    Key::of(&NOTICES, "#sending", "pause")
}

fn undeliverable(contact: &str) -> Key {
    Key::of(&NOTICES, "#undeliverable", contact)
}

fn current(product: &ProductSlug) -> Key {
    Key::of(&NOTICES, "#current", product.as_str())
}

fn delivery_key(notice: &NoticeId, delivery: &DeliveryId) -> Key {
    Key::of(&NOTICES, notice.as_str(), &format!("{DELIVERY}{delivery}"))
}

impl Notices {
    /// The table of this name.
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self {
            table: Table::new(client, name),
        }
    }

    /// The underlying table.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Creates the table on one machine, if it does not exist. In the cloud, the template does
    /// this.
    pub async fn create_if_missing(&self) -> Result<(), TableError> {
        let index = (INDEX, [WORK, DUE_AT]);
        self.table.create_if_missing(&NOTICES, Some(index)).await
    }

    /// A notice.
    pub async fn get(&self, id: &NoticeId) -> Result<Option<Versioned<Notice>>, TableError> {
        self.table.get(&Key::notice(id)).await
    }

    /// All revisions of a notice, the oldest first.
    pub async fn history(
        &self,
        id: &NoticeId,
    ) -> Result<Vec<Result<HistoryEntry<Notice>, TableError>>, TableError> {
        self.table.history(&Key::notice(id)).await
    }

    /// Writes a notice. `before` is the revision that was read, or `None` for a new one.
    pub async fn put(
        &self,
        before: Option<&Revision>,
        notice: &Notice,
        work: Work,
        act: &ChangeContext<'_>,
    ) -> Result<Revision, TableError> {
        let key = Key::notice(&notice.notice_id);
        let before = before.map_or(Precondition::Nothing, |before| {
            Precondition::Current(before.clone())
        });
        let (state, due_at) = match work {
            Work::Due(at) => ("due", format!("{at:.3}")),
            Work::Done(Some(at)) => ("done", format!("{at:.3}")),
            Work::Done(None) => ("done", NEVER.to_owned()),
        };
        let index = [(WORK, state.to_owned()), (DUE_AT, due_at)]
            .map(|(name, value)| (name.to_owned(), AttributeValue::S(value)));
        let write = Write::put(&key, before, notice)?.with_index(index.into());
        let mut revisions = self.table.transact(vec![write], act).await?;
        revisions.pop().ok_or(TableError::Conflict)
    }

    /// Changes a notice and makes its work due at once; retried after concurrent writes. `change`
    /// returns whether there is anything to write. Returns whether the notice exists.
    pub async fn change(
        &self,
        id: &NoticeId,
        act: &ChangeContext<'_>,
        change: impl Fn(&mut Notice) -> bool,
    ) -> Result<bool, TableError> {
        for _ in 0..TRIES {
            let Some(stored) = self.get(id).await? else {
                return Ok(false);
            };
            let mut notice = stored.value;
            if !change(&mut notice) {
                return Ok(true);
            }
            let before = Some(&stored.revision);
            match self.put(before, &notice, Work::Due(act.at), act).await {
                Ok(_) => return Ok(true),
                Err(TableError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Err(TableError::Conflict)
    }

    /// The notices whose work is due at an instant, the longest due first. The index is eventually
    /// consistent.
    pub async fn due(&self, now: Timestamp) -> Result<Vec<NoticeId>, TableError> {
        self.indexed("due", Some(now)).await
    }

    /// The notices without due work whose addresses may have expired at an instant. A notice that was
    /// written before 2026-11-28 is among them earlier: check [`Notice::addresses_expire_at`].
    pub async fn expiring(&self, now: Timestamp) -> Result<Vec<NoticeId>, TableError> {
        self.indexed("done", Some(now)).await
    }

    /// All notices, sorted by id.
    pub async fn all(&self) -> Result<Vec<Notice>, TableError> {
        let mut ids = self.indexed("due", None).await?;
        ids.extend(self.indexed("done", None).await?);
        // Read again: a notice may have moved from done to due between the two queries.
        ids.extend(self.indexed("due", None).await?);
        ids.sort();
        ids.dedup();
        let mut notices = Vec::new();
        for id in ids {
            notices.extend(self.get(&id).await?.map(|stored| stored.value));
        }
        Ok(notices)
    }

    async fn indexed(
        &self,
        work: &str,
        until: Option<Timestamp>,
    ) -> Result<Vec<NoticeId>, TableError> {
        let until = until.map_or_else(|| "~".to_owned(), |until| format!("{until:.3}"));
        let mut pages = self
            .table
            .client
            .query()
            .table_name(&self.table.name)
            .index_name(INDEX)
            .key_condition_expression("#work = :work AND #due_at <= :until")
            .expression_attribute_names("#work", WORK)
            .expression_attribute_names("#due_at", DUE_AT)
            .expression_attribute_values(":work", AttributeValue::S(work.to_owned()))
            .expression_attribute_values(":until", AttributeValue::S(until))
            .into_paginator()
            .items()
            .send();
        let mut ids = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(TableError::database)?;
            let id = match item.get(NOTICES.partition) {
                Some(AttributeValue::S(id)) => id.parse(),
                _ => continue,
            };
            ids.push(id.map_err(|error| TableError::unreadable(INDEX.to_owned(), error))?);
        }
        Ok(ids)
    }

    /// The deliveries of a notice or of one of its updates, sorted by update and address hash.
    pub async fn deliveries(
        &self,
        notice: &NoticeId,
        update: Option<u16>,
    ) -> Result<Vec<VersionedDelivery>, TableError> {
        let prefix = match update {
            Some(update) => format!("{DELIVERY}{update:03}-"),
            None => DELIVERY.to_owned(),
        };
        let first = Key::of(&NOTICES, notice.as_str(), &prefix);
        let items = self.table.partition(&first).await?;
        items.into_iter().map(read_delivery).collect()
    }

    /// Reads a delivery, with strong consistency.
    pub async fn delivery(
        &self,
        notice: &NoticeId,
        delivery: &DeliveryId,
    ) -> Result<Option<VersionedDelivery>, TableError> {
        let key = delivery_key(notice, delivery).attributes();
        let item = self.table.get_item(key).await?;
        item.map(read_delivery).transpose()
    }

    /// Writes a delivery unless it exists. Idempotent.
    pub async fn create_delivery(&self, delivery: &Delivery) -> Result<(), TableError> {
        let item = delivery_item(delivery, 1)?;
        self.table.put_item_if_missing(item, &NOTICES).await
    }

    /// Writes the facts of a delivery, with the precondition that it still has the version that was
    /// read.
    ///
    /// A conflict may be caused by this same write, if its answer was lost and the SDK retried it.
    /// After a conflict, read the delivery again.
    pub async fn write_facts(
        &self,
        before: &VersionedDelivery,
        facts: Facts,
    ) -> Result<VersionedDelivery, TableError> {
        let mut delivery = before.delivery.clone();
        delivery.facts = facts;
        self.write_delivery(before.version, delivery).await
    }

    /// Removes the address of a delivery; retried after concurrent writes. Returns whether there was
    /// one.
    pub async fn remove_address(&self, read: VersionedDelivery) -> Result<bool, TableError> {
        let removed = self.change_delivery(read, |delivery| {
            delivery.email = RecipientAddress::Removed;
        });
        Ok(removed.await?.is_some())
    }

    async fn write_delivery(
        &self,
        before: u64,
        delivery: Delivery,
    ) -> Result<VersionedDelivery, TableError> {
        let version = before + 1;
        let item = delivery_item(&delivery, version)?;
        let names = HashMap::from([("#version".to_owned(), VERSION.to_owned())]);
        let read = AttributeValue::N(before.to_string());
        let values = HashMap::from([(":version".to_owned(), read)]);
        let unchanged = "#version = :version";
        self.table
            .put_item(item, unchanged, names, Some(values))
            .await?;
        Ok(VersionedDelivery { delivery, version })
    }

    /// Changes the facts of a delivery; retried after concurrent writes. Returns whether anything
    /// changed.
    pub async fn change_facts(
        &self,
        read: VersionedDelivery,
        change: impl Fn(&mut Facts),
    ) -> Result<bool, TableError> {
        let changed = self.change_delivery(read, |delivery| change(&mut delivery.facts));
        Ok(changed.await?.is_some())
    }

    /// Changes a delivery; retried after concurrent writes. Returns the delivery if it has changed.
    pub(crate) async fn change_delivery(
        &self,
        read: VersionedDelivery,
        change: impl Fn(&mut Delivery),
    ) -> Result<Option<VersionedDelivery>, TableError> {
        let mut stored = read;
        for _ in 0..TRIES {
            let mut delivery = stored.delivery.clone();
            change(&mut delivery);
            if delivery == stored.delivery {
                return Ok(None);
            }
            match self.write_delivery(stored.version, delivery).await {
                Ok(written) => return Ok(Some(written)),
                Err(TableError::Conflict) => {
                    let Delivery {
                        notice_id,
                        delivery,
                        ..
                    } = &stored.delivery;
                    let again = self.delivery(notice_id, delivery).await?;
                    stored = again.ok_or(TableError::Conflict)?;
                }
                Err(error) => return Err(error),
            }
        }
        Err(TableError::Conflict)
    }

    /// The account-wide switch for sending.
    pub async fn sending(&self) -> Result<Option<Versioned<Sending>>, TableError> {
        self.table.get(&sending()).await
    }

    /// Changes the account-wide switch for sending; retried after concurrent writes. `change`
    /// returns whether there is anything to write.
    pub async fn change_sending(
        &self,
        act: &ChangeContext<'_>,
        change: impl Fn(&mut Sending) -> bool,
    ) -> Result<(), TableError> {
        for _ in 0..TRIES {
            let (mut value, before) = match self.sending().await? {
                Some(stored) => (stored.value, Some(stored.revision)),
                None => (Sending::default(), None),
            };
            if !change(&mut value) {
                return Ok(());
            }
            match self
                .table
                .put(&sending(), before.as_ref(), &value, act)
                .await
            {
                Ok(_) => return Ok(()),
                Err(TableError::Conflict) => {}
                Err(error) => return Err(error),
            }
        }
        Err(TableError::Conflict)
    }

    /// The undeliverable addresses, by hash.
    pub async fn undeliverable(
        &self,
    ) -> Result<BTreeMap<ContactHash, Versioned<Undeliverable>>, TableError> {
        let items = self.table.partition(&undeliverable("")).await?;
        let mut found = BTreeMap::new();
        for item in items {
            let hash = match item.get(NOTICES.sort) {
                Some(AttributeValue::S(sort)) if !sort.contains(HISTORY) => {
                    ContactHash::from_hex(sort)
                }
                _ => None,
            };
            if let Some(hash) = hash {
                found.insert(hash, super::read(item)?);
            }
        }
        Ok(found)
    }

    /// Records that an address is undeliverable, unless it is recorded. Idempotent.
    pub async fn mark_undeliverable(
        &self,
        contact: &ContactHash,
        why: &Undeliverable,
        act: &ChangeContext<'_>,
    ) -> Result<(), TableError> {
        let key = undeliverable(contact.as_str());
        let before = match self.table.precondition(&key).await? {
            Precondition::Current(_) => return Ok(()),
            before => before,
        };
        let write = Write::put(&key, before, why)?;
        match self.table.transact(vec![write], act).await {
            // A concurrent writer has recorded it.
            Ok(_) | Err(TableError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Deletes the record that an address is undeliverable.
    pub async fn clear_undeliverable(
        &self,
        contact: &ContactHash,
        before: &Revision,
        act: &ChangeContext<'_>,
    ) -> Result<(), TableError> {
        let write = Write::delete(&undeliverable(contact.as_str()), before.clone());
        self.table.transact(vec![write], act).await?;
        Ok(())
    }

    /// The current version of a product.
    pub async fn current_version(
        &self,
        product: &ProductSlug,
    ) -> Result<Option<Versioned<CurrentVersion>>, TableError> {
        self.table.get(&current(product)).await
    }

    /// The history of a product's current version, the oldest entry first.
    pub async fn version_history(
        &self,
        product: &ProductSlug,
    ) -> Result<Vec<Result<HistoryEntry<CurrentVersion>, TableError>>, TableError> {
        self.table.history(&current(product)).await
    }

    /// Writes the current version of a product.
    pub async fn put_current_version(
        &self,
        product: &ProductSlug,
        before: Option<&Revision>,
        version: &CurrentVersion,
        act: &ChangeContext<'_>,
    ) -> Result<Revision, TableError> {
        self.table
            .put(&current(product), before, version, act)
            .await
    }
}

fn delivery_item(delivery: &Delivery, version: u64) -> Result<Item, TableError> {
    let key = delivery_key(&delivery.notice_id, &delivery.delivery);
    let mut item: Item = serde_dynamo::to_item(delivery)
        .map_err(|error| TableError::unreadable(key.to_string(), error))?;
    item.insert(VERSION.to_owned(), AttributeValue::N(version.to_string()));
    item.extend(key.attributes());
    Ok(item)
}

fn read_delivery(mut item: Item) -> Result<VersionedDelivery, TableError> {
    let key = crate::key::shown(&item);
    let version = item.remove(VERSION).unwrap_or(AttributeValue::Null(true));
    let version = from(version).map_err(|error| TableError::unreadable(key.clone(), error))?;
    let delivery = serde_dynamo::from_item(item);
    let delivery = delivery.map_err(|error| TableError::unreadable(key, error))?;
    Ok(VersionedDelivery { delivery, version })
}

fn from<T: DeserializeOwned>(value: AttributeValue) -> Result<T, serde_dynamo::Error> {
    serde_dynamo::from_attribute_value(value)
}

//! Who was told of a notice: the record of its audience, and what operators say of those whom no mail
//! has reached.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use tegata_common::notice::{AudienceRecord, CustomerName, Delivery, NoticeId, ToldOtherwise};

use crate::key::{HISTORY, NOTICES};
use crate::notices::{Notices, VersionedDelivery};
use crate::{ChangeContext, Item, Key, TableError, Versioned, read};

/// The attribute by which an older record does not replace a newer one.
const CALCULATED_AT: &str = "calculated_at";

fn audience(notice: &NoticeId) -> Key {
    Key::of(&NOTICES, notice.as_str(), "audience")
}

/// In a partition of their own, so that a role can be allowed to write them and no delivery.
fn told_otherwise(notice: &NoticeId, who: &str) -> Key {
    Key::of(&NOTICES, "#told", &format!("{notice}#{who}"))
}

impl Notices {
    /// The record of a notice's audience.
    pub async fn audience(&self, notice: &NoticeId) -> Result<Option<AudienceRecord>, TableError> {
        let key = audience(notice);
        let item = self.table().get_item(key.attributes()).await?;
        let record = item.map(serde_dynamo::from_item).transpose();
        record.map_err(|error| TableError::unreadable(key.to_string(), error))
    }

    /// Writes the record of a notice's audience, unless there is one of a later instant. Idempotent.
    /// It has no history: the deliveries are what was done.
    pub async fn put_audience(
        &self,
        notice: &NoticeId,
        record: &AudienceRecord,
    ) -> Result<(), TableError> {
        let key = audience(notice);
        // Of a fixed length, so that instants are ordered as their texts.
        let at = AttributeValue::S(format!("{:.3}", record.calculated_at));
        let mut item: Item = serde_dynamo::to_item(record)
            .map_err(|error| TableError::unreadable(key.to_string(), error))?;
        item.insert(CALCULATED_AT.to_owned(), at.clone());
        item.extend(key.attributes());
        let names = HashMap::from([("#at".to_owned(), CALCULATED_AT.to_owned())]);
        let values = HashMap::from([(":at".to_owned(), at)]);
        let newer = "attribute_not_exists(#at) OR #at <= :at";
        let put = self.table().put_item(item, newer, names, Some(values));
        match put.await {
            Ok(()) | Err(TableError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Who was told of a notice otherwise, by [`ToldOtherwise::who`].
    pub async fn told_otherwise(
        &self,
        notice: &NoticeId,
    ) -> Result<BTreeMap<String, Versioned<ToldOtherwise>>, TableError> {
        let items = self.table().partition(&told_otherwise(notice, "")).await?;
        let mut told = BTreeMap::new();
        for item in items {
            let is_current = match item.get(NOTICES.sort) {
                Some(AttributeValue::S(sort)) => !sort.contains(HISTORY),
                _ => false,
            };
            if is_current {
                let stored: Versioned<ToldOtherwise> = read(item)?;
                told.insert(stored.value.who.clone(), stored);
            }
        }
        Ok(told)
    }

    /// Records that somebody was told of a notice otherwise. The first record stays. Idempotent.
    pub async fn put_told_otherwise(
        &self,
        notice: &NoticeId,
        told: &ToldOtherwise,
        act: &ChangeContext<'_>,
    ) -> Result<(), TableError> {
        let key = told_otherwise(notice, &told.who);
        match self.table().put(&key, None, told, act).await {
            Ok(_) | Err(TableError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Writes on whose behalf the recipient of a delivery is told; retried after concurrent writes.
    /// Returns the delivery.
    pub async fn set_customers(
        &self,
        before: VersionedDelivery,
        customers: &[CustomerName],
    ) -> Result<VersionedDelivery, TableError> {
        let set = |delivery: &mut Delivery| delivery.customers = customers.to_vec();
        let changed = self.change_delivery(before.clone(), set).await?;
        Ok(changed.unwrap_or(before))
    }
}

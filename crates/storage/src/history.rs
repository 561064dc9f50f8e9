//! The history of an item: its earlier states with their revisions.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde::de::{DeserializeOwned, IgnoredAny};

use tegata_common::revision::Revision;

use crate::table::{Table, Versioned, read};
use crate::{Item, Key, TableError};

/// The attribute that marks the history item of a deletion.
pub(crate) const DELETED: &str = "deleted";

/// An entry of an item's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryEntry<T> {
    /// The state after the change. `None` if the change deleted the item.
    pub value: Option<T>,
    pub revision: Revision,
}

impl<T> HistoryEntry<T> {
    pub fn value(&self) -> Option<&T> {
        self.value.as_ref()
    }
}

impl Table {
    /// The history of a key, the oldest entry first. An unreadable entry does not affect others.
    pub async fn history<T: DeserializeOwned>(
        &self,
        key: &Key,
    ) -> Result<Vec<Result<HistoryEntry<T>, TableError>>, TableError> {
        let items = self.query(key, None, None).await?;
        Ok(items.into_iter().map(read_history_entry).collect())
    }

    /// The last entry up to an instant.
    pub async fn history_entry_at<T: DeserializeOwned>(
        &self,
        key: &Key,
        at: Timestamp,
    ) -> Result<Option<HistoryEntry<T>>, TableError> {
        let mut items = self.query(key, Some(1), Some(at)).await?;
        items.pop().map(read_history_entry).transpose()
    }

    /// The history items of a key up to an instant, the oldest first, limited to the `last` ones.
    pub(crate) async fn query(
        &self,
        key: &Key,
        last: Option<i32>,
        until: Option<Timestamp>,
    ) -> Result<Vec<Item>, TableError> {
        let (first, end) = key.history_range(until);
        let query = self
            .client
            .query()
            .table_name(&self.name)
            .consistent_read(true)
            .key_condition_expression("#partition = :partition AND #sort BETWEEN :first AND :end")
            .set_expression_attribute_names(Some(key.names()))
            .expression_attribute_values(":partition", key.partition_attribute())
            .expression_attribute_values(":first", AttributeValue::S(first))
            .expression_attribute_values(":end", AttributeValue::S(end));
        if let Some(last) = last {
            let query = query.scan_index_forward(false).limit(last);
            let output = query.send().await.map_err(TableError::database)?;
            return Ok(output.items.unwrap_or_default());
        }
        let mut pages = query.into_paginator().items().send();
        let mut items = Vec::new();
        while let Some(item) = pages.next().await {
            items.push(item.map_err(TableError::database)?);
        }
        Ok(items)
    }
}

/// Reads a history item.
fn read_history_entry<T: DeserializeOwned>(item: Item) -> Result<HistoryEntry<T>, TableError> {
    if matches!(item.get(DELETED), Some(AttributeValue::Bool(true))) {
        let Versioned { revision, .. } = read::<IgnoredAny>(item)?;
        return Ok(HistoryEntry {
            value: None,
            revision,
        });
    }
    let Versioned { value, revision } = read(item)?;
    Ok(HistoryEntry {
        value: Some(value),
        revision,
    })
}

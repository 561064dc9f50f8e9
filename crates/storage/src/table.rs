//! Tables, and reading of current items.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use serde::de::{DeserializeOwned, IgnoredAny};

use tegata_common::change::Role;
use tegata_common::revision::Revision;

use crate::key::{self, Schema};
use crate::{Item, Key, TableError, archived_item};

/// The attribute that holds an item's [`Revision`].
pub(crate) const REVISION: &str = "revision";

/// A stored value with its revision, which is the precondition of the next write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned<T> {
    pub value: T,
    pub revision: Revision,
}

/// A table of versioned items through a client.
#[derive(Clone, Debug)]
pub struct Table {
    pub(crate) client: Client,
    pub(crate) name: String,
}

impl Table {
    /// The table of this name.
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self {
            client,
            name: name.into(),
        }
    }

    /// Reads the current item of a key, with strong consistency.
    pub async fn get<T: DeserializeOwned>(
        &self,
        key: &Key,
    ) -> Result<Option<Versioned<T>>, TableError> {
        let item = self.get_item(key.attributes()).await?;
        item.map(read).transpose()
    }

    /// Reads an item by its key, with strong consistency.
    pub(crate) async fn get_item(&self, key: Item) -> Result<Option<Item>, TableError> {
        let output = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(key))
            .consistent_read(true)
            .send()
            .await
            .map_err(TableError::database)?;
        Ok(output.item)
    }

    /// Puts an item without a history, with a precondition.
    pub(crate) async fn put_item(
        &self,
        item: Item,
        condition: &str,
        names: HashMap<String, String>,
        values: Option<HashMap<String, AttributeValue>>,
    ) -> Result<(), TableError> {
        debug_assert!(
            archived_item(item.clone()).is_none_or(|item| item.key.role() != Role::Current),
            "an item without a history has a role that says so, or `history verify` reports it"
        );
        let put = self
            .client
            .put_item()
            .table_name(&self.name)
            .set_item(Some(item))
            .condition_expression(condition)
            .set_expression_attribute_names(Some(names))
            .set_expression_attribute_values(values)
            .send()
            .await;
        match put {
            Ok(_) => Ok(()),
            Err(error) => Err(match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(_)) => TableError::Conflict,
                _ => TableError::database(error),
            }),
        }
    }

    /// Puts an item without a history unless it exists. Idempotent.
    pub(crate) async fn put_item_if_missing(
        &self,
        item: Item,
        schema: &Schema,
    ) -> Result<(), TableError> {
        let partition = ("#partition".to_owned(), schema.partition.to_owned());
        let names = HashMap::from([partition]);
        let missing = "attribute_not_exists(#partition)";
        match self.put_item(item, missing, names, None).await {
            Ok(()) | Err(TableError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Reads the current items of many keys, 100 per request. Items that do not exist are missing
    /// from the result; each unreadable item is an error of its own.
    pub async fn get_all<T: DeserializeOwned>(
        &self,
        keys: &[Key],
    ) -> Result<Vec<Result<Versioned<T>, TableError>>, TableError> {
        let keys = keys.iter().map(Key::attributes).collect();
        Ok(self.batch_get(keys).await?.into_iter().map(read).collect())
    }

    /// Reads items by their keys, 100 per request. Items that do not exist are missing from the
    /// result.
    pub(crate) async fn batch_get(&self, keys: Vec<Item>) -> Result<Vec<Item>, TableError> {
        let mut found = Vec::new();
        for keys in keys.chunks(100) {
            let mut wanted = keys.to_vec();
            while !wanted.is_empty() {
                let request = KeysAndAttributes::builder()
                    .set_keys(Some(wanted))
                    .consistent_read(true)
                    .build()
                    .map_err(TableError::build)?;
                let output = self
                    .client
                    .batch_get_item()
                    .request_items(&self.name, request)
                    .send()
                    .await
                    .map_err(TableError::database)?;
                let items = output
                    .responses
                    .and_then(|mut tables| tables.remove(&self.name));
                found.extend(items.unwrap_or_default());
                // Keys that were not processed, because of size or throttling, are requested again.
                wanted = output
                    .unprocessed_keys
                    .and_then(|mut tables| tables.remove(&self.name))
                    .map(|left| left.keys)
                    .unwrap_or_default();
            }
        }
        Ok(found)
    }

    /// The revision of a current item, even if the rest of the item is unreadable.
    pub async fn revision(&self, key: &Key) -> Result<Option<Revision>, TableError> {
        let stored = self.get::<IgnoredAny>(key).await?;
        Ok(stored.map(|stored| stored.revision))
    }

    /// Reads all current and history items. It scans the whole table, and is for operators only.
    pub async fn scan(&self, mut sink: impl FnMut(Item)) -> Result<(), TableError> {
        let scan = self.client.scan().table_name(&self.name);
        let mut pages = scan.consistent_read(true).into_paginator().items().send();
        while let Some(item) = pages.next().await {
            sink(item.map_err(TableError::database)?);
        }
        Ok(())
    }

    /// The items of a partition whose sort key starts with a prefix.
    pub(crate) async fn partition(&self, first: &Key) -> Result<Vec<Item>, TableError> {
        let mut query = self
            .client
            .query()
            .table_name(&self.name)
            .consistent_read(true)
            .expression_attribute_values(":partition", first.partition_attribute());
        let mut names = first.names();
        if first.sort().is_empty() {
            names.remove("#sort");
            query = query.key_condition_expression("#partition = :partition");
        } else {
            let prefix = AttributeValue::S(first.sort().to_owned());
            query = query
                .key_condition_expression("#partition = :partition AND begins_with(#sort, :prefix)")
                .expression_attribute_values(":prefix", prefix);
        }
        let query = query.set_expression_attribute_names(Some(names));
        let mut pages = query.into_paginator().items().send();
        let mut items = Vec::new();
        while let Some(item) = pages.next().await {
            items.push(item.map_err(TableError::database)?);
        }
        Ok(items)
    }
}

/// Deserializes an item into its value and revision.
pub fn read<T: DeserializeOwned>(mut item: Item) -> Result<Versioned<T>, TableError> {
    let key = key::shown(&item);
    let revision = item.remove(REVISION).unwrap_or(AttributeValue::Null(true));
    let read = || -> Result<Versioned<T>, serde_dynamo::Error> {
        Ok(Versioned {
            revision: serde_dynamo::from_attribute_value(revision)?,
            value: serde_dynamo::from_item(item)?,
        })
    };
    read().map_err(|error| TableError::unreadable(key, error))
}

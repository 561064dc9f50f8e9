//! Tables whose items have versions: what is current, what it was before, and who changed it.
//!
//! A change writes the current item and its history item in one transaction, on condition that
//! the current item still has the version that the change was made from. Several items that
//! belong together change in one transaction too.

mod create;
pub mod customers;
mod key;
pub mod licenses;
pub mod notices;
pub mod usage;

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, KeysAndAttributes, Put, TransactWriteItem};
use jiff::{SignedDuration, Timestamp};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::{Deserialize, Serialize};

use crate::aws;

use key::Schema;

pub use key::Key;

/// An item as the SDK gives it.
pub type Item = HashMap<String, AttributeValue>;

/// The attribute that holds an item's [`Revision`].
const REVISION: &str = "revision";

/// Marks the history item of a deletion.
const DELETED: &str = "deleted";

/// Which change an item comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revision {
    /// 1 for the first.
    pub version: u64,
    /// When, to the millisecond; later than the revision before.
    pub at: Timestamp,
    /// The ARN of the caller, or `local:<user>` on one machine.
    pub by: String,
    /// What was done: `issue`, `suspend`, …
    pub change: String,
}

/// A stored thing and the revision that it was read at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored<T> {
    /// The thing.
    pub value: T,
    /// The change that made it so.
    pub revision: Revision,
}

/// A revision from the history, and what it made; `None` if it deleted the item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past<T> {
    /// What it made.
    pub value: Option<T>,
    /// Which change.
    pub revision: Revision,
}

impl<T> Past<T> {
    /// What it made, if it made anything.
    pub fn value(&self) -> Option<&T> {
        self.value.as_ref()
    }
}

/// Who does what, when: what a write is signed with.
#[derive(Clone, Debug)]
pub struct Act<'a> {
    /// When.
    pub at: Timestamp,
    /// Who: an ARN, or `local:<user>`.
    pub by: &'a str,
    /// What: `issue`, `suspend`, …
    pub change: &'a str,
}

/// What a write finds under its key, or nothing is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Before {
    /// No item, and none that anybody remembers.
    Nothing,
    /// No item any more; its versions go on.
    Deleted(Revision),
    /// This revision of the item.
    Current(Revision),
}

impl Before {
    /// The last revision under the key.
    pub fn revision(&self) -> Option<&Revision> {
        match self {
            Self::Nothing => None,
            Self::Deleted(revision) | Self::Current(revision) => Some(revision),
        }
    }
}

/// One item's part in a transaction.
#[derive(Clone, Debug)]
pub struct Write {
    key: Key,
    before: Before,
    /// What it will be; `None` deletes it.
    item: Option<Item>,
    /// What the history says of it, if that is not the item itself.
    past: Option<Item>,
    /// Attributes of the current item only: those of an index.
    index: Item,
    /// What is done in the same transaction to items that repeat this one under other keys.
    copies: Vec<TransactWriteItem>,
}

impl Write {
    /// Puts a value.
    pub fn put<T: Serialize>(key: &Key, before: Before, value: &T) -> Result<Self, TableError> {
        Ok(Self {
            item: Some(to_item(key, value)?),
            past: None,
            index: Item::new(),
            copies: Vec::new(),
            before,
            key: key.clone(),
        })
    }

    /// Deletes the item; its history stays, and gets the deletion.
    pub fn delete(key: &Key, before: Revision) -> Self {
        Self {
            key: key.clone(),
            before: Before::Current(before),
            item: None,
            past: None,
            index: Item::new(),
            copies: Vec::new(),
        }
    }

    /// The same with something else in the history than in the item: without what must not
    /// outlive the item.
    pub fn remembered_as<T: Serialize>(mut self, past: &T) -> Result<Self, TableError> {
        self.past = Some(to_item(&self.key, past)?);
        Ok(self)
    }

    /// The same with what is to be done to its copies.
    fn copied(mut self, copies: Vec<TransactWriteItem>) -> Self {
        self.copies = copies;
        self
    }

    /// The same with attributes for an index.
    #[must_use]
    pub fn indexed(mut self, index: Item) -> Self {
        self.index = index;
        self
    }
}

fn to_item<T: Serialize>(key: &Key, value: &T) -> Result<Item, TableError> {
    serde_dynamo::to_item(value).map_err(|error| TableError::unreadable(key.to_string(), error))
}

/// Why the table did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// Somebody else wrote first; nothing was written.
    #[error(
        "somebody else changed it at the same time; nothing was written: look again, then repeat"
    )]
    Conflict,
    /// A copy's key that is another product's; nothing was written.
    #[error(
        "a kintone plug-in id of this product is another product's too, for a licence of the same domain; nothing was written: take it out of the other's catalogue entry, then `tegata license update-plugin-ids`"
    )]
    Claimed,
    /// An item that is not of its type.
    #[error("item {key}: {reason}")]
    Unreadable {
        /// Partition and sort key; never a mail address.
        key: String,
        /// What does not fit, by attribute.
        reason: String,
    },
    /// The database's own error, with its causes.
    #[error("DynamoDB: {0}")]
    Database(String),
}

impl TableError {
    fn database<E, R>(error: SdkError<E, R>) -> Self
    where
        E: std::error::Error + 'static,
        R: std::fmt::Debug + 'static,
    {
        Self::Database(aws::causes(&error))
    }

    fn unreadable(key: String, reason: impl ToString) -> Self {
        Self::Unreadable {
            key,
            reason: reason.to_string(),
        }
    }

    fn build(error: aws_sdk_dynamodb::error::BuildError) -> Self {
        Self::Database(error.to_string())
    }
}

/// A table of versioned items through a client.
#[derive(Clone, Debug)]
pub struct Table {
    client: Client,
    name: String,
}

impl Table {
    /// The table of this name.
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self {
            client,
            name: name.into(),
        }
    }

    /// Reads the current item under a key, as of its last write.
    pub async fn get<T: DeserializeOwned>(
        &self,
        key: &Key,
    ) -> Result<Option<Stored<T>>, TableError> {
        let item = self.get_item(key.attributes()).await?;
        item.map(read).transpose()
    }

    /// Reads an item by its key, as of its last write.
    async fn get_item(&self, key: Item) -> Result<Option<Item>, TableError> {
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

    /// Puts an item without a history, on a condition on what is there.
    async fn put_item(
        &self,
        item: Item,
        condition: &str,
        names: HashMap<String, String>,
        values: Option<HashMap<String, AttributeValue>>,
    ) -> Result<(), TableError> {
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

    /// Puts an item without a history, if there is none under its key. Safe to repeat.
    async fn put_item_if_missing(&self, item: Item, schema: &Schema) -> Result<(), TableError> {
        let partition = ("#partition".to_owned(), schema.partition.to_owned());
        let names = HashMap::from([partition]);
        let missing = "attribute_not_exists(#partition)";
        match self.put_item(item, missing, names, None).await {
            Ok(()) | Err(TableError::Conflict) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Reads the current items under many keys, 100 a request; those that are not there are
    /// missing from the result, and one that cannot be read is an error of its own.
    pub async fn get_all<T: DeserializeOwned>(
        &self,
        keys: &[Key],
    ) -> Result<Vec<Result<Stored<T>, TableError>>, TableError> {
        let keys = keys.iter().map(Key::attributes).collect();
        Ok(self.batch_get(keys).await?.into_iter().map(read).collect())
    }

    /// Reads items by their keys, 100 a request; those that are not there are missing.
    async fn batch_get(&self, keys: Vec<Item>) -> Result<Vec<Item>, TableError> {
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
                // What was left out for its size or for the table's limits is asked for again.
                wanted = output
                    .unprocessed_keys
                    .and_then(|mut tables| tables.remove(&self.name))
                    .map(|left| left.keys)
                    .unwrap_or_default();
            }
        }
        Ok(found)
    }

    /// What a new item under a key has to follow: asked before one is created where another may
    /// have been.
    pub async fn before(&self, key: &Key) -> Result<Before, TableError> {
        if let Some(current) = self.get::<IgnoredAny>(key).await? {
            return Ok(Before::Current(current.revision));
        }
        let last = self.query(key, Some(1), None).await?.pop().map(read);
        Ok(match last.transpose()? {
            Some(Stored::<IgnoredAny> { revision, .. }) => Before::Deleted(revision),
            None => Before::Nothing,
        })
    }

    /// Writes a change made from `before` (`None`: there must be no item, nor have been one) and
    /// its history.
    ///
    /// Refuses with [`TableError::Conflict`] if the item has changed since `before` was read.
    pub async fn put<T: Serialize>(
        &self,
        key: &Key,
        before: Option<&Revision>,
        value: &T,
        act: &Act<'_>,
    ) -> Result<Revision, TableError> {
        let before = before.map_or(Before::Nothing, |before| Before::Current(before.clone()));
        let write = Write::put(key, before, value)?;
        let mut revisions = self.transact(vec![write], act).await?;
        revisions.pop().ok_or(TableError::Conflict)
    }

    /// Makes several writes together or not at all, and returns their revisions in order.
    pub async fn transact(
        &self,
        writes: Vec<Write>,
        act: &Act<'_>,
    ) -> Result<Vec<Revision>, TableError> {
        let mut actions = Vec::new();
        let mut copies = Vec::new();
        let mut revisions = Vec::new();
        for mut write in writes {
            copies.append(&mut write.copies);
            let revision = next_revision(write.before.revision(), act);
            actions.extend(self.actions(write, &revision)?);
            revisions.push(revision);
        }
        let versioned = actions.len();
        actions.append(&mut copies);
        // Safe to retry: the SDK sends one token for all attempts of a transaction.
        self.client
            .transact_write_items()
            .set_transact_items(Some(actions))
            .send()
            .await
            .map_err(|error| cancelled(error, versioned))?;
        Ok(revisions)
    }

    /// The current item's action and its history's.
    fn actions(
        &self,
        write: Write,
        revision: &Revision,
    ) -> Result<[TransactWriteItem; 2], TableError> {
        let Write {
            key,
            before,
            item,
            past,
            index,
            copies: _,
        } = write;
        let stamp: AttributeValue = serde_dynamo::to_attribute_value(revision)
            .map_err(|error| TableError::unreadable(key.to_string(), error))?;
        let mut history = past.or_else(|| item.clone()).unwrap_or_default();
        if item.is_none() {
            history.insert(DELETED.to_owned(), AttributeValue::Bool(true));
        }
        history.insert(REVISION.to_owned(), stamp.clone());
        history.extend(key.history_attributes(revision.at));

        let condition = Condition::of(&key, &before);
        let current = TransactWriteItem::builder();
        let current = match item {
            Some(mut item) => {
                item.insert(REVISION.to_owned(), stamp);
                item.extend(index);
                item.extend(key.attributes());
                let put = Put::builder().table_name(&self.name).set_item(Some(item));
                let put = put
                    .condition_expression(condition.expression)
                    .set_expression_attribute_names(Some(condition.names))
                    .set_expression_attribute_values(condition.values);
                current.put(put.build().map_err(TableError::build)?)
            }
            None => {
                let delete = Delete::builder()
                    .table_name(&self.name)
                    .set_key(Some(key.attributes()))
                    .condition_expression(condition.expression)
                    .set_expression_attribute_names(Some(condition.names))
                    .set_expression_attribute_values(condition.values);
                current.delete(delete.build().map_err(TableError::build)?)
            }
        };
        let condition = Condition::of(&key, &Before::Nothing);
        let history = Put::builder()
            .table_name(&self.name)
            .set_item(Some(history))
            .condition_expression(condition.expression)
            .set_expression_attribute_names(Some(condition.names))
            .build()
            .map_err(TableError::build)?;
        Ok([
            current.build(),
            TransactWriteItem::builder().put(history).build(),
        ])
    }

    /// Replaces attributes that say nothing new, such as a fresh signature over the same facts.
    /// The item gets a new version, and the history nothing.
    async fn refresh(
        &self,
        key: &Key,
        before: &Revision,
        attributes: Item,
        act: &Act<'_>,
    ) -> Result<Revision, TableError> {
        let revision = next_revision(Some(before), act);
        let stamp: AttributeValue = serde_dynamo::to_attribute_value(&revision)
            .map_err(|error| TableError::unreadable(key.to_string(), error))?;
        let condition = Condition::of(key, &Before::Current(before.clone()));
        let mut names = condition.names;
        let mut values = condition.values.unwrap_or_default();
        let mut assignments = Vec::new();
        let stamp = (REVISION.to_owned(), stamp);
        for (number, (name, value)) in attributes.into_iter().chain([stamp]).enumerate() {
            assignments.push(format!("#a{number} = :a{number}"));
            names.insert(format!("#a{number}"), name);
            values.insert(format!(":a{number}"), value);
        }
        // Retried by the SDK: had the first attempt been written after all, the second finds
        // another version, and that is a conflict like any other.
        self.client
            .update_item()
            .table_name(&self.name)
            .set_key(Some(key.attributes()))
            .update_expression(format!("SET {}", assignments.join(", ")))
            .condition_expression(condition.expression)
            .set_expression_attribute_names(Some(names))
            .set_expression_attribute_values(Some(values))
            .send()
            .await
            .map_err(|error| match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => TableError::Conflict,
                _ => TableError::database(error),
            })?;
        Ok(revision)
    }

    /// All revisions under a key, the oldest first. One that cannot be read hides no other.
    pub async fn history<T: DeserializeOwned>(
        &self,
        key: &Key,
    ) -> Result<Vec<Result<Past<T>, TableError>>, TableError> {
        let items = self.query(key, None, None).await?;
        Ok(items.into_iter().map(read_past).collect())
    }

    /// The last revision under a key up to an instant.
    pub async fn as_it_was<T: DeserializeOwned>(
        &self,
        key: &Key,
        at: Timestamp,
    ) -> Result<Option<Past<T>>, TableError> {
        let mut items = self.query(key, Some(1), Some(at)).await?;
        items.pop().map(read_past).transpose()
    }

    /// The revision of a current item, of whatever state the rest of it is.
    pub async fn revision(&self, key: &Key) -> Result<Option<Revision>, TableError> {
        let stored = self.get::<IgnoredAny>(key).await?;
        Ok(stored.map(|stored| stored.revision))
    }

    /// The history under a key, the oldest first; or only the last so many, up to an instant.
    async fn query(
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

    /// Reads all items as they are, current and past. The whole table: for operators.
    pub async fn scan(&self, mut sink: impl FnMut(Item)) -> Result<(), TableError> {
        let scan = self.client.scan().table_name(&self.name);
        let mut pages = scan.consistent_read(true).into_paginator().items().send();
        while let Some(item) = pages.next().await {
            sink(item.map_err(TableError::database)?);
        }
        Ok(())
    }

    /// The items of a partition whose sort key starts with a prefix.
    async fn partition(&self, first: &Key) -> Result<Vec<Item>, TableError> {
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

/// On what a write insists.
struct Condition {
    expression: &'static str,
    names: HashMap<String, String>,
    values: Option<HashMap<String, AttributeValue>>,
}

impl Condition {
    fn of(key: &Key, before: &Before) -> Self {
        match before {
            Before::Nothing | Before::Deleted(_) => Self {
                expression: "attribute_not_exists(#partition)",
                names: key
                    .names()
                    .into_iter()
                    .filter(|(placeholder, _)| placeholder == "#partition")
                    .collect(),
                values: None,
            },
            Before::Current(revision) => Self {
                expression: "#revision.#version = :version",
                names: [("#revision", REVISION), ("#version", "version")]
                    .map(|(placeholder, name)| (placeholder.to_owned(), name.to_owned()))
                    .into(),
                values: Some(HashMap::from([(
                    ":version".to_owned(),
                    AttributeValue::N(revision.version.to_string()),
                )])),
            },
        }
    }
}

/// The revision that follows. Its instant is later than the one before even if this machine's
/// clock is behind the one that wrote it, so that history stays in order.
fn next_revision(before: Option<&Revision>, act: &Act<'_>) -> Revision {
    let millisecond = SignedDuration::from_millis(1);
    let at = act.at - SignedDuration::from_nanos(i64::from(act.at.subsec_nanosecond()) % 1_000_000);
    Revision {
        version: before.map_or(1, |before| before.version + 1),
        at: before.map_or(at, |before| at.max(before.at + millisecond)),
        by: act.by.to_owned(),
        change: act.change.to_owned(),
    }
}

/// Reads an item as the thing it holds and its revision.
pub fn read<T: DeserializeOwned>(mut item: Item) -> Result<Stored<T>, TableError> {
    let key = key::shown(&item);
    let revision = item.remove(REVISION).unwrap_or(AttributeValue::Null(true));
    let read = || -> Result<Stored<T>, serde_dynamo::Error> {
        Ok(Stored {
            revision: serde_dynamo::from_attribute_value(revision)?,
            value: serde_dynamo::from_item(item)?,
        })
    };
    read().map_err(|error| TableError::unreadable(key, error))
}

/// Reads a history item.
fn read_past<T: DeserializeOwned>(item: Item) -> Result<Past<T>, TableError> {
    if matches!(item.get(DELETED), Some(AttributeValue::Bool(true))) {
        let Stored { revision, .. } = read::<IgnoredAny>(item)?;
        return Ok(Past {
            value: None,
            revision,
        });
    }
    let Stored { value, revision } = read(item)?;
    Ok(Past {
        value: Some(value),
        revision,
    })
}

/// Why a transaction was cancelled, whose first actions are those of versioned items and whose
/// last are those of copies.
fn cancelled(error: SdkError<TransactWriteItemsError>, versioned: usize) -> TableError {
    let reasons = match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
            cancelled.cancellation_reasons()
        }
        _ => &[],
    };
    let codes = || reasons.iter().map(|reason| reason.code()).enumerate();
    let is_conflict = codes().any(|(index, code)| match code {
        Some("TransactionConflict") => true,
        Some("ConditionalCheckFailed") => index < versioned,
        _ => false,
    });
    let is_claimed = codes().any(|(_, code)| code == Some("ConditionalCheckFailed"));
    match (is_conflict, is_claimed) {
        (true, _) => TableError::Conflict,
        (false, true) => TableError::Claimed,
        (false, false) => TableError::database(error),
    }
}

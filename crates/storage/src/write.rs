//! Changes: the current item and its history item are written in one transaction, on condition that
//! the current item still has the version that the change was made from.

use std::collections::HashMap;

use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, TransactWriteItem};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde::de::IgnoredAny;

use tegata_common::revision::Revision;

use crate::history::DELETED;
use crate::table::{REVISION, Table, Versioned, read};
use crate::{Item, Key, TableError};

/// Who does what, when: what a write is signed with.
#[derive(Clone, Debug)]
pub struct ChangeContext<'a> {
    /// When.
    pub at: Timestamp,
    /// Who: an ARN, or `local:<user>`.
    pub by: &'a str,
    /// What: `issue`, `suspend`, …
    pub change: &'a str,
}

/// What a write finds under its key, or nothing is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// No item, and none that anybody remembers.
    Nothing,
    /// No item any more; its versions go on.
    Deleted(Revision),
    /// This revision of the item.
    Current(Revision),
}

impl Precondition {
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
    precondition: Precondition,
    /// What it will be; `None` deletes it.
    item: Option<Item>,
    /// What the history says of it, if that is not the item itself.
    history: Option<Item>,
    /// Attributes of the current item only: those of an index.
    index: Item,
    /// What is done in the same transaction to items that repeat this one under other keys.
    aliases: Vec<TransactWriteItem>,
}

impl Write {
    /// Puts a value.
    pub fn put<T: Serialize>(
        key: &Key,
        before: Precondition,
        value: &T,
    ) -> Result<Self, TableError> {
        Ok(Self {
            item: Some(to_item(key, value)?),
            history: None,
            index: Item::new(),
            aliases: Vec::new(),
            precondition: before,
            key: key.clone(),
        })
    }

    /// Deletes the item; its history stays, and gets the deletion.
    pub fn delete(key: &Key, before: Revision) -> Self {
        Self {
            key: key.clone(),
            precondition: Precondition::Current(before),
            item: None,
            history: None,
            index: Item::new(),
            aliases: Vec::new(),
        }
    }

    /// The same with something else in the history than in the item: without what must not
    /// outlive the item.
    pub fn with_history<T: Serialize>(mut self, past: &T) -> Result<Self, TableError> {
        self.history = Some(to_item(&self.key, past)?);
        Ok(self)
    }

    /// The same with what is to be done to its copies.
    pub(crate) fn with_aliases(mut self, copies: Vec<TransactWriteItem>) -> Self {
        self.aliases = copies;
        self
    }

    /// The same with attributes for an index.
    #[must_use]
    pub fn with_index(mut self, index: Item) -> Self {
        self.index = index;
        self
    }
}

fn to_item<T: Serialize>(key: &Key, value: &T) -> Result<Item, TableError> {
    serde_dynamo::to_item(value).map_err(|error| TableError::unreadable(key.to_string(), error))
}

impl Table {
    /// What a new item under a key has to follow: asked before one is created where another may
    /// have been.
    pub async fn precondition(&self, key: &Key) -> Result<Precondition, TableError> {
        if let Some(current) = self.get::<IgnoredAny>(key).await? {
            return Ok(Precondition::Current(current.revision));
        }
        let last = self.query(key, Some(1), None).await?.pop().map(read);
        Ok(match last.transpose()? {
            Some(Versioned::<IgnoredAny> { revision, .. }) => Precondition::Deleted(revision),
            None => Precondition::Nothing,
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
        act: &ChangeContext<'_>,
    ) -> Result<Revision, TableError> {
        let before = before.map_or(Precondition::Nothing, |before| {
            Precondition::Current(before.clone())
        });
        let write = Write::put(key, before, value)?;
        let mut revisions = self.transact(vec![write], act).await?;
        revisions.pop().ok_or(TableError::Conflict)
    }

    /// Makes several writes together or not at all, and returns their revisions in order.
    pub async fn transact(
        &self,
        writes: Vec<Write>,
        act: &ChangeContext<'_>,
    ) -> Result<Vec<Revision>, TableError> {
        let mut actions = Vec::new();
        let mut copies = Vec::new();
        let mut revisions = Vec::new();
        for mut write in writes {
            copies.append(&mut write.aliases);
            let revision = next_revision(write.precondition.revision(), act);
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
            precondition: before,
            item,
            history: past,
            index,
            aliases: _,
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
        let condition = Condition::of(&key, &Precondition::Nothing);
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
    pub(crate) async fn refresh(
        &self,
        key: &Key,
        before: &Revision,
        attributes: Item,
        act: &ChangeContext<'_>,
    ) -> Result<Revision, TableError> {
        let revision = next_revision(Some(before), act);
        let stamp: AttributeValue = serde_dynamo::to_attribute_value(&revision)
            .map_err(|error| TableError::unreadable(key.to_string(), error))?;
        let condition = Condition::of(key, &Precondition::Current(before.clone()));
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
}

/// On what a write insists.
struct Condition {
    expression: &'static str,
    names: HashMap<String, String>,
    values: Option<HashMap<String, AttributeValue>>,
}

impl Condition {
    fn of(key: &Key, before: &Precondition) -> Self {
        match before {
            Precondition::Nothing | Precondition::Deleted(_) => Self {
                expression: "attribute_not_exists(#partition)",
                names: key
                    .names()
                    .into_iter()
                    .filter(|(placeholder, _)| placeholder == "#partition")
                    .collect(),
                values: None,
            },
            Precondition::Current(revision) => Self {
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
fn next_revision(before: Option<&Revision>, act: &ChangeContext<'_>) -> Revision {
    let millisecond = SignedDuration::from_millis(1);
    let at = act.at - SignedDuration::from_nanos(i64::from(act.at.subsec_nanosecond()) % 1_000_000);
    Revision {
        version: before.map_or(1, |before| before.version + 1),
        at: before.map_or(at, |before| at.max(before.at + millisecond)),
        by: act.by.to_owned(),
        change: act.change.to_owned(),
    }
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

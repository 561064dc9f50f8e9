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

/// The metadata of a change, from which its [`Revision`] is made.
#[derive(Clone, Debug)]
pub struct ChangeContext<'a> {
    pub at: Timestamp,
    /// The caller: an ARN, or `local:<user>` on one machine.
    pub by: &'a str,
    /// The operation: `issue`, `suspend`, …
    pub change: &'a str,
}

/// Precondition on the current item; if it does not hold, the write is rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Precondition {
    /// There is no item and no history.
    Nothing,
    /// The item was deleted by this revision. The next version follows it.
    Deleted(Revision),
    /// The item has this revision.
    Current(Revision),
}

impl Precondition {
    /// The last revision of the key.
    pub fn revision(&self) -> Option<&Revision> {
        match self {
            Self::Nothing => None,
            Self::Deleted(revision) | Self::Current(revision) => Some(revision),
        }
    }
}

/// The write of one item in a transaction.
#[derive(Clone, Debug)]
pub struct Write {
    key: Key,
    precondition: Precondition,
    /// The new item. `None` deletes it.
    item: Option<Item>,
    /// The attributes of the history item, if they are not those of the item.
    history: Option<Item>,
    /// Attributes of an index, which only the current item has.
    index: Item,
    /// Writes of the item's aliases under other keys, in the same transaction.
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

    /// Deletes the item. Its history is kept, with an entry for the deletion.
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

    /// Writes other attributes to the history item, without those that must be deleted together
    /// with the item.
    pub fn with_history<T: Serialize>(mut self, past: &T) -> Result<Self, TableError> {
        self.history = Some(to_item(&self.key, past)?);
        Ok(self)
    }

    /// Adds the writes of the item's aliases.
    pub(crate) fn with_aliases(mut self, aliases: Vec<TransactWriteItem>) -> Self {
        self.aliases = aliases;
        self
    }

    /// Adds attributes for an index.
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
    /// Reads the precondition for an item that is to be created where a deleted one may have been.
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

    /// Writes an item and its history. `before` is the revision that was read, or `None` if the
    /// item must never have existed.
    ///
    /// # Errors
    ///
    /// [`TableError::Conflict`] if the item has changed since `before` was read.
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

    /// Makes several writes in one transaction, and returns their revisions in the same order.
    pub async fn transact(
        &self,
        writes: Vec<Write>,
        act: &ChangeContext<'_>,
    ) -> Result<Vec<Revision>, TableError> {
        let mut actions = Vec::new();
        let mut aliases = Vec::new();
        let mut revisions = Vec::new();
        for mut write in writes {
            aliases.append(&mut write.aliases);
            let revision = next_revision(write.precondition.revision(), act);
            actions.extend(self.actions(write, &revision)?);
            revisions.push(revision);
        }
        let versioned = actions.len();
        actions.append(&mut aliases);
        // Safe to retry: the SDK sends one token for all attempts of a transaction.
        self.client
            .transact_write_items()
            .set_transact_items(Some(actions))
            .send()
            .await
            .map_err(|error| cancelled(error, versioned))?;
        Ok(revisions)
    }

    /// The transaction's actions for the current item and the history item.
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

    /// Replaces attributes without a change of facts, such as a new signature. The item gets a new
    /// version, and no history item is written.
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
        // The SDK may retry this. If the first attempt did succeed, the second one finds a new
        // version and fails as a conflict.
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

/// A condition expression with its placeholders.
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

/// The next revision. Its instant is always later than the previous one's, even if this machine's
/// clock is behind, so that the history stays sorted.
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

/// Converts the error of a cancelled transaction. Its first `versioned` actions are those of
/// versioned items, and the others those of aliases.
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

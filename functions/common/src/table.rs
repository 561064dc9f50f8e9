//! The `Licenses` table: what is current, what it was before, and who changed it.
//!
//! Partition key `domain`, sort key `product` for the current item and `product@instant` for its
//! history. Beside licences it holds the product catalogue (partition `#products`) and the
//! register of signing keys (partition `#signing-keys`): a tenant's domain cannot start with `#`.
//!
//! A change writes the current item and its history item in one transaction, on condition that
//! the current item still has the version that the change was made from.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType, Put,
    ScalarAttributeType, TransactWriteItem,
};
use jiff::{SignedDuration, Timestamp};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::aws;
use crate::domain::Domain;
use crate::lease::SignedLicense;
use crate::product::{Product, ProductSlug};

/// An item as the SDK gives it.
pub type Item = HashMap<String, AttributeValue>;

/// The partition of the product catalogue.
const PRODUCTS: &str = "#products";

/// Separates a sort key from the instant of a history item.
const HISTORY: char = '@';

/// The key of a current item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    domain: String,
    product: String,
}

impl Key {
    /// A licence's key.
    pub fn license(domain: &Domain, product: &ProductSlug) -> Self {
        Self::new(domain.as_str(), product.as_str())
    }

    /// A catalogue entry's key.
    pub fn product(product: &ProductSlug) -> Self {
        Self::new(PRODUCTS, product.as_str())
    }

    /// The key of the register of signing keys.
    pub fn signing_keys() -> Self {
        Self::new("#signing-keys", "keys")
    }

    fn new(domain: &str, product: &str) -> Self {
        Self {
            domain: domain.to_owned(),
            product: product.to_owned(),
        }
    }

    /// The key as the table's attributes.
    pub fn attributes(&self) -> Item {
        HashMap::from([
            ("domain".to_owned(), AttributeValue::S(self.domain.clone())),
            (
                "product".to_owned(),
                AttributeValue::S(self.product.clone()),
            ),
        ])
    }
}

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

/// Why the table did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// Somebody else wrote first; nothing was written.
    #[error(
        "somebody else changed it at the same time; nothing was written: look again, then repeat"
    )]
    Conflict,
    /// An item that is not of its type.
    #[error("item {domain}, {product}: {reason}")]
    Unreadable {
        /// Partition key.
        domain: String,
        /// Sort key.
        product: String,
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
}

/// What a scan for licences found.
#[derive(Debug, Default)]
pub struct Licenses {
    /// Those that could be read, by domain and product.
    pub licenses: Vec<Stored<SignedLicense>>,
    /// Why others could not.
    pub unreadable: Vec<TableError>,
}

type ReadLicense = Result<Stored<SignedLicense>, TableError>;

impl Extend<ReadLicense> for Licenses {
    fn extend<I: IntoIterator<Item = ReadLicense>>(&mut self, read: I) {
        for license in read {
            match license {
                Ok(stored) => self.licenses.push(stored),
                Err(error) => self.unreadable.push(error),
            }
        }
    }
}

impl FromIterator<ReadLicense> for Licenses {
    fn from_iter<I: IntoIterator<Item = ReadLicense>>(read: I) -> Self {
        let mut licenses = Self::default();
        licenses.extend(read);
        licenses
    }
}

/// The `Licenses` table through a client.
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

    /// Creates the table on one machine, if it is not there. In the cloud the template does.
    pub async fn create_if_missing(&self) -> Result<(), TableError> {
        let described = self
            .client
            .describe_table()
            .table_name(&self.name)
            .send()
            .await;
        match described {
            Ok(_) => return Ok(()),
            Err(error) if is_missing(&error) => {}
            Err(error) => return Err(TableError::database(error)),
        }
        let mut create = self
            .client
            .create_table()
            .table_name(&self.name)
            .billing_mode(BillingMode::PayPerRequest);
        for (name, kind) in [("domain", KeyType::Hash), ("product", KeyType::Range)] {
            let attribute = AttributeDefinition::builder()
                .attribute_name(name)
                .attribute_type(ScalarAttributeType::S)
                .build();
            let key = KeySchemaElement::builder()
                .attribute_name(name)
                .key_type(kind)
                .build();
            create = create
                .attribute_definitions(attribute.map_err(build_error)?)
                .key_schema(key.map_err(build_error)?);
        }
        create.send().await.map_err(TableError::database)?;
        Ok(())
    }

    /// Reads the current item under a key, as of its last write.
    pub async fn get<T: DeserializeOwned>(
        &self,
        key: &Key,
    ) -> Result<Option<Stored<T>>, TableError> {
        let output = self
            .client
            .get_item()
            .table_name(&self.name)
            .set_key(Some(key.attributes()))
            .consistent_read(true)
            .send()
            .await
            .map_err(TableError::database)?;
        output.item.map(read).transpose()
    }

    /// Writes a change made from `before` (`None`: the item must not exist yet) and its history.
    ///
    /// Refuses with [`TableError::Conflict`] if the item has changed since `before` was read.
    pub async fn put<T: Serialize>(
        &self,
        key: &Key,
        before: Option<&Revision>,
        value: &T,
        act: &Act<'_>,
    ) -> Result<Revision, TableError> {
        let revision = next_revision(before, act);
        let unreadable = |error: serde_dynamo::Error| TableError::Unreadable {
            domain: key.domain.clone(),
            product: key.product.clone(),
            reason: error.to_string(),
        };
        let mut item: Item = serde_dynamo::to_item(value).map_err(unreadable)?;
        item.insert(
            "revision".to_owned(),
            serde_dynamo::to_attribute_value(&revision).map_err(unreadable)?,
        );
        let mut past = item.clone();
        past.extend(
            Key::new(
                &key.domain,
                &format!("{}{HISTORY}{:.3}", key.product, revision.at),
            )
            .attributes(),
        );
        item.extend(key.attributes());

        let current = Put::builder().table_name(&self.name).set_item(Some(item));
        let current = match before {
            None => current.condition_expression("attribute_not_exists(#domain)"),
            Some(before) => current
                .condition_expression("#revision.#version = :version")
                .expression_attribute_names("#revision", "revision")
                .expression_attribute_names("#version", "version")
                .expression_attribute_values(
                    ":version",
                    AttributeValue::N(before.version.to_string()),
                ),
        };
        let current = match before {
            None => current.expression_attribute_names("#domain", "domain"),
            Some(_) => current,
        };
        let past = Put::builder()
            .table_name(&self.name)
            .set_item(Some(past))
            .condition_expression("attribute_not_exists(#domain)")
            .expression_attribute_names("#domain", "domain");
        let put = |put: Put| TransactWriteItem::builder().put(put).build();
        // Safe to retry: the SDK sends one token for all attempts of a transaction.
        self.client
            .transact_write_items()
            .transact_items(put(current.build().map_err(build_error)?))
            .transact_items(put(past.build().map_err(build_error)?))
            .send()
            .await
            .map_err(|error| {
                if is_conflict(&error) {
                    TableError::Conflict
                } else {
                    TableError::database(error)
                }
            })?;
        Ok(revision)
    }

    /// All revisions under a key, the oldest first.
    pub async fn history<T: DeserializeOwned>(
        &self,
        key: &Key,
    ) -> Result<Vec<Stored<T>>, TableError> {
        self.query(&key.domain, &format!("{}{HISTORY}", key.product))
            .await?
            .into_iter()
            .map(read)
            .collect()
    }

    /// The catalogue, by slug.
    pub async fn products(&self) -> Result<Vec<Stored<Product>>, TableError> {
        let items = self.query(PRODUCTS, "").await?;
        items.into_iter().filter(is_current).map(read).collect()
    }

    /// The current licences of one domain.
    pub async fn licenses_of(&self, domain: &Domain) -> Result<Licenses, TableError> {
        let items = self.query(domain.as_str(), "").await?;
        Ok(items.into_iter().filter(is_current).map(read).collect())
    }

    /// All current licences, by domain and product, and what could not be read: one broken item
    /// does not hide the others.
    ///
    /// Reads the whole table: for operators, not for requests.
    pub async fn licenses(&self) -> Result<Licenses, TableError> {
        let mut pages = self
            .client
            .scan()
            .table_name(&self.name)
            .consistent_read(true)
            .filter_expression(
                "NOT contains(product, :history) AND NOT begins_with(#domain, :ours)",
            )
            .expression_attribute_names("#domain", "domain")
            .expression_attribute_values(":history", AttributeValue::S(HISTORY.to_string()))
            .expression_attribute_values(":ours", AttributeValue::S("#".to_owned()))
            .into_paginator()
            .items()
            .send();
        let mut found = Licenses::default();
        while let Some(item) = pages.next().await {
            found.extend([read(item.map_err(TableError::database)?)]);
        }
        found.licenses.sort_by(|a, b| {
            let key = |stored: &Stored<SignedLicense>| {
                let license = &stored.value.license;
                (license.domain.clone(), license.product.clone())
            };
            key(a).cmp(&key(b))
        });
        Ok(found)
    }

    /// The revision of a current item, of whatever state the rest of it is.
    pub async fn revision(&self, key: &Key) -> Result<Option<Revision>, TableError> {
        let stored = self.get::<serde::de::IgnoredAny>(key).await?;
        Ok(stored.map(|stored| stored.revision))
    }

    async fn query(&self, domain: &str, product_prefix: &str) -> Result<Vec<Item>, TableError> {
        let mut query = self
            .client
            .query()
            .table_name(&self.name)
            .consistent_read(true)
            .key_condition_expression("#domain = :domain")
            .expression_attribute_names("#domain", "domain")
            .expression_attribute_values(":domain", AttributeValue::S(domain.to_owned()));
        if !product_prefix.is_empty() {
            query = query
                .key_condition_expression("#domain = :domain AND begins_with(product, :prefix)")
                .expression_attribute_values(
                    ":prefix",
                    AttributeValue::S(product_prefix.to_owned()),
                );
        }
        let mut pages = query.into_paginator().items().send();
        let mut items = Vec::new();
        while let Some(item) = pages.next().await {
            items.push(item.map_err(TableError::database)?);
        }
        Ok(items)
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

fn is_current(item: &Item) -> bool {
    matches!(item.get("product"), Some(AttributeValue::S(product)) if !product.contains(HISTORY))
}

/// Reads an item as the thing it holds and its revision.
fn read<T: DeserializeOwned>(mut item: Item) -> Result<Stored<T>, TableError> {
    let text = |name| match item.get(name) {
        Some(AttributeValue::S(text)) => text.clone(),
        _ => String::new(),
    };
    let (domain, product) = (text("domain"), text("product"));
    let revision = item
        .remove("revision")
        .unwrap_or(AttributeValue::Null(true));
    let read = || -> Result<Stored<T>, serde_dynamo::Error> {
        Ok(Stored {
            revision: serde_dynamo::from_attribute_value(revision)?,
            value: serde_dynamo::from_item(item)?,
        })
    };
    read().map_err(|error| TableError::Unreadable {
        domain,
        product,
        reason: error.to_string(),
    })
}

fn build_error(error: aws_sdk_dynamodb::error::BuildError) -> TableError {
    TableError::Database(error.to_string())
}

fn is_missing(
    error: &SdkError<aws_sdk_dynamodb::operation::describe_table::DescribeTableError>,
) -> bool {
    error
        .as_service_error()
        .is_some_and(|error| error.is_resource_not_found_exception())
}

fn is_conflict(error: &SdkError<TransactWriteItemsError>) -> bool {
    match error.as_service_error() {
        Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
            cancelled.cancellation_reasons().iter().any(|reason| {
                matches!(
                    reason.code(),
                    Some("ConditionalCheckFailed" | "TransactionConflict")
                )
            })
        }
        _ => false,
    }
}

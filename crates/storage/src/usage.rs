//! The `Usage` table.
//!
//! Partition key `product_day`, sort key `domain`: `sheet#2026-11-22`, `example.cybozu.com`.
//! It also contains items that make the usage verifiable, in partitions that no product can have:
//!
//! | partition | sort key | item |
//! | --- | --- | --- |
//! | `#archive#2026-11-22` | `lookup/<hash>` | the receipt of an archived object: its records and bytes |
//! | `#days` | `2026-11-22` | the state of the day: the number of its changes, and the change that its usage includes |
//!
//! Usage is derived and completely rewritten; it has no history.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, DeleteRequest, PutRequest, WriteRequest};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::key::USAGE;
use crate::{Item, Table, TableError};

use tegata_common::access::Source;
use tegata_common::usage::{DaySummary, DomainUsage};

/// The partition of the days.
const DAYS: &str = "#days";

/// The number of requests per batch write.
const BATCH: usize = 25;

/// The first and the longest wait before throttled writes are retried.
const PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// The receipt of an archived object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    pub source: Source,
    /// The hash in the object's name.
    pub hash: String,
    /// The number of lines.
    pub records: u64,
    /// The compressed size.
    pub bytes: u64,
    /// When the object was first archived.
    pub archived_at: Timestamp,
}

/// The state of a day's roll-up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayState {
    pub date: Date,
    /// The number of times that objects of the day were archived.
    #[serde(default)]
    pub changes: u64,
    /// The value of `changes` that the usage includes. Less than `changes` if a roll-up is due.
    #[serde(default)]
    pub rolled_up: u64,
    /// The value of `changes` that the copies for queries include.
    #[serde(default)]
    pub copied: u64,
    /// When the usage was written.
    #[serde(default)]
    pub rolled_up_at: Option<Timestamp>,
    /// The products that have usage.
    #[serde(default)]
    pub products: BTreeSet<String>,
    #[serde(default)]
    pub summary: DaySummary,
}

impl DayState {
    /// Whether a roll-up is due, because objects were archived since the last one.
    pub fn is_waiting(&self) -> bool {
        self.rolled_up < self.changes
    }

    /// Whether the copies for queries include all objects.
    pub fn is_copied(&self) -> bool {
        self.copied >= self.changes
    }
}

/// The `Usage` table through a client.
#[derive(Clone, Debug)]
pub struct UsageTable {
    table: Table,
}

impl UsageTable {
    /// The table of this name.
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self {
            table: Table::new(client, name),
        }
    }

    /// Creates the table on one machine, if it does not exist. In the cloud, the template does
    /// this.
    pub async fn create_if_missing(&self) -> Result<(), TableError> {
        self.table.create_if_missing(&USAGE, None).await
    }

    /// Records that an object has been archived, unless it has a receipt.
    pub async fn put_receipt(&self, date: Date, receipt: &Receipt) -> Result<(), TableError> {
        let partition = receipts(date);
        let sort = format!("{}/{}", receipt.source, receipt.hash);
        let mut item = to_item(&partition, receipt)?;
        item.extend(key(&partition, &sort));
        self.table.put_item_if_missing(item, &USAGE).await
    }

    /// Marks a day as changed. A repeated call only causes one more roll-up.
    pub async fn mark_changed(&self, date: Date) -> Result<(), TableError> {
        let update = self
            .table
            .client
            .update_item()
            .table_name(&self.table.name)
            .set_key(Some(key(DAYS, &date.to_string())))
            .update_expression("SET #date = :date ADD #changes :one")
            .expression_attribute_names("#date", "date")
            .expression_attribute_names("#changes", "changes")
            .expression_attribute_values(":date", AttributeValue::S(date.to_string()))
            .expression_attribute_values(":one", AttributeValue::N("1".to_owned()))
            .send()
            .await;
        update.map_err(TableError::database)?;
        Ok(())
    }

    /// The receipts of a day, sorted by source and hash.
    pub async fn receipts(&self, date: Date) -> Result<Vec<Receipt>, TableError> {
        self.partition(&receipts(date)).await
    }

    /// All days with a state, in order.
    pub async fn days(&self) -> Result<Vec<DayState>, TableError> {
        self.partition(DAYS).await
    }

    /// The state of a day, if there is one.
    pub async fn day(&self, date: Date) -> Result<Option<DayState>, TableError> {
        let item = self.table.get_item(key(DAYS, &date.to_string())).await?;
        item.map(from_item).transpose()
    }

    /// The usage of a product on a day, sorted by tenant.
    pub async fn rows(&self, product: &str, date: Date) -> Result<Vec<DomainUsage>, TableError> {
        self.partition(&rows(product, date)).await
    }

    /// The usage of one tenant on some days. Products and days without usage are left out.
    pub async fn rows_of_domain(
        &self,
        domain: &str,
        products: &[(String, Date)],
    ) -> Result<Vec<DomainUsage>, TableError> {
        let keys = products
            .iter()
            .map(|(product, date)| key(&rows(product, *date), domain));
        let items = self.table.batch_get(keys.collect()).await?;
        items.into_iter().map(from_item).collect()
    }

    /// Replaces the usage of a day: writes the rows, deletes obsolete ones, and records that it
    /// includes `state.changes`, which was read before the archive.
    ///
    /// Idempotent, and safe to interrupt: the day counts as changed until the last step.
    pub async fn replace(
        &self,
        state: &DayState,
        usage: &[DomainUsage],
        summary: &DaySummary,
        now: Timestamp,
    ) -> Result<(), TableError> {
        let date = state.date;
        let mut by_product: BTreeMap<&str, Vec<&DomainUsage>> = BTreeMap::new();
        for row in usage {
            by_product.entry(&row.product).or_default().push(row);
        }
        let now_there: BTreeSet<String> = by_product.keys().map(|&p| p.to_owned()).collect();
        for product in now_there.union(&state.products) {
            let partition = rows(product, date);
            let wanted = by_product.get(product.as_str());
            let wanted = wanted.map_or(&[][..], Vec::as_slice);
            let puts = wanted.iter().map(|row| {
                let mut item = to_item(&partition, row)?;
                item.extend(key(&partition, &row.domain));
                let put = PutRequest::builder().set_item(Some(item)).build();
                let put = put.map_err(TableError::build)?;
                Ok(WriteRequest::builder().put_request(put).build())
            });
            self.write_all(puts).await?;
            let names: BTreeSet<&str> = wanted.iter().map(|row| row.domain.as_str()).collect();
            let there = self.sort_keys(&partition).await?;
            let gone = there.iter().filter(|name| !names.contains(name.as_str()));
            let deletes = gone.map(|domain| {
                let gone = key(&partition, domain);
                let delete = DeleteRequest::builder().set_key(Some(gone)).build();
                let delete = delete.map_err(TableError::build)?;
                Ok(WriteRequest::builder().delete_request(delete).build())
            });
            self.write_all(deletes).await?;
        }
        let done = DayState {
            rolled_up: state.changes,
            rolled_up_at: Some(now),
            products: now_there,
            summary: summary.clone(),
            ..state.clone()
        };
        self.note_roll_up(&done).await
    }

    /// Records a roll-up without touching the number of changes, which may have grown meanwhile.
    async fn note_roll_up(&self, done: &DayState) -> Result<(), TableError> {
        let date = done.date.to_string();
        let mut attributes = to_item(DAYS, done)?;
        attributes.remove("changes");
        let mut update = self
            .table
            .client
            .update_item()
            .table_name(&self.table.name)
            .set_key(Some(key(DAYS, &date)));
        let mut assignments = Vec::new();
        for (number, (name, value)) in attributes.into_iter().enumerate() {
            assignments.push(format!("#a{number} = :a{number}"));
            update = update
                .expression_attribute_names(format!("#a{number}"), name)
                .expression_attribute_values(format!(":a{number}"), value);
        }
        let expression = format!("SET {}", assignments.join(", "));
        let update = update.update_expression(expression).send().await;
        update.map_err(TableError::database)?;
        Ok(())
    }

    /// Writes different items, 25 per request. The requests are built lazily, because a day may
    /// have a hundred thousand items.
    async fn write_all(
        &self,
        writes: impl Iterator<Item = Result<WriteRequest, TableError>>,
    ) -> Result<(), TableError> {
        let mut writes = writes;
        let mut batch = Vec::new();
        let mut pause = PAUSE;
        loop {
            while batch.len() < BATCH
                && let Some(write) = writes.next()
            {
                batch.push(write?);
            }
            if batch.is_empty() {
                return Ok(());
            }
            let output = self
                .table
                .client
                .batch_write_item()
                .request_items(&self.table.name, std::mem::take(&mut batch))
                .send()
                .await
                .map_err(TableError::database)?;
            // Unprocessed (throttled) items are sent again with the next request, after increasing
            // pauses.
            let unprocessed = output.unprocessed_items.unwrap_or_default();
            batch.extend(unprocessed.into_values().flatten());
            if batch.is_empty() {
                pause = PAUSE;
            } else {
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }

    async fn sort_keys(&self, partition: &str) -> Result<Vec<String>, TableError> {
        let mut items = self.query(partition).projection_expression("#sort");
        items = items.expression_attribute_names("#sort", USAGE.sort);
        let mut pages = items.into_paginator().items().send();
        let mut keys = Vec::new();
        while let Some(item) = pages.next().await {
            if let Some(AttributeValue::S(sort)) =
                item.map_err(TableError::database)?.remove(USAGE.sort)
            {
                keys.push(sort);
            }
        }
        Ok(keys)
    }

    async fn partition<T: DeserializeOwned>(&self, partition: &str) -> Result<Vec<T>, TableError> {
        let mut pages = self.query(partition).into_paginator().items().send();
        let mut found = Vec::new();
        while let Some(item) = pages.next().await {
            found.push(from_item(item.map_err(TableError::database)?)?);
        }
        Ok(found)
    }

    fn query(
        &self,
        partition: &str,
    ) -> aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder {
        self.table
            .client
            .query()
            .table_name(&self.table.name)
            .consistent_read(true)
            .key_condition_expression("#partition = :partition")
            .expression_attribute_names("#partition", USAGE.partition)
            .expression_attribute_values(":partition", AttributeValue::S(partition.to_owned()))
    }
}

fn rows(product: &str, date: Date) -> String {
    format!("{product}#{date}")
}

fn receipts(date: Date) -> String {
    format!("#archive#{date}")
}

fn key(partition: &str, sort: &str) -> Item {
    Item::from([
        (
            USAGE.partition.to_owned(),
            AttributeValue::S(partition.to_owned()),
        ),
        (USAGE.sort.to_owned(), AttributeValue::S(sort.to_owned())),
    ])
}

fn to_item<T: Serialize>(partition: &str, value: &T) -> Result<Item, TableError> {
    serde_dynamo::to_item(value)
        .map_err(|error| TableError::unreadable(partition.to_owned(), error))
}

fn from_item<T: DeserializeOwned>(item: Item) -> Result<T, TableError> {
    let shown = crate::key::shown(&item);
    serde_dynamo::from_item(item).map_err(|error| TableError::unreadable(shown, error))
}

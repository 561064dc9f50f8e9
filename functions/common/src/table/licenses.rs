//! The `Licenses` table.
//!
//! Partition key `domain`, sort key `product` for the current item and `product@instant` for its
//! history. Beside licences it holds the product catalogue (partition `#products`) and the
//! register of signing keys (partition `#signing-keys`): a tenant's domain cannot start with `#`.
//!
//! The index `renewals` holds the keys of the current licences by the instant at which time asks
//! something of them, in [`SHARDS`] partitions.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::key::{HISTORY, LICENSES, PRODUCTS, is_current};
use super::{Act, Item, Key, Past, Revision, Stored, Table, TableError, Write, read};
use crate::domain::Domain;
use crate::lease::SignedLicense;
use crate::product::{Product, ProductSlug};

/// The index of licences by the instant at which they are due.
pub const RENEWALS: &str = "renewals";

/// The partitions of the index: more than one, because a partition takes 1,000 writes a second.
pub const SHARDS: u8 = 16;

const SHARD: &str = "renewal_shard";
const DUE_AT: &str = "due_at";

/// The `due_at` of a licence that time asks nothing of any more. It sorts after every instant.
const NEVER: &str = "never";

/// What a scan for licences found.
#[derive(Debug, Default)]
pub struct Found {
    /// Those that could be read, by domain and product.
    pub licenses: Vec<Stored<SignedLicense>>,
    /// Why others could not.
    pub unreadable: Vec<TableError>,
}

type ReadLicense = Result<Stored<SignedLicense>, TableError>;

impl Extend<ReadLicense> for Found {
    fn extend<I: IntoIterator<Item = ReadLicense>>(&mut self, read: I) {
        for license in read {
            match license {
                Ok(stored) => self.licenses.push(stored),
                Err(error) => self.unreadable.push(error),
            }
        }
    }
}

impl FromIterator<ReadLicense> for Found {
    fn from_iter<I: IntoIterator<Item = ReadLicense>>(read: I) -> Self {
        let mut found = Self::default();
        found.extend(read);
        found
    }
}

/// A page of the index: licences that are due.
#[derive(Debug)]
pub struct DuePage {
    /// Their keys, the longest due first.
    pub keys: Vec<Key>,
    /// Where the next page starts, if there is one.
    pub next: Option<Item>,
}

/// The `Licenses` table through a client.
#[derive(Clone, Debug)]
pub struct Licenses {
    table: Table,
}

impl Licenses {
    /// The table of this name.
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self {
            table: Table::new(client, name),
        }
    }

    /// The table as such: for the catalogue and the register of keys.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Creates the table on one machine, if it is not there. In the cloud the template does.
    pub async fn create_if_missing(&self) -> Result<(), TableError> {
        let index = (RENEWALS, [SHARD, DUE_AT]);
        self.table.create_if_missing(&LICENSES, Some(index)).await
    }

    /// A current licence.
    pub async fn get(
        &self,
        domain: &Domain,
        product: &ProductSlug,
    ) -> Result<Option<Stored<SignedLicense>>, TableError> {
        self.table.get(&Key::license(domain, product)).await
    }

    /// The catalogue, by slug.
    pub async fn products(&self) -> Result<Vec<Stored<Product>>, TableError> {
        let partition = Key::of(&LICENSES, PRODUCTS, "");
        let items = self.table.partition(&partition).await?.into_iter();
        items
            .filter(|item| is_current(&LICENSES, item))
            .map(read)
            .collect()
    }

    /// The current licences of one domain.
    pub async fn of_domain(&self, domain: &Domain) -> Result<Found, TableError> {
        let partition = Key::of(&LICENSES, domain.as_str(), "");
        let items = self.table.partition(&partition).await?.into_iter();
        Ok(items
            .filter(|item| is_current(&LICENSES, item))
            .map(read)
            .collect())
    }

    /// All current licences, by domain and product, and what could not be read: one broken item
    /// does not hide the others.
    ///
    /// Reads the whole table and not the index, so that it also finds what the index does not
    /// know: for operators, not for requests.
    pub async fn all(&self) -> Result<Found, TableError> {
        let mut pages = self
            .table
            .client
            .scan()
            .table_name(&self.table.name)
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
        let mut found = Found::default();
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

    /// A page of the licences of a shard that are due at an instant. The index may lag behind the
    /// table by a moment: what is done is decided on the item itself.
    pub async fn due(
        &self,
        shard: u8,
        now: Timestamp,
        page: Option<Item>,
    ) -> Result<DuePage, TableError> {
        let output = self
            .table
            .client
            .query()
            .table_name(&self.table.name)
            .index_name(RENEWALS)
            .key_condition_expression("#shard = :shard AND #due_at <= :now")
            .expression_attribute_names("#shard", SHARD)
            .expression_attribute_names("#due_at", DUE_AT)
            .expression_attribute_values(":shard", AttributeValue::S(shard_name(shard)))
            .expression_attribute_values(":now", AttributeValue::S(due_text(Some(now))))
            .set_exclusive_start_key(page)
            .send()
            .await
            .map_err(TableError::database)?;
        let text = |item: &Item, name: &str| match item.get(name) {
            Some(AttributeValue::S(text)) => text.clone(),
            _ => String::new(),
        };
        let items = output.items.unwrap_or_default();
        let keys = items.iter().map(|item| {
            let (partition, sort) = (LICENSES.partition, LICENSES.sort);
            Key::of(&LICENSES, &text(item, partition), &text(item, sort))
        });
        Ok(DuePage {
            keys: keys.collect(),
            next: output.last_evaluated_key,
        })
    }

    /// All revisions of a licence, the oldest first. One that cannot be read hides no other.
    pub async fn history(
        &self,
        domain: &Domain,
        product: &ProductSlug,
    ) -> Result<Vec<Result<Past<SignedLicense>, TableError>>, TableError> {
        self.table.history(&Key::license(domain, product)).await
    }

    /// Replaces a lease by one that says the same, signed later. It is no change of the licence,
    /// and none of its history.
    pub async fn put_lease(
        &self,
        before: &Stored<SignedLicense>,
        resigned: &SignedLicense,
        act: &Act<'_>,
    ) -> Result<Revision, TableError> {
        let license = &resigned.license;
        let key = Key::license(&license.domain, &license.product);
        let lease = serde_dynamo::to_attribute_value(&resigned.lease)
            .map_err(|error| TableError::unreadable(key.to_string(), error))?;
        let mut attributes = index(resigned);
        attributes.insert("lease".to_owned(), lease);
        let before = &before.revision;
        self.table.refresh(&key, before, attributes, act).await
    }

    /// Deletes the item of a domain that its contract has left. Its history stays.
    pub async fn release(
        &self,
        stored: &Stored<SignedLicense>,
        act: &Act<'_>,
    ) -> Result<(), TableError> {
        let license = &stored.value.license;
        let key = Key::license(&license.domain, &license.product);
        let delete = Write::delete(&key, stored.revision.clone());
        self.table.transact(vec![delete], act).await?;
        Ok(())
    }
}

/// A licence's attributes for the index.
pub fn index(signed: &SignedLicense) -> Item {
    let domain = Sha256::digest(signed.license.domain.as_str().as_bytes());
    let due_at = due_text(signed.due_at());
    Item::from([
        (
            SHARD.to_owned(),
            AttributeValue::S(shard_name(domain[0] % SHARDS)),
        ),
        (DUE_AT.to_owned(), AttributeValue::S(due_at)),
    ])
}

fn shard_name(shard: u8) -> String {
    format!("{shard:x}")
}

fn due_text(due_at: Option<Timestamp>) -> String {
    due_at.map_or_else(|| NEVER.to_owned(), |instant| format!("{instant:.0}"))
}

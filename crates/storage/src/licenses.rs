//! The `Licenses` table.
//!
//! Partition key `domain`, sort key `product` for the current item and `product@instant` for its
//! history. The table also contains the product catalogue (partition `#products`) and the registers
//! of signing keys (partitions `#signing-keys` for leases, `#release-keys`): a tenant's domain cannot
//! start with `#`.
//!
//! A licence has an alias, without the lease, for each kintone plug-in id of its product:
//! `plugin#<id>` in the same partition, so that a lookup by the id also reads one item. Aliases are
//! written and deleted with the licence, in the same transaction, and have no version and no
//! history. They do not change when a lease is signed again.
//!
//! The index `renewals` contains the keys of the current licences by the instant at which a renewal
//! task is due, in [`SHARDS`] partitions.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::scan::builders::ScanFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Delete, Put, TransactWriteItem};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::key::{HISTORY, LICENSES, PLUGIN, PRODUCTS, is_current};
use crate::{
    ChangeContext, HistoryEntry, Item, Key, Precondition, Table, TableError, Versioned, Write, read,
};
use tegata_common::domain::Domain;
use tegata_common::keys::{KeyPurpose, KeyRegister};
use tegata_common::lease::SignedLicense;
use tegata_common::license::License;
use tegata_common::product::{KintonePluginId, Product, ProductSlug};
use tegata_common::revision::Revision;

/// The index of licences by the instant at which a renewal task is due.
pub const RENEWALS: &str = "renewals";

/// The number of partitions of the index: several, because a partition is limited to 1,000 writes
/// per second.
pub const SHARDS: u8 = 16;

const SHARD: &str = "renewal_shard";
const DUE_AT: &str = "due_at";

/// The `due_at` of a licence for which no task will be due. It sorts after every instant.
const NEVER: &str = "never";

/// The result of reading licences.
#[derive(Debug, Default)]
pub struct FoundLicenses {
    /// The readable licences, sorted by domain and product.
    pub licenses: Vec<Versioned<SignedLicense>>,
    /// The errors of unreadable licences.
    pub unreadable: Vec<TableError>,
}

type ReadLicense = Result<Versioned<SignedLicense>, TableError>;

impl Extend<ReadLicense> for FoundLicenses {
    fn extend<I: IntoIterator<Item = ReadLicense>>(&mut self, read: I) {
        for license in read {
            match license {
                Ok(stored) => self.licenses.push(stored),
                Err(error) => self.unreadable.push(error),
            }
        }
    }
}

impl FromIterator<ReadLicense> for FoundLicenses {
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

    /// The underlying table, for the catalogue and the key registers.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Creates the table on one machine, if it does not exist. In the cloud, the template does
    /// this.
    pub async fn create_if_missing(&self) -> Result<(), TableError> {
        let index = (RENEWALS, [SHARD, DUE_AT]);
        self.table.create_if_missing(&LICENSES, Some(index)).await
    }

    /// A current licence.
    pub async fn get(
        &self,
        domain: &Domain,
        product: &ProductSlug,
    ) -> Result<Option<Versioned<SignedLicense>>, TableError> {
        self.table.get(&Key::license(domain, product)).await
    }

    /// The catalogue, by slug.
    pub async fn products(&self) -> Result<Vec<Versioned<Product>>, TableError> {
        let partition = Key::of(&LICENSES, PRODUCTS, "");
        let items = self.table.partition(&partition).await?.into_iter();
        items
            .filter(|item| is_current(&LICENSES, item))
            .map(read)
            .collect()
    }

    /// The register of the signing keys of a purpose, empty at first, and the revision to change it
    /// from.
    ///
    /// # Errors
    ///
    /// [`TableError::Unreadable`] if the item is the register of another purpose.
    pub async fn key_register(
        &self,
        purpose: KeyPurpose,
    ) -> Result<(KeyRegister, Option<Revision>), TableError> {
        let key = Key::key_register(purpose);
        let Some(stored) = self.table.get::<KeyRegister>(&key).await? else {
            return Ok((KeyRegister::of(purpose), None));
        };
        match stored.value.purpose == purpose {
            true => Ok((stored.value, Some(stored.revision))),
            false => Err(TableError::unreadable(
                key.to_string(),
                format!("it has {} keys", stored.value.purpose),
            )),
        }
    }

    /// The current licences of one domain.
    pub async fn of_domain(&self, domain: &Domain) -> Result<FoundLicenses, TableError> {
        let partition = Key::of(&LICENSES, domain.as_str(), "");
        let items = self.table.partition(&partition).await?.into_iter();
        Ok(items
            .filter(|item| is_current(&LICENSES, item))
            .map(read)
            .collect())
    }

    /// All current licences, sorted by domain and product. An unreadable item does not affect
    /// others.
    ///
    /// Scans the whole table instead of the index, so that items missing from the index are also
    /// found. For operators, not for requests.
    pub async fn all(&self) -> Result<FoundLicenses, TableError> {
        let mut pages = self.current().into_paginator().items().send();
        let mut found = FoundLicenses::default();
        while let Some(item) = pages.next().await {
            found.extend([read(item.map_err(TableError::database)?)]);
        }
        found.licenses.sort_by(|a, b| {
            let key = |stored: &Versioned<SignedLicense>| {
                let license = &stored.value.license;
                (license.domain.clone(), license.product.clone())
            };
            key(a).cmp(&key(b))
        });
        Ok(found)
    }

    /// A current licence that matches, in no particular order. Unreadable items are ignored. Scans
    /// the table until the first match.
    pub async fn find(
        &self,
        is_wanted: impl Fn(&License) -> bool,
    ) -> Result<Option<SignedLicense>, TableError> {
        let mut pages = self.current().into_paginator().items().send();
        while let Some(item) = pages.next().await {
            let signed = read::<SignedLicense>(item.map_err(TableError::database)?);
            if let Some(stored) = signed.ok().filter(|of| is_wanted(&of.value.license)) {
                return Ok(Some(stored.value));
            }
        }
        Ok(None)
    }

    /// A scan for the current licences.
    fn current(&self) -> ScanFluentBuilder {
        self.table
            .client
            .scan()
            .table_name(&self.table.name)
            .consistent_read(true)
            .filter_expression(
                "NOT contains(product, :history) AND NOT begins_with(#domain, :ours) \
                 AND NOT begins_with(product, :alias)",
            )
            .expression_attribute_values(":alias", AttributeValue::S(PLUGIN.to_owned()))
            .expression_attribute_names("#domain", "domain")
            .expression_attribute_values(":history", AttributeValue::S(HISTORY.to_string()))
            .expression_attribute_values(":ours", AttributeValue::S("#".to_owned()))
    }

    /// A page of the licences of a shard that are due at an instant. The index is eventually
    /// consistent, so the task must be decided on the item itself.
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

    /// The history of a licence, the oldest entry first. An unreadable entry does not affect others.
    pub async fn history(
        &self,
        domain: &Domain,
        product: &ProductSlug,
    ) -> Result<Vec<Result<HistoryEntry<SignedLicense>, TableError>>, TableError> {
        self.table.history(&Key::license(domain, product)).await
    }

    /// Replaces a lease by a newer one for the unchanged licence. No history item is written.
    pub async fn put_lease(
        &self,
        before: &Versioned<SignedLicense>,
        resigned: &SignedLicense,
        act: &ChangeContext<'_>,
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

    /// Deletes the item of a domain that its contract has left. The history is kept.
    pub async fn release(
        &self,
        stored: &Versioned<SignedLicense>,
        act: &ChangeContext<'_>,
    ) -> Result<(), TableError> {
        let License {
            domain, product, ..
        } = &stored.value.license;
        let ids = stored.value.license.open_plugin_ids();
        let delete = self.deletion(domain, product, stored.revision.clone(), ids)?;
        self.table.transact(vec![delete], act).await?;
        Ok(())
    }

    /// The write of a licence and its aliases. `existing` are the kintone plug-in ids of the existing
    /// aliases: those that the licence no longer has are deleted.
    pub fn writing(
        &self,
        before: Precondition,
        signed: &SignedLicense,
        existing: &[KintonePluginId],
    ) -> Result<Write, TableError> {
        let license = &signed.license;
        let key = Key::license(&license.domain, &license.product);
        let ids = license.open_plugin_ids();
        let put = ids.iter().map(|id| self.put_alias(license, id));
        let deleted = existing.iter().filter(|id| !ids.contains(id));
        let deleted = deleted.map(|id| self.delete_alias(&license.domain, &license.product, id));
        let aliases = put.chain(deleted).collect::<Result<_, _>>()?;
        let write = Write::put(&key, before, signed)?;
        Ok(write.with_index(index(signed)).with_aliases(aliases))
    }

    /// The deletion of a licence and its aliases.
    pub fn deletion(
        &self,
        domain: &Domain,
        product: &ProductSlug,
        before: Revision,
        existing: &[KintonePluginId],
    ) -> Result<Write, TableError> {
        let key = Key::license(domain, product);
        let deleted = existing
            .iter()
            .map(|id| self.delete_alias(domain, product, id));
        let aliases = deleted.collect::<Result<_, _>>()?;
        Ok(Write::delete(&key, before).with_aliases(aliases))
    }

    fn put_alias(
        &self,
        license: &License,
        id: &KintonePluginId,
    ) -> Result<TransactWriteItem, TableError> {
        let key = Key::plugin(&license.domain, id);
        let facts = serde_dynamo::to_attribute_value(license)
            .map_err(|error| TableError::unreadable(key.to_string(), error))?;
        let mut item = key.attributes();
        item.insert("license".to_owned(), facts);
        let put = Put::builder()
            .table_name(&self.table.name)
            .set_item(Some(item))
            .condition_expression(OF_THIS_PRODUCT)
            .set_expression_attribute_names(Some(names_of_product()))
            .expression_attribute_values(":product", slug(&license.product));
        let put = put.build().map_err(TableError::build)?;
        Ok(TransactWriteItem::builder().put(put).build())
    }

    fn delete_alias(
        &self,
        domain: &Domain,
        product: &ProductSlug,
        id: &KintonePluginId,
    ) -> Result<TransactWriteItem, TableError> {
        let delete = Delete::builder()
            .table_name(&self.table.name)
            .set_key(Some(Key::plugin(domain, id).attributes()))
            .condition_expression(OF_THIS_PRODUCT)
            .set_expression_attribute_names(Some(names_of_product()))
            .expression_attribute_values(":product", slug(product));
        let delete = delete.build().map_err(TableError::build)?;
        Ok(TransactWriteItem::builder().delete(delete).build())
    }
}

/// The precondition of an alias: it does not belong to another product's licence, even if the
/// catalogue says so. Its version is covered by the licence's own precondition in the same
/// transaction. A damaged alias without a product may be overwritten.
const OF_THIS_PRODUCT: &str = "attribute_not_exists(#partition) OR \
     attribute_not_exists(#license.#product) OR #license.#product = :product";

fn names_of_product() -> HashMap<String, String> {
    [
        ("#partition", LICENSES.partition),
        ("#license", "license"),
        ("#product", "product"),
    ]
    .map(|(placeholder, name)| (placeholder.to_owned(), name.to_owned()))
    .into()
}

fn slug(product: &ProductSlug) -> AttributeValue {
    AttributeValue::S(product.as_str().to_owned())
}

/// The attributes of a licence for the index.
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

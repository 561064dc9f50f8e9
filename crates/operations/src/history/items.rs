//! The tables' items, reduced to what is compared: a whole table fits into memory that way.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};
use tegata_common::change::{ItemKey, Role, TableKind};
use tegata_common::keys::{KeyPurpose, KeyRegister};
use tegata_common::lease::SignedLicense;
use tegata_common::revision::Revision;
use tegata_signing::LeaseError;
use tegata_storage::{Item, Table, Versioned};

use super::Stores;
use super::findings::{Finding, FindingKind, Findings};
use crate::Error;

/// Enough of SHA-256 to compare by.
pub(super) type Digest = [u8; 16];

/// Attributes of a current item that its history does not repeat: those of the tables' indexes.
const OF_AN_INDEX: [&str; 3] = ["renewal_shard", "due_at", "work"];

/// Attributes as they are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    /// The change that they claim to come from.
    pub(super) revision: Option<Revision>,
    /// All of them.
    pub(super) image: Digest,
    /// Those that the history repeats.
    pub(super) content: Digest,
    /// The same without lease and revision: what a lease that is signed again leaves as it is.
    pub(super) facts: Digest,
    /// The lease of a licence.
    pub(super) lease: Option<Digest>,
    /// Of a licence and of its copies: the licence.
    pub(super) license: Option<Digest>,
    /// Of a copy: the product whose licence it repeats.
    pub(super) product: Option<String>,
    /// Whether it is the history item of a deletion.
    pub(super) is_deletion: bool,
}

impl Version {
    pub(super) fn of(key: &ItemKey, attributes: &Map<String, Value>) -> Self {
        let is_address = |name: &str| key.table == TableKind::Customers && name == "email";
        let repeated = |name: &&String| {
            !OF_AN_INDEX.contains(&name.as_str()) && !is_address(name) && *name != "deleted"
        };
        let some = |keep: &dyn Fn(&&String) -> bool| {
            let kept = attributes.iter().filter(|(name, _)| keep(name));
            digest(&kept.collect::<BTreeMap<_, _>>())
        };
        let of_a_lease = |name: &&String| *name == "lease" || *name == "revision";
        let license = attributes.get("license");
        let product = license.and_then(|license| license.get("product")?.as_str());
        Self {
            revision: attributes
                .get("revision")
                .and_then(|revision| serde_json::from_value(revision.clone()).ok()),
            image: some(&|_| true),
            content: some(&repeated),
            facts: some(&|name| repeated(name) && !of_a_lease(name)),
            lease: attributes.get("lease").map(digest),
            license: license.map(digest),
            product: product.map(str::to_owned),
            is_deletion: attributes.get("deleted") == Some(&Value::Bool(true)),
        }
    }

    /// Its number, if it has a revision.
    pub(super) fn number(&self) -> Option<u64> {
        self.revision.as_ref().map(|revision| revision.version)
    }
}

fn digest(value: &impl serde::Serialize) -> Digest {
    let text = serde_json::to_vec(value).unwrap_or_default();
    let mut digest = Digest::default();
    digest.copy_from_slice(&Sha256::digest(&text)[..16]);
    digest
}

/// All items of the tables.
#[derive(Debug, Default)]
pub(super) struct Items {
    /// Those that are so now.
    pub(super) current: BTreeMap<ItemKey, Version>,
    /// Their histories, by the current item's key and the instant in the history item's.
    pub(super) past: BTreeMap<ItemKey, BTreeMap<Timestamp, (ItemKey, Version)>>,
    /// Licences under kintone's plug-in ids, and deliveries.
    pub(super) others: BTreeMap<ItemKey, Version>,
}

impl Items {
    /// Reads the tables. What a licence's lease says otherwise than the licence is found on the
    /// way, because a lease is not kept.
    pub(super) async fn read(stores: &Stores<'_>, findings: &mut Findings) -> Result<Self, Error> {
        let (register, _) = stores.licenses.key_register(KeyPurpose::Lease).await?;
        let mut items = Self::default();
        for table in stores.tables() {
            items.read_table(table, &register, findings).await?;
        }
        Ok(items)
    }

    async fn read_table(
        &mut self,
        table: &Table,
        register: &KeyRegister,
        findings: &mut Findings,
    ) -> Result<(), Error> {
        let scan = table.scan(|item| {
            let Some(kept) = tegata_storage::kept_item(item.clone()) else {
                return;
            };
            let version = Version::of(&kept.key, &kept.attributes);
            check_lease(&kept.key, &version, item, register, findings);
            self.add(kept.key, version);
        });
        Ok(scan.await?)
    }

    pub(super) fn add(&mut self, key: ItemKey, version: Version) {
        match key.role() {
            Role::Current => {
                self.current.insert(key, version);
            }
            Role::History { of, at } => {
                self.past.entry(of).or_default().insert(at, (key, version));
            }
            Role::Copy | Role::Delivery => {
                self.others.insert(key, version);
            }
        }
    }

    /// An item, whatever it is for.
    pub(super) fn get(&self, key: &ItemKey) -> Option<&Version> {
        match key.role() {
            Role::Current => self.current.get(key),
            Role::History { of, at } => self.past.get(&of)?.get(&at).map(|(_, version)| version),
            Role::Copy | Role::Delivery => self.others.get(key),
        }
    }

    /// How many history items there are.
    pub(super) fn past_items(&self) -> usize {
        self.past.values().map(BTreeMap::len).sum()
    }
}

/// A licence's lease is signed: what was changed past the tool contradicts it, in its history too.
fn check_lease(
    key: &ItemKey,
    version: &Version,
    item: Item,
    register: &KeyRegister,
    findings: &mut Findings,
) {
    let is_of_a_licence = is_licence(key) && version.license.is_some();
    let role = key.role();
    if !is_of_a_licence || role == Role::Copy || version.is_deletion {
        return;
    }
    let wrong = match (tegata_storage::read::<SignedLicense>(item), &role) {
        (Ok(Versioned { value, .. }), _) => {
            match (tegata_signing::check_lease(register, &value), &role) {
                // The key may have been retired since.
                (Ok(()), _) | (Err(LeaseError::UnknownKey), Role::History { .. }) => return,
                (Err(error), _) => error.to_string(),
            }
        }
        // What an older version of this program wrote otherwise.
        (Err(_), Role::History { .. }) => return,
        (Err(error), _) => format!("it cannot be read: {error}"),
    };
    findings.add(Finding {
        kind: FindingKind::Contradiction,
        item: Some(key.clone()),
        what: wrong,
        version: version.number(),
        at: version.revision.as_ref().map(|revision| revision.at),
        claimed_by: version
            .revision
            .as_ref()
            .map(|revision| revision.by.clone()),
    });
}

/// Whether a key is a licence's, or of its history or copies: not the catalogue's, nor the
/// register's of keys.
pub(super) fn is_licence(key: &ItemKey) -> bool {
    key.table == TableKind::Licenses && !key.partition.starts_with('#')
}

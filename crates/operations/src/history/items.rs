//! The items of the tables, reduced to hashes, so that whole tables fit into memory.

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

/// The first 128 bits of a SHA-256 hash.
pub(super) type Digest = [u8; 16];

/// Attributes of the tables' indexes. Only current items have them, not history items.
const INDEX_ATTRIBUTES: [&str; 3] = ["renewal_shard", "due_at", "work"];

/// One state of an item, as hashes of groups of its attributes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Version {
    /// The revision in the item. It is a claim, and may be forged.
    pub(super) revision: Option<Revision>,
    /// The hash of all attributes.
    pub(super) image: Digest,
    /// The hash of the attributes that a history item also has.
    pub(super) content: Digest,
    /// The hash of `content` without lease and revision. It stays the same when a lease is signed
    /// again.
    pub(super) facts: Digest,
    /// The hash of the lease. `None` if the item is not a licence.
    pub(super) lease: Option<Digest>,
    /// The hash of the licence. `None` if the item is neither a licence nor an alias.
    pub(super) license: Option<Digest>,
    /// The product of the licence, in an alias.
    pub(super) product: Option<String>,
    /// Whether this is the history item of a deletion.
    pub(super) is_deletion: bool,
}

impl Version {
    pub(super) fn of(key: &ItemKey, attributes: &Map<String, Value>) -> Self {
        let is_address = |name: &str| key.table == TableKind::Customers && name == "email";
        let repeated = |name: &&String| {
            !INDEX_ATTRIBUTES.contains(&name.as_str()) && !is_address(name) && *name != "deleted"
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

    /// The version number in the revision.
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

/// All items of the archived tables.
#[derive(Debug, Default)]
pub(super) struct Items {
    /// The current items.
    pub(super) current: BTreeMap<ItemKey, Version>,
    /// The history items, by the key of the current item and the instant in the history item's key.
    pub(super) past: BTreeMap<ItemKey, BTreeMap<Timestamp, (ItemKey, Version)>>,
    /// Aliases, deliveries and records of audiences, which have no history.
    pub(super) others: BTreeMap<ItemKey, Version>,
}

impl Items {
    /// Reads the tables. Each licence is compared with its lease while it is read, because the
    /// lease itself is not kept in memory.
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
            let Some(kept) = tegata_storage::archived_item(item.clone()) else {
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
            Role::Alias | Role::Delivery | Role::Audience => {
                self.others.insert(key, version);
            }
        }
    }

    /// The item with this key, of any role.
    pub(super) fn get(&self, key: &ItemKey) -> Option<&Version> {
        match key.role() {
            Role::Current => self.current.get(key),
            Role::History { of, at } => self.past.get(&of)?.get(&at).map(|(_, version)| version),
            Role::Alias | Role::Delivery | Role::Audience => self.others.get(key),
        }
    }

    /// The number of history items.
    pub(super) fn past_items(&self) -> usize {
        self.past.values().map(BTreeMap::len).sum()
    }
}

/// Compares a licence, current or past, with its signed lease. A change that bypassed `tegata`
/// contradicts the lease.
fn check_lease(
    key: &ItemKey,
    version: &Version,
    item: Item,
    register: &KeyRegister,
    findings: &mut Findings,
) {
    let is_of_a_licence = is_licence(key) && version.license.is_some();
    let role = key.role();
    if !is_of_a_licence || role == Role::Alias || version.is_deletion {
        return;
    }
    let wrong = match (tegata_storage::read::<SignedLicense>(item), &role) {
        (Ok(Versioned { value, .. }), _) => {
            match (tegata_signing::check_lease(register, &value), &role) {
                // The key may have been retired after it signed the lease.
                (Ok(()), _) | (Err(LeaseError::UnknownKey), Role::History { .. }) => return,
                (Err(error), _) => error.to_string(),
            }
        }
        // A history item of an earlier version of tegata may have another form.
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

/// Whether a key is that of a licence, its history or its alias, and not of the catalogue or the
/// key register.
pub(super) fn is_licence(key: &ItemKey) -> bool {
    key.table == TableKind::Licenses && !key.partition.starts_with('#')
}

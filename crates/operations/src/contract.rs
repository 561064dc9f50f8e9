//! Reading and writing a contract: one item per domain, all written in one transaction.

use jiff::Timestamp;

use tegata_common::domain::Domain;
use tegata_common::lease::{Lease, SignedLicense};
use tegata_common::license::License;
use tegata_common::product::{KintonePluginId, ProductSlug};
use tegata_common::revision::Revision;
use tegata_signing::{Signer, SigningError};
use tegata_storage::licenses::Licenses;
use tegata_storage::{ChangeContext, Key, Precondition, TableError, Versioned};

/// A contract as read by one of its domains, with the preconditions for writing it back: the
/// revision of each domain's item.
#[derive(Clone, Debug)]
pub struct Contract {
    /// The licence under the domain by which the contract was read.
    pub license: License,
    items: Vec<DomainItem>,
}

/// One domain's item.
#[derive(Clone, Debug)]
struct DomainItem {
    domain: Domain,
    revision: Revision,
    /// When the current lease was signed. A new lease must have a later instant.
    lease_issued_at: Timestamp,
    /// The kintone plug-in ids under which it has aliases.
    plugin_ids: Vec<KintonePluginId>,
}

/// The existing item under a domain that is about to be written.
struct TargetItem {
    before: Precondition,
    /// When the current lease was signed. A new lease must have a later instant.
    lease_issued_at: Option<Timestamp>,
    /// The kintone plug-in ids under which it has aliases.
    plugin_ids: Vec<KintonePluginId>,
}

/// Why a contract was not written. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The domain belongs to another contract.
    #[error("{domain} has a licence of {product} already; see `tegata license show`")]
    Taken {
        /// Which.
        domain: Domain,
        /// The product.
        product: ProductSlug,
    },
    /// The domain is in quarantine after another contract has left it.
    #[error("{domain} was left by another contract and is in quarantine until {until}")]
    Quarantined {
        /// Which.
        domain: Domain,
        /// The end of the quarantine.
        until: Timestamp,
    },
    /// The contract has left this domain, and has other domains.
    #[error(
        "the contract has left {0}; use one of its current domains, see `tegata license domains`"
    )]
    Left(Domain),
    /// Reading or writing the table failed.
    #[error(transparent)]
    Table(#[from] TableError),
    /// Signing the lease failed.
    #[error(transparent)]
    Signing(#[from] SigningError),
}

/// The result of writing a contract.
#[derive(Clone, Debug)]
pub struct WrittenContract {
    /// The licence and lease under the domain by which the contract was read.
    pub signed: SignedLicense,
    /// The new revision of that domain's item.
    pub revision: Revision,
}

impl Contract {
    /// The contract of a licence. The items of its other domains have not been read yet.
    fn of(stored: Versioned<SignedLicense>) -> Self {
        let SignedLicense { license, lease } = stored.value;
        let item = DomainItem {
            domain: license.domain.clone(),
            revision: stored.revision,
            lease_issued_at: lease.issued_at,
            plugin_ids: license.open_plugin_ids().to_vec(),
        };
        Self {
            license,
            items: vec![item],
        }
    }

    fn item(&self, domain: &Domain) -> Option<&DomainItem> {
        self.items.iter().find(|item| item.domain == *domain)
    }

    /// The revision of the item by which the contract was read.
    pub fn revision(&self) -> Option<&Revision> {
        self.items.first().map(|item| &item.revision)
    }
}

/// Reads a contract by one of its domains.
pub async fn read(
    licenses: &Licenses,
    domain: &Domain,
    product: &ProductSlug,
) -> Result<Option<Contract>, TableError> {
    let Some(stored) = licenses.get(domain, product).await? else {
        return Ok(None);
    };
    with_items(licenses, Contract::of(stored)).await.map(Some)
}

/// Reads a contract that will be restored from its history. Its item may be unreadable or missing.
pub async fn read_to_restore(
    licenses: &Licenses,
    license: License,
) -> Result<Contract, TableError> {
    let own = unreadable_item(licenses, &license, &license.domain).await?;
    with_items(
        licenses,
        Contract {
            license,
            items: own.into_iter().collect(),
        },
    )
    .await
}

async fn with_items(licenses: &Licenses, mut contract: Contract) -> Result<Contract, TableError> {
    let License {
        domain,
        product,
        domains,
        ..
    } = &contract.license;
    for name in domains.iter().filter(|name| name.domain != *domain) {
        let item = match licenses.get(&name.domain, product).await {
            Ok(None) => None,
            Ok(Some(stored)) => {
                let mut names = stored.value.license.domains.iter();
                let is_of_this_contract = names.any(|other| other.domain == *domain);
                is_of_this_contract.then(|| DomainItem {
                    domain: name.domain.clone(),
                    revision: stored.revision,
                    lease_issued_at: stored.value.lease.issued_at,
                    plugin_ids: stored.value.license.open_plugin_ids().to_vec(),
                })
            }
            // An unreadable item is overwritten with this contract's facts. An item under a domain
            // that the contract has left is not: it may belong to another contract now.
            Err(TableError::Unreadable { .. }) if name.until.is_none() => {
                unreadable_item(licenses, &contract.license, &name.domain).await?
            }
            Err(TableError::Unreadable { .. }) => None,
            Err(error) => return Err(error),
        };
        contract.items.extend(item);
    }
    Ok(contract)
}

/// The preconditions for overwriting an unreadable item: its revision, and when its lease was
/// signed (when the item was written if the lease is unreadable). Its aliases are assumed to be
/// those of the contract.
async fn unreadable_item(
    licenses: &Licenses,
    license: &License,
    domain: &Domain,
) -> Result<Option<DomainItem>, TableError> {
    #[derive(serde::Deserialize)]
    struct LeaseOnly {
        lease: Lease,
    }
    let key = Key::license(domain, &license.product);
    let Some(revision) = licenses.table().revision(&key).await? else {
        return Ok(None);
    };
    let lease = licenses.table().get::<LeaseOnly>(&key).await;
    let lease_issued_at = match lease {
        Ok(Some(stored)) => stored.value.lease.issued_at,
        _ => revision.at,
    };
    Ok(Some(DomainItem {
        domain: domain.clone(),
        revision,
        lease_issued_at,
        plugin_ids: license.open_plugin_ids().to_vec(),
    }))
}

/// Signs a lease for each domain of a contract, and writes all items in one transaction.
///
/// A domain that is new to the contract must be free. The items of removed domains are deleted.
/// Changes that happen with time only ([`License::as_of`]) are applied first.
pub async fn write(
    licenses: &Licenses,
    before: Option<&Contract>,
    license: &License,
    signer: &Signer,
    act: &ChangeContext<'_>,
) -> Result<WrittenContract, WriteError> {
    let license = license.as_of(act.at).map_err(SigningError::from)?;
    let mut writes = Vec::new();
    let mut own = None;
    for name in &license.domains {
        let item = before.and_then(|contract| contract.item(&name.domain));
        let found = match item {
            Some(item) => TargetItem {
                before: Precondition::Current(item.revision.clone()),
                lease_issued_at: Some(item.lease_issued_at),
                plugin_ids: item.plugin_ids.clone(),
            },
            // The contract has left this domain and its item is deleted: there is nothing to write.
            None if name.until.is_some_and(|until| until <= act.at) => continue,
            None => room_for(licenses, &name.domain, &license.product, act.at).await?,
        };
        let signed = signer
            .sign(license.under(&name.domain), act.at, found.lease_issued_at)
            .await?;
        let write = licenses.writing(found.before, &signed, &found.plugin_ids)?;
        if name.domain == license.domain {
            own = Some((writes.len(), signed));
        }
        writes.push(write);
    }
    let (position, signed) = own.ok_or(WriteError::Left(license.domain.clone()))?;
    for item in before.iter().flat_map(|contract| &contract.items) {
        if !license
            .domains
            .iter()
            .any(|name| name.domain == item.domain)
        {
            let before = item.revision.clone();
            let (domain, ids) = (&item.domain, &item.plugin_ids);
            writes.push(licenses.deletion(domain, &license.product, before, ids)?);
        }
    }
    let mut revisions = licenses.table().transact(writes, act).await?;
    Ok(WrittenContract {
        signed,
        revision: revisions.swap_remove(position),
    })
}

/// Checks that each domain that is new to the contract is free. [`write()`] makes the same check;
/// this one also works for a dry run.
pub async fn check_room(
    licenses: &Licenses,
    before: Option<&Contract>,
    license: &License,
    now: Timestamp,
) -> Result<(), WriteError> {
    let own = license.own_domain().and_then(|name| name.until);
    let is_known = before.is_some_and(|contract| contract.item(&license.domain).is_some());
    if !is_known && own.is_some_and(|until| until <= now) {
        return Err(WriteError::Left(license.domain.clone()));
    }
    for name in &license.domains {
        let is_known = before.is_some_and(|contract| contract.item(&name.domain).is_some());
        let has_left = name.until.is_some_and(|until| until <= now);
        if !is_known && !has_left {
            room_for(licenses, &name.domain, &license.product, now).await?;
        }
    }
    Ok(())
}

/// The existing item under a domain that is new to the contract. An error if the domain is not
/// free.
async fn room_for(
    licenses: &Licenses,
    domain: &Domain,
    product: &ProductSlug,
    now: Timestamp,
) -> Result<TargetItem, WriteError> {
    let key = Key::license(domain, product);
    let before = licenses.table().precondition(&key).await?;
    let nothing = |before| TargetItem {
        before,
        lease_issued_at: None,
        plugin_ids: Vec::new(),
    };
    if !matches!(before, Precondition::Current(_)) {
        return Ok(nothing(before));
    }
    let Some(stored) = licenses.get(domain, product).await? else {
        return Ok(nothing(Precondition::Nothing));
    };
    let license = &stored.value.license;
    match license
        .own_domain()
        .and_then(|name| name.quarantined_until())
    {
        Some(free) if free <= now => Ok(TargetItem {
            before: Precondition::Current(stored.revision),
            lease_issued_at: Some(stored.value.lease.issued_at),
            plugin_ids: license.open_plugin_ids().to_vec(),
        }),
        Some(until)
            if license
                .at(now)
                .bounds()
                .released_at
                .is_some_and(|at| at <= now) =>
        {
            Err(WriteError::Quarantined {
                domain: domain.clone(),
                until,
            })
        }
        _ => Err(WriteError::Taken {
            domain: domain.clone(),
            product: product.clone(),
        }),
    }
}

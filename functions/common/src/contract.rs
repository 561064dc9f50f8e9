//! A contract's items together: one under each of its domains, written in one transaction.

use jiff::Timestamp;

use crate::domain::Domain;
use crate::lease::{Lease, SignedLicense};
use crate::license::License;
use crate::product::{KintonePluginId, ProductSlug};
use crate::signing::{Signer, SigningError};
use crate::table::licenses::Licenses;
use crate::table::{Act, Before, Key, Revision, Stored, TableError};

/// A contract as it was read: the licence under the domain that was asked for, and what the
/// items of all its domains have to be when it is written back.
#[derive(Clone, Debug)]
pub struct Contract {
    /// The licence under the domain that was asked for.
    pub license: License,
    copies: Vec<Copy>,
}

/// One domain's item.
#[derive(Clone, Debug)]
struct Copy {
    domain: Domain,
    revision: Revision,
    /// What a new lease has to be newer than.
    lease_issued_at: Timestamp,
    /// The kintone plug-in ids under which it is repeated.
    plugin_ids: Vec<KintonePluginId>,
}

/// What a write finds under a domain.
struct Found {
    before: Before,
    /// What a new lease has to be newer than.
    lease_issued_at: Option<Timestamp>,
    /// The kintone plug-in ids under which it is repeated.
    plugin_ids: Vec<KintonePluginId>,
}

/// Why a contract was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The domain has another contract.
    #[error("{domain} has a licence of {product} already; see `tegata license show`")]
    Taken {
        /// Which.
        domain: Domain,
        /// Of which product.
        product: ProductSlug,
    },
    /// The domain was left by another contract too recently.
    #[error("{domain} was left by another contract and is in quarantine until {until}")]
    Quarantined {
        /// Which.
        domain: Domain,
        /// Until when.
        until: Timestamp,
    },
    /// The contract is no longer there.
    #[error("the contract has left {0}; it is changed under a domain that it has")]
    Left(Domain),
    /// The database.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The signature.
    #[error(transparent)]
    Signing(#[from] SigningError),
}

/// A contract as it was written.
#[derive(Clone, Debug)]
pub struct Written {
    /// Under the domain that it was written from.
    pub signed: SignedLicense,
    /// That domain's new revision.
    pub revision: Revision,
}

impl Contract {
    /// The contract of a licence that was read, of whose other domains nothing is known yet.
    fn of(stored: Stored<SignedLicense>) -> Self {
        let SignedLicense { license, lease } = stored.value;
        let copy = Copy {
            domain: license.domain.clone(),
            revision: stored.revision,
            lease_issued_at: lease.issued_at,
            plugin_ids: license.open_plugin_ids().to_vec(),
        };
        Self {
            license,
            copies: vec![copy],
        }
    }

    fn copy(&self, domain: &Domain) -> Option<&Copy> {
        self.copies.iter().find(|copy| copy.domain == *domain)
    }

    /// The revision of the item that was asked for.
    pub fn revision(&self) -> Option<&Revision> {
        self.copies.first().map(|copy| &copy.revision)
    }
}

impl Licenses {
    /// Reads a contract by one of its domains.
    pub async fn contract(
        &self,
        domain: &Domain,
        product: &ProductSlug,
    ) -> Result<Option<Contract>, TableError> {
        let Some(stored) = self.get(domain, product).await? else {
            return Ok(None);
        };
        self.with_copies(Contract::of(stored)).await.map(Some)
    }

    /// A contract whose item cannot be read or is not there, to be written anew from its history.
    pub async fn contract_to_mend(&self, license: License) -> Result<Contract, TableError> {
        let own = self.broken_copy(&license, &license.domain).await?;
        self.with_copies(Contract {
            license,
            copies: own.into_iter().collect(),
        })
        .await
    }

    async fn with_copies(&self, mut contract: Contract) -> Result<Contract, TableError> {
        let License {
            domain,
            product,
            names,
            ..
        } = &contract.license;
        for name in names.iter().filter(|name| name.domain != *domain) {
            let copy = match self.get(&name.domain, product).await {
                Ok(None) => None,
                Ok(Some(stored)) => {
                    let mut names = stored.value.license.names.iter();
                    let is_of_this_contract = names.any(|other| other.domain == *domain);
                    is_of_this_contract.then(|| Copy {
                        domain: name.domain.clone(),
                        revision: stored.revision,
                        lease_issued_at: stored.value.lease.issued_at,
                        plugin_ids: stored.value.license.open_plugin_ids().to_vec(),
                    })
                }
                // It will be written anew from this one's facts; but one that the contract leaves
                // may be another's by now.
                Err(TableError::Unreadable { .. }) if name.until.is_none() => {
                    self.broken_copy(&contract.license, &name.domain).await?
                }
                Err(TableError::Unreadable { .. }) => None,
                Err(error) => return Err(error),
            };
            contract.copies.extend(copy);
        }
        Ok(contract)
    }

    /// What can be known of an item whose licence cannot be read: its revision and, if at least
    /// that is in order, when its lease was signed. It is repeated where the contract is.
    async fn broken_copy(
        &self,
        license: &License,
        domain: &Domain,
    ) -> Result<Option<Copy>, TableError> {
        #[derive(serde::Deserialize)]
        struct LeaseOnly {
            lease: Lease,
        }
        let key = Key::license(domain, &license.product);
        let Some(revision) = self.table().revision(&key).await? else {
            return Ok(None);
        };
        let lease = self.table().get::<LeaseOnly>(&key).await;
        let lease_issued_at = match lease {
            Ok(Some(stored)) => stored.value.lease.issued_at,
            _ => revision.at,
        };
        Ok(Some(Copy {
            domain: domain.clone(),
            revision,
            lease_issued_at,
            plugin_ids: license.open_plugin_ids().to_vec(),
        }))
    }

    /// Signs a contract for each of its domains and writes all of them, or none.
    ///
    /// A domain that is new to the contract must be free. The item of one that it has no longer is
    /// deleted. What time has done meanwhile is written with it.
    pub async fn write(
        &self,
        before: Option<&Contract>,
        license: &License,
        signer: &Signer,
        act: &Act<'_>,
    ) -> Result<Written, WriteError> {
        let license = license.as_of(act.at).map_err(SigningError::from)?;
        let mut writes = Vec::new();
        let mut own = None;
        for name in &license.names {
            let copy = before.and_then(|contract| contract.copy(&name.domain));
            let found = match copy {
                Some(copy) => Found {
                    before: Before::Current(copy.revision.clone()),
                    lease_issued_at: Some(copy.lease_issued_at),
                    plugin_ids: copy.plugin_ids.clone(),
                },
                // Left and deleted, or never written: there is nothing to tell it.
                None if name.until.is_some_and(|until| until <= act.at) => continue,
                None => {
                    self.room_for(&name.domain, &license.product, act.at)
                        .await?
                }
            };
            let signed = signer
                .sign(license.under(&name.domain), act.at, found.lease_issued_at)
                .await?;
            let write = self.writing(found.before, &signed, &found.plugin_ids)?;
            if name.domain == license.domain {
                own = Some((writes.len(), signed));
            }
            writes.push(write);
        }
        let (position, signed) = own.ok_or(WriteError::Left(license.domain.clone()))?;
        for copy in before.iter().flat_map(|contract| &contract.copies) {
            if !license.names.iter().any(|name| name.domain == copy.domain) {
                let before = copy.revision.clone();
                let (domain, ids) = (&copy.domain, &copy.plugin_ids);
                writes.push(self.deletion(domain, &license.product, before, ids)?);
            }
        }
        let mut revisions = self.table().transact(writes, act).await?;
        Ok(Written {
            signed,
            revision: revisions.swap_remove(position),
        })
    }

    /// Refuses if a domain that would be new to the contract is not free: what
    /// [`Licenses::write`] does too, asked without writing.
    pub async fn check_room(
        &self,
        before: Option<&Contract>,
        license: &License,
        now: Timestamp,
    ) -> Result<(), WriteError> {
        let own = license.name().and_then(|name| name.until);
        let is_known = before.is_some_and(|contract| contract.copy(&license.domain).is_some());
        if !is_known && own.is_some_and(|until| until <= now) {
            return Err(WriteError::Left(license.domain.clone()));
        }
        for name in &license.names {
            let is_known = before.is_some_and(|contract| contract.copy(&name.domain).is_some());
            let has_left = name.until.is_some_and(|until| until <= now);
            if !is_known && !has_left {
                self.room_for(&name.domain, &license.product, now).await?;
            }
        }
        Ok(())
    }

    /// What a contract finds under a domain that is new to it.
    async fn room_for(
        &self,
        domain: &Domain,
        product: &ProductSlug,
        now: Timestamp,
    ) -> Result<Found, WriteError> {
        let key = Key::license(domain, product);
        let before = self.table().before(&key).await?;
        let nothing = |before| Found {
            before,
            lease_issued_at: None,
            plugin_ids: Vec::new(),
        };
        if !matches!(before, Before::Current(_)) {
            return Ok(nothing(before));
        }
        let Some(stored) = self.get(domain, product).await? else {
            return Ok(nothing(Before::Nothing));
        };
        let license = &stored.value.license;
        match license.name().and_then(|name| name.quarantined_until()) {
            Some(free) if free <= now => Ok(Found {
                before: Before::Current(stored.revision),
                lease_issued_at: Some(stored.value.lease.issued_at),
                plugin_ids: license.open_plugin_ids().to_vec(),
            }),
            Some(until) if license.bounds().released_at.is_some_and(|at| at <= now) => {
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
}

//! The audience of a notice, calculated from the tables.

use std::collections::BTreeSet;

use jiff::Timestamp;
use tegata_common::license::License;
use tegata_common::notice::{
    Audience, ContactHash, Entitlement, Member, Notice, NoticeKind, Unreachable, UnreachableReason,
    Update, audience,
};
use tegata_common::product::ProductSlug;
use tegata_storage::TableError;
use tegata_storage::customers::{Customers, FoundCustomers};
use tegata_storage::licenses::{FoundLicenses, Licenses};
use tegata_storage::notices::Notices;

use crate::scope;

/// The tables that the audience is calculated from.
#[derive(Clone, Debug)]
pub struct Stores {
    /// Licences, from which the entitled customers follow.
    pub licenses: Licenses,
    /// Customers and their contacts.
    pub customers: Customers,
    /// Notices, deliveries, and addresses that mail cannot be delivered to.
    pub notices: Notices,
}

/// All contracts, customers and contacts, read at one time.
#[derive(Debug)]
pub struct Registry {
    licenses: FoundLicenses,
    customers: FoundCustomers,
    undeliverable: BTreeSet<ContactHash>,
}

/// An audience, and the items that could not be read to calculate it.
#[derive(Debug)]
pub struct AudienceReport {
    /// The recipients and the unreachable contracts.
    pub audience: Audience,
    /// Unreadable licences, customers and contacts. Their recipients may be missing from the
    /// audience.
    pub unreadable: Vec<UnreadableItem>,
}

/// An item that could not be read.
#[derive(Clone, Debug)]
pub struct UnreadableItem {
    /// Its key, without a mail address.
    pub key: String,
    /// The error, with the key.
    pub error: String,
}

impl AudienceReport {
    /// The unreachable contracts, and the items that could not be read, sorted.
    pub fn unreachable(&self) -> Vec<Unreachable> {
        let unreadable = self.unreadable.iter().map(|item| Unreachable {
            who: item.key.clone(),
            because: UnreachableReason::Unreadable,
        });
        let all = self.audience.unreachable.iter().cloned().chain(unreadable);
        all.collect::<BTreeSet<_>>().into_iter().collect()
    }
}

impl Stores {
    /// Reads all contracts, customers and contacts.
    ///
    /// `suppressed` are addresses on the suppression list of SES, in addition to the undeliverable
    /// ones in the table.
    pub async fn read(&self, suppressed: &BTreeSet<ContactHash>) -> Result<Registry, TableError> {
        let licenses = self.licenses.all().await?;
        let customers = self.customers.all().await?;
        let undeliverable = self.notices.undeliverable().await?;
        let undeliverable = undeliverable.into_keys().chain(suppressed.iter().cloned());
        Ok(Registry {
            licenses,
            customers,
            undeliverable: undeliverable.collect(),
        })
    }

    /// The recipients of the updates before one.
    pub async fn told_before(
        &self,
        notice: &Notice,
        update: &Update,
    ) -> Result<BTreeSet<ContactHash>, TableError> {
        let mut told = BTreeSet::new();
        for earlier in notice.updates.iter().filter(|of| of.number < update.number) {
            let id = &notice.notice_id;
            for stored in self.notices.deliveries(id, Some(earlier.number)).await? {
                told.insert(stored.delivery.delivery.contact);
            }
        }
        Ok(told)
    }
}

impl Registry {
    /// Calculates the audience of an update at an instant. `told` are the recipients of the updates
    /// before.
    pub fn audience(
        &self,
        notice: &Notice,
        update: &Update,
        told: &BTreeSet<ContactHash>,
        now: Timestamp,
    ) -> AudienceReport {
        let licenses = self.licenses.licenses.iter();
        let rights = licenses.map(|stored| &stored.value.license);
        let rights = rights.filter(|license| {
            scope::includes(notice, license) && is_told(license, &notice.kind, now)
        });
        let rights: Vec<Entitlement> = rights
            .map(|license| Entitlement {
                customer: license.customer.clone(),
                domain: license.domain.clone(),
                product: license.product.clone(),
            })
            .collect();
        let customers = self.customers.customers.iter();
        let members: Vec<Member> = customers
            .map(|file| Member {
                customer: file.customer.value.clone(),
                contacts: file.contacts.iter().map(|of| of.value.clone()).collect(),
            })
            .collect();
        let products = notice.products.iter().map(|product| product.slug.clone());
        let products: Vec<ProductSlug> = products.collect();
        let unreadable = self.licenses.unreadable.iter();
        let unreadable = unreadable.chain(&self.customers.unreadable);
        AudienceReport {
            audience: audience(
                &scope::scope(notice, update),
                &products,
                &rights,
                &members,
                told,
                &self.undeliverable,
            ),
            unreadable: unreadable.map(UnreadableItem::from).collect(),
        }
    }
}

/// Whether the customer of a licence is told of a notice.
///
/// - Of a release, maintenance or information: if the contract lasts beyond the planned instant
///   (beyond now, if that has passed or there is none), whether or not the licence has started, and
///   also if it is suspended. The version changes for them too.
/// - Of an incident: if the licence can be used now.
fn is_told(license: &License, kind: &NoticeKind, now: Timestamp) -> bool {
    match kind {
        NoticeKind::Incident => license.code_at(now).is_usable(),
        _ => {
            let planned_at = kind.planned_at().unwrap_or(now);
            license.at(planned_at.max(now)).is_under_contract()
        }
    }
}

impl From<&TableError> for UnreadableItem {
    fn from(error: &TableError) -> Self {
        let error_text = error.to_string();
        let key = match error {
            TableError::Unreadable { key, .. } => key.clone(),
            _ => error_text.clone(),
        };
        Self {
            key,
            error: error_text,
        }
    }
}

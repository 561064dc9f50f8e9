//! The audience of an update, calculated from the tables.

use std::collections::BTreeSet;

use jiff::Timestamp;
use tegata_common::customer::Severity;
use tegata_common::notice::{
    Audience, ContactHash, Entitlement, Member, Notice, NoticeKind, NoticeScope, Update, audience,
};
use tegata_common::product::ProductSlug;
use tegata_storage::TableError;
use tegata_storage::customers::Customers;
use tegata_storage::licenses::Licenses;
use tegata_storage::notices::Notices;

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

/// An audience, and the items that could not be read to calculate it.
#[derive(Debug)]
pub struct AudienceReport {
    /// The recipients and the unreachable contracts.
    pub audience: Audience,
    /// Unreadable licences, customers and contacts. Their recipients may be missing from the
    /// audience.
    pub unreadable: Vec<TableError>,
}

impl Stores {
    /// Calculates the audience of an update at an instant.
    ///
    /// `suppressed` are addresses on the suppression list of SES, in addition to the undeliverable
    /// ones in the table.
    pub async fn audience(
        &self,
        notice: &Notice,
        update: &Update,
        suppressed: &BTreeSet<ContactHash>,
        now: Timestamp,
    ) -> Result<AudienceReport, TableError> {
        let licenses = self.licenses.all().await?;
        let customers = self.customers.all().await?;
        let mut undeliverable: BTreeSet<ContactHash> =
            self.notices.undeliverable().await?.into_keys().collect();
        undeliverable.extend(suppressed.iter().cloned());
        let mut told = BTreeSet::new();
        for earlier in notice.updates.iter().filter(|of| of.number < update.number) {
            let id = &notice.notice_id;
            for stored in self.notices.deliveries(id, Some(earlier.number)).await? {
                told.insert(stored.delivery.delivery.contact);
            }
        }
        let usable = licenses
            .licenses
            .iter()
            .filter(|stored| stored.value.license.code_at(now).is_usable());
        let rights: Vec<Entitlement> = usable
            .map(|stored| {
                let license = &stored.value.license;
                Entitlement {
                    customer: license.customer.clone(),
                    domain: license.domain.clone(),
                    product: license.product.clone(),
                }
            })
            .collect();
        let members: Vec<Member> = customers
            .customers
            .into_iter()
            .map(|file| Member {
                customer: file.customer.value,
                contacts: file
                    .contacts
                    .into_iter()
                    .map(|stored| stored.value)
                    .collect(),
            })
            .collect();
        let products: Vec<ProductSlug> = notice
            .products
            .iter()
            .map(|product| product.slug.clone())
            .collect();
        let occasion = match notice.kind {
            NoticeKind::Incident => NoticeScope::Incident(
                // A file without a severity is rejected. If one is missing all the same, too many
                // recipients are better than too few.
                notice
                    .severity_at(update.number)
                    .unwrap_or(Severity::Critical),
            ),
            _ => NoticeScope::Planned,
        };
        let mut unreadable = licenses.unreadable;
        unreadable.extend(customers.unreadable);
        Ok(AudienceReport {
            audience: audience(
                &occasion,
                &products,
                &rights,
                &members,
                &told,
                &undeliverable,
            ),
            unreadable,
        })
    }
}

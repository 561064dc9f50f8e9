//! Contacts: the recipients of notices.

use serde::Serialize;
use tegata_common::customer::{
    Contact, CustomerId, EmailAddress, Language, NotificationPreferences, Role, Severity,
};
use tegata_common::notice::ContactHash;
use tegata_common::revision::Revision;
use tegata_storage::Versioned;
use tegata_storage::customers::{Customers, FoundCustomers};
use tegata_storage::notices::{Notices, Undeliverable};

use crate::{Caller, Difference, Error, Found, customers, differences};

/// A new contact, or new preferences of an existing one. A field that is `None` is unchanged, or
/// has its default in a new contact.
#[derive(Clone, Debug)]
pub struct ContactChange {
    /// The address.
    pub email: EmailAddress,
    /// Primary by default.
    pub role: Option<Role>,
    /// Japanese by default.
    pub language: Option<Language>,
    /// The lowest severity of incidents that an additional contact is notified of. Not notified of
    /// incidents by default.
    pub severity_floor: Option<Severity>,
    /// Whether an additional contact is notified of releases and maintenance. False by default.
    pub releases: Option<bool>,
}

impl ContactChange {
    /// The preferences that result, given those that the contact has.
    fn preferences(
        &self,
        before: Option<NotificationPreferences>,
    ) -> Result<NotificationPreferences, Error> {
        let role = self.role.or(before.map(|before| before.role));
        let role = role.unwrap_or(Role::Primary);
        let language = self.language.or(before.map(|before| before.language));
        // The preferences of an additional contact are not kept when it becomes a primary one.
        let same_role = before.filter(|before| before.role == role);
        let severity_floor = self
            .severity_floor
            .or(same_role.and_then(|before| before.severity_floor));
        let releases = self.releases.or(same_role.map(|before| before.releases));
        let preferences = NotificationPreferences {
            role,
            language: language.unwrap_or(Language::Ja),
            severity_floor,
            releases: releases.unwrap_or(false),
        };
        Ok(preferences.check()?)
    }
}

/// A change of a contact that can be written, and has not been.
#[derive(Debug)]
pub struct PlannedContact {
    /// The name under which history records it.
    pub change: &'static str,
    /// The customer.
    pub customer_id: CustomerId,
    /// The fields that would change.
    pub differences: Vec<Difference>,
    contact: Contact,
    before: Option<Revision>,
}

/// What became of a change of a contact.
#[derive(Debug, Serialize)]
pub struct ContactReport {
    /// The name under which history records it.
    pub change: &'static str,
    /// The customer.
    pub customer_id: CustomerId,
    /// Whether nothing was to be written.
    pub dry_run: bool,
    /// The fields that changed, or would change.
    pub differences: Vec<Difference>,
}

/// Plans to add a contact to a customer, or to change what a contact gets.
pub async fn add(
    customers: &Customers,
    id: &CustomerId,
    change: ContactChange,
) -> Result<PlannedContact, Error> {
    customers::check_known(customers, id).await?;
    let before = customers.contact(id, &change.email).await?;
    let current = before.as_ref().map(|before| &before.value);
    let contact = Contact {
        wishes: change.preferences(current.map(|contact| contact.wishes))?,
        email: change.email,
    };
    Ok(PlannedContact {
        change: match current {
            None => "add",
            Some(_) => "change",
        },
        customer_id: id.clone(),
        differences: differences(current, &contact)?,
        contact,
        before: before.map(|before| before.revision),
    })
}

impl PlannedContact {
    /// Whether the contact would be a primary one, which gets every notice.
    pub fn is_primary(&self) -> bool {
        self.contact.wishes.role == Role::Primary
    }

    /// Writes the change, unless nothing differs or this is a dry run.
    pub async fn carry_out(
        self,
        customers: &Customers,
        caller: Caller<'_>,
        dry_run: bool,
    ) -> Result<ContactReport, Error> {
        if !dry_run && !self.differences.is_empty() {
            let contacts = [(&self.customer_id, &self.contact, self.before.as_ref())];
            let act = caller.change(self.change);
            customers.write(None, &contacts, &act).await?;
        }
        Ok(ContactReport {
            change: self.change,
            customer_id: self.customer_id,
            dry_run,
            differences: self.differences,
        })
    }
}

/// The result of removing or reinstating a contact.
#[derive(Debug, Serialize)]
pub struct AddressReport {
    /// The name under which history records it.
    pub change: &'static str,
    /// The customer.
    pub customer_id: CustomerId,
    /// The address.
    pub email: EmailAddress,
    /// Whether nothing was to be written.
    pub dry_run: bool,
}

/// A removal that has not been written yet.
#[derive(Debug)]
pub struct PlannedRemoval {
    customer_id: CustomerId,
    email: EmailAddress,
    revision: Revision,
}

/// Plans to remove a contact, even an unreadable one.
pub async fn remove(
    customers: &Customers,
    id: &CustomerId,
    email: &EmailAddress,
) -> Result<PlannedRemoval, Error> {
    let revision = customers.contact_revision(id, email).await?;
    Ok(PlannedRemoval {
        customer_id: id.clone(),
        email: email.clone(),
        revision: revision.ok_or_else(|| missing(id, email))?,
    })
}

impl PlannedRemoval {
    /// Removes the contact. Does nothing in a dry run.
    pub async fn carry_out(
        self,
        customers: &Customers,
        caller: Caller<'_>,
        dry_run: bool,
    ) -> Result<AddressReport, Error> {
        let change = "remove";
        if !dry_run {
            let act = caller.change(change);
            customers
                .remove_contact(&self.customer_id, &self.email, &self.revision, &act)
                .await?;
        }
        Ok(AddressReport {
            change,
            customer_id: self.customer_id,
            email: self.email,
            dry_run,
        })
    }
}

/// A change that ends the undeliverable state of a contact's address. Not written yet.
#[derive(Debug)]
pub struct PlannedReinstatement {
    /// Why, and since when, mail does not reach it.
    pub mark: Versioned<Undeliverable>,
    customer_id: CustomerId,
    email: EmailAddress,
}

/// Plans to send mail again to an address that was marked undeliverable after a permanent bounce or
/// a complaint.
pub async fn reinstate(
    customers: &Customers,
    notices: &Notices,
    id: &CustomerId,
    email: &EmailAddress,
) -> Result<PlannedReinstatement, Error> {
    if customers.contact(id, email).await?.is_none() {
        return Err(missing(id, email));
    }
    let mut marks = notices.undeliverable().await?;
    let mark = marks.remove(&ContactHash::of(email));
    Ok(PlannedReinstatement {
        mark: mark.ok_or_else(|| Error::Reachable(email.clone()))?,
        customer_id: id.clone(),
        email: email.clone(),
    })
}

impl PlannedReinstatement {
    /// Deletes the undeliverable mark. Does nothing in a dry run.
    pub async fn carry_out(
        self,
        notices: &Notices,
        caller: Caller<'_>,
        dry_run: bool,
    ) -> Result<AddressReport, Error> {
        let change = "reinstate";
        if !dry_run {
            let contact = ContactHash::of(&self.email);
            let act = caller.change(change);
            notices
                .clear_undeliverable(&contact, &self.mark.revision, &act)
                .await?;
        }
        Ok(AddressReport {
            change,
            customer_id: self.customer_id,
            email: self.email,
            dry_run,
        })
    }
}

/// A contact as it is listed.
#[derive(Debug, Serialize)]
pub struct ListedContact {
    /// The customer.
    pub customer_id: CustomerId,
    #[serde(flatten)]
    pub contact: Contact,
    /// Why, and since when, mail does not reach it; `None` if it does, as far as is known.
    pub undeliverable: Option<Undeliverable>,
}

/// Lists the contacts of a customer, or all, and whether mail reaches them.
pub async fn list(
    customers: &Customers,
    notices: &Notices,
    customer: Option<&CustomerId>,
) -> Result<Found<ListedContact>, Error> {
    let FoundCustomers {
        customers: files,
        unreadable,
    } = match customer {
        Some(id) => {
            customers::check_known(customers, id).await?;
            customers.file(id).await?
        }
        None => customers.all().await?,
    };
    let marks = notices.undeliverable().await?;
    let mut items = Vec::new();
    for file in files {
        for stored in file.contacts {
            let mark = marks.get(&ContactHash::of(&stored.value.email));
            items.push(ListedContact {
                customer_id: file.customer.value.customer_id.clone(),
                contact: stored.value,
                undeliverable: mark.map(|mark| mark.value.clone()),
            });
        }
    }
    Ok(Found { items, unreadable })
}

fn missing(id: &CustomerId, email: &EmailAddress) -> Error {
    Error::NoContact {
        customer: id.clone(),
        email: email.clone(),
    }
}

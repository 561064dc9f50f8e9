//! Customers: the parties of contracts.

use jiff::Timestamp;
use serde::Serialize;
use tegata_common::customer::{Contact, Customer, CustomerId, CustomerName, Role};
use tegata_common::domain::Domain;
use tegata_common::license::Code;
use tegata_common::product::ProductSlug;
use tegata_common::revision::Revision;
use tegata_storage::customers::{CustomerFile, Customers, FoundCustomers};
use tegata_storage::licenses::Licenses;
use tegata_storage::{TableError, Versioned};

use crate::{Caller, Difference, Error, Found, differences};

/// Reads a customer. An error if it does not exist.
async fn known(customers: &Customers, id: &CustomerId) -> Result<Versioned<Customer>, Error> {
    let customer = customers.customer(id).await?;
    customer.ok_or_else(|| Error::NoCustomer(id.clone()))
}

/// Checks that a customer exists.
pub async fn check_known(customers: &Customers, id: &CustomerId) -> Result<(), Error> {
    known(customers, id).await.map(|_| ())
}

/// A change of a customer that has not been written yet.
#[derive(Debug)]
pub struct PlannedCustomer {
    /// The name of the change in the history.
    pub change: &'static str,
    /// The customer after the change.
    pub customer: Customer,
    /// The fields that the change affects.
    pub differences: Vec<Difference>,
    before: Option<Revision>,
}

/// The result of changing a customer.
#[derive(Debug, Serialize)]
pub struct CustomerReport {
    /// The name of the change in the history.
    pub change: &'static str,
    /// The customer.
    pub customer_id: CustomerId,
    /// Whether this was a dry run: nothing was written.
    pub dry_run: bool,
    /// The fields that changed, or would change without the dry run.
    pub differences: Vec<Difference>,
}

/// Plans to add a customer.
pub async fn add(customers: &Customers, customer: Customer) -> Result<PlannedCustomer, Error> {
    let id = &customer.customer_id;
    if customers.customer(id).await?.is_some() {
        return Err(Error::CustomerExists(id.clone()));
    }
    PlannedCustomer::new("add", None, customer)
}

/// Plans to change a customer's name.
pub async fn rename(
    customers: &Customers,
    id: &CustomerId,
    name: CustomerName,
) -> Result<PlannedCustomer, Error> {
    let before = known(customers, id).await?;
    let customer = Customer {
        customer_id: id.clone(),
        name,
    };
    PlannedCustomer::new("change", Some(before), customer)
}

impl PlannedCustomer {
    fn new(
        change: &'static str,
        before: Option<Versioned<Customer>>,
        customer: Customer,
    ) -> Result<Self, Error> {
        Ok(Self {
            change,
            differences: differences(before.as_ref().map(|before| &before.value), &customer)?,
            customer,
            before: before.map(|before| before.revision),
        })
    }

    /// Writes the change. Does nothing in a dry run, or if no field differs.
    pub async fn carry_out(
        self,
        customers: &Customers,
        caller: Caller<'_>,
        dry_run: bool,
    ) -> Result<CustomerReport, Error> {
        if !dry_run && !self.differences.is_empty() {
            let customer = Some((&self.customer, self.before.as_ref()));
            let act = caller.change(self.change);
            customers.write(customer, &[], &act).await?;
        }
        Ok(CustomerReport {
            change: self.change,
            customer_id: self.customer.customer_id,
            dry_run,
            differences: self.differences,
        })
    }
}

/// A customer with its contacts and licences.
#[derive(Debug, Serialize)]
pub struct CustomerDetails {
    /// The customer.
    pub customer_id: CustomerId,
    pub name: CustomerName,
    pub contacts: Vec<Contact>,
    /// Its licences.
    pub licenses: Vec<CustomerLicense>,
    /// The last write of the customer's item.
    pub revision: Revision,
}

/// A licence of a customer.
#[derive(Debug, Serialize)]
pub struct CustomerLicense {
    /// The tenant.
    pub domain: Domain,
    pub product: ProductSlug,
    /// The code that a lookup returns now.
    pub code: Code,
}

/// Shows a customer, and the errors of its unreadable items. `None` if the customer does not exist
/// or is unreadable.
pub async fn show(
    customers: &Customers,
    licenses: &Licenses,
    id: &CustomerId,
    now: Timestamp,
) -> Result<(Option<CustomerDetails>, Vec<TableError>), Error> {
    let FoundCustomers {
        customers: mut files,
        mut unreadable,
    } = customers.file(id).await?;
    let Some(CustomerFile { customer, contacts }) = files.pop() else {
        return Ok((None, unreadable));
    };
    let all = licenses.all().await?;
    unreadable.extend(all.unreadable);
    let licenses = all.licenses.into_iter().map(|stored| stored.value.license);
    let licenses = licenses.filter(|license| license.customer.as_ref() == Some(id));
    let details = CustomerDetails {
        customer_id: id.clone(),
        name: customer.value.name,
        contacts: contacts.into_iter().map(|stored| stored.value).collect(),
        licenses: licenses
            .map(|license| CustomerLicense {
                code: license.code_at(now),
                domain: license.domain,
                product: license.product,
            })
            .collect(),
        revision: customer.revision,
    };
    Ok((Some(details), unreadable))
}

/// A row in the list of customers.
#[derive(Debug, Serialize)]
pub struct CustomerSummary {
    /// The customer.
    pub customer_id: CustomerId,
    pub name: CustomerName,
    /// The number of its contacts.
    pub contacts: usize,
    /// Whether it has a primary contact. Without one, notices do not reach it.
    pub has_primary_contact: bool,
}

/// Lists the customers.
pub async fn list(customers: &Customers) -> Result<Found<CustomerSummary>, Error> {
    let FoundCustomers {
        customers,
        unreadable,
    } = customers.all().await?;
    let is_primary = |contact: &Versioned<Contact>| contact.value.wishes.role == Role::Primary;
    let items = customers.into_iter().map(|file| CustomerSummary {
        customer_id: file.customer.value.customer_id,
        name: file.customer.value.name,
        contacts: file.contacts.len(),
        has_primary_contact: file.contacts.iter().any(is_primary),
    });
    Ok(Found {
        items: items.collect(),
        unreadable,
    })
}

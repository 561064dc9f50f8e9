//! Customers and their contacts.

use tegata_common::customer::{Customer, CustomerId};
use tegata_storage::Versioned;
use tegata_storage::customers::Customers;

use crate::Error;

/// A customer that must exist.
async fn known(customers: &Customers, id: &CustomerId) -> Result<Versioned<Customer>, Error> {
    let customer = customers.customer(id).await?;
    customer.ok_or_else(|| Error::NoCustomer(id.clone()))
}

/// Rejects a customer that does not exist.
pub async fn check_known(customers: &Customers, id: &CustomerId) -> Result<(), Error> {
    known(customers, id).await.map(|_| ())
}

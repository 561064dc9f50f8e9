//! The `Customers` table: customers and their contacts.
//!
//! Partition key `customer_id`, sort key `item`: `customer`, `contact#<address in lower case>`, and
//! their histories. The history of a contact does not contain the address.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;

use crate::key::CUSTOMERS;
use crate::{ChangeContext, Item, Key, Precondition, Table, TableError, Versioned, Write, read};
use tegata_common::customer::{Contact, Customer, CustomerId, EmailAddress};
use tegata_common::revision::Revision;

/// The prefix of a contact's sort key.
const CONTACT: &str = "contact#";

/// A customer with its contacts.
#[derive(Clone, Debug)]
pub struct CustomerFile {
    /// The customer.
    pub customer: Versioned<Customer>,
    /// Its contacts, by address.
    pub contacts: Vec<Versioned<Contact>>,
}

/// The result of reading customers.
#[derive(Debug, Default)]
pub struct FoundCustomers {
    /// The readable customers, sorted by id.
    pub customers: Vec<CustomerFile>,
    /// The errors of unreadable customers and contacts.
    pub unreadable: Vec<TableError>,
}

/// The `Customers` table through a client.
#[derive(Clone, Debug)]
pub struct Customers {
    table: Table,
}

impl Customers {
    /// The table of this name.
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self {
            table: Table::new(client, name),
        }
    }

    /// The underlying table.
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Creates the table on one machine, if it does not exist. In the cloud, the template does
    /// this.
    pub async fn create_if_missing(&self) -> Result<(), TableError> {
        self.table.create_if_missing(&CUSTOMERS, None).await
    }

    /// A customer.
    pub async fn customer(
        &self,
        id: &CustomerId,
    ) -> Result<Option<Versioned<Customer>>, TableError> {
        self.table.get(&Key::customer(id)).await
    }

    /// A contact.
    pub async fn contact(
        &self,
        id: &CustomerId,
        email: &EmailAddress,
    ) -> Result<Option<Versioned<Contact>>, TableError> {
        self.table.get(&Key::contact(id, email)).await
    }

    /// The given customers. Those that do not exist are missing from the result.
    pub async fn customers(
        &self,
        ids: &[CustomerId],
    ) -> Result<Vec<Versioned<Customer>>, TableError> {
        let keys: Vec<Key> = ids.iter().map(Key::customer).collect();
        self.table.get_all(&keys).await?.into_iter().collect()
    }

    /// The revision of a contact, even if the rest of the item is unreadable.
    pub async fn contact_revision(
        &self,
        id: &CustomerId,
        email: &EmailAddress,
    ) -> Result<Option<Revision>, TableError> {
        let key = self.contact_key(id, email).await?;
        self.table.revision(&key).await
    }

    /// The key of a contact. An earlier version stored some addresses with surrounding characters.
    async fn contact_key(&self, id: &CustomerId, email: &EmailAddress) -> Result<Key, TableError> {
        let key = Key::contact(id, email);
        if self.table.revision(&key).await?.is_some() {
            return Ok(key);
        }
        let first = Key::of(&CUSTOMERS, id.as_str(), CONTACT);
        let items = self.table.partition(&first).await?;
        let stored = items.iter().find_map(|item| {
            let Some(AttributeValue::S(sort)) = item.get(CUSTOMERS.sort) else {
                return None;
            };
            let address = sort.strip_prefix(CONTACT)?;
            let stored = EmailAddress::of_stored(address).ok()?;
            (stored.canonical() == email.canonical()).then(|| Key::spelled_contact(id, address))
        });
        Ok(stored.unwrap_or(key))
    }

    /// A customer with its contacts, if it exists.
    pub async fn file(&self, id: &CustomerId) -> Result<FoundCustomers, TableError> {
        let items = self
            .table
            .partition(&Key::of(&CUSTOMERS, id.as_str(), "c"))
            .await?;
        Ok(group(items))
    }

    /// All customers with their contacts. Reads the whole table.
    pub async fn all(&self) -> Result<FoundCustomers, TableError> {
        let mut items = Vec::new();
        self.table.scan(|item| items.push(item)).await?;
        Ok(group(items))
    }

    /// Writes a customer and some of its contacts in one transaction. The revision `None` is the
    /// precondition that the item does not exist.
    pub async fn write(
        &self,
        customer: Option<(&Customer, Option<&Revision>)>,
        contacts: &[(&CustomerId, &Contact, Option<&Revision>)],
        act: &ChangeContext<'_>,
    ) -> Result<(), TableError> {
        let mut writes = Vec::new();
        if let Some((customer, before)) = customer {
            let key = Key::customer(&customer.customer_id);
            let before = self.before(&key, before).await?;
            writes.push(Write::put(&key, before, customer)?);
        }
        for (id, contact, before) in contacts {
            let key = Key::contact(id, &contact.email);
            let before = self.before(&key, *before).await?;
            writes.push(Write::put(&key, before, contact)?.with_history(&contact.wishes)?);
        }
        self.table.transact(writes, act).await?;
        Ok(())
    }

    async fn before(&self, key: &Key, read: Option<&Revision>) -> Result<Precondition, TableError> {
        match read {
            Some(revision) => Ok(Precondition::Current(revision.clone())),
            None => match self.table.precondition(key).await? {
                Precondition::Current(_) => Err(TableError::Conflict),
                free => Ok(free),
            },
        }
    }

    /// Removes a contact. Its history, which has no address, is kept.
    pub async fn remove_contact(
        &self,
        id: &CustomerId,
        email: &EmailAddress,
        before: &Revision,
        act: &ChangeContext<'_>,
    ) -> Result<(), TableError> {
        let key = self.contact_key(id, email).await?;
        let delete = Write::delete(&key, before.clone());
        self.table.transact(vec![delete], act).await?;
        Ok(())
    }
}

/// Groups the current items into customers with their contacts.
fn group(items: Vec<Item>) -> FoundCustomers {
    let mut customers = BTreeMap::new();
    let mut contacts: BTreeMap<String, Vec<(String, Versioned<Contact>)>> = BTreeMap::new();
    let mut unreadable = Vec::new();
    for item in items {
        let text = |name: &str| match item.get(name) {
            Some(AttributeValue::S(text)) => text.clone(),
            _ => String::new(),
        };
        let (id, sort) = (text(CUSTOMERS.partition), text(CUSTOMERS.sort));
        if sort == "customer" {
            match read::<Customer>(item) {
                Ok(customer) => {
                    customers.insert(id, customer);
                }
                Err(error) => unreadable.push(error),
            }
        } else if sort.starts_with(CONTACT) {
            match read(item) {
                Ok(contact) => contacts.entry(id).or_default().push((sort, contact)),
                Err(error) => unreadable.push(error),
            }
        }
    }
    let customers = customers.into_iter().map(|(id, customer)| {
        let mut contacts = contacts.remove(&id).unwrap_or_default();
        contacts.sort_by(|(a, _), (b, _)| a.cmp(b));
        CustomerFile {
            customer,
            contacts: contacts.into_iter().map(|(_, contact)| contact).collect(),
        }
    });
    FoundCustomers {
        customers: customers.collect(),
        unreadable,
    }
}

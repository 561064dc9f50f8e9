//! Import and export of customers: one row for each contact, or one row for a customer without
//! contacts.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;
use tegata_common::customer::{
    Contact, Customer, CustomerId, EmailAddress, Language, NotificationPreferences, Role, Severity,
};
use tegata_storage::Versioned;
use tegata_storage::customers::{CustomerFile, Customers};

use super::table::{Refusal, Row, Table};
use crate::{Caller, Difference, Error, differences};

/// The required columns of a file of customers.
pub(super) const REQUIRED: [&str; 2] = ["customer_id", "name"];
/// The optional columns.
pub(super) const OPTIONAL: [&str; 5] = ["email", "role", "language", "severity_floor", "releases"];

/// The writes for one customer: the customer, its contacts, or both, in one transaction.
#[derive(Debug)]
pub struct CustomerWrite {
    /// The lines of its rows.
    pub lines: Vec<u64>,
    customer: Option<(Customer, Option<Versioned<Customer>>)>,
    /// The customer's id.
    pub id: CustomerId,
    contacts: Vec<(Contact, Option<Versioned<Contact>>)>,
    /// The fields that the import changes.
    pub differences: Vec<Difference>,
}

impl CustomerWrite {
    /// Whether the customer is new.
    pub fn is_new(&self) -> bool {
        matches!(self.customer, Some((_, None)))
    }

    pub(super) async fn write(
        &self,
        customers: &Customers,
        caller: Caller<'_>,
    ) -> Result<(), Error> {
        let customer = self.customer.as_ref();
        let customer =
            customer.map(|(customer, before)| (customer, before.as_ref().map(|b| &b.revision)));
        let contacts: Vec<_> = self
            .contacts
            .iter()
            .map(|(contact, before)| (&self.id, contact, before.as_ref().map(|b| &b.revision)))
            .collect();
        let act = caller.change("import");
        Ok(customers.write(customer, &contacts, &act).await?)
    }
}

/// The result of comparing a file of customers with the stored customers.
#[derive(Debug, Default)]
pub struct CustomersPlan {
    /// The new and changed customers.
    pub writes: Vec<CustomerWrite>,
    /// The number of unchanged customers.
    pub unchanged: usize,
    /// The rejected rows.
    pub refused: Vec<Refusal>,
    /// The ids of all customers in the file.
    pub(super) ids: Vec<CustomerId>,
}

struct CustomerRow {
    line: u64,
    customer: Customer,
    contact: Option<Contact>,
}

/// Compares a file with the stored customers.
pub(super) fn plan(
    table: &Table,
    existing: &BTreeMap<String, CustomerFile>,
) -> Result<CustomersPlan, Error> {
    let mut planned = CustomersPlan::default();
    // The lines of each customer and each address. Of contradicting rows, none can be preferred, so
    // all are rejected.
    let mut read_rows = Vec::new();
    let mut names: HashMap<CustomerId, Vec<(u64, Customer)>> = HashMap::new();
    let mut addresses: HashMap<(CustomerId, String), Vec<u64>> = HashMap::new();
    for row in &table.rows {
        match read(table, row) {
            Ok(stated) => {
                let id = &stated.customer.customer_id;
                let name = (row.line, stated.customer.clone());
                names.entry(id.clone()).or_default().push(name);
                if let Some(contact) = &stated.contact {
                    let address = (id.clone(), contact.email.canonical());
                    addresses.entry(address).or_default().push(row.line);
                }
                read_rows.push((row, stated));
            }
            Err(refusal) => planned.refused.push(refusal),
        }
    }
    let mut by_customer: BTreeMap<CustomerId, Vec<CustomerRow>> = BTreeMap::new();
    for (row, stated) in read_rows {
        let id = stated.customer.customer_id.clone();
        let mut others = names[&id].iter();
        if let Some((line, _)) = others.find(|(_, other)| *other != stated.customer) {
            let reason = format!("line {line} has another name for {id}");
            planned.refused.push(table.refuse(row, "name", reason));
            continue;
        }
        let address = stated.contact.as_ref();
        let address = address.map(|contact| (id.clone(), contact.email.canonical()));
        let lines = address.and_then(|address| addresses.get(&address));
        let other = lines.and_then(|lines| lines.iter().find(|line| **line != row.line));
        if let Some(line) = other {
            let reason = format!("line {line} has the same address");
            planned.refused.push(table.refuse(row, "email", reason));
            continue;
        }
        by_customer.entry(id).or_default().push(stated);
    }
    planned.refused.sort_by_key(|refusal| refusal.line);
    planned.ids = by_customer.keys().cloned().collect();
    for (id, stated) in by_customer {
        let file = existing.get(id.as_str());
        match compare(id, stated, file)? {
            Some(write) => planned.writes.push(write),
            None => planned.unchanged += 1,
        }
    }
    Ok(planned)
}

fn compare(
    id: CustomerId,
    stated: Vec<CustomerRow>,
    file: Option<&CustomerFile>,
) -> Result<Option<CustomerWrite>, Error> {
    let mut write = CustomerWrite {
        lines: Vec::new(),
        customer: None,
        id,
        contacts: Vec::new(),
        differences: Vec::new(),
    };
    let before = file.map(|file| file.customer.clone());
    for CustomerRow {
        line,
        customer,
        contact,
    } in stated
    {
        let known = before.as_ref().map(|before| &before.value);
        if known != Some(&customer) && write.customer.is_none() {
            write.differences.extend(differences(known, &customer)?);
            write.customer = Some((customer, before.clone()));
            write.lines.push(line);
        }
        let Some(contact) = contact else { continue };
        let known = file.into_iter().flat_map(|file| &file.contacts);
        let known = known
            .clone()
            .find(|known| known.value.email.canonical() == contact.email.canonical());
        if known.map(|known| &known.value) != Some(&contact) {
            let name = format!("contacts.{}", write.contacts.len() + 1);
            let changed = differences(known.map(|k| &k.value), &contact)?;
            write
                .differences
                .extend(changed.into_iter().map(|difference| Difference {
                    field: format!("{name}.{}", difference.field),
                    ..difference
                }));
            write.contacts.push((contact, known.cloned()));
            write.lines.push(line);
        }
    }
    write.lines.dedup();
    Ok((!write.lines.is_empty()).then_some(write))
}

fn read(table: &Table, row: &Row) -> Result<CustomerRow, Refusal> {
    table.check_cells(row)?;
    let text = |column| table.cell(row, column).unwrap_or("");
    let refuse = |column, reason: &dyn std::fmt::Display| table.refuse(row, column, reason);
    let id: CustomerId = text("customer_id")
        .parse()
        .map_err(|error| refuse("customer_id", &error))?;
    let name = text("name")
        .parse()
        .map_err(|error| refuse("name", &error))?;
    let customer = Customer {
        customer_id: id,
        name,
    };
    let contact = match text("email") {
        "" => {
            let stray = OPTIONAL[1..].iter().find(|column| !text(column).is_empty());
            if let Some(column) = stray {
                return Err(refuse(column, &"must be empty in a row without an email"));
            }
            None
        }
        email => {
            let email: EmailAddress = email.parse().map_err(|error| refuse("email", &error))?;
            let wishes = NotificationPreferences {
                role: choice(
                    table,
                    row,
                    "role",
                    "primary or additional",
                    Some(Role::Primary),
                )?,
                language: choice(table, row, "language", "ja or en", Some(Language::Ja))?,
                severity_floor: match text("severity_floor") {
                    "" => None,
                    _ => Some(choice::<Severity>(
                        table,
                        row,
                        "severity_floor",
                        "minor, major or critical",
                        None,
                    )?),
                },
                releases: match text("releases").to_lowercase().as_str() {
                    "yes" | "true" | "1" => true,
                    "no" | "false" | "0" | "" => false,
                    _ => return Err(refuse("releases", &"expected yes or no")),
                },
            };
            let wishes = wishes.check().map_err(|error| refuse("role", &error))?;
            Some(Contact { email, wishes })
        }
    };
    Ok(CustomerRow {
        line: row.line,
        customer,
        contact,
    })
}

/// Parses a cell that has one of several words. An empty cell has the value `empty`; an error if
/// that is `None`.
pub(super) fn choice<T: serde::de::DeserializeOwned>(
    table: &Table,
    row: &Row,
    column: &str,
    accepted: &str,
    empty: Option<T>,
) -> Result<T, Refusal> {
    let text = table.cell(row, column).unwrap_or("").to_lowercase();
    if let (true, Some(empty)) = (text.is_empty(), empty) {
        return Ok(empty);
    }
    serde_json::from_value(Value::from(text))
        .map_err(|_| table.refuse(row, column, format!("expected {accepted}")))
}

/// The rows of customers.
pub(crate) fn rows(files: &[CustomerFile]) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    for CustomerFile { customer, contacts } in files {
        let start = [
            customer.value.customer_id.to_string(),
            customer.value.name.to_string(),
        ];
        let mut row = |cells: [String; 5]| rows.push([&start[..], &cells].concat());
        if contacts.is_empty() {
            row(Default::default());
        }
        for contact in contacts {
            let Contact { email, wishes } = &contact.value;
            let releases = if wishes.releases { "yes" } else { "" };
            row([
                email.as_str().to_owned(),
                serialized(&wishes.role),
                serialized(&wishes.language),
                wishes
                    .severity_floor
                    .as_ref()
                    .map_or_else(String::new, serialized),
                releases.to_owned(),
            ]);
        }
    }
    rows
}

/// A value as serialised by serde. Only for values that serialise to a text.
pub(super) fn serialized<T: serde::Serialize>(value: &T) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

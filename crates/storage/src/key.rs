//! The keys of items, current and past.

use std::collections::HashMap;
use std::fmt;

use aws_sdk_dynamodb::types::AttributeValue;
use data_encoding::HEXLOWER;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::Item;

use tegata_common::customer::{CustomerId, EmailAddress};
use tegata_common::domain::Domain;
use tegata_common::notice::NoticeId;
use tegata_common::product::{KintonePluginId, ProductSlug};

/// Separates a sort key from the instant of a history item.
pub(crate) const HISTORY: char = '@';

/// Starts the sort key of a licence's copy under a kintone plug-in id. No slug has it.
pub(crate) const PLUGIN: &str = "plugin#";

/// The partition of the product catalogue.
pub(crate) const PRODUCTS: &str = "#products";

/// The names of a table's key attributes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Schema {
    pub(crate) partition: &'static str,
    pub(crate) sort: &'static str,
}

/// `Licenses`: by tenant and product.
pub(crate) static LICENSES: Schema = Schema {
    partition: "domain",
    sort: "product",
};

/// `Customers`: by customer, and what of it.
pub(crate) static CUSTOMERS: Schema = Schema {
    partition: "customer_id",
    sort: "item",
};

/// `Usage`: by product and day, and tenant.
pub(crate) static USAGE: Schema = Schema {
    partition: "product_day",
    sort: "domain",
};

/// `Notices`: by notice, and what of it.
pub(crate) static NOTICES: Schema = Schema {
    partition: "notice_id",
    sort: "item",
};

/// The key of a current item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    schema: &'static Schema,
    partition: String,
    sort: String,
    /// What the sort keys of its history start with, where that is not its own.
    history: Option<String>,
}

impl Key {
    /// A licence's key.
    pub fn license(domain: &Domain, product: &ProductSlug) -> Self {
        Self::of(&LICENSES, domain.as_str(), product.as_str())
    }

    /// The key of a licence's copy under a kintone plug-in id.
    pub fn plugin(domain: &Domain, id: &KintonePluginId) -> Self {
        Self::of(&LICENSES, domain.as_str(), &format!("{PLUGIN}{id}"))
    }

    /// A catalogue entry's key.
    pub fn product(product: &ProductSlug) -> Self {
        Self::of(&LICENSES, PRODUCTS, product.as_str())
    }

    /// The key of the register of signing keys.
    pub fn signing_keys() -> Self {
        Self::of(&LICENSES, "#signing-keys", "keys")
    }

    /// A customer's key.
    pub fn customer(customer: &CustomerId) -> Self {
        Self::of(&CUSTOMERS, customer.as_str(), "customer")
    }

    /// A contact's key. Its history is kept under a hash: when the contact is removed, the
    /// address is gone.
    pub fn contact(customer: &CustomerId, email: &EmailAddress) -> Self {
        Self::spelled_contact(customer, &email.canonical())
    }

    /// A contact's key by the address as it is stored.
    pub(crate) fn spelled_contact(customer: &CustomerId, address: &str) -> Self {
        let digest = HEXLOWER.encode(&Sha256::digest(address.as_bytes()));
        Self {
            history: Some(format!("past-contact#{}", &digest[..16])),
            ..Self::of(&CUSTOMERS, customer.as_str(), &format!("contact#{address}"))
        }
    }

    /// A notice's key.
    pub fn notice(notice: &NoticeId) -> Self {
        Self::of(&NOTICES, notice.as_str(), "notice")
    }

    pub(crate) fn of(schema: &'static Schema, partition: &str, sort: &str) -> Self {
        Self {
            schema,
            partition: partition.to_owned(),
            sort: sort.to_owned(),
            history: None,
        }
    }

    /// The key as the table's attributes.
    pub fn attributes(&self) -> Item {
        self.with_sort(self.sort.clone())
    }

    /// The key of its history item of an instant.
    pub(crate) fn history_attributes(&self, at: Timestamp) -> Item {
        self.with_sort(format!("{}{HISTORY}{at:.3}", self.history_prefix()))
    }

    /// The first and the last sort key of its history, up to an instant.
    pub(crate) fn history_range(&self, until: Option<Timestamp>) -> (String, String) {
        let prefix = self.history_prefix();
        // A year beyond 9999 has a sign, which sorts before every digit; there is none.
        let end = match until {
            Some(until) => format!("{until:.3}"),
            None => "~".to_owned(),
        };
        (
            format!("{prefix}{HISTORY}"),
            format!("{prefix}{HISTORY}{end}"),
        )
    }

    fn history_prefix(&self) -> &str {
        self.history.as_deref().unwrap_or(&self.sort)
    }

    pub(crate) fn sort(&self) -> &str {
        &self.sort
    }

    pub(crate) fn partition_attribute(&self) -> AttributeValue {
        AttributeValue::S(self.partition.clone())
    }

    /// The placeholders `#partition` and `#sort`.
    pub(crate) fn names(&self) -> HashMap<String, String> {
        HashMap::from([
            ("#partition".to_owned(), self.schema.partition.to_owned()),
            ("#sort".to_owned(), self.schema.sort.to_owned()),
        ])
    }

    fn with_sort(&self, sort: String) -> Item {
        HashMap::from([
            (
                self.schema.partition.to_owned(),
                AttributeValue::S(self.partition.clone()),
            ),
            (self.schema.sort.to_owned(), AttributeValue::S(sort)),
        ])
    }
}

/// For errors and logs: a contact's key does not show its address.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.attributes()))
    }
}

/// An item's key for an error: without a mail address.
pub(crate) fn shown(item: &Item) -> String {
    let text = |name: &str| match item.get(name) {
        Some(AttributeValue::S(text)) => Some(text.as_str()),
        _ => None,
    };
    let partition = [&USAGE, &LICENSES, &CUSTOMERS, &NOTICES]
        .into_iter()
        .find_map(|schema| text(schema.partition));
    let sorts = match item.contains_key(USAGE.partition) {
        true => [USAGE.sort, ""],
        false => [LICENSES.sort, CUSTOMERS.sort],
    };
    let sort = sorts.into_iter().find_map(text);
    let sort = sort.unwrap_or_default();
    let sort = match sort.split_once("contact#") {
        Some(("", _)) => "contact#…",
        _ => sort,
    };
    format!("{}, {sort}", partition.unwrap_or_default())
}

/// Whether an item is current, by its sort key, and no copy.
pub(crate) fn is_current(schema: &Schema, item: &Item) -> bool {
    let is_current = |sort: &str| !sort.contains(HISTORY) && !sort.starts_with(PLUGIN);
    matches!(item.get(schema.sort), Some(AttributeValue::S(sort)) if is_current(sort))
}

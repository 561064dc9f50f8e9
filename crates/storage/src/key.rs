//! The keys of current items and history items.

use std::collections::HashMap;
use std::fmt;

use aws_sdk_dynamodb::types::AttributeValue;
use data_encoding::HEXLOWER;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use crate::Item;

use tegata_common::customer::{CustomerId, EmailAddress};
use tegata_common::domain::Domain;
use tegata_common::keys::KeyPurpose;
use tegata_common::notice::NoticeId;
use tegata_common::product::{KintonePluginId, ProductSlug};

/// Separates the sort key from the instant in the sort key of a history item.
pub(crate) const HISTORY: char = '@';

/// The prefix of the sort key of a licence's alias under a kintone plug-in id. No slug contains `#`.
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

/// `Customers`: by customer, and kind of item.
pub(crate) static CUSTOMERS: Schema = Schema {
    partition: "customer_id",
    sort: "item",
};

/// `Usage`: by product and day, and tenant.
pub(crate) static USAGE: Schema = Schema {
    partition: "product_day",
    sort: "domain",
};

/// `Notices`: by notice, and kind of item.
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
    /// The prefix of the history's sort keys, if it is not the item's own sort key.
    history: Option<String>,
}

impl Key {
    /// A licence's key.
    pub fn license(domain: &Domain, product: &ProductSlug) -> Self {
        Self::of(&LICENSES, domain.as_str(), product.as_str())
    }

    /// The key of a licence's alias under a kintone plug-in id.
    pub fn plugin(domain: &Domain, id: &KintonePluginId) -> Self {
        Self::of(&LICENSES, domain.as_str(), &format!("{PLUGIN}{id}"))
    }

    /// A catalogue entry's key.
    pub fn product(product: &ProductSlug) -> Self {
        Self::of(&LICENSES, PRODUCTS, product.as_str())
    }

    /// The key of the register of the signing keys of a purpose.
    pub fn key_register(purpose: KeyPurpose) -> Self {
        let partition = match purpose {
            KeyPurpose::Lease => "#signing-keys",
            KeyPurpose::Release => "#release-keys",
        };
        Self::of(&LICENSES, partition, "keys")
    }

    /// A customer's key.
    pub fn customer(customer: &CustomerId) -> Self {
        Self::of(&CUSTOMERS, customer.as_str(), "customer")
    }

    /// A contact's key. The key of its history contains a hash instead of the address, so that no
    /// address is left after the contact is removed.
    pub fn contact(customer: &CustomerId, email: &EmailAddress) -> Self {
        Self::spelled_contact(customer, &email.canonical())
    }

    /// A contact's key by the address as stored.
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

    /// The key of the history item at an instant.
    pub(crate) fn history_attributes(&self, at: Timestamp) -> Item {
        self.with_sort(format!("{}{HISTORY}{at:.3}", self.history_prefix()))
    }

    /// The first and the last possible sort key of the history up to an instant.
    pub(crate) fn history_range(&self, until: Option<Timestamp>) -> (String, String) {
        let prefix = self.history_prefix();
        // Years beyond 9999, which have a sign and would sort first, do not occur.
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

/// For errors and logs: hides the address in a contact's key.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.attributes()))
    }
}

/// An item's key for errors, without a mail address.
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

/// Whether an item is a current item, and not an alias, by its sort key.
pub(crate) fn is_current(schema: &Schema, item: &Item) -> bool {
    let is_current = |sort: &str| !sort.contains(HISTORY) && !sort.starts_with(PLUGIN);
    matches!(item.get(schema.sort), Some(AttributeValue::S(sort)) if is_current(sort))
}

#[cfg(test)]
mod tests {
    use tegata_common::domain::BaseDomains;

    use super::*;

    const PLUGIN_ID: &str = "abcdefghijklmnopabcdefghijklmnop";

    fn domain() -> Domain {
        let bases = BaseDomains::default();
        bases.canonicalize("example.cybozu.com").unwrap()
    }

    /// Attributes and their texts, in the order of their names.
    fn texts(item: &Item) -> Vec<(&str, &str)> {
        let mut texts: Vec<(&str, &str)> = item
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_s().unwrap().as_str()))
            .collect();
        texts.sort_unstable();
        texts
    }

    #[test]
    fn keys_are_what_the_tables_have() {
        let customer: CustomerId = "C-0042".parse().unwrap();
        let slug: ProductSlug = "sheet".parse().unwrap();
        let email: EmailAddress = "It@Customer.example".parse().unwrap();
        let notice: NoticeId = "2026-12-05-sheet-1.9.0".parse().unwrap();
        let plugin: KintonePluginId = PLUGIN_ID.parse().unwrap();
        for (key, [partition, sort], partition_text, sort_text) in [
            (
                Key::license(&domain(), &slug),
                ["domain", "product"],
                "example.cybozu.com",
                "sheet",
            ),
            (
                Key::plugin(&domain(), &plugin),
                ["domain", "product"],
                "example.cybozu.com",
                "plugin#abcdefghijklmnopabcdefghijklmnop",
            ),
            (
                Key::product(&slug),
                ["domain", "product"],
                "#products",
                "sheet",
            ),
            (
                Key::key_register(KeyPurpose::Lease),
                ["domain", "product"],
                "#signing-keys",
                "keys",
            ),
            (
                Key::key_register(KeyPurpose::Release),
                ["domain", "product"],
                "#release-keys",
                "keys",
            ),
            (
                Key::customer(&customer),
                ["customer_id", "item"],
                "C-0042",
                "customer",
            ),
            (
                Key::contact(&customer, &email),
                ["customer_id", "item"],
                "C-0042",
                "contact#it@customer.example",
            ),
            (
                Key::notice(&notice),
                ["notice_id", "item"],
                "2026-12-05-sheet-1.9.0",
                "notice",
            ),
        ] {
            let attributes = key.attributes();
            let mut expected = vec![(partition, partition_text), (sort, sort_text)];
            expected.sort_unstable();
            assert_eq!(texts(&attributes), expected);
            assert_eq!(key.sort(), sort_text);
            let partition_attribute = key.partition_attribute();
            assert_eq!(partition_attribute.as_s().unwrap(), partition_text);
            let names = key.names();
            assert_eq!((&*names["#partition"], &*names["#sort"]), (partition, sort));
            assert_eq!(names.len(), 2);
        }
    }

    #[test]
    fn a_history_stands_behind_its_item_in_the_order_of_its_instants() {
        let at: Timestamp = "2026-11-22T01:03:11.1234Z".parse().unwrap();
        let key = Key::license(&domain(), &"sheet".parse().unwrap());
        let history = key.history_attributes(at);
        assert_eq!(
            texts(&history),
            [
                ("domain", "example.cybozu.com"),
                ("product", "sheet@2026-11-22T01:03:11.123Z"),
            ]
        );
        let range = |until| key.history_range(until);
        let owned = |first: &str, last: &str| (first.to_owned(), last.to_owned());
        assert_eq!(
            range(Some(at)),
            owned("sheet@", "sheet@2026-11-22T01:03:11.123Z")
        );
        assert_eq!(range(None), owned("sheet@", "sheet@~"));
    }

    #[test]
    fn a_contacts_history_and_name_do_not_show_the_address() {
        let customer: CustomerId = "C-0042".parse().unwrap();
        let email: EmailAddress = "It@Customer.example".parse().unwrap();
        let key = Key::contact(&customer, &email);
        // The first 16 digits of sha256sum of it@customer.example.
        let (first, _) = key.history_range(None);
        assert_eq!(first, "past-contact#2a2c0b638d277193@");
        assert_eq!(key, Key::spelled_contact(&customer, "it@customer.example"));
        assert_eq!(key.to_string(), "C-0042, contact#…");
        assert_eq!(Key::customer(&customer).to_string(), "C-0042, customer");
    }

    #[test]
    fn an_item_is_named_by_whichever_key_it_has() {
        let item = |attributes: &[(&str, &str)]| -> Item {
            let attributes = attributes
                .iter()
                .map(|(name, text)| ((*name).to_owned(), AttributeValue::S((*text).to_owned())));
            attributes.collect()
        };
        for (attributes, expected) in [
            (
                vec![("domain", "example.cybozu.com"), ("product", "sheet")],
                "example.cybozu.com, sheet",
            ),
            (
                vec![
                    ("product_day", "sheet#2026-11-22"),
                    ("domain", "example.cybozu.com"),
                ],
                "sheet#2026-11-22, example.cybozu.com",
            ),
            (
                vec![("notice_id", "api-down"), ("item", "notice")],
                "api-down, notice",
            ),
            (
                vec![("customer_id", "C-1"), ("item", "past-contact#00ff@2026")],
                "C-1, past-contact#00ff@2026",
            ),
            (vec![], ", "),
        ] {
            assert_eq!(shown(&item(&attributes)), expected);
        }
        let number = HashMap::from([("domain".to_owned(), AttributeValue::N("1".to_owned()))]);
        assert_eq!(shown(&number), ", ");
    }

    #[test]
    fn history_and_copies_are_not_current() {
        let of = |sort: &str| {
            HashMap::from([("product".to_owned(), AttributeValue::S(sort.to_owned()))])
        };
        assert!(is_current(&LICENSES, &of("sheet")));
        for sort in [
            "sheet@2026-11-22T01:03:11.123Z",
            &format!("plugin#{PLUGIN_ID}"),
        ] {
            assert!(!is_current(&LICENSES, &of(sort)), "{sort}");
        }
        assert!(!is_current(&CUSTOMERS, &of("sheet")));
        assert!(!is_current(&LICENSES, &Item::new()));
    }
}

//! Items in the form in which they are archived.

use std::fmt;

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_dynamo::AttributeValue;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::redacted;
use crate::redact::without_addresses;
use crate::revision::Revision;

/// The tables whose changes are archived. Each has key attributes with different names, by which an
/// item's table is recognised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TableKind {
    /// Licences, the catalogue and the key register.
    Licenses,
    /// Customers and their contacts.
    Customers,
    /// Notices, deliveries, and the current versions on the CDN.
    Notices,
}

impl TableKind {
    /// All tables with a stream.
    pub const ALL: [Self; 3] = [Self::Licenses, Self::Customers, Self::Notices];

    /// The attribute names of the partition key and the sort key.
    pub fn key_attributes(self) -> [&'static str; 2] {
        match self {
            Self::Licenses => ["domain", "product"],
            Self::Customers => ["customer_id", "item"],
            Self::Notices => ["notice_id", "item"],
        }
    }
}

impl fmt::Display for TableKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Licenses => "licenses",
            Self::Customers => "customers",
            Self::Notices => "notices",
        })
    }
}

/// The key of an item, without mail addresses.
///
/// The sort key of a contact, `contact#<address>`, becomes `contact#<16 digits>`. The digits are the
/// beginning of the address's SHA-256, as in the sort keys of the contact's history.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ItemKey {
    /// The table.
    pub table: TableKind,
    /// The value of the partition key.
    pub partition: String,
    /// The value of the sort key.
    pub sort: String,
}

/// The role of an item, derived from its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// A current item, which has a history.
    Current,
    /// A history item: the state from an instant on.
    History {
        /// The key of the current item.
        of: ItemKey,
        /// The instant in the sort key.
        at: Timestamp,
    },
    /// A licence's item under a kintone plug-in id. It has no history.
    Alias,
    /// A delivery of a notice. It has no history.
    Delivery,
    /// The record of a notice's audience. It has no history.
    Audience,
}

const CONTACT: &str = "contact#";
const PAST_CONTACT: &str = "past-contact#";

impl ItemKey {
    /// The key in an item's attributes. `None` if they are the key of no known table.
    pub fn of<'a>(attribute: impl Fn(&str) -> Option<&'a AttributeValue>) -> Option<Self> {
        TableKind::ALL.into_iter().find_map(|table| {
            let [partition, sort] = table.key_attributes().map(|name| match attribute(name) {
                Some(AttributeValue::S(text)) => Some(text.as_str()),
                _ => None,
            });
            Some(Self {
                table,
                partition: without_addresses(partition?),
                sort: redacted_sort(table, sort?),
            })
        })
    }

    /// The role of the item.
    pub fn role(&self) -> Role {
        // The key of a current contact has no '@': its address is already hashed.
        if let Some((before, at)) = self.sort.rsplit_once('@')
            && let Ok(at) = at.parse()
        {
            let sort = match before.strip_prefix(PAST_CONTACT) {
                Some(hash) if self.table == TableKind::Customers => format!("{CONTACT}{hash}"),
                _ => before.to_owned(),
            };
            let of = Self {
                sort,
                ..self.clone()
            };
            return Role::History { of, at };
        }
        match self.table {
            TableKind::Licenses if self.sort.starts_with("plugin#") => Role::Alias,
            TableKind::Notices if self.sort.starts_with("delivery#") => Role::Delivery,
            TableKind::Notices if self.sort == "audience" => Role::Audience,
            _ => Role::Current,
        }
    }
}

fn redacted_sort(table: TableKind, sort: &str) -> String {
    match (table, sort.strip_prefix(CONTACT)) {
        (TableKind::Customers, Some(address)) => {
            let digest = Sha256::digest(address.as_bytes());
            format!("{CONTACT}{}", &HEXLOWER.encode(&digest)[..16])
        }
        // `<sort key>@<instant>` of a history item looks like an address and is not one.
        _ => match sort.rsplit_once('@') {
            Some((before, at)) if at.parse::<Timestamp>().is_ok() => {
                format!("{}@{at}", without_addresses(before))
            }
            _ => without_addresses(sort),
        },
    }
}

impl fmt::Display for ItemKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}, {}", self.table, self.partition, self.sort)
    }
}

/// An item in the form in which it may be archived: with addresses and secrets hashed.
#[derive(Clone, Debug, PartialEq)]
pub struct ArchivedItem {
    /// The item's key.
    pub key: ItemKey,
    /// All attributes except those of the key.
    pub attributes: Map<String, Value>,
}

impl ArchivedItem {
    /// Converts an item of a table or a stream. `None` if it has the key of no known table.
    pub fn of(item: impl IntoIterator<Item = (String, AttributeValue)>) -> Option<Self> {
        let item: std::collections::HashMap<String, AttributeValue> = item.into_iter().collect();
        let key = ItemKey::of(|name| item.get(name))?;
        let of_the_key = key.table.key_attributes();
        let attributes = item.into_iter();
        let attributes = attributes.filter(|(name, _)| !of_the_key.contains(&name.as_str()));
        Some(Self {
            key,
            attributes: redacted::attributes(attributes),
        })
    }

    /// The revision in the item, as stated by its writer.
    pub fn revision(&self) -> Option<Revision> {
        revision(&self.attributes)
    }
}

/// The revision in an item's attributes, as stated by its writer.
pub(super) fn revision(attributes: &Map<String, Value>) -> Option<Revision> {
    serde_json::from_value(attributes.get("revision")?.clone()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(table: TableKind, partition: &str, sort: &str) -> ItemKey {
        let s = |text: &str| AttributeValue::S(text.to_owned());
        let [partition_name, sort_name] = table.key_attributes();
        let (partition, sort) = (s(partition), s(sort));
        ItemKey::of(|name| match name {
            name if name == partition_name => Some(&partition),
            name if name == sort_name => Some(&sort),
            _ => None,
        })
        .unwrap()
    }

    #[test]
    fn the_role_of_an_item_follows_from_its_key() {
        use TableKind::{Customers, Licenses, Notices};
        let at = "2026-11-22T01:03:11.123Z";
        for (table, sort, role) in [
            (Licenses, "sheet", Role::Current),
            (
                Licenses,
                "plugin#abcdefghijklmnopabcdefghijklmnop",
                Role::Alias,
            ),
            (Customers, "customer", Role::Current),
            (Customers, "contact#it@customer.example", Role::Current),
            (Notices, "notice", Role::Current),
            (
                Notices,
                "delivery#001-6f1ed002ab5595859014ebf0951522d9",
                Role::Delivery,
            ),
            (Notices, "audience", Role::Audience),
            (Notices, "2026-12-09-sheet-1.12.0#C-0001", Role::Current),
        ] {
            assert_eq!(key(table, "x", sort).role(), role, "{sort}");
        }
        for (table, sort, of) in [
            (Licenses, "sheet", "sheet"),
            (Customers, "customer", "customer"),
            (
                Customers,
                "past-contact#0123456789abcdef",
                "contact#0123456789abcdef",
            ),
            (Notices, "notice", "notice"),
        ] {
            let past = key(table, "x", &format!("{sort}@{at}"));
            assert_eq!(past.sort, format!("{sort}@{at}"));
            let expected = Role::History {
                of: key(table, "x", "of"),
                at: at.parse().unwrap(),
            };
            let Role::History {
                of: found,
                at: when,
            } = past.role()
            else {
                panic!("{past}");
            };
            assert_eq!(found.sort, of);
            assert!(matches!(expected, Role::History { at, .. } if at == when));
        }
    }
}

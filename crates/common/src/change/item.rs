//! Items in the form in which the archive has them.

use std::fmt;

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_dynamo::AttributeValue;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::kept;
use crate::revision::Revision;

/// The tables whose changes are archived. An item's key attributes say which one it is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TableKind {
    /// Licences, the catalogue, the register of keys.
    Licenses,
    /// Customers and contacts.
    Customers,
    /// Notices and deliveries, and what is current on the CDN.
    Notices,
}

impl TableKind {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Licenses, Self::Customers, Self::Notices];

    /// The names of its partition key and its sort key.
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

/// The key of an item, without a mail address: a contact's sort key has the 16 digits of its hash
/// that its history's has, `contact#<16 digits>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ItemKey {
    /// Of which table.
    pub table: TableKind,
    /// The partition key.
    pub partition: String,
    /// The sort key.
    pub sort: String,
}

/// What an item is for, which its key says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// What is so now, with a history beside it.
    Current,
    /// What was so from an instant on.
    History {
        /// The current item's key.
        of: ItemKey,
        /// The instant in its sort key.
        at: Timestamp,
    },
    /// A licence's copy under a kintone plug-in id: no history.
    Copy,
    /// A notice's delivery to one contact: no history.
    Delivery,
}

const CONTACT: &str = "contact#";
const PAST_CONTACT: &str = "past-contact#";

impl ItemKey {
    /// The key that these attributes hold, of whichever table has them.
    pub fn of<'a>(attribute: impl Fn(&str) -> Option<&'a AttributeValue>) -> Option<Self> {
        TableKind::ALL.into_iter().find_map(|table| {
            let [partition, sort] = table.key_attributes().map(|name| match attribute(name) {
                Some(AttributeValue::S(text)) => Some(text.as_str()),
                _ => None,
            });
            Some(Self {
                table,
                partition: kept::without_addresses(partition?),
                sort: kept_sort(table, sort?),
            })
        })
    }

    /// What the item is for.
    pub fn role(&self) -> Role {
        // The current key of a contact has no instant, and its address is hashed already.
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
            TableKind::Licenses if self.sort.starts_with("plugin#") => Role::Copy,
            TableKind::Notices if self.sort.starts_with("delivery#") => Role::Delivery,
            _ => Role::Current,
        }
    }
}

fn kept_sort(table: TableKind, sort: &str) -> String {
    match (table, sort.strip_prefix(CONTACT)) {
        (TableKind::Customers, Some(address)) => {
            let digest = Sha256::digest(address.as_bytes());
            format!("{CONTACT}{}", &HEXLOWER.encode(&digest)[..16])
        }
        // The instant of a history item is no address.
        _ => match sort.rsplit_once('@') {
            Some((before, at)) if at.parse::<Timestamp>().is_ok() => {
                format!("{}@{at}", kept::without_addresses(before))
            }
            _ => kept::without_addresses(sort),
        },
    }
}

impl fmt::Display for ItemKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}, {}", self.table, self.partition, self.sort)
    }
}

/// An item in the form in which it may be kept.
#[derive(Clone, Debug, PartialEq)]
pub struct KeptItem {
    /// Its key.
    pub key: ItemKey,
    /// All its attributes but the key's.
    pub attributes: Map<String, Value>,
}

impl KeptItem {
    /// An item as a table or a stream has it; `None` if it has no table's key.
    pub fn of(item: impl IntoIterator<Item = (String, AttributeValue)>) -> Option<Self> {
        let item: std::collections::HashMap<String, AttributeValue> = item.into_iter().collect();
        let key = ItemKey::of(|name| item.get(name))?;
        let of_the_key = key.table.key_attributes();
        let attributes = item.into_iter();
        let attributes = attributes.filter(|(name, _)| !of_the_key.contains(&name.as_str()));
        Some(Self {
            key,
            attributes: kept::attributes(attributes),
        })
    }

    /// The change that it claims to come from.
    pub fn revision(&self) -> Option<Revision> {
        revision(&self.attributes)
    }
}

/// The change that an item of these attributes claims to come from.
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
    fn a_key_says_what_its_item_is_for() {
        use TableKind::{Customers, Licenses, Notices};
        let at = "2026-11-22T01:03:11.123Z";
        for (table, sort, role) in [
            (Licenses, "sheet", Role::Current),
            (
                Licenses,
                "plugin#abcdefghijklmnopabcdefghijklmnop",
                Role::Copy,
            ),
            (Customers, "customer", Role::Current),
            (Customers, "contact#it@customer.example", Role::Current),
            (Notices, "notice", Role::Current),
            (
                Notices,
                "delivery#001-6f1ed002ab5595859014ebf0951522d9",
                Role::Delivery,
            ),
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

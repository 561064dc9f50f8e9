//! Items in the form in which they are archived.

use tegata_common::change::ArchivedItem;

use crate::Item;

/// Converts an item into its archived form. `None` if it has the key of no known table.
pub fn archived_item(item: Item) -> Option<ArchivedItem> {
    ArchivedItem::of(serde_dynamo::Item::from(item).into_inner())
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use sha2::{Digest as _, Sha256};
    use tegata_common::customer::EmailAddress;

    use super::*;
    use crate::Key;

    #[test]
    fn a_contact_and_its_history_have_the_same_hash_and_no_address() {
        let email: EmailAddress = "It@Customer.example".parse().unwrap();
        let id = "C-0042".parse().unwrap();
        let attributes = Key::contact(&id, &email).attributes();
        let current = archived_item(attributes).unwrap().key;
        assert!(
            !current.to_string().contains("customer.example"),
            "{current}"
        );
        let digest = HEXLOWER.encode(&Sha256::digest(b"it@customer.example"));
        assert_eq!(current.sort, format!("contact#{}", &digest[..16]));
    }
}

//! Customers and contacts in the table.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::{SignedDuration, Timestamp};
use tegata_common::customer::{
    Contact, Customer, CustomerId, Language, NotificationPreferences, Role,
};
use tegata_storage::{ChangeContext, TableError};
use tegata_tests::{Database, NOW};

const WISHES: NotificationPreferences = NotificationPreferences {
    role: Role::Primary,
    language: Language::Ja,
    severity_floor: None,
    releases: false,
};

fn act(seconds: i64, change: &str) -> ChangeContext<'_> {
    let now: Timestamp = NOW.parse().unwrap();
    ChangeContext {
        at: now + SignedDuration::from_secs(seconds),
        by: "test",
        change,
    }
}

fn customer() -> Customer {
    Customer {
        customer_id: "C-0042".parse().unwrap(),
        name: "株式会社サンプル".parse().unwrap(),
    }
}

fn contact(email: &str) -> Contact {
    Contact {
        email: email.parse().unwrap(),
        wishes: WISHES,
    }
}

/// An earlier version accepted `<…>` with surrounding blanks as an address, and could not render
/// mail to it.
#[tokio::test]
async fn a_contact_with_a_malformed_spelling_is_read_in_its_one_form_and_can_be_removed() {
    let database = Database::start().await;
    let customers = &database.customers;
    let (customer, contact) = (customer(), contact("user@customer.example"));
    let id: &CustomerId = &customer.customer_id;
    let contacts = [(id, &contact, None)];
    customers
        .write(Some((&customer, None)), &contacts, &act(0, "add"))
        .await
        .unwrap();
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let scan = database.client.scan().table_name("Customers");
    let items = scan.send().await.unwrap().items.unwrap();
    let mut item = items
        .into_iter()
        .find(|item| item["item"] == text("contact#user@customer.example"))
        .unwrap();
    let current = customers.contact_revision(id, &contact.email).await;
    let current = current.unwrap().unwrap();
    customers
        .remove_contact(id, &contact.email, &current, &act(1, "remove"))
        .await
        .unwrap();
    item.insert(
        "item".to_owned(),
        text("contact#\r\n <user@customer.example>"),
    );
    item.insert("email".to_owned(), text("\r\n <User@Customer.example>"));
    let put = database.client.put_item().table_name("Customers");
    put.set_item(Some(item)).send().await.unwrap();

    let found = customers.file(id).await.unwrap();
    assert_eq!(found.unreadable.len(), 0);
    let [stored] = &found.customers[0].contacts[..] else {
        panic!("{found:?}");
    };
    assert_eq!(stored.value.email.as_str(), "User@customer.example");
    let revision = customers.contact_revision(id, &contact.email).await;
    let revision = revision.unwrap().unwrap();
    customers
        .remove_contact(id, &contact.email, &revision, &act(2, "remove"))
        .await
        .unwrap();
    let found = customers.file(id).await.unwrap();
    assert_eq!(found.customers[0].contacts.len(), 0);
}

#[tokio::test]
async fn a_removed_contact_leaves_no_address() {
    let database = Database::start().await;
    let customers = &database.customers;
    let (customer, contact) = (customer(), contact("Taro.Yamada@Example.com"));
    let id: &CustomerId = &customer.customer_id;
    let contacts = [(id, &contact, None)];
    customers
        .write(Some((&customer, None)), &contacts, &act(0, "add"))
        .await
        .unwrap();
    // Writing it again with the same precondition is a conflict.
    let again = customers.write(None, &contacts, &act(1, "add")).await;
    assert!(matches!(again, Err(TableError::Conflict)));

    let other_spelling = "taro.yamada@example.com".parse().unwrap();
    let stored = customers.contact(id, &other_spelling).await;
    let stored = stored.unwrap().unwrap();
    assert_eq!(stored.value, contact);
    customers
        .remove_contact(id, &contact.email, &stored.revision, &act(2, "remove"))
        .await
        .unwrap();
    assert_eq!(customers.contact(id, &contact.email).await.unwrap(), None);

    let scan = database.client.scan().table_name("Customers").send().await;
    let left = format!("{:?}", scan.unwrap().items.unwrap()).to_lowercase();
    assert!(
        !left.contains("yamada") && !left.contains("example.com"),
        "{left}"
    );
    // The history shows that there was a contact, and who removed it.
    assert!(
        left.contains("past-contact#") && left.contains("remove"),
        "{left}"
    );

    // The contact can be added again, and its versions continue.
    customers
        .write(None, &contacts, &act(3, "add"))
        .await
        .unwrap();
    let back = customers
        .contact(id, &contact.email)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(back.revision.version, 3);
}

#[tokio::test]
async fn a_customer_and_its_contacts_are_written_together_or_not_at_all() {
    let database = Database::start().await;
    let customers = &database.customers;
    let customer = customer();
    let id = &customer.customer_id;
    let one = contact("one@example.com");
    customers
        .write(None, &[(id, &one, None)], &act(0, "add"))
        .await
        .unwrap();
    let two = contact("two@example.com");
    let both = [(id, &two, None), (id, &one, None)];
    let refused = customers
        .write(Some((&customer, None)), &both, &act(1, "import"))
        .await;
    assert!(matches!(refused, Err(TableError::Conflict)));
    assert!(customers.customer(id).await.unwrap().is_none());
    assert!(customers.contact(id, &two.email).await.unwrap().is_none());
}

#[tokio::test]
async fn an_address_is_in_no_error() {
    let database = Database::start().await;
    let customers = &database.customers;
    let customer = customer();
    let id = &customer.customer_id;
    let contact = contact("secret@example.com");
    customers
        .write(
            Some((&customer, None)),
            &[(id, &contact, None)],
            &act(0, "add"),
        )
        .await
        .unwrap();
    let scan = database.client.scan().table_name("Customers").send().await;
    for mut item in scan.unwrap().items.unwrap() {
        if item.remove("role").is_some() {
            let put = database.client.put_item().table_name("Customers");
            put.set_item(Some(item)).send().await.unwrap();
        }
    }
    let error = customers.contact(id, &contact.email).await.unwrap_err();
    let said = format!("{error} {error:?}");
    assert!(said.contains("C-0042, contact#…"), "{said}");
    assert!(!said.contains("secret"), "{said}");
    let file = customers.file(id).await.unwrap();
    assert_eq!((file.customers.len(), file.unreadable.len()), (1, 1));
}

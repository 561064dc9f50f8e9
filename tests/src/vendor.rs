//! A vendor's customers, and what it announces to them.

use jiff::Timestamp;
use tegata_common::customer::{Contact, Customer, Language, NotificationPreferences, Role};
use tegata_storage::ChangeContext;

use crate::{Database, SigningKey, license, product, put};

/// A release notice's file.
pub const RELEASE: &str = r#"
kind = "release"
products = ["sheet"]
version = "1.9.0"
planned_at = 2026-12-05T10:00:00+09:00
title = { ja = "シート 1.9.0 のリリース", en = "Sheet 1.9.0" }
body = { ja = "一覧が**速く**なります。", en = "Lists get **faster**." }
"#;

/// Signs up a customer by its number: with a contact, and a licence of the tenant
/// `tenant<number>.cybozu.com`, usable from an instant. Every other contact reads English.
pub async fn sign_up(
    database: &Database,
    key: &SigningKey,
    number: usize,
    email: &str,
    usable_from: &str,
    at: Timestamp,
) {
    let customer = Customer {
        customer_id: format!("C-{number}").parse().unwrap(),
        name: format!("Customer {number}").parse().unwrap(),
    };
    let contact = Contact {
        email: email.parse().unwrap(),
        wishes: NotificationPreferences {
            role: Role::Primary,
            language: match number % 2 {
                0 => Language::Ja,
                _ => Language::En,
            },
            severity_floor: None,
            releases: false,
        },
    };
    let act = ChangeContext {
        at,
        by: "test",
        change: "add",
    };
    let contacts = [(&customer.customer_id, &contact, None)];
    let customers = &database.customers;
    let written = customers.write(Some((&customer, None)), &contacts, &act);
    written.await.unwrap();
    let host = format!("tenant{number}.cybozu.com");
    let mut license = license(&host, &product(), usable_from);
    license.customer = Some(customer.customer_id.clone());
    put(&database.licenses, key, license).await;
}

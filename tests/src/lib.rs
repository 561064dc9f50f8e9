//! What the tests share: an embedded DynamoDB reached by the real SDK, and sample licences.
#![allow(clippy::unwrap_used, clippy::expect_used)] // Test support: a failure here is the test's failure.

pub mod contract_world;
pub mod crash;
pub mod lambda;
pub mod log_lines;
pub mod memory;
pub mod process;
pub mod ratio;
pub mod vendor;

use std::collections::BTreeMap;

use jiff::Timestamp;
use license_lookup::settings::LookupSettings;
use tegata_common::calendar::Billing;
use tegata_common::domain::{BaseDomains, Domain};
use tegata_common::keys::{Jwks, KeyPurpose, KeyRegister};
use tegata_common::lease::SignedLicense;
use tegata_common::license::{License, Order, Plan};
use tegata_common::product::{Catalogue, Product};
use tegata_common::serial::Serial;
use tegata_lambda::Variables;
use tegata_operations::contract;
use tegata_signing::{KeyFiles, KeyStore, Signer};
use tegata_storage::customers::Customers;
use tegata_storage::licenses::Licenses;
use tegata_storage::notices::Notices;
use tegata_storage::usage::UsageTable;
use tegata_storage::{ChangeContext, Key};

/// The instant at which the samples are looked at: 2026-11-22T10:03:11+09:00.
pub const NOW: &str = "2026-11-22T01:03:11Z";

/// The serial of every sample licence.
pub const SERIAL: &str = "ABCD-EFGH-IJKL-MNOP";

/// An embedded DynamoDB in memory, served on loopback for the life of this value.
pub struct Database {
    /// Where the SDK reaches it.
    pub endpoint: String,
    /// The real client.
    pub client: aws_sdk_dynamodb::Client,
    /// The `Licenses` table.
    pub licenses: Licenses,
    /// The `Customers` table.
    pub customers: Customers,
    /// The `Notices` table.
    pub notices: Notices,
    /// The `Usage` table.
    pub usage: UsageTable,
}

impl Database {
    /// Starts one, with empty tables.
    pub async fn start() -> Self {
        let database = dynoxide::Database::memory().unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(dynoxide::server::serve_on(listener, database));
        let client = tegata_aws::local_dynamodb(&endpoint, "local", "local");
        let licenses = Licenses::new(client.clone(), "Licenses");
        licenses.create_if_missing().await.unwrap();
        let customers = Customers::new(client.clone(), "Customers");
        customers.create_if_missing().await.unwrap();
        let notices = Notices::new(client.clone(), "Notices");
        notices.create_if_missing().await.unwrap();
        let usage = UsageTable::new(client.clone(), "Usage");
        usage.create_if_missing().await.unwrap();
        Self {
            endpoint,
            client,
            licenses,
            customers,
            notices,
            usage,
        }
    }

    /// The lookup function's settings for this database, with some variables set otherwise.
    pub fn settings(&self, changes: &[(&str, &str)]) -> LookupSettings {
        settings(&self.endpoint, changes)
    }
}

/// The lookup function's settings for a database at an address.
pub fn settings(endpoint: &str, changes: &[(&str, &str)]) -> LookupSettings {
    LookupSettings::read(&Variables(|name: &str| {
        let change = changes.iter().find(|(changed, _)| *changed == name);
        match (change, name) {
            (Some((_, value)), _) => Some((*value).to_owned()),
            (None, "LICENSES_TABLE") => Some("Licenses".to_owned()),
            (None, "AWS_REGION") => Some("ap-northeast-1".to_owned()),
            (None, "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY") => Some("local".to_owned()),
            (None, "AWS_ENDPOINT_URL_DYNAMODB") => Some(endpoint.to_owned()),
            (None, "DEVELOPMENT_BASE_DOMAINS") => Some("kintone.test".to_owned()),
            (None, _) => None,
        }
    }))
    .unwrap()
}

/// A signing key in a directory that goes away with this value.
pub struct SigningKey {
    /// What signs.
    pub signer: Signer,
    /// What the signatures are checked with.
    pub jwks: Jwks,
    /// What keeps it.
    pub keys: KeyStore,
    register: KeyRegister,
    _directory: tempfile::TempDir,
}

impl SigningKey {
    /// Makes one.
    pub fn create() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let files = KeyFiles::in_directory(directory.path().join("keys"));
        let (jwk, location) = files.create().unwrap();
        let signer = files.signer(&jwk.kid).unwrap();
        let register = KeyRegister::default();
        let register = register.with(jwk, location, Timestamp::UNIX_EPOCH).unwrap();
        Self {
            signer,
            jwks: register.jwks(),
            keys: KeyStore::Files(files),
            register,
            _directory: directory,
        }
    }

    /// Puts it into a table's register as the active key.
    pub async fn register_in(&self, licenses: &Licenses) {
        let act = ChangeContext {
            at: Timestamp::UNIX_EPOCH,
            by: "test",
            change: "create",
        };
        let table = licenses.table();
        table
            .put(
                &Key::key_register(KeyPurpose::Lease),
                None,
                &self.register,
                &act,
            )
            .await
            .unwrap();
    }
}

/// The product `sheet`, which does not require the serial, and tells the same without it.
pub fn product() -> Product {
    let catalogue = serde_json::json!({
        "issuer": "https://license.example.com",
        "products": { "sheet": {
            "name": { "ja": "シート", "en": "Sheet" },
            "without_serial": "all",
        } },
    });
    let mut catalogue: Catalogue = serde_json::from_value(catalogue).unwrap();
    catalogue.products.remove(0)
}

/// A tenant's domain.
pub fn domain(host: &str) -> Domain {
    BaseDomains::with_development(["kintone.test"])
        .unwrap()
        .canonicalize(host)
        .unwrap()
}

/// A yearly licence with 50 users, usable from an instant.
pub fn license(host: &str, product: &Product, usable_from: &str) -> License {
    let order = Order {
        domain: domain(host),
        customer: None,
        plan: Plan::Paid {
            billing: Billing::Yearly,
        },
        edition: "standard".to_owned(),
        users: 50,
        quotas: BTreeMap::new(),
        usable_from: usable_from.parse().unwrap(),
    };
    License::issue(order, product, Serial::parse(SERIAL).unwrap().hash()).unwrap()
}

/// Signs a licence and puts it into the table as its first version.
pub async fn put(licenses: &Licenses, key: &SigningKey, license: License) -> SignedLicense {
    let act = ChangeContext {
        at: NOW.parse().unwrap(),
        by: "test",
        change: "issue",
    };
    let written = contract::write(licenses, None, &license, &key.signer, &act).await;
    written.unwrap().signed
}

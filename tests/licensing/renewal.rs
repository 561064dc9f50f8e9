//! The renewal with failures: unreadable licences, too little time, outages, and the reports.

use std::cell::Cell;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::{SignedDuration, Timestamp};
use license_renewal::handler::{Renewal, RunError};
use tegata_common::keys::{KeyLocation, KeyPurpose, KeyRegister};
use tegata_common::lease::SignedLicense;
use tegata_signing::KeyStore;
use tegata_storage::{ChangeContext, Key, Versioned};
use tegata_tests::{Database, NOW, SigningKey, domain, license, product, put};

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

/// A table with licences whose leases were signed at [`now`].
async fn with_licenses(number: usize) -> (Database, SigningKey) {
    let database = Database::start().await;
    let key = SigningKey::create();
    key.register_in(&database.licenses).await;
    for number in 0..number {
        let name = format!("tenant-{number}.cybozu.com");
        let license = license(&name, &product(), "2026-10-03T01:00:00Z");
        put(&database.licenses, &key, license).await;
    }
    (database, key)
}

async fn stored(database: &Database, number: usize) -> Versioned<SignedLicense> {
    let name = domain(&format!("tenant-{number}.cybozu.com"));
    let slug = product().slug;
    database.licenses.get(&name, &slug).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_lease_is_signed_again_at_half_of_its_days_and_history_stays_as_it_is() {
    let (database, key) = with_licenses(1).await;
    let renewal = Renewal::new(database.licenses.clone(), key.keys.clone(), "role");
    let half = now() + SignedDuration::from_hours(7 * 24);
    let before = stored(&database, 0).await;
    let early = renewal
        .run(half - SignedDuration::from_secs(1), || false)
        .await;
    assert_eq!(early.unwrap().resigned, 0);
    let report = renewal.run(half, || false).await.unwrap();
    assert_eq!(
        (report.resigned, report.failed, report.finished),
        (1, 0, true)
    );
    let after = stored(&database, 0).await;
    assert_eq!(after.value.license, before.value.license);
    assert_eq!(after.value.lease.issued_at, half);
    assert_eq!(
        (after.revision.version, after.revision.change.as_str()),
        (2, "resign")
    );
    assert_eq!(after.revision.by, "role");
    let license = &after.value.license;
    let history = database
        .licenses
        .history(&license.domain, &license.product)
        .await;
    assert_eq!(history.unwrap().len(), 1);
    // An operator who read it before gets a conflict.
    let key = Key::license(&license.domain, &license.product);
    let act = ChangeContext {
        at: half,
        by: "operator",
        change: "change",
    };
    let table = database.licenses.table();
    let late = table
        .put(&key, Some(&before.revision), &before.value, &act)
        .await;
    assert!(late.is_err());
    assert_eq!(renewal.run(half, || false).await.unwrap().resigned, 0);
}

#[tokio::test]
async fn licences_that_cannot_be_read_keep_no_other_from_being_renewed() {
    let (database, key) = with_licenses(160).await;
    // Most of them are broken and have been due the longest, so every page starts with them.
    for number in 0..120 {
        let name = domain(&format!("tenant-{number}.cybozu.com"));
        let key = Key::license(&name, &product().slug);
        let update = database.client.update_item().table_name("Licenses");
        let broken = update
            .set_key(Some(key.attributes()))
            .update_expression("REMOVE license.#users SET due_at = :long_ago")
            .expression_attribute_names("#users", "users")
            .expression_attribute_values(
                ":long_ago",
                AttributeValue::S("2020-01-01T00:00:00Z".into()),
            );
        broken.send().await.unwrap();
    }
    let renewal = Renewal::new(database.licenses.clone(), key.keys.clone(), "role");
    let half = now() + SignedDuration::from_hours(7 * 24);
    let report = renewal.run(half, || false).await.unwrap();
    assert_eq!(
        (report.failed, report.resigned, report.finished),
        (120, 40, true)
    );
}

#[tokio::test]
async fn what_a_run_has_no_time_for_the_next_one_does() {
    let (database, key) = with_licenses(60).await;
    let renewal = Renewal::new(database.licenses.clone(), key.keys.clone(), "role");
    let late = now() + SignedDuration::from_hours(12 * 24);
    let asked = Cell::new(0);
    let time_is_up = || {
        asked.set(asked.get() + 1);
        asked.get() > 25
    };
    let first = renewal.run(late, time_is_up).await.unwrap();
    assert_eq!((first.resigned, first.finished), (25, false));
    // The remaining leases have two of fourteen days left.
    assert!(
        (first.oldest_lease_left - 2.0 / 14.0).abs() < 0.001,
        "{first:?}"
    );
    let second = renewal.run(late, || false).await.unwrap();
    assert_eq!((second.resigned, second.finished), (35, true));
    assert!((second.oldest_lease_left - 0.5).abs() < 0.001);
}

#[tokio::test]
async fn when_kms_is_down_a_run_gives_up_and_says_how_old_the_leases_are() {
    let (database, _) = with_licenses(80).await;
    let config = aws_sdk_kms::Config::builder()
        .behavior_version(aws_sdk_kms::config::BehaviorVersion::latest())
        .http_client(tegata_aws::http_client())
        .endpoint_url("http://127.0.0.1:1")
        .region(aws_sdk_kms::config::Region::new("local"))
        .credentials_provider(aws_sdk_kms::config::Credentials::new(
            "a", "b", None, None, "test",
        ))
        .retry_config(aws_sdk_kms::config::retry::RetryConfig::disabled())
        .build();
    let keys = KeyStore::Kms(aws_sdk_kms::Client::from_conf(config));
    // The register names a key in KMS.
    let table = database.licenses.table();
    let stored = table
        .get::<KeyRegister>(&Key::key_register(KeyPurpose::Lease))
        .await
        .unwrap()
        .unwrap();
    let mut register = stored.value;
    register.keys[0].location = KeyLocation::Kms("arn:aws:kms:local:0:key/1".to_owned());
    let act = ChangeContext {
        at: now(),
        by: "test",
        change: "create",
    };
    let key = Key::key_register(KeyPurpose::Lease);
    table
        .put(&key, Some(&stored.revision), &register, &act)
        .await
        .unwrap();

    let renewal = Renewal::new(database.licenses.clone(), keys, "role");
    let late = now() + SignedDuration::from_hours(11 * 24);
    let report = renewal.run(late, || false).await.unwrap();
    assert!((50..80).contains(&report.failed), "{report:?}");
    assert!(!report.finished);
    assert!(
        (report.oldest_lease_left - 3.0 / 14.0).abs() < 0.001,
        "{report:?}"
    );
}

#[tokio::test]
async fn without_a_signing_key_a_run_fails() {
    let database = Database::start().await;
    let key = SigningKey::create();
    let renewal = Renewal::new(database.licenses.clone(), key.keys.clone(), "role");
    let run = renewal.run(now(), || false).await;
    assert!(matches!(run, Err(RunError::Key(_))), "{run:?}");
}

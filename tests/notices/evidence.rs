//! SES's own documents, as EventBridge delivers them.

use std::path::Path;

use jiff::Timestamp;
use release_notification::feedback::{Feedback, Seen};
use tegata_common::customer::{EmailAddress, Language};
use tegata_common::notice::{Delivery, DeliveryId, Facts, NoticeId, RecipientRole, State};
use tegata_storage::notices::Notices;
use tegata_tests::Database;

use crate::world::ID;

const DELIVERY: &str = "001-6f1ed002ab5595859014ebf0951522d9";

/// The delivery that the documents are about.
pub(crate) fn delivery() -> Delivery {
    Delivery {
        notice_id: ID.parse().unwrap(),
        delivery: DELIVERY.parse().unwrap(),
        email: "it@sample.example".parse::<EmailAddress>().unwrap().into(),
        language: Language::En,
        why: RecipientRole::Primary,
        customers: Vec::new(),
        facts: Facts::default(),
    }
}

pub(crate) fn document(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../events")
        .join(name);
    std::fs::read_to_string(path).unwrap()
}

async fn state(notices: &Notices, now: Timestamp) -> State {
    let (id, delivery): (NoticeId, DeliveryId) = (ID.parse().unwrap(), DELIVERY.parse().unwrap());
    let stored = notices.delivery(&id, &delivery).await.unwrap().unwrap();
    stored.delivery.facts.state(now)
}

#[tokio::test]
async fn each_document_of_ses_is_evidence() {
    let now: Timestamp = "2026-11-26T01:10:00Z".parse().unwrap();
    for (name, expected, is_marked) in [
        ("ses-send.json", State::Sent, false),
        ("ses-delivery.json", State::Delivered, false),
        ("ses-bounce-permanent.json", State::Bounced, true),
        ("ses-bounce-transient.json", State::Bounced, false),
        ("ses-bounce-undetermined.json", State::Bounced, false),
        ("ses-complaint.json", State::Complained, true),
        ("ses-reject.json", State::Failed, false),
        ("ses-rendering-failure.json", State::Failed, false),
        // Late, and still on its way: it says nothing of where it is.
        ("ses-delivery-delay.json", State::Pending, false),
    ] {
        let database = Database::start().await;
        let notices = &database.notices;
        notices.create_delivery(&delivery()).await.unwrap();
        let feedback = Feedback::new(notices.clone(), "test");
        let event = document(name);
        assert_eq!(
            feedback.handle(&event, now).await.unwrap(),
            Seen::Recorded,
            "{name}"
        );
        assert_eq!(
            feedback.handle(&event, now).await.unwrap(),
            Seen::Known,
            "{name}"
        );
        assert_eq!(state(notices, now).await, expected, "{name}");
        let marked = notices.undeliverable().await.unwrap();
        assert_eq!(marked.len(), usize::from(is_marked), "{name}");
        for (contact, stored) in marked {
            assert_eq!(contact, delivery().delivery.contact);
            assert!(!format!("{stored:?}").contains('@'), "{stored:?}");
        }
    }
}

#[tokio::test]
async fn no_address_of_an_event_is_kept() {
    let now: Timestamp = "2026-11-26T01:10:00Z".parse().unwrap();
    for (name, text) in [
        ("ses-bounce-permanent.json", "General"),
        ("ses-reject.json", "Bad content"),
        ("ses-rendering-failure.json", "Attribute"),
    ] {
        let database = Database::start().await;
        let notices = &database.notices;
        notices.create_delivery(&delivery()).await.unwrap();
        let event = document(name);
        assert!(event.contains(text), "{name}");
        let event = event.replace(text, &format!("{text} <it@sample.example>"));
        Feedback::new(notices.clone(), "test")
            .handle(&event, now)
            .await
            .unwrap();
        let all = notices
            .deliveries(&ID.parse().unwrap(), None)
            .await
            .unwrap();
        let [stored] = all.as_slice() else {
            panic!("{name}: {all:?}");
        };
        let reason = stored.delivery.facts.reason().unwrap();
        assert!(reason.contains(text) && !reason.contains('@'), "{reason}");
        let marked = notices.undeliverable().await.unwrap();
        assert!(!format!("{marked:?}").contains('@'), "{marked:?}");
    }
}

#[tokio::test]
async fn what_is_no_evidence_changes_nothing() {
    let now: Timestamp = "2026-11-26T01:10:00Z".parse().unwrap();
    let database = Database::start().await;
    let feedback = Feedback::new(database.notices.clone(), "test");
    let event = document("ses-send.json");
    // Nobody knows that delivery.
    assert_eq!(
        feedback.handle(&event, now).await.unwrap(),
        Seen::NoDelivery
    );
    database.notices.create_delivery(&delivery()).await.unwrap();
    // A mail that was sent otherwise, an event of no consequence, tags that are not ours.
    for (from, to) in [
        ("\"delivery\":", "\"other\":"),
        ("\"Send\"", "\"Open\""),
        ("2026-12-05-sheet-1_9_0", "2026-12-05-sheet-1.9.0"),
        ("001-6f1ed", "1-6f1ed"),
    ] {
        let event = event.replace(from, to);
        assert_eq!(
            feedback.handle(&event, now).await.unwrap(),
            Seen::Foreign,
            "{from}"
        );
    }
    assert_eq!(state(&database.notices, now).await, State::Pending);
    let not_spam = document("ses-complaint.json").replace("\"abuse\"", "\"not-spam\"");
    assert_eq!(
        feedback.handle(&not_spam, now).await.unwrap(),
        Seen::Foreign
    );
    assert!(feedback.handle("{}", now).await.is_err());
}

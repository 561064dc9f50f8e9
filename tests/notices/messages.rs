//! What the queue may hold besides what it should, and functions whose time is up.

use aws_lambda_events::sqs::SqsEvent;
use jiff::Timestamp;
use release_notification::deliver::Deliver;
use release_notification::rate_limiter::RateLimiter;
use tegata_notices::mailer::Mailer;
use tegata_storage::ChangeContext;
use tegata_storage::notices::Work;
use tegata_tests::Database;

use crate::evidence::{delivery, document};
use crate::world::{INCIDENT, RELEASE, START, Weather, World, notice, sender};

pub(crate) struct Office {
    pub(crate) database: Database,
    deliver: Deliver,
    directory: tempfile::TempDir,
    pub(crate) now: Timestamp,
}

impl Office {
    /// With one delivery of one notice, announced.
    pub(crate) async fn open() -> Self {
        let database = Database::start().await;
        let now: Timestamp = START.parse().unwrap();
        let act = ChangeContext {
            at: now,
            by: "test",
            change: "send",
        };
        let notice = notice(RELEASE, None, now);
        let notices = &database.notices;
        notices
            .put(None, &notice, Work::Due(now), &act)
            .await
            .unwrap();
        notices.create_delivery(&delivery()).await.unwrap();
        let directory = tempfile::tempdir().unwrap();
        let deliver = Deliver::new(
            notices.clone(),
            Mailer::Outbox(directory.path().to_owned()),
            sender(),
            RateLimiter::per_second(1000.0),
            "deliver",
        );
        Self {
            database,
            deliver,
            directory,
            now,
        }
    }

    /// The messages that come again.
    pub(crate) async fn hand(&self, event: &str, is_time_up: bool) -> Vec<String> {
        let event: SqsEvent = serde_json::from_str(event).unwrap();
        let now = self.now;
        let (response, _) = self.deliver.handle(event, || now, || is_time_up).await;
        let failures = response.batch_item_failures.into_iter();
        failures.map(|failure| failure.item_identifier).collect()
    }

    pub(crate) fn mails(&self) -> usize {
        std::fs::read_dir(self.directory.path()).unwrap().count()
    }
}

#[tokio::test]
async fn a_message_is_delivered_once_and_one_of_nothing_is_passed_over() {
    let office = Office::open().await;
    // Two messages; the table knows the delivery of the first.
    let event = document("delivery-queue.json");
    for _ in 0..2 {
        assert!(office.hand(&event, false).await.is_empty());
        assert_eq!(office.mails(), 1);
    }
    let deliveries = office
        .database
        .notices
        .deliveries(&delivery().notice_id, None)
        .await;
    assert_eq!(deliveries.unwrap().len(), 1);
}

#[tokio::test]
async fn a_poisonous_message_comes_again_by_itself() {
    let office = Office::open().await;
    let event = document("delivery-queue.json");
    let mut event: serde_json::Value = serde_json::from_str(&event).unwrap();
    let poison = [
        "",
        "{}",
        "not JSON",
        r#"{"notice_id":"../x","delivery":"001-6f1ed002ab5595859014ebf0951522d9"}"#,
        r#"{"notice_id":"2026-12-05-sheet-1.9.0","delivery":"1"}"#,
        r#"{"notice_id":"2026-12-05-sheet-1.9.0","delivery":"001-6f1ed002ab5595859014ebf0951522d9","email":"a@b.example"}"#,
    ];
    let records = event["Records"].as_array_mut().unwrap();
    for (number, body) in poison.iter().enumerate() {
        let mut record = records[0].clone();
        record["messageId"] = format!("poison-{number}").into();
        record["body"] = (*body).into();
        records.insert(0, record);
    }
    let mut again = office.hand(&event.to_string(), false).await;
    again.sort();
    let expected: Vec<String> = (0..poison.len())
        .map(|number| format!("poison-{number}"))
        .collect();
    assert_eq!(again, expected);
    assert_eq!(office.mails(), 1);
}

#[tokio::test]
async fn a_function_whose_time_is_up_begins_nothing() {
    let office = Office::open().await;
    let event = document("delivery-queue.json");
    // The message of nothing is passed over all the same.
    assert_eq!(office.hand(&event, true).await.len(), 1);
    assert_eq!(office.mails(), 0);
    assert!(office.hand(&event, false).await.is_empty());
    assert_eq!(office.mails(), 1);
}

#[tokio::test]
async fn an_update_goes_to_those_told_before_and_to_whom_a_raised_severity_adds() {
    let mut random = fastrand::Rng::with_seed(1);
    let mut weather = Weather {
        random: &mut random,
        duplicates: 0,
        late: 0,
    };
    let mut world = World::new(INCIDENT, 3).await;
    world
        .add_additional("ops@customer.example", "critical")
        .await;
    world.round(&mut weather).await;
    assert_eq!(
        world.told(1).await,
        [
            "bounce@customer.example",
            "contact0@customer.example",
            "contact1@customer.example",
        ]
    );
    // The licence of one of them ends: it hears how the incident goes on all the same. What
    // bounced for good is not written to.
    world.suspend("tenant0.cybozu.com").await;
    let more = format!(
        "{INCIDENT}\n[[updates]]\nstage = 'identified'\nseverity = 'critical'\n\
         body = {{ ja = '原因がわかりました。', en = 'The cause is known.' }}\n"
    );
    world.send(&more).await;
    world.round(&mut weather).await;
    assert_eq!(
        world.told(2).await,
        [
            "contact0@customer.example",
            "contact1@customer.example",
            "ops@customer.example",
        ]
    );
    let page = world.news("news/2026-12-05-sheet-1.9.0.html");
    let (first, second) = (
        page.find("調査しています").unwrap(),
        page.find("原因がわかりました").unwrap(),
    );
    assert!(second < first, "the newest first");
    assert!(
        world
            .news("news/en/feed.xml")
            .contains("The cause is known.")
    );
}

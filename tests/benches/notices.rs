//! A notice to 10,000 contacts on one machine, as `tegata dev` sends it: how long announcing
//! takes, how well the pace is kept, and how much memory it all takes.
//!
//! `cargo bench -p tegata-tests --bench notices [-- [--short] [CONTACTS [RATE]]]`
#![allow(clippy::unwrap_used, clippy::cast_precision_loss, missing_docs)]

use std::time::Instant;

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use jiff::{SignedDuration, Timestamp};
use release_notification::announce::Announce;
use release_notification::deliver::Deliver;
use release_notification::queue::{Message, Queue};
use release_notification::rate_limiter::RateLimiter;
use tegata_archive::objects::Objects;
use tegata_common::notice::{NoticeId, Outcome, State};
use tegata_notices::audience::Stores;
use tegata_notices::check::{self, Terms};
use tegata_notices::file::NoticeFile;
use tegata_notices::mailer::Mailer;
use tegata_notices::render::Sender;
use tegata_storage::ChangeContext;
use tegata_storage::notices::Work;
use tegata_tests::vendor::{self, RELEASE};
use tegata_tests::{Database, SigningKey, memory, product, ratio};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// As the template has it: so many functions share the rate.
const SENDERS: u32 = 2;

#[tokio::main]
async fn main() {
    let mut numbers = std::env::args().filter_map(|argument| argument.parse::<u32>().ok());
    let contacts = if ratio::is_short() { 100 } else { 10_000 };
    let contacts = numbers.next().unwrap_or(contacts);
    let rate = numbers.next().unwrap_or(200);
    let database = Database::start().await;
    fill(&database, contacts).await;
    memory::forget_peak();
    println!("{contacts} contacts, {rate} mails a second over {SENDERS} senders");
    println!(
        "memory before, database included: {:.0} MB",
        memory::resident_mb()
    );

    let now = Timestamp::now();
    let act = ChangeContext {
        at: now,
        by: "bench",
        change: "send",
    };
    let id: NoticeId = "2099-12-05-sheet-1.9.0".parse().unwrap();
    let terms = Terms {
        now,
        send_at: now,
        short_notice: None,
    };
    let file = NoticeFile::parse(&RELEASE.replace("2026-", "2099-")).unwrap();
    let notice = check::notice(&id, &file, None, &[product()], &terms).unwrap();
    database
        .notices
        .put(None, &notice, Work::Due(now), &act)
        .await
        .unwrap();

    let directory = tempfile::tempdir().unwrap();
    let (queue, messages) = unbounded_channel();
    let queue = Queue::Local(queue);
    let sender = Sender {
        name: "Example".to_owned(),
        from: "notice@vendor.example".parse().unwrap(),
        security_contact: "security@vendor.example".parse().unwrap(),
        cdn_url: None,
    };
    let announce = Announce {
        stores: Stores {
            licenses: database.licenses.clone(),
            customers: database.customers.clone(),
            notices: database.notices.clone(),
        },
        queue,
        cdn: Objects::Directory(directory.path().join("cdn")),
        status_page: None,
        ses: None,
        sender: sender.clone(),
        rate: f64::from(rate),
        window: SignedDuration::from_mins(60),
        retention: SignedDuration::from_hours(400 * 24),
        by: "bench".to_owned(),
    };
    let started = Instant::now();
    let report = announce.run(now, || false).await.unwrap();
    assert_eq!(report.queued, usize::try_from(contacts).unwrap());
    println!(
        "announced and queued in {:.1} s",
        started.elapsed().as_secs_f64()
    );

    let messages = Mutex::new(messages);
    let started = Instant::now();
    let senders = (0..SENDERS).map(async |_| {
        let deliver = Deliver::new(
            database.notices.clone(),
            Mailer::Outbox(directory.path().join("outbox")),
            sender.clone(),
            RateLimiter::per_second(f64::from(rate) / f64::from(SENDERS)),
            "bench",
        );
        while let Some(event) = batch(&messages).await {
            let (response, _) = deliver.handle(event, Timestamp::now, || false).await;
            assert!(response.batch_item_failures.is_empty());
        }
    });
    futures_util::future::join_all(senders).await;
    let seconds = started.elapsed().as_secs_f64();

    let deliveries = database.notices.deliveries(&id, None).await.unwrap();
    let mut accepted: Vec<Timestamp> = deliveries
        .iter()
        .filter_map(
            |stored| match stored.delivery.facts.attempts.first()?.outcome {
                Some(Outcome::Accepted { at, .. }) => Some(at),
                _ => None,
            },
        )
        .collect();
    accepted.sort();
    let sent = deliveries
        .iter()
        .filter(|stored| stored.delivery.facts.state(Timestamp::now()) == State::Sent)
        .count();
    let files = std::fs::read_dir(directory.path().join("outbox"))
        .unwrap()
        .count();
    let span = *accepted.last().unwrap() - *accepted.first().unwrap();
    let span = span.as_secs_f64();
    let pace = (accepted.len() - 1) as f64 / span;
    println!("{sent} sent, {files} mails, in {seconds:.1} s");
    println!(
        "pace {pace:.1} mails a second: {:+.1} % of the configured rate",
        (pace / f64::from(rate) - 1.0) * 100.0
    );
    let seconds = accepted.iter().map(|at| at.as_second());
    let mut busiest = std::collections::BTreeMap::<i64, u32>::new();
    for second in seconds {
        *busiest.entry(second).or_default() += 1;
    }
    println!(
        "the busiest second: {} mails",
        busiest.values().max().unwrap()
    );
    println!(
        "peak memory, database and mails included: {:.0} MB",
        memory::peak_mb()
    );
}

async fn batch(messages: &Mutex<UnboundedReceiver<Message>>) -> Option<SqsEvent> {
    let mut messages = messages.lock().await;
    let mut event = SqsEvent::default();
    while event.records.len() < 10 {
        let Ok(message) = messages.try_recv() else {
            break;
        };
        let mut record = SqsMessage::default();
        record.message_id = Some(event.records.len().to_string());
        record.body = serde_json::to_string(&message).ok();
        event.records.push(record);
    }
    (!event.records.is_empty()).then_some(event)
}

async fn fill(database: &Database, contacts: u32) {
    let key = SigningKey::create();
    let now = Timestamp::now();
    let usable_from = format!("{:.0}", now - SignedDuration::from_hours(48));
    for number in 0..usize::try_from(contacts).unwrap() {
        let email = format!("contact{number}@customer.example");
        vendor::sign_up(database, &key, number, &email, &usable_from, now).await;
    }
}

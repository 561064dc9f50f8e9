//! A vendor with customers, and what happens to one notice: the functions are woken as the cloud
//! wakes them, at instants that the test makes.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use release_notification::announce::Announce;
use release_notification::deliver::Deliver;
use release_notification::feedback::Feedback;
use release_notification::queue::Queue;
use release_notification::rate_limiter::RateLimiter;
use serde_json::json;
use tegata_archive::objects::Objects;
use tegata_common::customer::{Contact, Language, NotificationPreferences, Role};
use tegata_common::license::{License, LicenseError};
use tegata_common::notice::{Delivery, Notice, NoticeId, State};
use tegata_notices::audience::Stores;
use tegata_notices::check::{self, Terms};
use tegata_notices::file::NoticeFile;
use tegata_notices::gate::Announcement;
use tegata_notices::mailer::Mailer;
use tegata_notices::render::Sender;
use tegata_operations::{Caller, contract, notices as operations};
use tegata_storage::ChangeContext;
use tegata_storage::customers::Customers;
use tegata_storage::licenses::Licenses;
use tegata_storage::notices::{Notices, Work};
use tegata_tests::{Database, SigningKey, product, vendor};

pub(crate) use tegata_tests::vendor::RELEASE;

use crate::cloud::{Answer, Clients, Cloud, Fault};

pub(crate) const START: &str = "2026-11-26T01:00:00Z";

/// The name of every notice here.
pub(crate) const ID: &str = "2026-12-05-sheet-1.9.0";

/// How long evidence may take.
pub(crate) const WINDOW: SignedDuration = SignedDuration::from_mins(60);

/// How long addresses stay in deliveries.
pub(crate) const RETENTION: SignedDuration = SignedDuration::from_hours(400 * 24);

/// What a receive count is for: after so many a message is a dead letter.
const RECEIVES: u32 = 5;

/// How often an event is delivered before it goes into the queue of failures.
const EVENT_TRIES: u32 = 3;

static UTC: TimeZone = TimeZone::UTC;

static KEY: LazyLock<SigningKey> = LazyLock::new(SigningKey::create);

pub(crate) const INCIDENT: &str = r#"
kind = "incident"
products = ["sheet"]
title = { ja = "ライセンスを確認できない障害", en = "Licences cannot be checked" }
[[updates]]
stage = "investigating"
severity = "major"
body = { ja = "調査しています。", en = "We are investigating." }
"#;

pub(crate) struct World {
    pub(crate) cloud: Arc<Cloud>,
    pub(crate) notices: Notices,
    pub(crate) now: Timestamp,
    pub(crate) id: NoticeId,
    announce: Announce,
    feedback: Feedback,
    clients: Clients,
    sender: Sender,
    deliver: Deliver,
    messages: Vec<(String, u32)>,
    events: Vec<(String, u32)>,
    seen_mails: usize,
    all_bounce: bool,
    nobody_bounces: bool,
    pub(crate) dead_letters: Vec<String>,
    pub(crate) failed_events: Vec<String>,
    /// Told by the database itself, past the cloud that fails.
    direct: Notices,
    database: Database,
    news: tempfile::TempDir,
}

/// How a run treats messages and events.
pub(crate) struct Weather<'a> {
    pub(crate) random: &'a mut fastrand::Rng,
    /// Messages and events that are delivered twice, in percent.
    pub(crate) duplicates: u8,
    /// Events that come only after many rounds, in percent.
    pub(crate) late: u8,
}

/// The notice of a file, to be announced now.
pub(crate) fn notice(file: &str, before: Option<&Notice>, now: Timestamp) -> Notice {
    let terms = Terms {
        now,
        send_at: now,
        short_notice: None,
    };
    let file = NoticeFile::parse(file).unwrap();
    check::notice(&ID.parse().unwrap(), &file, before, &[product()], &terms).unwrap()
}

pub(crate) fn sender() -> Sender {
    Sender {
        name: "Example".to_owned(),
        from: "notice@vendor.example".parse().unwrap(),
        security_contact: "security@vendor.example".parse().unwrap(),
        cdn_url: Some("https://cdn.vendor.example".to_owned()),
    }
}

impl World {
    /// With so many contacts; the last one's mail bounces.
    pub(crate) async fn new(file: &str, contacts: usize) -> Self {
        let database = Database::start().await;
        let now: Timestamp = START.parse().unwrap();
        let act = ChangeContext {
            at: now,
            by: "test",
            change: "add",
        };
        for number in 0..contacts {
            let email = match number + 1 == contacts {
                true => "bounce@customer.example".to_owned(),
                false => format!("contact{number}@customer.example"),
            };
            let since = "2026-08-01T00:00:00Z";
            vendor::sign_up(&database, &KEY, number, &email, since, now).await;
        }
        let id: NoticeId = ID.parse().unwrap();
        let notice = notice(file, None, now);
        let work = Work::Due(now);
        database
            .notices
            .put(None, &notice, work, &act)
            .await
            .unwrap();

        let (cloud, clients) = Cloud::new(&database.endpoint);
        let news = tempfile::tempdir().unwrap();
        let table = |name: &str| (clients.dynamodb.clone(), name.to_owned());
        let notices = {
            let (client, name) = table("Notices");
            Notices::new(client, name)
        };
        let announce = Announce {
            stores: Stores {
                licenses: Licenses::new(clients.dynamodb.clone(), "Licenses"),
                customers: Customers::new(clients.dynamodb.clone(), "Customers"),
                notices: notices.clone(),
            },
            queue: Queue::Sqs {
                client: clients.sqs.clone(),
                url: "http://queue".to_owned(),
            },
            cdn: Objects::Directory(news.path().to_owned()),
            status_page: None,
            ses: None,
            sender: sender(),
            rate: 1000.0,
            window: WINDOW,
            retention: RETENTION,
            by: "announce".to_owned(),
        };
        let feedback = Feedback::new(notices.clone(), "feedback");
        let sender = sender();
        let deliver = deliver(&clients, &notices, &sender);
        Self {
            cloud,
            notices,
            now,
            id,
            announce,
            feedback,
            clients,
            sender,
            deliver,
            messages: Vec::new(),
            events: Vec::new(),
            seen_mails: 0,
            all_bounce: false,
            nobody_bounces: false,
            dead_letters: Vec::new(),
            failed_events: Vec::new(),
            direct: database.notices.clone(),
            database,
            news,
        }
    }

    /// One round: announce, deliver what is queued, record what SES tells, and time goes on.
    pub(crate) async fn round(&mut self, weather: &mut Weather<'_>) {
        self.run_announce().await;
        self.run_deliver(weather).await;
        self.run_feedback(weather).await;
        self.now += SignedDuration::from_mins(10);
    }

    /// A minute as the schedule has it: announce, and deliver what that queued.
    pub(crate) async fn minute(&mut self, weather: &mut Weather<'_>) -> usize {
        self.run_announce().await;
        let queued = self.messages.len();
        self.run_deliver(weather).await;
        self.now += SignedDuration::from_mins(1);
        // SES's word that it was too fast holds a process for a second, which would pass by the
        // real clock: after a minute it is over, and another process may do.
        self.deliver = deliver(&self.clients, &self.notices, &self.sender);
        queued
    }

    /// Whether everybody is known to have been told and nothing is under way any more, the faults
    /// being over: then only time could still change something.
    pub(crate) async fn is_settled(&self) -> bool {
        let is_fault_ahead = {
            let seen = self.cloud.seen.lock().unwrap();
            let ends = |(call, fault): (&usize, &Fault)| call + fault.lasts();
            seen.faults
                .iter()
                .any(|fault| seen.calls.len() < ends(fault))
        };
        let is_quiet =
            self.messages.is_empty() && self.events.is_empty() && self.failed_events.is_empty();
        let is_told = |state: State| matches!(state, State::Delivered | State::Bounced);
        !is_fault_ahead
            && is_quiet
            && self
                .outcomes()
                .await
                .values()
                .all(|(state, ..)| is_told(*state))
    }

    /// What a settled notice is still to be watched for: two rounds after any evidence is due.
    pub(crate) async fn settle(&mut self, weather: &mut Weather<'_>) {
        self.now += WINDOW + WINDOW;
        self.round(weather).await;
        self.round(weather).await;
    }

    pub(crate) async fn run_announce(&mut self) {
        self.cloud.step("announce");
        let run = self.announce.run(self.now, || false);
        tokio::select! {
            // What fails is made up for by the next run.
            _ = Box::pin(run) => {}
            () = self.cloud.crash.notified() => {}
        }
        let mut seen = self.cloud.seen.lock().unwrap();
        let queued = seen.queue.drain(..).map(|body| (body, 0));
        self.messages.extend(queued);
    }

    /// Delivers a number of messages once, and no more.
    pub(crate) async fn deliver_some(&mut self, weather: &mut Weather<'_>, number: usize) {
        self.cloud.step("deliver");
        weather.random.shuffle(&mut self.messages);
        let some: Vec<_> = self.messages.drain(..number).collect();
        for messages in some.chunks(10) {
            self.deliver_batch(messages).await;
        }
    }

    async fn run_deliver(&mut self, weather: &mut Weather<'_>) {
        self.cloud.step("deliver");
        // Twice: what comes back is delivered again after its visibility, a round later at most.
        for _ in 0..2 {
            weather.random.shuffle(&mut self.messages);
            let mut batch = std::mem::take(&mut self.messages);
            let again: Vec<_> = batch
                .iter()
                .filter(|_| weather.random.u8(..100) < weather.duplicates)
                .cloned()
                .collect();
            batch.extend(again);
            for messages in batch.chunks(10) {
                self.deliver_batch(messages).await;
            }
        }
    }

    async fn deliver_batch(&mut self, messages: &[(String, u32)]) {
        let bodies = messages.iter().map(|(body, _)| body);
        let handled = self.cloud.deliver_batch(&self.deliver, self.now, bodies);
        let back = handled.await;
        if back.is_none() {
            // A new process.
            self.deliver = deliver(&self.clients, &self.notices, &self.sender);
        }
        for (number, (body, receives)) in messages.iter().enumerate() {
            let comes_again = back.as_ref().is_none_or(|back| back.contains(&number));
            if comes_again && receives + 1 >= RECEIVES {
                self.dead_letters.push(body.clone());
            } else if comes_again {
                self.messages.push((body.clone(), receives + 1));
            }
        }
    }

    pub(crate) async fn run_feedback(&mut self, weather: &mut Weather<'_>) {
        self.cloud.step("feedback");
        let mails = self.cloud.seen.lock().unwrap().mails.clone();
        for mail in &mails[self.seen_mails..] {
            let mut kinds = vec!["Send"];
            let bounces = mail.to.starts_with("bounce") && !self.nobody_bounces;
            kinds.push(if self.all_bounce || bounces {
                "Bounce"
            } else {
                "Delivery"
            });
            for kind in kinds {
                let event = event(kind, &mail.to, &mail.tags, &mail.message_id);
                self.events.push((event.clone(), 0));
                if weather.random.u8(..100) < weather.duplicates {
                    self.events.push((event, 0));
                }
            }
        }
        self.seen_mails = mails.len();
        weather.random.shuffle(&mut self.events);
        for (event, tries) in std::mem::take(&mut self.events) {
            if weather.random.u8(..100) < weather.late {
                self.events.push((event, tries));
                continue;
            }
            let handled = self.feedback.handle(&event, self.now);
            let is_done = tokio::select! {
                handled = Box::pin(handled) => handled.is_ok(),
                () = self.cloud.crash.notified() => false,
            };
            if !is_done && tries + 1 >= EVENT_TRIES {
                self.failed_events.push(event);
            } else if !is_done {
                self.events.push((event, tries + 1));
            }
        }
    }

    /// What an operator does who sees the alarms: sends failed events again, lets what stopped
    /// itself go on.
    pub(crate) async fn operate(&mut self) {
        let failed = std::mem::take(&mut self.failed_events);
        self.events
            .extend(failed.into_iter().map(|event| (event, 0)));
        if self.paused().await.is_some() {
            let context = self.operator();
            let id = Some(&self.id);
            operations::resume(&context, id, false).await.unwrap();
        }
    }

    /// What `notice status --output csv` prints.
    pub(crate) async fn ledger(&self) -> Vec<operations::LedgerRow> {
        operations::ledger(&self.operator(), &self.id)
            .await
            .unwrap()
    }

    /// Pauses the notice, as an operator does.
    pub(crate) async fn pause(&self) {
        let (context, id) = (self.operator(), Some(&self.id));
        operations::pause(&context, id, "wait", false)
            .await
            .unwrap();
    }

    /// What an operator works on, past the cloud that fails.
    fn operator(&self) -> operations::Context<'_> {
        operations::Context {
            licenses: &self.database.licenses,
            customers: &self.database.customers,
            notices: &self.direct,
            zone: &UTC,
            caller: Caller {
                name: "operator",
                now: self.now,
            },
        }
    }

    /// What became of each contact: its state, how often SES took a mail to it, and how many
    /// further attempts were allowed because the one before stayed unknown.
    pub(crate) async fn outcomes(&self) -> BTreeMap<String, (State, usize, usize)> {
        let mails = self.cloud.seen.lock().unwrap().mails.clone();
        let deliveries = self.direct.deliveries(&self.id, None).await.unwrap();
        deliveries
            .into_iter()
            .map(|stored| {
                let address = stored.delivery.email.as_str().to_owned();
                let taken = mails.iter().filter(|mail| mail.to == address).count();
                let facts = &stored.delivery.facts;
                (
                    address,
                    (facts.state(self.now), taken, facts.unknown_resends()),
                )
            })
            .collect()
    }

    /// Lets SES answer all mails with an error; `None` lets it take them.
    pub(crate) fn answer_mails_with(&self, answer: Option<Answer>) {
        self.cloud.seen.lock().unwrap().answer = answer;
    }

    /// Lets the last contact's mail arrive, too.
    pub(crate) fn bounce_none(&mut self) {
        self.nobody_bounces = true;
    }

    /// Signs up one more customer, by its number.
    pub(crate) async fn sign_up(&self, number: usize, email: &str) {
        self.sign_up_from(number, email, "2026-08-01T00:00:00Z")
            .await;
    }

    pub(crate) async fn sign_up_from(&self, number: usize, email: &str, usable_from: &str) {
        vendor::sign_up(&self.database, &KEY, number, email, usable_from, self.now).await;
    }

    /// Replaces an address of a customer.
    pub(crate) async fn replace_contact(&self, customer: usize, old: &str, new: &str) {
        let act = ChangeContext {
            at: self.now,
            by: "operator",
            change: "correct",
        };
        let id = format!("C-{customer}").parse().unwrap();
        let email = old.parse().unwrap();
        let customers = &self.database.customers;
        let stored = customers.contact(&id, &email).await.unwrap().unwrap();
        let removed = customers.remove_contact(&id, &email, &stored.revision, &act);
        removed.await.unwrap();
        let contact = Contact {
            email: new.parse().unwrap(),
            ..stored.value
        };
        let contacts = [(&id, &contact, None)];
        customers.write(None, &contacts, &act).await.unwrap();
    }

    /// Whether the release may become current.
    pub(crate) async fn gate(&self) -> Result<(), String> {
        let product = "sheet".parse().unwrap();
        let announcement = Announcement::read(&self.direct, &product, "1.9.0", self.now).await;
        let checked = announcement.unwrap().check(self.now, self.now);
        checked.map(|_| ()).map_err(|error| error.to_string())
    }

    /// Whether `announce` looks at the notice at its next run.
    pub(crate) async fn is_due(&self) -> bool {
        !self.direct.due(self.now).await.unwrap().is_empty()
    }

    pub(crate) fn bounce_all(&mut self) {
        self.all_bounce = true;
    }

    /// Adds a contact to the first customer, who is told of incidents from a severity on.
    pub(crate) async fn add_additional(&self, email: &str, floor: &str) {
        let act = ChangeContext {
            at: self.now,
            by: "test",
            change: "add",
        };
        let contact = Contact {
            email: email.parse().unwrap(),
            wishes: NotificationPreferences {
                role: Role::Additional,
                language: Language::En,
                severity_floor: Some(serde_json::from_value(json!(floor)).unwrap()),
                releases: false,
            },
        };
        let id = "C-1".parse().unwrap();
        let contacts = [(&id, &contact, None)];
        self.database
            .customers
            .write(None, &contacts, &act)
            .await
            .unwrap();
    }

    pub(crate) async fn suspend(&self, host: &str) {
        self.change_license(host, |license| license.suspended(self.now))
            .await;
    }

    /// Ends a yearly contract of August before the release: it becomes a trial of the days until now.
    pub(crate) async fn end_contract(&self, host: &str) {
        let last_day = jiff::civil::date(2026, 12, 4);
        let end = |license: &License| {
            let mut ended = license.clone();
            ended.term.ends_on = last_day;
            ended.ends_on = Some(last_day);
            Ok(ended)
        };
        self.change_license(host, end).await;
    }

    pub(crate) async fn continue_contract(&self, host: &str) {
        self.change_license(host, |license| {
            license.with_cancellation_withdrawn(self.now)
        })
        .await;
    }

    async fn change_license(
        &self,
        host: &str,
        change: impl Fn(&License) -> Result<License, LicenseError>,
    ) {
        let act = ChangeContext {
            at: self.now,
            by: "test",
            change: "change",
        };
        let licenses = &self.database.licenses;
        let (domain, product) = (tegata_tests::domain(host), "sheet".parse().unwrap());
        let before = contract::read(licenses, &domain, &product).await.unwrap();
        let stored = licenses.get(&domain, &product).await.unwrap().unwrap();
        let changed = change(&stored.value.license).unwrap();
        let written = contract::write(licenses, before.as_ref(), &changed, &KEY.signer, &act);
        written.await.unwrap();
    }

    /// Sends the file's next update, as the CLI does.
    pub(crate) async fn send(&self, file: &str) {
        let act = ChangeContext {
            at: self.now,
            by: "operator",
            change: "send",
        };
        let stored = self.direct.get(&self.id).await.unwrap().unwrap();
        let notice = notice(file, Some(&stored.value), self.now);
        let before = Some(&stored.revision);
        let work = Work::Due(self.now);
        self.direct.put(before, &notice, work, &act).await.unwrap();
    }

    /// Whom SES took a mail of an update to, by address.
    pub(crate) async fn told(&self, update: u16) -> Vec<String> {
        let mails = self.cloud.seen.lock().unwrap().mails.clone();
        let of_it = mails
            .into_iter()
            .filter(|mail| mail.tags["delivery"].starts_with(&format!("{update:03}-")));
        let mut told: Vec<String> = of_it.map(|mail| mail.to).collect();
        told.sort();
        told
    }

    /// A file of the news page.
    pub(crate) fn news(&self, path: &str) -> String {
        std::fs::read_to_string(self.news.path().join(path)).unwrap()
    }

    /// Why the notice is stopped.
    pub(crate) async fn paused(&self) -> Option<String> {
        let stored = self.direct.get(&self.id).await.unwrap().unwrap();
        stored.value.paused.map(|pause| pause.reason)
    }

    /// Why all sending is stopped.
    pub(crate) async fn sending_paused(&self) -> Option<String> {
        let stored = self.direct.sending().await.unwrap()?;
        stored.value.paused.map(|pause| pause.reason)
    }

    pub(crate) async fn resume_sending(&self) {
        let resumed = operations::resume(&self.operator(), None, false).await;
        resumed.unwrap();
    }

    pub(crate) async fn pause_sending(&self) {
        let paused = operations::pause(&self.operator(), None, "a test", false).await;
        paused.unwrap();
    }

    /// A second passes.
    pub(crate) fn tick(&mut self) {
        self.now += SignedDuration::from_secs(1);
    }

    /// Bounces of mails that have been delivered: the mail server has thought again.
    pub(crate) async fn bounce_later(&self, kind: &str, number: usize) {
        let mails = self.cloud.seen.lock().unwrap().mails.clone();
        for mail in mails
            .iter()
            .filter(|mail| !mail.to.starts_with("bounce"))
            .take(number)
        {
            let event = event("Bounce", &mail.to, &mail.tags, &mail.message_id);
            let event = event.replace("Permanent", kind);
            self.feedback.handle(&event, self.now).await.unwrap();
        }
    }

    pub(crate) async fn retry_failed(&self) {
        let caller = self.operator().caller;
        let retried = operations::retry_failed(&self.direct, &self.id, caller, false).await;
        retried.unwrap();
    }

    pub(crate) async fn deliveries(&self) -> Vec<Delivery> {
        let deliveries = self.direct.deliveries(&self.id, None).await.unwrap();
        deliveries
            .into_iter()
            .map(|stored| stored.delivery)
            .collect()
    }

    pub(crate) fn fail(&self, call: usize, fault: Fault) {
        self.cloud.seen.lock().unwrap().faults.insert(call, fault);
    }

    pub(crate) fn calls(&self) -> Vec<(&'static str, String)> {
        self.cloud.seen.lock().unwrap().calls.clone()
    }
}

fn deliver(clients: &Clients, notices: &Notices, sender: &Sender) -> Deliver {
    Deliver::new(
        notices.clone(),
        Mailer::Ses {
            client: clients.ses.clone(),
            configuration_set: "test".to_owned(),
        },
        sender.clone(),
        RateLimiter::per_second(10_000.0),
        "deliver",
    )
}

fn event(kind: &str, to: &str, tags: &BTreeMap<String, String>, message_id: &str) -> String {
    let at = "2026-11-26T01:00:01.000Z";
    let tags: BTreeMap<_, _> = tags.iter().map(|(name, value)| (name, [value])).collect();
    json!({
        "version": "0",
        "id": "e",
        "detail-type": "Email",
        "source": "aws.ses",
        "account": "123456789012",
        "time": at,
        "region": "ap-northeast-1",
        "resources": [],
        "detail": {
            "eventType": kind,
            "mail": { "timestamp": at, "messageId": message_id, "destination": [to], "tags": tags },
            "delivery": { "timestamp": at },
            "bounce": { "bounceType": "Permanent", "bounceSubType": "General", "timestamp": at },
        },
    })
    .to_string()
}

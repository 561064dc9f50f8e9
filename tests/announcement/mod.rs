//! A month in which a release is announced: a vendor's customers order, cancel, are suspended, get
//! contacts and correct them, while the functions run, die, and are told things twice and late. An
//! oracle says who has to be told.
//!
//! The tables, the SDK and the functions are the real ones. SES and SQS are stand-ins.

mod oracle;
mod plan;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fastrand::Rng;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use release_notification::announce::Announce;
use release_notification::deliver::Deliver;
use release_notification::feedback::Feedback;
use release_notification::queue::Queue;
use release_notification::rate_limiter::RateLimiter;
use serde_json::json;
use tegata_archive::objects::Objects;
use tegata_common::calendar::{Billing, date_of};
use tegata_common::customer::{Contact, Customer, Language, NotificationPreferences, Role};
use tegata_common::license::{License, LicenseError, Order, Plan};
use tegata_common::notice::{NoticeId, State, ToldOtherwise};
use tegata_common::serial::Serial;
use tegata_notices::audience::Stores;
use tegata_notices::check::{self, Terms};
use tegata_notices::file::NoticeFile;
use tegata_notices::gate::{Announcement, GateRefusal};
use tegata_notices::mailer::Mailer;
use tegata_notices::render::Sender;
use tegata_operations::{Caller, contract, notices as operations};
use tegata_storage::ChangeContext;
use tegata_storage::customers::Customers;
use tegata_storage::licenses::Licenses;
use tegata_storage::notices::{Notices, Work};
use tegata_tests::{Database, SERIAL, SigningKey, domain, product};

use crate::cloud::{Clients, Cloud, Fault, Mail};
use oracle::{Mailbox, Oracle, Second, day, name};
use plan::Event;
pub(crate) use plan::Options;

/// The month begins, the release is announced, and it is planned.
const START: &str = "2026-12-03T00:00:00Z";
const ANNOUNCED: &str = "2026-12-10T01:00:00Z";
const PLANNED: &str = "2027-01-02T01:00:00Z";

static UTC: TimeZone = TimeZone::UTC;

const ID: &str = "2027-01-02-sheet-1.9.0";

const RELEASE: &str = r#"
kind = "release"
products = ["sheet"]
version = "1.9.0"
planned_at = 2027-01-02T10:00:00+09:00
title = { ja = "シート 1.9.0 のリリース", en = "Sheet 1.9.0" }
body = { ja = "一覧が**速く**なります。", en = "Lists get **faster**." }
"#;

/// What happened, and how often: a simulation in which something never happens proves nothing.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) contracts: usize,
    pub(crate) changes: usize,
    pub(crate) runs: usize,
    pub(crate) deaths: usize,
    pub(crate) mails: usize,
    /// Contacts who joined after the announcement.
    pub(crate) newcomers: usize,
    /// Times that the oracle was asked.
    pub(crate) judged: usize,
    /// Customers who could not be told, at the planned instant.
    pub(crate) listed: usize,
    /// Customers who were told by telephone.
    pub(crate) told_otherwise: usize,
    /// Contracts that were not told of it, because they ended before.
    pub(crate) ended_before: usize,
}

pub(crate) struct World {
    oracle: Oracle,
    counts: Counts,
    random: Rng,
    now: Timestamp,
    id: NoticeId,
    cloud: Arc<Cloud>,
    clients: Clients,
    database: Database,
    key: SigningKey,
    notices: Notices,
    announce: Announce,
    deliver: Deliver,
    feedback: Feedback,
    /// Messages and events that are on their way.
    messages: Vec<String>,
    events: Vec<String>,
    seen_mails: usize,
    addresses: usize,
    told_otherwise: BTreeSet<String>,
    _news: tempfile::TempDir,
}

/// Lives a month, and says what went wrong, if anything.
pub(crate) async fn simulate(options: Options) -> Result<Counts, String> {
    let mut world = World::new(options.seed).await;
    for order in plan::orders(&options) {
        world.order(&order, true).await;
    }
    world.send().await;
    let start = instant(START);
    let length = (instant(PLANNED) - start).as_secs() - 1;
    for (second, event) in plan::month(&options, length) {
        world.now = world.now.max(start + SignedDuration::from_secs(second));
        world.live(event).await?;
    }
    world.end().await?;
    world.counts.contracts = world.oracle.contracts.len();
    Ok(world.counts)
}

fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn sender() -> Sender {
    Sender {
        name: "Example".to_owned(),
        from: "notice@vendor.example".parse().unwrap(),
        security_contact: "security@vendor.example".parse().unwrap(),
        cdn_url: None,
    }
}

impl World {
    async fn new(seed: u64) -> Self {
        let database = Database::start().await;
        let (cloud, clients) = Cloud::new(&database.endpoint);
        let news = tempfile::tempdir().unwrap();
        let dynamodb = || clients.dynamodb.clone();
        let notices = Notices::new(dynamodb(), "Notices");
        let announce = Announce {
            stores: Stores {
                licenses: Licenses::new(dynamodb(), "Licenses"),
                customers: Customers::new(dynamodb(), "Customers"),
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
            window: SignedDuration::from_mins(60),
            retention: SignedDuration::from_hours(400 * 24),
            by: "announce".to_owned(),
        };
        Self {
            oracle: Oracle::default(),
            counts: Counts::default(),
            random: Rng::with_seed(seed ^ 0x9e37_79b9),
            now: instant(START),
            id: ID.parse().unwrap(),
            deliver: deliver(&clients, &notices),
            feedback: Feedback::new(notices.clone(), "feedback"),
            notices,
            announce,
            cloud,
            clients,
            database,
            key: SigningKey::create(),
            messages: Vec::new(),
            events: Vec::new(),
            seen_mails: 0,
            addresses: 0,
            told_otherwise: BTreeSet::new(),
            _news: news,
        }
    }

    fn act<'a>(&self, change: &'a str) -> ChangeContext<'a> {
        ChangeContext {
            at: self.now,
            by: "operator",
            change,
        }
    }

    fn operator(&self) -> operations::Context<'_> {
        operations::Context {
            licenses: &self.database.licenses,
            customers: &self.database.customers,
            notices: &self.database.notices,
            zone: &UTC,
            caller: Caller {
                name: "operator",
                now: self.now,
            },
        }
    }

    fn second(&self) -> Second {
        self.now.as_second()
    }

    /// Schedules the notice.
    async fn send(&self) {
        let terms = Terms {
            now: self.now,
            send_at: instant(ANNOUNCED),
            short_notice: None,
        };
        let file = NoticeFile::parse(RELEASE).unwrap();
        let notice = check::notice(&self.id, &file, None, &[product()], &terms).unwrap();
        let work = Work::Due(instant(ANNOUNCED));
        let notices = &self.database.notices;
        let act = self.act("schedule");
        notices.put(None, &notice, work, &act).await.unwrap();
    }

    async fn live(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Order(order) => {
                self.order(&order, false).await;
                Ok(())
            }
            Event::Run {
                death,
                twice,
                later,
            } => {
                self.run(death, twice, later).await;
                Ok(())
            }
            Event::Settle => {
                self.settle().await;
                self.judge().await
            }
            Event::AddContact {
                customer,
                mailbox,
                is_primary,
            } => {
                if let Some(customer) = self.round(customer) {
                    self.add_contact(customer, mailbox, is_primary).await;
                }
                Ok(())
            }
            Event::CorrectContact { customer, mailbox } => {
                if let Some(customer) = self.round(customer) {
                    self.correct_contact(customer, mailbox).await;
                }
                Ok(())
            }
            Event::Suspend { contract } => {
                let now = self.now;
                self.change(contract, |license| license.suspended(now), |_, _| {})
                    .await;
                Ok(())
            }
            Event::Resume { contract } => {
                self.change(contract, License::resumed, |_, _| {}).await;
                Ok(())
            }
            Event::Cancel { contract } => {
                let now = self.now;
                let cancel =
                    |license: &License| license.cancelled(date_of(now, &license.policy), now);
                let note = |contract: &mut oracle::Contract, today| {
                    contract.cancelled_on = Some(today);
                };
                self.change(contract, cancel, note).await;
                Ok(())
            }
            Event::Withdraw { contract } => {
                let now = self.now;
                let withdraw = |license: &License| license.with_cancellation_withdrawn(now);
                let note = |contract: &mut oracle::Contract, _| contract.cancelled_on = None;
                self.change(contract, withdraw, note).await;
                Ok(())
            }
        }
    }

    /// A customer by a number that is counted round.
    fn round(&self, number: usize) -> Option<usize> {
        let customers = self.oracle.customers.len();
        (customers > 0).then(|| number % customers)
    }

    async fn order(&mut self, order: &plan::Order, is_before: bool) {
        let number = self.oracle.contracts.len();
        let known = order.customer.flatten().and_then(|which| self.round(which));
        let customer = match (order.customer, known) {
            (Some(None), _) => None,
            (_, Some(known)) => Some(known),
            _ => Some(self.sign_up(order).await),
        };
        let days_before = i64::try_from(number % 400).unwrap();
        let before = SignedDuration::from_hours(if is_before { 24 * days_before } else { 0 });
        let usable_from = self.now - before + SignedDuration::from_secs(order.starts_after);
        let host = format!("tenant{number}.cybozu.com");
        let issued = Order {
            domain: domain(&host),
            customer: customer.map(|customer| name(customer).parse().unwrap()),
            plan: match order.trial_days {
                Some(days) => Plan::Trial {
                    days: days.try_into().unwrap(),
                },
                None => Plan::Paid {
                    billing: Billing::Monthly,
                },
            },
            edition: "standard".to_owned(),
            users: 5,
            quotas: BTreeMap::new(),
            usable_from,
        };
        let serial = Serial::parse(SERIAL).unwrap().hash();
        let license = License::issue(issued, &product(), serial).unwrap();
        let (licenses, signer) = (&self.database.licenses, &self.key.signer);
        let act = self.act("issue");
        let written = contract::write(licenses, None, &license, signer, &act).await;
        written.unwrap();
        self.oracle.contracts.push(oracle::Contract {
            host,
            customer,
            usable_from: usable_from.as_second(),
            trial_days: order.trial_days,
            cancelled_on: None,
        });
        self.counts.changes += 1;
    }

    async fn sign_up(&mut self, order: &plan::Order) -> usize {
        let number = self.oracle.customers.len();
        let customer = Customer {
            customer_id: name(number).parse().unwrap(),
            name: format!("Customer {number}").parse().unwrap(),
        };
        let act = self.act("add");
        let customers = &self.database.customers;
        customers
            .write(Some((&customer, None)), &[], &act)
            .await
            .unwrap();
        self.oracle.customers.push(oracle::Customer::default());
        for (index, (mailbox, is_primary)) in order.contacts.iter().enumerate() {
            let others = &self.oracle.customers[..number];
            let other = others
                .last()
                .and_then(|of| of.contacts.keys().next().cloned());
            match other.filter(|_| index == 0 && order.shares_contact) {
                Some(address) => self.put_contact(number, address, *is_primary).await,
                None => self.add_contact(number, *mailbox, *is_primary).await,
            }
        }
        number
    }

    async fn add_contact(&mut self, customer: usize, mailbox: Mailbox, is_primary: bool) {
        self.addresses += 1;
        let address = format!("{}-{}@customer.example", mailbox.prefix(), self.addresses);
        self.put_contact(customer, address, is_primary).await;
    }

    async fn put_contact(&mut self, customer: usize, address: String, is_primary: bool) {
        let contact = Contact {
            email: address.parse().unwrap(),
            wishes: NotificationPreferences {
                role: if is_primary {
                    Role::Primary
                } else {
                    Role::Additional
                },
                language: Language::Ja,
                severity_floor: None,
                releases: !is_primary,
            },
        };
        let (id, act) = (name(customer).parse().unwrap(), self.act("add"));
        let contacts = [(&id, &contact, None)];
        let customers = &self.database.customers;
        customers.write(None, &contacts, &act).await.unwrap();
        let known = &mut self.oracle.customers[customer].contacts;
        known.insert(address, is_primary);
        self.counts.changes += 1;
    }

    /// The contact that does not work is replaced, or the first one.
    async fn correct_contact(&mut self, customer: usize, mailbox: Mailbox) {
        let contacts = &self.oracle.customers[customer].contacts;
        let is_broken = |address: &&String| Mailbox::of(address) != Mailbox::Works;
        let broken = contacts.keys().find(is_broken).or(contacts.keys().next());
        let Some(address) = broken.cloned() else {
            return;
        };
        let is_primary = contacts[&address];
        let (id, email) = (name(customer).parse().unwrap(), address.parse().unwrap());
        let customers = &self.database.customers;
        let stored = customers.contact(&id, &email).await.unwrap().unwrap();
        let act = self.act("remove");
        let removed = customers.remove_contact(&id, &email, &stored.revision, &act);
        removed.await.unwrap();
        self.oracle.customers[customer].contacts.remove(&address);
        self.add_contact(customer, mailbox, is_primary).await;
    }

    /// Changes a contract, counted round, if its rules allow it.
    async fn change(
        &mut self,
        number: usize,
        change: impl Fn(&License) -> Result<License, LicenseError>,
        note: impl Fn(&mut oracle::Contract, i64),
    ) {
        if self.oracle.contracts.is_empty() {
            return;
        }
        let number = number % self.oracle.contracts.len();
        let today = day(self.second());
        let known = &mut self.oracle.contracts[number];
        let (licenses, sheet) = (&self.database.licenses, "sheet".parse().unwrap());
        let host = domain(&known.host);
        let before = contract::read(licenses, &host, &sheet).await.unwrap();
        let stored = licenses.get(&host, &sheet).await.unwrap().unwrap();
        let Ok(changed) = change(&stored.value.license) else {
            return;
        };
        note(known, today);
        let (signer, act) = (&self.key.signer, self.act("change"));
        let written = contract::write(licenses, before.as_ref(), &changed, signer, &act).await;
        written.unwrap();
        self.counts.changes += 1;
    }

    /// The functions run once; one of them may die.
    async fn run(&mut self, death: Option<(usize, bool)>, twice: u8, later: u8) {
        self.counts.runs += 1;
        if let Some((after, is_carried_out)) = death {
            let mut seen = self.cloud.seen.lock().unwrap();
            let call = seen.calls.len() + after;
            let fault = match is_carried_out {
                true => Fault::CrashAfter,
                false => Fault::CrashBefore,
            };
            seen.faults.clear();
            seen.faults.insert(call, fault);
        }
        self.resume().await;
        self.run_announce().await;
        self.run_deliver(twice, later).await;
        self.run_feedback(twice, later).await;
    }

    /// What an operator does who sees the alarm.
    async fn resume(&self) {
        let context = self.operator();
        let stored = self.database.notices.get(&self.id).await.unwrap().unwrap();
        if stored.value.paused.is_some() {
            operations::resume(&context, Some(&self.id), false)
                .await
                .unwrap();
        }
        let sending = self.database.notices.sending().await.unwrap();
        if sending.is_some_and(|sending| sending.value.paused.is_some()) {
            operations::resume(&context, None, false).await.unwrap();
        }
    }

    async fn run_announce(&mut self) {
        self.cloud.step("announce");
        let run = self.announce.run(self.now, || false);
        tokio::select! {
            _ = Box::pin(run) => {}
            () = self.cloud.crash.notified() => self.counts.deaths += 1,
        }
        let mut seen = self.cloud.seen.lock().unwrap();
        self.messages.append(&mut seen.queue);
    }

    async fn run_deliver(&mut self, twice: u8, later: u8) {
        self.cloud.step("deliver");
        let mut batch = Vec::new();
        for message in std::mem::take(&mut self.messages) {
            match self.random.u8(..100) < later {
                true => self.messages.push(message),
                false => batch.push(message),
            }
        }
        let again = batch.clone().into_iter();
        let again: Vec<_> = again.filter(|_| self.random.u8(..100) < twice).collect();
        batch.extend(again);
        self.random.shuffle(&mut batch);
        for messages in batch.chunks(10) {
            let handled = self
                .cloud
                .deliver_batch(&self.deliver, self.now, messages.iter());
            let back = handled.await;
            let numbers = match &back {
                Some(back) => back.clone(),
                None => (0..messages.len()).collect(),
            };
            let back_again = numbers.into_iter().map(|number| messages[number].clone());
            self.messages.extend(back_again);
            if back.is_none() {
                self.counts.deaths += 1;
                self.deliver = deliver(&self.clients, &self.notices);
            }
        }
    }

    async fn run_feedback(&mut self, twice: u8, later: u8) {
        self.cloud.step("feedback");
        let mails = self.cloud.seen.lock().unwrap().mails.clone();
        for mail in &mails[self.seen_mails..] {
            self.events.extend(events_of(mail));
        }
        self.seen_mails = mails.len();
        self.random.shuffle(&mut self.events);
        for event in std::mem::take(&mut self.events) {
            if self.random.u8(..100) < later {
                self.events.push(event);
                continue;
            }
            let times = if self.random.u8(..100) < twice { 2 } else { 1 };
            for _ in 0..times {
                let handled = self.feedback.handle(&event, self.now);
                let is_done = tokio::select! {
                    handled = Box::pin(handled) => handled.is_ok(),
                    () = self.cloud.crash.notified() => {
                        self.counts.deaths += 1;
                        false
                    }
                };
                if !is_done {
                    self.events.push(event.clone());
                }
            }
        }
    }

    /// The functions run, undisturbed, until nothing is under way.
    async fn settle(&mut self) {
        self.cloud.seen.lock().unwrap().faults.clear();
        for _ in 0..40 {
            self.run(None, 0, 0).await;
            let deliveries = self
                .database
                .notices
                .deliveries(&self.id, None)
                .await
                .unwrap();
            let mut states = deliveries
                .iter()
                .map(|of| of.delivery.facts.state(self.now));
            let is_waiting = states.any(|of| matches!(of, State::Pending | State::Sending));
            if !is_waiting && self.messages.is_empty() && self.events.is_empty() {
                // Who bounced last is known to the next run only.
                self.run(None, 0, 0).await;
                return;
            }
            self.now += SignedDuration::from_mins(2);
        }
        panic!("at {}: mails are under way for ever", self.now);
    }

    fn taken(&self) -> Result<BTreeSet<String>, String> {
        let mails = self.cloud.seen.lock().unwrap().mails.clone();
        let mut taken = BTreeSet::new();
        for mail in mails {
            if !taken.insert(mail.to.clone()) {
                return Err(format!("told twice: {}", mail.to));
            }
        }
        Ok(taken)
    }

    /// Compares whom the notice is said not to have reached with what the oracle says.
    async fn judge(&mut self) -> Result<(), String> {
        if self.now < instant(ANNOUNCED) {
            return Ok(());
        }
        self.counts.judged += 1;
        let taken = self.taken()?;
        let status = operations::status(&self.operator(), &self.id, self.now)
            .await
            .unwrap();
        let listed = status.not_told().into_iter().map(|of| of.who);
        let listed = listed.chain(self.told_otherwise.clone()).collect();
        let (now, planned) = (self.second(), instant(PLANNED).as_second());
        let mut oracle = self.oracle.not_told(&taken, now, planned);
        // A customer who was told by telephone may have got a mail since.
        oracle.extend(self.told_otherwise.clone());
        let judged = self.oracle.judge(&oracle, &listed);
        judged.map_err(|error| format!("at {}: {error}", self.now))
    }

    async fn gate(&self) -> Result<NoticeId, GateRefusal> {
        let notices = &self.database.notices;
        let product = "sheet".parse().unwrap();
        let announcement = Announcement::read(notices, &product, "1.9.0", self.now)
            .await
            .unwrap();
        announcement.check(self.now, self.now)
    }

    /// The planned instant comes, and the operator sees to those who are left.
    async fn end(&mut self) -> Result<(), String> {
        self.settle_before_the_planned_instant().await?;
        self.now = self.now.max(instant(PLANNED));
        if self.gate().await.is_ok() {
            return Err("the gate opens before it is known who joined last".to_owned());
        }
        self.settle().await;
        self.judge().await?;
        let taken = self.taken()?;
        let planned = instant(PLANNED).as_second();
        let left = self.oracle.not_told(&taken, self.second(), planned);
        self.counts.listed = left.len();
        self.counts.mails = taken.len();
        let deliveries = self
            .database
            .notices
            .deliveries(&self.id, None)
            .await
            .unwrap();
        let joined = deliveries
            .iter()
            .filter(|of| of.delivery.facts.not_before.is_some());
        self.counts.newcomers = joined.count();
        let ended = self.oracle.contracts.iter().filter(|of| {
            let end = of.ends_at();
            end.is_some_and(|end| end <= planned && end > instant(START).as_second())
        });
        self.counts.ended_before = ended.count();
        // Half of them get a contact that works, the others a call.
        for (number, who) in left.into_iter().enumerate() {
            if self.gate().await.is_ok() {
                return Err(format!("the gate opens before {who} has been told"));
            }
            let customer = who
                .strip_prefix("C-")
                .and_then(|of| of.parse::<usize>().ok());
            match customer.filter(|_| number % 2 == 0) {
                Some(customer) => {
                    let contacts = self.oracle.customers[customer].contacts.len();
                    for _ in 0..contacts {
                        self.correct_contact(customer, Mailbox::Works).await;
                    }
                    if contacts == 0 {
                        self.add_contact(customer, Mailbox::Works, true).await;
                    }
                }
                None => self.tell_otherwise(who).await?,
            }
        }
        self.settle().await;
        // A mail may have been lost, or nobody but an additional contact was corrected.
        let left = self.oracle.not_told(&self.taken()?, self.second(), planned);
        for who in left.difference(&self.told_otherwise.clone()) {
            self.tell_otherwise(who.clone()).await?;
        }
        self.settle().await;
        self.judge().await?;
        match self.gate().await {
            Ok(_) => Ok(()),
            Err(error) => Err(format!(
                "everybody has been told, and the gate is closed: {error}"
            )),
        }
    }

    /// An operator calls a customer.
    async fn tell_otherwise(&mut self, who: String) -> Result<(), String> {
        let told = ToldOtherwise {
            who: who.clone(),
            how: "by telephone".to_owned(),
        };
        let context = self.operator();
        let recorded = operations::told_otherwise(&context, &self.id, &told, false);
        recorded.await.map_err(|error| format!("{who}: {error}"))?;
        self.told_otherwise.insert(who);
        self.counts.told_otherwise += 1;
        Ok(())
    }

    async fn settle_before_the_planned_instant(&mut self) -> Result<(), String> {
        if self.now >= instant(PLANNED) {
            return Ok(());
        }
        self.settle().await;
        self.judge().await
    }
}

fn deliver(clients: &Clients, notices: &Notices) -> Deliver {
    Deliver::new(
        notices.clone(),
        Mailer::Ses {
            client: clients.ses.clone(),
            configuration_set: "test".to_owned(),
        },
        sender(),
        RateLimiter::per_second(10_000.0),
        "deliver",
    )
}

/// What SES tells of a mail, by its address.
fn events_of(mail: &Mail) -> Vec<String> {
    let kinds: &[(&str, &str)] = match Mailbox::of(&mail.to) {
        Mailbox::Works | Mailbox::AnswerLost => &[("Send", ""), ("Delivery", "")],
        Mailbox::Missing => &[("Send", ""), ("Bounce", "Permanent")],
        Mailbox::Full => &[("Send", ""), ("Bounce", "Transient")],
        Mailbox::Complains => &[("Send", ""), ("Delivery", ""), ("Complaint", "")],
        Mailbox::Refused | Mailbox::NotTaken => &[],
    };
    let kinds = kinds.iter();
    kinds
        .map(|(kind, bounce)| event(kind, bounce, mail))
        .collect()
}

fn event(kind: &str, bounce: &str, mail: &Mail) -> String {
    let at = "2026-12-10T01:00:01.000Z";
    let tags: BTreeMap<_, _> = mail
        .tags
        .iter()
        .map(|(name, value)| (name, [value]))
        .collect();
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
            "mail": {
                "timestamp": at, "messageId": mail.message_id,
                "destination": [mail.to], "tags": tags,
            },
            "delivery": { "timestamp": at },
            "bounce": { "bounceType": bounce, "bounceSubType": "General", "timestamp": at },
            "complaint": { "timestamp": at },
        },
    })
    .to_string()
}

//! The simulated world of contracts: the system under test, the oracle beside it, and chance.
//!
//! The real tables, the real SDK, the real renewal and lookup functions, real signatures.
#![allow(missing_docs, clippy::panic)]

mod counts;
#[path = "../../../crates/common/tests/contract_model/operation.rs"]
pub mod operation;
#[path = "../../../crates/common/tests/contract_model/oracle.rs"]
pub mod oracle;
mod plan;

use std::collections::HashMap;

use aws_lambda_events::encodings::Body;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes};
use data_encoding::BASE64URL_NOPAD;
use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use license_lookup::handler::Lookup;
use license_renewal::handler::Renewal;
use p256::ecdsa::signature::Verifier as _;
use p256::ecdsa::{Signature, VerifyingKey};
use serde_json::{Value, json};
use tegata_common::calendar::date_of;
use tegata_common::lease::{Claims, SignedLicense};
use tegata_common::license::License;
use tegata_common::product::Product;
use tegata_operations::contract::{self, Contract, WriteError};
use tegata_storage::licenses::Licenses;
use tegata_storage::{ChangeContext, Key};

use crate::process::{Death, Process};
use crate::{Database, SigningKey};
pub use counts::{Counts, Coverage};
use operation::{Operation, Order, apply, domain, instant, products, serial, start};
use oracle::{Rules, Second};
use plan::{Amounts, Event, Run};

/// The first second of the simulation: 2023-02-01, so that a leap day comes in its second year.
const START: Second = 1_675_209_600;
const DAY: Second = 86_400;

/// Days for which the renewal may not run, or not to its end.
const LATEST: i64 = 5;

/// Days from one comparison of all copies with their licences to the next.
const COMPARED: i64 = 5;

/// What is simulated.
#[derive(Clone, Debug)]
pub struct Options {
    pub contracts: usize,
    pub days: i64,
    pub seed: u64,
    /// Skip the days on which nothing changes for anybody.
    pub only_event_days: bool,
    /// An operator changes a contract once in so many days.
    pub days_between_changes: u32,
    /// One of so many operators' processes dies.
    pub operators_for_a_death: u32,
}

struct Deal {
    oracle: oracle::Contract,
    product: usize,
    /// Every serial that it ever had.
    serials: Vec<u64>,
    /// Domains that were made up for it.
    domains: usize,
}

pub struct World {
    database: Database,
    key: SigningKey,
    verifying: VerifyingKey,
    /// What dies, and its clients.
    process: Process,
    licenses: Licenses,
    renewal: Renewal,
    lookup: Lookup,
    products: Vec<(Product, Rules)>,
    options: Options,
    deals: Vec<Deal>,
    /// Who has a name now, or had it last.
    owners: HashMap<(usize, String), usize>,
    /// The last lease seen under a name: none may ever be older.
    leases: HashMap<(usize, String), (Timestamp, String)>,
    last_full_run: i64,
    counts: Counts,
}

impl World {
    pub async fn new(options: Options) -> Self {
        let database = Database::start().await;
        let key = SigningKey::create();
        key.register_in(&database.licenses).await;
        let jwk = &key.jwks.keys[0];
        let coordinate = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).unwrap();
        let point = [vec![4], coordinate(&jwk.x), coordinate(&jwk.y)].concat();
        let process = Process::default();
        let licenses = Licenses::new(process.client(&database.client), "Licenses");
        let renewal = Renewal::new(licenses.clone(), key.keys.clone(), "renewal");
        let lookup = Lookup::new(&database.settings(&[])).unwrap();
        Self {
            verifying: VerifyingKey::from_sec1_bytes(&point).unwrap(),
            database,
            key,
            process,
            licenses,
            renewal,
            lookup,
            products: products(),
            options,
            deals: Vec::new(),
            owners: HashMap::new(),
            leases: HashMap::new(),
            last_full_run: 0,
            counts: Counts::default(),
        }
    }

    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// A day: orders, operators and the renewal at random seconds, and a sweep of lookups.
    pub async fn live(&mut self, day: i64) {
        let Options {
            days, contracts, ..
        } = self.options;
        // Orders come over the first four fifths of the time.
        let due = usize::try_from((day + 1) * 5).unwrap() * contracts;
        let due = (due / usize::try_from(days * 4).unwrap()).min(contracts);
        let amounts = Amounts {
            orders: due.saturating_sub(self.counts.orders),
            contracts: self.deals.len(),
            days_between_changes: self.options.days_between_changes,
            operators_for_a_death: self.options.operators_for_a_death,
        };
        self.counts.contract_days += self.deals.len() as u64;
        let events = plan::day(self.options.seed, day, &amounts);
        if self.options.only_event_days && !self.is_eventful(day, &events) {
            return;
        }
        self.counts.days += 1;
        for (second, event) in events {
            let now = START + day * DAY + second;
            match event {
                Event::Order {
                    order,
                    takes_over,
                    which,
                } => {
                    self.counts.orders += 1;
                    self.order(&order, takes_over.then_some(which), now).await;
                }
                Event::Operator {
                    contract,
                    under,
                    operation,
                    death,
                } => {
                    let contract = contract % self.deals.len();
                    self.operate(contract, under, &operation, death, now).await;
                }
                Event::Renewal(run) => self.renew(run, day, now).await,
                Event::Sweep { seed } => self.sweep(&mut Rng::with_seed(seed), now).await,
            }
        }
    }

    /// Whether something happens on a day, or changes by itself.
    fn is_eventful(&self, day: i64, events: &[(Second, Event)]) -> bool {
        let (start, end) = (START + day * DAY, START + (day + 1) * DAY);
        let is_of_people =
            |event: &Event| matches!(event, Event::Order { .. } | Event::Operator { .. });
        let changes = |deal: &Deal| {
            let next = deal.oracle.boundaries(start);
            next.first().is_some_and(|at| *at < end)
        };
        events.iter().any(|(_, event)| is_of_people(event))
            || day - self.last_full_run >= LATEST
            || self.deals.iter().any(changes)
    }

    async fn renew(&mut self, run: Run, day: i64, now: Second) {
        let now = instant(now);
        let is_overdue = day - self.last_full_run >= LATEST;
        match run {
            Run::Late if !is_overdue => {
                self.counts.late_days += 1;
                return;
            }
            Run::Dies(death) => {
                let run = self.renewal.run(now, || false);
                match self.process.run(Some(death), run).await {
                    None => self.counts.crashed_runs += 1,
                    Some(report) => {
                        report.unwrap();
                        self.last_full_run = day;
                        return;
                    }
                }
                if !is_overdue {
                    return;
                }
            }
            Run::Late | Run::Twice | Run::Once => {}
        }
        let reports = if matches!(run, Run::Twice) {
            self.counts.double_runs += 1;
            let twice = (
                self.renewal.run(now, || false),
                self.renewal
                    .run(now + SignedDuration::from_millis(3), || false),
            );
            let twice = async { tokio::join!(twice.0, twice.1) };
            let (one, other) = self.process.run(None, twice).await.unwrap();
            vec![one.unwrap(), other.unwrap()]
        } else {
            let run = self.renewal.run(now, || false);
            vec![self.process.run(None, run).await.unwrap().unwrap()]
        };
        for report in reports {
            assert_eq!(report.failed, 0, "{report:?}");
            assert!(report.finished);
            self.counts.renewed += report.renewed;
            self.counts.resigned += report.resigned;
            self.counts.released += report.released;
        }
        self.last_full_run = day;
    }

    /// Asks for every name that anybody ever had.
    async fn sweep(&mut self, random: &mut Rng, now: Second) {
        let at = instant(now);
        let mut names: Vec<(usize, String)> = self.owners.keys().cloned().collect();
        names.sort();
        let keys: Vec<Key> = names
            .iter()
            .map(|(product, name)| Key::license(&domain(name), &self.products[*product].0.slug))
            .collect();
        let table = self.database.licenses.table();
        let items = table.get_all::<SignedLicense>(&keys).await.unwrap();
        let mut found: HashMap<(String, String), SignedLicense> = items
            .into_iter()
            .map(|item| {
                let signed = item.unwrap().value;
                let license = &signed.license;
                let key = (license.product.to_string(), license.domain.to_string());
                (key, signed)
            })
            .collect();
        if now.div_euclid(DAY) % COMPARED == 0 {
            self.compare_copies(at, &names, &found).await;
        }
        for (product, name) in names {
            let owner = self.owners[&(product, name.clone())];
            let expected = self.deals[owner].oracle.code(&name, now);
            let slug = self.products[product].0.slug.to_string();
            let signed = found.remove(&(slug, name.clone()));
            let code = signed
                .as_ref()
                .map_or("NOT_FOUND", |signed| signed.license.code_at(at).as_str());
            let context = format!("{name} at {at}");
            let facts = || format!("{:#?}\n{signed:#?}", self.deals[owner].oracle);
            assert_eq!(code, expected, "{context}:\n{}", facts());
            if let (Some(signed), Some((starts_on, ends_on))) =
                (&signed, self.deals[owner].oracle.term(now))
            {
                let term = signed.license.as_of(at).unwrap().term;
                let epoch = jiff::civil::date(1970, 1, 1);
                let day =
                    |date: jiff::civil::Date| i64::from(epoch.until(date).unwrap().get_days());
                let found = (day(term.starts_on), day(term.ends_on));
                assert_eq!(found, (starts_on, ends_on), "{context}:\n{}", facts());
            }
            *self.counts.codes.entry(expected).or_default() += 1;
            self.counts.lookups += 1;
            if random.u8(0..100) < self.options.looked_up_in_percent() {
                self.look_up(random, product, &name, owner, now, expected)
                    .await;
            }
            let Some(signed) = signed else { continue };
            if matches!(code, "VALID" | "GRACE") {
                let lease = &signed.lease;
                assert!(
                    lease.expires_at > at,
                    "{context}: the lease has ended: {signed:#?}"
                );
            }
            if code != "NOT_FOUND" {
                self.verify(product, name, &signed);
            }
        }
    }

    /// Every copy of a licence under a kintone plug-in id says what the licence says; there is
    /// none where there is no licence, or where it is answered with its serial only.
    async fn compare_copies(
        &mut self,
        at: Timestamp,
        names: &[(usize, String)],
        found: &HashMap<(String, String), SignedLicense>,
    ) {
        let mut expected = Vec::new();
        for (product, name) in names {
            let (product, _) = &self.products[*product];
            let signed = found.get(&(product.slug.to_string(), name.clone()));
            let license = signed.map(|signed| &signed.license);
            let license = license.filter(|_| !product.policy.requires_serial);
            for id in &product.kintone_plugin_ids {
                expected.push((Key::plugin(&domain(name), id), license));
            }
        }
        for chunk in expected.chunks(100) {
            let keys = chunk.iter().map(|(key, _)| key.attributes()).collect();
            let keys = KeysAndAttributes::builder().set_keys(Some(keys));
            let client = &self.database.client;
            let get = client.batch_get_item();
            let get = get.request_items("Licenses", keys.build().unwrap());
            let output = get.send().await.unwrap();
            assert!(output.unprocessed_keys.unwrap_or_default().is_empty());
            let items = output.responses.unwrap_or_default();
            let items = items.into_values().flatten();
            let mut copies: HashMap<(String, String), License> = items
                .map(|mut item| {
                    let text = |value: &AttributeValue| value.as_s().unwrap().clone();
                    let key = (text(&item["domain"]), text(&item["product"]));
                    let license = item.remove("license").unwrap();
                    (key, serde_dynamo::from_attribute_value(license).unwrap())
                })
                .collect();
            for (key, license) in chunk {
                let attributes = key.attributes();
                let text = |name: &str| attributes[name].as_s().unwrap().clone();
                let copy = copies.remove(&(text("domain"), text("product")));
                let current = |license: &License| license.as_of(at).unwrap();
                let (copy, license) = (copy.as_ref().map(current), license.map(current));
                assert_eq!(copy, license, "{key} at {at}");
                self.counts.copies += u64::from(copy.is_some());
            }
        }
    }

    /// The same through the lookup function.
    async fn look_up(
        &mut self,
        random: &mut Rng,
        product: usize,
        name: &str,
        owner: usize,
        now: Second,
        expected: &str,
    ) {
        let deal = &self.deals[owner];
        let mut event: Value =
            serde_json::from_str(include_str!("../../../events/get-license.json")).unwrap();
        event["pathParameters"] = json!({
            "product": self.products[product].0.slug,
            "domain": name,
        });
        // The newest as often as all others together; a stranger's serial now and then.
        let number = match random.u8(0..8) {
            0 => random.u64(..),
            1..4 => *random.choice(&deal.serials).unwrap(),
            _ => deal.oracle.serial,
        };
        let is_accepted = deal.oracle.accepts(number, now);
        event["headers"]["x-license-serial"] = json!(serial(number).reveal());
        let answered = self.lookup.answer(&event.to_string(), instant(now)).await;
        let expected = if is_accepted { expected } else { "NOT_FOUND" };
        assert_eq!(answered.line.code, expected, "{name} at {}", instant(now));
        assert_ne!(answered.line.reason.as_deref(), Some("lease_ended"));
        self.counts.handler_lookups += 1;
        // And by the door that sends no serial.
        let product = &self.products[product].0;
        let mut event: Value =
            serde_json::from_str(include_str!("../../../events/post-license.json")).unwrap();
        let body = json!({ "domain": name, "pluginId": product.kintone_plugin_ids[0] });
        event["body"] = body.to_string().into();
        let answered = self.lookup.answer(&event.to_string(), instant(now)).await;
        let expected = match product.policy.requires_serial {
            true => "NOT_FOUND",
            false => self.deals[owner].oracle.code(name, now),
        };
        let context = format!("{name} at {}", instant(now));
        assert_eq!(answered.line.code, expected, "{context}");
        let Some(Body::Text(body)) = answered.response.body else {
            panic!("{context}: no body");
        };
        let body: Value = serde_json::from_str(&body).unwrap();
        let message = match expected {
            "VALID" | "GRACE" => "Valid",
            "NOT_FOUND" => "No item found.",
            _ => "Invalid",
        };
        assert_eq!(body["message"], message, "{context}");
        // Whoever goes by the date comes to the same.
        let today = date_of(instant(now), &product.policy).to_string();
        let date = body.get("expirationDate").and_then(Value::as_str);
        let works = date.is_some_and(|date| today.as_str() <= date);
        assert_eq!(works, message == "Valid", "{context}: {body}");
    }

    /// Checks a lease that was not seen before: its signature, its claims, that it is newer.
    fn verify(&mut self, product: usize, name: String, signed: &SignedLicense) {
        let SignedLicense { license, lease } = signed;
        let key = (product, name);
        if let Some((issued_at, jws)) = self.leases.get(&key) {
            if *jws == lease.jws {
                return;
            }
            assert!(lease.issued_at > *issued_at, "an older lease: {signed:#?}");
        }
        let (input, signature) = lease.jws.rsplit_once('.').unwrap();
        let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
        let signature = Signature::from_slice(&signature).unwrap();
        let verified = self.verifying.verify(input.as_bytes(), &signature);
        verified.unwrap();
        let payload = input.split_once('.').unwrap().1;
        let payload = BASE64URL_NOPAD.decode(payload.as_bytes()).unwrap();
        let claims: Claims = serde_json::from_slice(&payload).unwrap();
        let said = Claims::of(license, lease.issued_at, claims.jti.clone()).unwrap();
        assert_eq!(claims, said, "the lease says what the licence says");
        assert_eq!(claims.exp, lease.expires_at.as_second());
        self.leases
            .insert(key, (lease.issued_at, lease.jws.clone()));
        self.counts.leases_verified += 1;
    }

    /// A customer orders, for a new domain or for one that another contract has left.
    async fn order(&mut self, order: &Order, takes_over: Option<usize>, now: Second) {
        let number = self.deals.len();
        let product = order.product;
        let left = self.left_names(product, now);
        let taken = takes_over.filter(|_| !left.is_empty());
        let name = match taken {
            Some(which) => left[which % left.len()].clone(),
            None => format!("tenant-{number}.cybozu.com"),
        };
        let (license, oracle) = start(order, &self.products, &name, now);
        let act = act(now, "issue");
        let write = contract::write(&self.licenses, None, &license, &self.key.signer, &act);
        let written = self.process.run(None, write).await.unwrap();
        if taken.is_some() && self.is_quarantined(product, &name, now) {
            assert!(
                matches!(written, Err(WriteError::Quarantined { .. })),
                "{written:?}"
            );
            self.counts.quarantined += 1;
            return;
        }
        written.unwrap();
        self.counts.taken_over += u64::from(taken.is_some());
        self.counts.done("issue");
        if let Some(before) = self.owners.insert((product, name.clone()), number) {
            self.deals[before].oracle.names.retain(|n| n.domain != name);
        }
        self.deals.push(Deal {
            oracle,
            product,
            serials: vec![order.serial],
            domains: 0,
        });
    }

    fn left_names(&self, product: usize, now: Second) -> Vec<String> {
        let mut left = Vec::new();
        for deal in self.deals.iter().filter(|deal| deal.product == product) {
            let names = deal.oracle.names.iter();
            let names = names.filter(|name| name.until.is_some_and(|until| until <= now));
            left.extend(names.map(|name| name.domain.clone()));
        }
        left
    }

    fn is_quarantined(&self, product: usize, name: &str, now: Second) -> bool {
        let owner = self.owners[&(product, name.to_owned())];
        let mut names = self.deals[owner].oracle.names.iter();
        names.any(|n| n.domain == name && n.is_kept(now))
    }

    /// An operator does something to a contract; what the oracle refuses, the licence has to.
    async fn operate(
        &mut self,
        number: usize,
        under: usize,
        operation: &Operation,
        death: Option<Death>,
        now: Second,
    ) {
        let deal = &mut self.deals[number];
        deal.oracle.names.retain(|name| name.is_kept(now));
        let names = &deal.oracle.names;
        if names.is_empty() {
            return;
        }
        let name = names[under % names.len()].domain.clone();
        let slug = self.products[deal.product].0.slug.clone();
        let read = contract::read(&self.database.licenses, &domain(&name), &slug).await;
        // One that never came to be: it was given up before it worked.
        let Some(contract) = read.unwrap() else {
            return;
        };
        let license = contract.license.as_of(instant(now)).unwrap();
        let fresh = format!("tenant-{number}-{}.cybozu.com", deal.domains);
        let applied = apply(operation, &license, &deal.oracle, &fresh, now);
        let Some((changed, oracle)) = applied.contract else {
            self.counts.refused(applied.what);
            return;
        };
        let is_written = self
            .write(&contract, &changed, applied.what, death, now)
            .await;
        if !is_written {
            return;
        }
        self.counts.done(applied.what);
        let deal = &mut self.deals[number];
        deal.oracle = oracle;
        deal.serials.push(deal.oracle.serial);
        for name in &deal.oracle.names {
            let key = (deal.product, name.domain.clone());
            if self.owners.insert(key, number).is_none() {
                deal.domains += 1;
            }
        }
    }

    /// Writes, or dies while it does; tells whether it was written.
    async fn write(
        &mut self,
        contract: &Contract,
        changed: &License,
        what: &'static str,
        death: Option<Death>,
        now: Second,
    ) -> bool {
        let act = act(now, what);
        let signer = &self.key.signer;
        let write = contract::write(&self.licenses, Some(contract), changed, signer, &act);
        if let Some(written) = self.process.run(death, write).await {
            written.unwrap();
            return true;
        }
        self.counts.crashed_operators += 1;
        // All of its items were written, or none.
        let licenses = &self.database.licenses;
        let before = contract.revision().unwrap();
        let license = &contract.license;
        let after = contract::read(licenses, &license.domain, &license.product).await;
        let after = after.unwrap().unwrap();
        let is_written = after.revision().unwrap() != before;
        for name in &after.license.domains {
            let stored = licenses.get(&name.domain, &license.product).await.unwrap();
            let Some(stored) = stored else { continue };
            let at = instant(now);
            let expected = after.license.under(&name.domain).as_of(at).unwrap();
            assert_eq!(stored.value.license.as_of(at).unwrap(), expected);
        }
        is_written
    }
}

impl Options {
    /// Of so many in a hundred answers the lookup function is asked too.
    fn looked_up_in_percent(&self) -> u8 {
        if self.contracts < 100 { 5 } else { 1 }
    }
}

fn act(now: Second, change: &str) -> ChangeContext<'_> {
    ChangeContext {
        at: instant(now),
        by: "operator",
        change,
    }
}

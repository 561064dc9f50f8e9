//! The simulated world: the system under test, the oracle beside it, and chance.

use std::collections::{BTreeMap, HashMap};

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
use tegata_common::calendar::{Billing, date_of};
use tegata_common::lease::{Claims, SignedLicense};
use tegata_common::license::{
    Amendment, License, LicenseError, Order, Plan, Purpose, QUARANTINE_DAYS,
};
use tegata_common::product::{Catalogue, Product};
use tegata_common::serial::Serial;
use tegata_operations::contract::{self, Contract, WriteError};
use tegata_storage::{ChangeContext, Key};
use tegata_tests::{Database, SigningKey, domain};

use crate::oracle::{self, Rules, Second};
use tegata_tests::crash::after_polls;

/// The first second of the simulation: 2023-02-01, so that a leap day comes in its second year.
const START: Second = 1_675_209_600;
const DAY: Second = 86_400;

/// Days for which the renewal may not run, or not to its end.
const LATEST: i64 = 5;

/// Days from one comparison of all copies with their licences to the next.
const COMPARED: i64 = 5;

/// What happened, in numbers.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) lookups: u64,
    pub(crate) handler_lookups: u64,
    pub(crate) leases_verified: u64,
    pub(crate) copies: u64,
    pub(crate) crashed_runs: u64,
    pub(crate) double_runs: u64,
    pub(crate) late_days: u64,
    pub(crate) crashed_operators: u64,
    pub(crate) refused: u64,
    pub(crate) quarantined: u64,
    pub(crate) taken_over: u64,
    pub(crate) renewed: u64,
    pub(crate) resigned: u64,
    pub(crate) released: u64,
    pub(crate) actions: BTreeMap<&'static str, u64>,
    pub(crate) codes: BTreeMap<&'static str, u64>,
}

struct Deal {
    oracle: oracle::Contract,
    product: usize,
    serial: Serial,
    /// Replaced serials, and until when each is accepted.
    previous: Vec<(Serial, Second)>,
    moves: u32,
}

pub(crate) struct World {
    database: Database,
    key: SigningKey,
    verifying: VerifyingKey,
    renewal: Renewal,
    lookup: Lookup,
    products: Vec<(Product, Rules)>,
    random: Rng,
    wanted: usize,
    deals: Vec<Deal>,
    /// Who has a name now, or had it last.
    owners: HashMap<(usize, String), usize>,
    /// The last lease seen under a name: none may ever be older.
    leases: HashMap<(usize, String), (Timestamp, String)>,
    last_full_run: i64,
    counts: Counts,
}

enum Event {
    Operator,
    Order,
    Renewal,
    Sweep,
}

impl World {
    pub(crate) async fn new(wanted: usize, seed: u64) -> Self {
        let database = Database::start().await;
        let key = SigningKey::create();
        key.register_in(&database.licenses).await;
        let jwk = &key.jwks.keys[0];
        let coordinate = |text: &str| BASE64URL_NOPAD.decode(text.as_bytes()).unwrap();
        let point = [vec![4], coordinate(&jwk.x), coordinate(&jwk.y)].concat();
        let renewal = Renewal::new(database.licenses.clone(), key.keys.clone(), "renewal");
        let lookup = Lookup::new(&database.settings(&[])).unwrap();
        Self {
            verifying: VerifyingKey::from_sec1_bytes(&point).unwrap(),
            database,
            key,
            renewal,
            lookup,
            products: products(),
            random: Rng::with_seed(seed),
            wanted,
            deals: Vec::new(),
            owners: HashMap::new(),
            leases: HashMap::new(),
            last_full_run: 0,
            counts: Counts::default(),
        }
    }

    pub(crate) fn counts(self) -> Counts {
        self.counts
    }

    /// A day: orders, operators and the renewal at random seconds, and a sweep of lookups.
    pub(crate) async fn live(&mut self, day: i64, days: i64) {
        let mut events = Vec::new();
        let second = |random: &mut Rng| random.i64(0..DAY);
        // Orders come over the first four fifths of the time.
        let due = usize::try_from((day + 1) * 5).unwrap() * self.wanted;
        let due = (due / usize::try_from(days * 4).unwrap()).min(self.wanted);
        for _ in self.deals.len()..due {
            events.push((second(&mut self.random), Event::Order));
        }
        // Each contract is changed about four times a year.
        for _ in 0..self.deals.len() {
            if self.random.i64(0..90) == 0 {
                events.push((second(&mut self.random), Event::Operator));
            }
        }
        events.push((second(&mut self.random), Event::Renewal));
        // Half of the sweeps meet an instant at which something changes for somebody.
        let sweep = match self.random.u8(0..8) {
            0 => 0,             // 09:00 in Tokyo
            1 => 15 * 3600,     // midnight in Tokyo
            2 => 15 * 3600 - 1, // a second before
            3 => DAY - 1,       // a second before 09:00
            _ => second(&mut self.random),
        };
        events.push((sweep, Event::Sweep));
        events.sort_by_key(|(second, _)| *second);
        for (second, event) in events {
            let now = START + day * DAY + second;
            match event {
                Event::Order => self.order(now).await,
                Event::Operator => self.operate(now).await,
                Event::Renewal => self.renew(day, now).await,
                Event::Sweep => self.sweep(now).await,
            }
        }
    }

    async fn renew(&mut self, day: i64, now: Second) {
        let now = instant(now);
        let is_overdue = day - self.last_full_run >= LATEST;
        let chance = self.random.u8(0..20);
        if !is_overdue && chance < 3 {
            self.counts.late_days += 1;
            return;
        }
        if chance < 6 {
            let polls = self.random.u32(1..400);
            let run = after_polls(polls, self.renewal.run(now, || false)).await;
            match run {
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
        let reports = if chance < 8 {
            self.counts.double_runs += 1;
            let twice = (
                self.renewal.run(now, || false),
                self.renewal
                    .run(now + SignedDuration::from_millis(3), || false),
            );
            let (one, other) = tokio::join!(twice.0, twice.1);
            vec![one.unwrap(), other.unwrap()]
        } else {
            vec![self.renewal.run(now, || false).await.unwrap()]
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
    async fn sweep(&mut self, now: Second) {
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
            if self.random.u8(0..100) == 0 {
                self.look_up(product, &name, owner, now, expected).await;
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
        product: usize,
        name: &str,
        owner: usize,
        now: Second,
        expected: &str,
    ) {
        let deal = &self.deals[owner];
        let mut event: Value =
            serde_json::from_str(include_str!("../../events/get-license.json")).unwrap();
        event["pathParameters"] = json!({
            "product": self.products[product].0.slug,
            "domain": name,
        });
        // Of the replaced ones as many are kept as the licence keeps; none, if one leaked.
        let (serial, is_accepted) = match self.random.choice(&deal.previous) {
            Some((old, until)) if self.random.bool() => (old, now < *until),
            _ => (&deal.serial, true),
        };
        event["headers"]["x-license-serial"] = json!(serial.reveal());
        let answered = self.lookup.answer(&event.to_string(), instant(now)).await;
        let expected = if is_accepted { expected } else { "NOT_FOUND" };
        assert_eq!(answered.line.code, expected, "{name} at {}", instant(now));
        assert_ne!(answered.line.reason.as_deref(), Some("lease_ended"));
        self.counts.handler_lookups += 1;
        // And by the door that sends no serial.
        let product = &self.products[product].0;
        let mut event: Value =
            serde_json::from_str(include_str!("../../events/post-license.json")).unwrap();
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
    async fn order(&mut self, now: Second) {
        let number = self.deals.len();
        let product = self.random.usize(0..self.products.len());
        let rules = self.products[product].1;
        let left = self.left_names(product, now);
        let takes_over = !left.is_empty() && self.random.u8(0..4) == 0;
        let name = match takes_over {
            true => left[self.random.usize(0..left.len())].clone(),
            false => format!("tenant-{number}.cybozu.com"),
        };
        let usable_from = match self.random.u8(0..4) {
            0 => now + self.random.i64(0..20 * DAY),
            _ => now,
        };
        let ordered_on = rules.day(usable_from);
        let (plan, expected) = match self.random.u8(0..3) {
            0 => {
                let days = self.random.u16(1..90);
                let last_day = ordered_on + i64::from(days) - 1;
                (Plan::Trial { days }, oracle::Plan::Trial { last_day })
            }
            which => {
                let (billing, months) = match which {
                    1 => (Billing::Monthly, 1),
                    _ => (Billing::Yearly, 12),
                };
                let expected = oracle::Plan::Paid {
                    starts: oracle::month_of(ordered_on) + 1,
                    billing: vec![(rules.day(now), months)],
                    last_day: None,
                };
                (Plan::Paid { billing }, expected)
            }
        };
        let serial = tegata_operations::new_serial().unwrap();
        let order = Order {
            domain: domain(&name),
            customer: None,
            plan,
            edition: "standard".to_owned(),
            users: 50,
            quotas: BTreeMap::new(),
            usable_from: instant(usable_from),
        };
        let license = License::issue(order, &self.products[product].0, serial.hash()).unwrap();
        let act = act(now, "issue");
        let licenses = &self.database.licenses;
        let written = contract::write(licenses, None, &license, &self.key.signer, &act).await;
        if takes_over && self.is_quarantined(product, &name, now) {
            assert!(
                matches!(written, Err(WriteError::Quarantined { .. })),
                "{written:?}"
            );
            self.counts.quarantined += 1;
            return;
        }
        written.unwrap();
        self.counts.taken_over += u64::from(takes_over);
        self.count("order");
        let mut oracle = oracle::Contract {
            rules,
            usable_from,
            names: Vec::new(),
            plan: expected,
            suspended_from: None,
        };
        oracle.name(&name, usable_from, now).unwrap();
        if let Some(before) = self.owners.insert((product, name.clone()), number) {
            self.deals[before].oracle.names.retain(|n| n.domain != name);
        }
        self.deals.push(Deal {
            oracle,
            product,
            serial,
            previous: Vec::new(),
            moves: 0,
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
        names.any(|n| {
            let free = n.until.map(|until| until + QUARANTINE_DAYS * DAY);
            n.domain == name && free.is_some_and(|free| now < free)
        })
    }

    /// An operator does something to a contract; what the oracle refuses, the licence has to.
    async fn operate(&mut self, now: Second) {
        let number = self.random.usize(0..self.deals.len());
        let deal = &self.deals[number];
        let at = instant(now);
        let staying: Vec<String> = deal
            .oracle
            .names
            .iter()
            .filter(|name| name.until.is_none())
            .map(|name| name.domain.clone())
            .collect();
        let Some(name) = self.random.choice(&staying).cloned() else {
            return;
        };
        let slug = self.products[deal.product].0.slug.clone();
        let licenses = self.database.licenses.clone();
        let contract = contract::read(&licenses, &domain(&name), &slug)
            .await
            .unwrap();
        let contract = contract.unwrap();
        let license = contract.license.as_of(at).unwrap();
        let mut oracle = deal.oracle.clone();
        let mut change = self.choose(number, &license, &mut oracle, &name, now);
        let (what, changed) = (change.what, change.license.take());
        *self.counts.actions.entry(what).or_default() += 1;
        let Some(changed) = changed else {
            self.counts.refused += 1;
            return;
        };
        if self.write(&contract, &changed, what, now).await {
            self.deals[number].oracle = oracle;
            if let Some((serial, until)) = change.serial {
                let deal = &mut self.deals[number];
                let old = std::mem::replace(&mut deal.serial, serial);
                match until > now {
                    true => deal.previous.push((old, until)),
                    false => deal.previous.clear(),
                }
                let living = deal.previous.iter().filter(|(_, until)| now < *until);
                assert!(living.count() <= 4, "this simulation reissues less often");
            }
            if let Some(name) = change.name {
                self.owners
                    .insert((self.deals[number].product, name), number);
                self.deals[number].moves += 1;
            }
        }
    }

    /// Writes, or is killed while it does; tells whether it was written.
    async fn write(
        &mut self,
        contract: &Contract,
        changed: &License,
        what: &'static str,
        now: Second,
    ) -> bool {
        let licenses = self.database.licenses.clone();
        let act = act(now, what);
        let write = contract::write(&licenses, Some(contract), changed, &self.key.signer, &act);
        if self.random.u8(0..20) > 0 {
            write.await.unwrap();
            return true;
        }
        let written = after_polls(self.random.u32(1..12), write).await;
        if let Some(written) = written {
            written.unwrap();
            return true;
        }
        self.counts.crashed_operators += 1;
        // The request may still be on its way through the server.
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        // All of its items were written, or none.
        let before = contract.revision().unwrap();
        let license = &contract.license;
        let after = contract::read(&licenses, &license.domain, &license.product).await;
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

    /// A random change, made to the licence and told to the oracle.
    fn choose(
        &mut self,
        number: usize,
        license: &License,
        oracle: &mut oracle::Contract,
        name: &str,
        now: Second,
    ) -> Change {
        let at = instant(now);
        let today = date_of(at, &license.policy);
        let agree = |what, license: Result<License, LicenseError>, oracle: Result<(), _>| {
            assert_eq!(
                license.is_ok(),
                oracle.is_ok(),
                "{what}: {license:?} {oracle:?}"
            );
            Change::of(what, license.ok())
        };
        match self.random.u8(0..12) {
            0 | 1 => agree("cancel", license.cancelled(today, at), oracle.cancel(now)),
            2 => agree("withdraw", license.continued(at), oracle.withdraw(now)),
            3 => {
                let (billing, months) = match self.random.bool() {
                    true => (Billing::Monthly, 1),
                    false => (Billing::Yearly, 12),
                };
                let amendment = Amendment {
                    billing: Some(billing),
                    ..Amendment::default()
                };
                let expected = oracle.rebill(now, months);
                agree("rebill", license.amended(amendment, at), expected)
            }
            4 | 5 => {
                let (billing, months) = match self.random.bool() {
                    true => (Billing::Monthly, 1),
                    false => (Billing::Yearly, 12),
                };
                let expected = oracle.convert(now, months);
                agree("convert", license.converted(billing, at), expected)
            }
            6 => {
                let from = now + self.random.i64(0..3) * self.random.i64(0..15 * DAY);
                agree(
                    "suspend",
                    license.suspended(instant(from)),
                    oracle.suspend(from),
                )
            }
            7 => agree("resume", license.resumed(), oracle.resume()),
            8 => {
                let amendment = Amendment {
                    users: Some(self.random.u32(1..500)),
                    ..Amendment::default()
                };
                Change::of("change", license.amended(amendment, at).ok())
            }
            9 => {
                let serial = tegata_operations::new_serial().unwrap();
                let until = now + self.random.i64(0..30 * DAY);
                let reissued = license.reissued(serial.hash(), instant(until), at);
                Change {
                    serial: Some((serial, until)),
                    ..Change::of("reissue", Some(reissued))
                }
            }
            _ if self.deals[number].moves >= 6 => Change::of("stay", None),
            10 => {
                let new = format!(
                    "tenant-{number}-dev-{}.cybozu.com",
                    self.deals[number].moves
                );
                let added = license.with_domain(&domain(&new), Purpose::Development, at, at);
                oracle.name(&new, now, now).unwrap();
                Change {
                    name: Some(new),
                    ..Change::of("add-domain", Some(added.unwrap()))
                }
            }
            _ => {
                // To a new name, or back to one that the contract has left.
                let mine =
                    |new: &&oracle::Name| new.until.is_some_and(|until| until + 80 * DAY > now);
                let left: Vec<String> = oracle
                    .names
                    .iter()
                    .filter(mine)
                    .map(|name| name.domain.clone())
                    .collect();
                let new = match self.random.choice(&left) {
                    Some(old) if self.random.bool() => old.clone(),
                    _ => format!("tenant-{number}-{}.cybozu.com", self.deals[number].moves),
                };
                let from = now + self.random.i64(0..2) * self.random.i64(0..10 * DAY);
                let rules = oracle.rules;
                let until = rules
                    .cut_off_of(rules.day(from) + self.random.i64(0..20))
                    .max(from);
                let moved = license.moved(&domain(&new), instant(from), instant(until), at);
                let expected = oracle.name(&new, from, now);
                if expected.is_ok() {
                    oracle.leave(name, until);
                }
                let change = agree("move", moved, expected);
                let name = change.license.as_ref().map(|_| new);
                Change { name, ..change }
            }
        }
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.actions.entry(what).or_default() += 1;
    }
}

/// What an operator wants, and what the oracle needs to know of it.
struct Change {
    what: &'static str,
    license: Option<License>,
    serial: Option<(Serial, Second)>,
    name: Option<String>,
}

impl Change {
    fn of(what: &'static str, license: Option<License>) -> Self {
        Self {
            what,
            license,
            serial: None,
            name: None,
        }
    }
}

fn act(now: Second, change: &str) -> ChangeContext<'_> {
    ChangeContext {
        at: instant(now),
        by: "operator",
        change,
    }
}

fn instant(second: Second) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// Products of different rules. In all of them some days lie between the day on which a term is
/// certain to be followed by another and the end of its grace: as many as the renewal may be late.
fn products() -> Vec<(Product, Rules)> {
    let id = |letter: &str| letter.repeat(32);
    let catalogue = json!({
        "issuer": "https://license.example.com",
        "products": {
            "sheet": {
                "name": { "ja": "シート", "en": "Sheet" },
                "kintone_plugin_ids": [id("a"), id("b")],
            },
            "gantt": {
                "name": { "ja": "ガント", "en": "Gantt" },
                "kintone_plugin_ids": [id("c")],
                "time_zone": "Asia/Kathmandu",
                "cut_off": "00:30",
                "cancel_by_day": 10,
                "grace_days": 0,
                "lease_days": 30,
            },
            "kanban": {
                "name": { "ja": "かんばん", "en": "Kanban" },
                "kintone_plugin_ids": [id("d")],
                "cancel_by_day": 31,
                "grace_days": 30,
                "lease_days": 45,
                "requires_serial": true,
            },
        },
    });
    let catalogue: Catalogue = serde_json::from_value(catalogue).unwrap();
    let rules = |utc_offset, cut_off, cancel_by_day, grace_days| Rules {
        utc_offset,
        cut_off,
        cancel_by_day,
        grace_days,
    };
    // In the order of their slugs.
    let rules = [
        rules(5 * 3600 + 45 * 60, 30 * 60, 10, 0),
        rules(9 * 3600, 9 * 3600, 31, 30),
        rules(9 * 3600, 9 * 3600, 20, 7),
    ];
    catalogue.products.into_iter().zip(rules).collect()
}

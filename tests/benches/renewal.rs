//! The renewal's planning over a million licences: how many items a second are read and decided
//! on, in how much memory; and what a day of that many licences asks of KMS and DynamoDB.
//!
//! `cargo bench -p tegata-tests --bench renewal [-- --short]`
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

use aws_sdk_dynamodb::types::AttributeValue;
use fastrand::Rng;
use jiff::{SignedDuration, Timestamp};
use tegata_common::calendar::Billing;
use tegata_common::lease::{Lease, SignedLicense, expiry};
use tegata_common::license::{License, Order, Plan};
use tegata_common::renewal::Task;
use tegata_common::revision::Revision;
use tegata_common::serial::Serial;
use tegata_storage::licenses::index;
use tegata_storage::{Item, Key};
use tegata_tests::{SERIAL, domain, memory, product, ratio};

const LICENSES: usize = 1_000_000;
const SHORT_LICENSES: usize = 20_000;

/// Licences that differ; a million are made of them, one at a time.
const DIFFERENT: usize = 2_000;

/// The length of a lease with the claims of a usual licence.
const JWS_BYTES: usize = 980;

const DAYS: i64 = 366;

fn main() {
    let now: Timestamp = "2026-11-22T01:03:11Z".parse().unwrap();
    let mut random = Rng::with_seed(1);
    let licenses: Vec<SignedLicense> = (0..DIFFERENT)
        .map(|number| signed(&mut random, number, now))
        .collect();
    let items: Vec<Item> = licenses.iter().map(item).collect();
    planning(&items, now);
    a_year(&licenses, &items[0], now);
}

/// Reads and decides on a million items, as they come from the database.
fn planning(items: &[Item], now: Timestamp) {
    let number_of_licenses = match ratio::is_short() {
        true => SHORT_LICENSES,
        false => LICENSES,
    };
    let copies = || (0..number_of_licenses).map(|number| items[number % items.len()].clone());
    let started = Instant::now();
    for item in copies() {
        black_box(&item);
    }
    let floor = started.elapsed();

    println!("planning over {number_of_licenses} licences");
    println!("  {:>10}  {:>8}", "licences", "RSS, MB");
    let (mut renew, mut resign) = (0_u32, 0_u32);
    let started = Instant::now();
    for (number, item) in copies().enumerate() {
        if number % (number_of_licenses / 5) == 0 {
            println!("  {number:>10}  {:>8.1}", memory::resident_mb());
        }
        let stored = tegata_storage::read::<SignedLicense>(item).unwrap();
        match stored.value.task_at(now).unwrap() {
            Some(Task::Renew(_)) => renew += 1,
            Some(Task::ReSign) => resign += 1,
            Some(Task::Release) | None => {}
        }
        black_box(stored.value.due_at());
    }
    let took = started.elapsed();
    println!("  {number_of_licenses:>10}  {:>8.1}", memory::resident_mb());
    #[allow(clippy::cast_precision_loss)]
    let rate = |took: std::time::Duration| number_of_licenses as f64 / took.as_secs_f64();
    println!("  due now: {renew} to renew, {resign} to sign again");
    println!(
        "  {:.0} items/s (copying an item alone: {:.0}/s)",
        rate(took),
        rate(floor)
    );
    let times_floor = took.as_secs_f64() / floor.as_secs_f64();
    println!("  ratio to the floor: {times_floor:.1}");
    ratio::compare("renewal: planning", times_floor);
}

/// What a year's renewals do, day by day.
fn a_year(licenses: &[SignedLicense], item: &Item, now: Timestamp) {
    let mut days = vec![Day::default(); usize::try_from(DAYS).unwrap()];
    let end = now + SignedDuration::from_hours(24 * (DAYS - 1));
    for license in licenses {
        let mut current = license.clone();
        while let Some(due_at) = current.due_at().filter(|due_at| *due_at < end) {
            let at = due_at.max(now);
            let day = usize::try_from(at.duration_since(now).as_hours() / 24).unwrap();
            let day = &mut days[day];
            current = match current.task_at(at).unwrap() {
                Some(Task::Renew(license)) => {
                    day.renewed += 1;
                    sign(*license, at)
                }
                Some(Task::ReSign) => {
                    day.resigned += 1;
                    sign(current.license, at)
                }
                Some(Task::Release) | None => break,
            };
        }
    }
    let size = size(item);
    let scale = (LICENSES / licenses.len()) as u64;
    let signs = |day: &Day| (day.renewed + day.resigned) * scale;
    // Standard writes are 1 kB a unit, in transactions two; a moved key in the index is two.
    let kilobytes = size.div_ceil(1024) as u64;
    let writes = |day: &Day| {
        scale * (day.renewed * (2 * 2 * kilobytes + 2) + day.resigned * (kilobytes + 2))
    };
    // A strong read is 4 kB a unit.
    let reads = |day: &Day| signs(day) * size.div_ceil(4096) as u64;
    let mean = |of: Count<'_>| days.iter().map(of).sum::<u64>() / days.len() as u64;
    let most = |of: Count<'_>| days.iter().map(of).max().unwrap_or(0);
    println!("\na day of {LICENSES} licences (items of {size} bytes), over a year");
    println!("  {:<24}{:>12}{:>12}", "", "mean", "most");
    let rows: [(&str, Count<'_>); 5] = [
        ("licences renewed", &|day| day.renewed * scale),
        ("leases signed again", &|day| day.resigned * scale),
        ("KMS signatures", &signs),
        ("DynamoDB write units", &writes),
        ("DynamoDB read units", &reads),
    ];
    for (what, of) in rows {
        println!("  {what:<24}{:>12}{:>12}", mean(of), most(of));
    }
}

/// What is counted of a day.
type Count<'a> = &'a dyn Fn(&Day) -> u64;

#[derive(Clone, Copy, Default)]
struct Day {
    renewed: u64,
    resigned: u64,
}

/// A licence of a vendor's usual mix, whose lease is up to half of its days old.
fn signed(random: &mut Rng, number: usize, now: Timestamp) -> SignedLicense {
    let plan = match random.u8(0..20) {
        0 => Plan::Trial { days: 30 },
        1..=6 => Plan::Paid {
            billing: Billing::Monthly,
        },
        _ => Plan::Paid {
            billing: Billing::Yearly,
        },
    };
    let age = match plan {
        Plan::Trial { .. } => random.i64(0..25),
        Plan::Paid { .. } => random.i64(0..3 * 365),
    };
    let order = Order {
        domain: domain(&format!("tenant-{number}.cybozu.com")),
        customer: Some(format!("C-{number}").parse().unwrap()),
        plan,
        edition: "standard".to_owned(),
        users: 50,
        quotas: BTreeMap::from([("records".to_owned(), 10_000)]),
        usable_from: now - SignedDuration::from_hours(24 * age),
    };
    let hash = Serial::parse(SERIAL).unwrap().hash();
    let license = License::issue(order, &product(), hash).unwrap();
    let lease_age = SignedDuration::from_hours(random.i64(0..24 * 7));
    let signed_at = (now - lease_age).max(license.usable_from);
    sign(license.as_of(signed_at).unwrap(), signed_at)
}

/// A lease without its signature: that is KMS's time.
fn sign(license: License, at: Timestamp) -> SignedLicense {
    SignedLicense {
        lease: Lease {
            jws: "x".repeat(JWS_BYTES),
            kid: "x".repeat(43),
            issued_at: at,
            expires_at: expiry(&license, at).unwrap(),
            without_serial: None,
        },
        license,
    }
}

/// An item as it is in the table.
fn item(signed: &SignedLicense) -> Item {
    let revision = Revision {
        version: 12,
        at: signed.lease.issued_at,
        by: "arn:aws:iam::123456789012:role/tegata-RenewalRole-ABCDEFGHIJKL".to_owned(),
        change: "renew".to_owned(),
    };
    let mut item: Item = serde_dynamo::to_item(signed).unwrap();
    let revision = serde_dynamo::to_attribute_value(revision).unwrap();
    item.insert("revision".to_owned(), revision);
    item.extend(Key::license(&signed.license.domain, &signed.license.product).attributes());
    item.extend(index(signed));
    item
}

/// An item's size by DynamoDB's rules, about.
fn size(item: &Item) -> usize {
    fn of(value: &AttributeValue) -> usize {
        match value {
            AttributeValue::S(text) => text.len(),
            AttributeValue::N(number) => number.len() / 2 + 2,
            AttributeValue::M(members) => {
                3 + members
                    .iter()
                    .map(|(name, value)| 1 + name.len() + of(value))
                    .sum::<usize>()
            }
            AttributeValue::L(values) => {
                3 + values.iter().map(|value| 1 + of(value)).sum::<usize>()
            }
            _ => 1,
        }
    }
    item.iter()
        .map(|(name, value)| name.len() + of(value))
        .sum()
}

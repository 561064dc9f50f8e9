//! What operators do with a contract: generated as plain data, made to the licence and told to
//! the oracle. What the oracle refuses, the licence has to refuse, and the other way round.

use jiff::Timestamp;
use proptest::prelude::*;
use tegata_common::calendar::{Billing, date_of};
use tegata_common::domain::{BaseDomains, Domain};
use tegata_common::license::{Amendment, License, LicenseError, Purpose};
use tegata_common::product::{Catalogue, Product};
use tegata_common::serial::Serial;

use super::oracle::{self, Months, Refused, Rules, Second};

const DAY: Second = 86_400;

/// A change that an operator wants. Which of the contract's domains it is about is a number,
/// counted round: it means something for every contract.
#[derive(Clone, Debug)]
pub enum Operation {
    Cancel,
    Withdraw,
    Rebill(Months),
    Convert(Months),
    Suspend {
        after: Second,
    },
    Resume,
    Users(u32),
    Reissue {
        serial: u64,
        overlap: Second,
    },
    AddDomain {
        to: Destination,
        production: bool,
        after: Second,
    },
    Move {
        to: Destination,
        after: Second,
        overlap_days: i64,
    },
    GiveUpDomain {
        which: usize,
        after: Second,
    },
    KeepDomain {
        which: usize,
    },
}

/// A domain that a contract shall have.
#[derive(Clone, Debug)]
pub enum Destination {
    /// One that nobody had before.
    New,
    /// One of the contract's own, also those that it has left and that are kept for it.
    Own(usize),
}

/// Any operation, each about as often as it is interesting.
pub fn operation() -> impl Strategy<Value = Operation> {
    let months = || prop_oneof![Just(1), Just(12)];
    // At once, or within some days.
    let within = |days: i64| prop_oneof![Just(0), 0..days * DAY];
    let destination = || {
        prop_oneof![
            Just(Destination::New),
            (0usize..4).prop_map(Destination::Own)
        ]
    };
    prop_oneof![
        3 => Just(Operation::Cancel),
        2 => Just(Operation::Withdraw),
        2 => months().prop_map(Operation::Rebill),
        3 => months().prop_map(Operation::Convert),
        2 => within(15).prop_map(|after| Operation::Suspend { after }),
        2 => Just(Operation::Resume),
        1 => prop_oneof![Just(0), Just(1_000_001), 1u32..500].prop_map(Operation::Users),
        2 => (any::<u64>(), within(30))
            .prop_map(|(serial, overlap)| Operation::Reissue { serial, overlap }),
        1 => (destination(), any::<bool>(), within(10))
            .prop_map(|(to, production, after)| Operation::AddDomain { to, production, after }),
        3 => (destination(), within(10), 0i64..20)
            .prop_map(|(to, after, overlap_days)| Operation::Move { to, after, overlap_days }),
        1 => (0usize..4, within(10))
            .prop_map(|(which, after)| Operation::GiveUpDomain { which, after }),
        1 => (0usize..4).prop_map(|which| Operation::KeepDomain { which }),
    ]
}

/// What came of an operation.
pub struct Applied {
    /// A word for it, as it stands in histories.
    pub what: &'static str,
    /// The contract afterwards, as both have it, or nothing if both refuse.
    pub contract: Option<(License, oracle::Contract)>,
}

/// Applies an operation to a licence, which has to be as of now and under one of the contract's
/// domains, and to the oracle. They have to agree.
pub fn apply(
    operation: &Operation,
    license: &License,
    oracle: &oracle::Contract,
    fresh_domain: &str,
    now: Second,
) -> Applied {
    let mut oracle = oracle.clone();
    let own = license.domain.as_str().to_owned();
    let names: Vec<String> = oracle.names.iter().map(|n| n.domain.clone()).collect();
    let known = |which: usize| names[which % names.len()].clone();
    let destination = |to: &Destination| match to {
        Destination::New => fresh_domain.to_owned(),
        Destination::Own(which) => known(*which),
    };
    let at = instant(now);
    let amended = |amendment| license.amended(amendment, at);
    let (what, changed, expected): (_, Result<License, LicenseError>, Result<(), Refused>) =
        match operation {
            Operation::Cancel => {
                let today = date_of(at, &license.policy);
                ("cancel", license.cancelled(today, at), oracle.cancel(now))
            }
            Operation::Withdraw => (
                "withdraw",
                license.with_cancellation_withdrawn(at),
                oracle.withdraw(now),
            ),
            Operation::Rebill(months) => {
                let amendment = Amendment {
                    billing: Some(billing(*months)),
                    ..Amendment::default()
                };
                ("rebill", amended(amendment), oracle.rebill(now, *months))
            }
            Operation::Convert(months) => (
                "convert",
                license.converted(billing(*months), at),
                oracle.convert(now, *months),
            ),
            Operation::Suspend { after } => {
                let from = now + after;
                (
                    "suspend",
                    license.suspended(instant(from)),
                    oracle.suspend(from),
                )
            }
            Operation::Resume => ("resume", license.resumed(), oracle.resume()),
            Operation::Users(users) => {
                let amendment = Amendment {
                    users: Some(*users),
                    ..Amendment::default()
                };
                let is_valid = (1..=1_000_000).contains(users);
                if is_valid {
                    oracle.users = *users;
                }
                (
                    "change",
                    amended(amendment),
                    is_valid.then_some(()).ok_or(Refused),
                )
            }
            Operation::Reissue {
                serial: number,
                overlap,
            } => {
                let until = now + overlap;
                oracle.reissue(*number, until, now);
                let changed = license.reissued(serial(*number).hash(), instant(until), at);
                ("reissue", Ok(changed), Ok(()))
            }
            Operation::AddDomain {
                to,
                production,
                after,
            } => {
                let (to, from) = (destination(to), now + after);
                let purpose = match production {
                    true => Purpose::Production,
                    false => Purpose::Development,
                };
                (
                    "add-domain",
                    license.with_domain(&domain(&to), purpose, instant(from), at),
                    oracle.name(&to, *production, from, now),
                )
            }
            Operation::Move {
                to,
                after,
                overlap_days,
            } => {
                let (to, from) = (destination(to), now + after);
                let last = oracle.rules.day(from) + overlap_days;
                let until = oracle.rules.cut_off_of(last);
                (
                    "move",
                    license.moved(&domain(&to), instant(from), instant(until), at),
                    oracle.move_to(&own, &to, from, until, now),
                )
            }
            Operation::GiveUpDomain { which, after } => {
                let (leaving, until) = (known(*which), now + after);
                (
                    "remove-domain",
                    license.without_domain(&domain(&leaving), instant(until), at),
                    oracle.give_up(&leaving, &own, until, now),
                )
            }
            Operation::KeepDomain { which } => {
                let kept = known(*which);
                (
                    "keep-domain",
                    license.with_domain_kept(&domain(&kept), at),
                    oracle.keep(&kept, now),
                )
            }
        };
    assert_eq!(
        changed.is_ok(),
        expected.is_ok(),
        "{operation:?} at {at} of {license:#?}\n{oracle:#?}\n{changed:?}"
    );
    let contract = changed.ok().map(|license| (license, oracle));
    Applied { what, contract }
}

pub fn billing(months: Months) -> Billing {
    match months {
        1 => Billing::Monthly,
        _ => Billing::Yearly,
    }
}

pub fn instant(second: Second) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

pub fn domain(host: &str) -> Domain {
    BaseDomains::default().canonicalize(host).unwrap()
}

/// The serial of a number: reproducible, and no two alike.
pub fn serial(number: u64) -> Serial {
    let mut bytes = [0; 20];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    Serial::from_random(bytes)
}

/// Products of different rules. In all of them some days lie between the day on which a term is
/// certain to be followed by another and the end of its grace: as many as the renewal may be late.
pub fn products() -> Vec<(Product, Rules)> {
    let id = |letter: &str| letter.repeat(32);
    let catalogue = serde_json::json!({
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

/// What is ordered, as plain data.
#[derive(Clone, Debug)]
pub struct Order {
    pub product: usize,
    pub plan: OrderedPlan,
    /// Seconds from the order to the first use.
    pub usable_after: Second,
    pub serial: u64,
}

#[derive(Clone, Debug)]
pub enum OrderedPlan {
    Trial { days: u16 },
    Paid { months: Months },
}

/// Any order of one of [`products`].
pub fn order() -> impl Strategy<Value = Order> {
    let plan = prop_oneof![
        1 => (1u16..90).prop_map(|days| OrderedPlan::Trial { days }),
        1 => Just(OrderedPlan::Paid { months: 1 }),
        1 => Just(OrderedPlan::Paid { months: 12 }),
    ];
    let usable_after = prop_oneof![3 => Just(0), 1 => 0..20 * DAY];
    let order = (0usize..3, plan, usable_after, any::<u64>());
    order.prop_map(|(product, plan, usable_after, serial)| Order {
        product,
        plan,
        usable_after,
        serial,
    })
}

/// The contract that an order of an instant starts under a domain, and what the oracle makes of
/// it.
pub fn start(
    order: &Order,
    products: &[(Product, Rules)],
    host: &str,
    now: Second,
) -> (License, oracle::Contract) {
    let (product, rules) = &products[order.product];
    let usable_from = now + order.usable_after;
    let ordered_on = rules.day(usable_from);
    let (plan, expected) = match order.plan {
        OrderedPlan::Trial { days } => {
            let last_day = ordered_on + i64::from(days) - 1;
            (
                tegata_common::license::Plan::Trial { days },
                oracle::Plan::Trial { last_day },
            )
        }
        OrderedPlan::Paid { months } => (
            tegata_common::license::Plan::Paid {
                billing: billing(months),
            },
            oracle::Plan::Paid {
                starts: oracle::month_of(ordered_on) + 1,
                billing: vec![(rules.day(now), months)],
                last_day: None,
            },
        ),
    };
    let ordered = tegata_common::license::Order {
        domain: domain(host),
        customer: None,
        plan,
        edition: "standard".to_owned(),
        users: 50,
        quotas: Default::default(),
        usable_from: instant(usable_from),
    };
    let license = License::issue(ordered, product, serial(order.serial).hash()).unwrap();
    let mut contract = oracle::Contract {
        rules: *rules,
        usable_from,
        names: Vec::new(),
        plan: expected,
        suspended_from: None,
        users: 50,
        serial: order.serial,
        previous_serials: Vec::new(),
    };
    contract.name(host, true, usable_from, now).unwrap();
    (license, contract)
}

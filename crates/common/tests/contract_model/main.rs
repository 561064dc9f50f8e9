//! The model test of contracts: any operations at any instants, made to pure licences and told to
//! an oracle that works out every answer from the list of what happened. Nothing is stored, signed
//! or sent here; a table is a map, and the renewal does what [`SignedLicense::task_at`] says, up to
//! five days late.
//!
//! A failure is shrunk and printed as a value of [`Life`]: it becomes a case in `regressions.rs`.
//! Its seed is noted in `seeds.txt`, which is tried first at the next run. `PROPTEST_CASES=5000`
//! looks twenty times as long.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]
#![allow(unreachable_pub)] // `tests/src/contract_world` has the oracle and the operations too.

mod operation;
mod oracle;
mod regressions;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use operation::{Operation, Order, apply, domain, instant, products, serial, start};
use oracle::Second;
use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, TestRunner};
use tegata_common::lease::{Lease, SignedLicense, expiry};
use tegata_common::license::License;
use tegata_common::renewal::Task;

const DAY: Second = 86_400;

/// 2023-02-01: a leap day comes in the second year.
const START: Second = 1_675_209_600;

/// The most days that the renewal may be late, in hours.
const LATEST_HOURS: i64 = 5 * 24;

/// A contract's life.
#[derive(Clone, Debug)]
pub struct Life {
    pub ordered_at: Second,
    pub order: Order,
    /// How late the renewal is, in hours.
    pub late_hours: i64,
    pub steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub struct Step {
    pub wait: Wait,
    /// Under which of its domains the contract is changed, counted round.
    pub under: usize,
    pub operation: Operation,
}

/// How long until the next operation.
#[derive(Clone, Debug)]
pub enum Wait {
    Seconds(Second),
    /// Until the second before an instant at which something changes, that second, or the next.
    Boundary {
        which: usize,
        offset: Second,
    },
}

fn life() -> impl Strategy<Value = Life> {
    let wait = prop_oneof![
        1 => (0..3600i64).prop_map(Wait::Seconds),
        2 => (0..90 * DAY).prop_map(Wait::Seconds),
        3 => (0usize..12, -1i64..=1).prop_map(|(which, offset)| Wait::Boundary { which, offset }),
    ];
    let step = (wait, 0usize..4, operation::operation());
    let step = step.prop_map(|(wait, under, operation)| Step {
        wait,
        under,
        operation,
    });
    (
        START..START + 730 * DAY,
        operation::order(),
        0..=LATEST_HOURS,
        prop::collection::vec(step, 0..16),
    )
        .prop_map(|(ordered_at, order, late_hours, steps)| Life {
            ordered_at,
            order,
            late_hours,
            steps,
        })
}

/// A contract's items by their domains, and the oracle.
struct Model {
    items: BTreeMap<String, SignedLicense>,
    oracle: oracle::Contract,
    /// Every domain that the contract ever had.
    domains: Vec<String>,
    /// Every serial that it ever had.
    serials: Vec<u64>,
}

fn signed(license: License, now: Second) -> SignedLicense {
    let issued_at = instant(now);
    SignedLicense {
        lease: Lease {
            jws: String::new(),
            kid: String::new(),
            issued_at,
            expires_at: expiry(&license, issued_at).unwrap(),
            without_serial: None,
        },
        license,
    }
}

impl Model {
    fn write(&mut self, license: &License, now: Second) {
        let mut items = BTreeMap::new();
        for name in &license.domains {
            let host = name.domain.as_str().to_owned();
            let had = self.items.contains_key(&host);
            // One that was left before and has no item any more gets none.
            if had || name.until.is_none_or(|until| until > instant(now)) {
                items.insert(host, signed(license.under(&name.domain), now));
            }
        }
        self.items = items;
    }

    /// Does what is due up to an instant, each task so late.
    fn renew(&mut self, met: &mut Met, late: Second, now: Second) {
        let hosts: Vec<String> = self.items.keys().cloned().collect();
        for host in hosts {
            while let Some(item) = self.items.get(&host) {
                let Some(due) = item.due_at() else { break };
                let due = due.as_second();
                assert_eq!(
                    item.task_at(instant(due - 1)),
                    Ok(None),
                    "too early: {item:#?}"
                );
                let at = due + late;
                if at > now {
                    break;
                }
                let item = match item.task_at(instant(at)).unwrap() {
                    Some(Task::Renew(license)) => {
                        met.insert("renewed".to_owned());
                        Some(signed(*license, at))
                    }
                    Some(Task::ReSign) => {
                        met.insert("signed again".to_owned());
                        Some(signed(item.license.clone(), at))
                    }
                    Some(Task::Release) => {
                        met.insert("released".to_owned());
                        None
                    }
                    None => panic!("due, and nothing to do: {item:#?}"),
                };
                match item {
                    Some(item) => self.items.insert(host.clone(), item),
                    None => self.items.remove(&host),
                };
            }
        }
    }

    /// Every answer now, and at the boundaries to come if nothing is written until then.
    fn check(&self, met: &mut Met, now: Second, after: &str) {
        let boundaries = self.oracle.boundaries(now + 1);
        let coming = boundaries.iter().flat_map(|at| [at - 1, *at]);
        for host in &self.domains {
            let item = self.items.get(host);
            let code = |at| item.map_or("NOT_FOUND", |i| i.license.code_at(instant(at)).as_str());
            let facts = || format!("{:#?}\n{item:#?}", self.oracle);
            for at in [now].into_iter().chain(coming.clone().take(12)) {
                let context = || {
                    format!(
                        "{host} at {} from {} after {after}",
                        instant(at),
                        instant(now)
                    )
                };
                assert_eq!(
                    code(at),
                    self.oracle.code(host, at),
                    "{}:\n{}",
                    context(),
                    facts()
                );
            }
            met.insert(format!("{}, answered", code(now)));
            let Some(item) = item else { continue };
            if matches!(code(now), "VALID" | "GRACE") {
                assert!(
                    item.lease.expires_at > instant(now),
                    "the lease has ended: {}",
                    facts()
                );
            }
            let current = item.license.as_of(instant(now)).unwrap();
            assert_eq!(current.users, self.oracle.users, "{}", facts());
            if let Some((starts_on, ends_on)) = self.oracle.term(now) {
                let found = (day(current.term.starts_on), day(current.term.ends_on));
                assert_eq!(found, (starts_on, ends_on), "the term: {}", facts());
            }
            for number in &self.serials {
                let accepted = item.license.at(instant(now)).accepts(&serial(*number));
                assert_eq!(
                    accepted,
                    self.oracle.accepts(*number, now),
                    "a serial: {}",
                    facts()
                );
            }
            // In two steps or in one.
            if let Some(later) = boundaries.first() {
                let later = instant(*later);
                assert_eq!(current.as_of(later), item.license.as_of(later));
            }
        }
    }
}

fn day(date: jiff::civil::Date) -> i64 {
    let epoch = jiff::civil::date(1970, 1, 1);
    i64::from(epoch.until(date).unwrap().get_days())
}

/// What was met, as text: what was not met was not tested.
type Met = BTreeSet<String>;

/// Lives a contract's life, and checks every answer on the way.
pub fn live(life: &Life, met: &mut Met) {
    let products = products();
    let mut now = life.ordered_at;
    let host = "tenant.cybozu.com";
    let (license, oracle) = start(&life.order, &products, host, now);
    let mut model = Model {
        items: BTreeMap::new(),
        oracle,
        domains: vec![host.to_owned()],
        serials: vec![life.order.serial],
    };
    model.write(&license, now);
    model.check(met, now, "issue");
    for (number, step) in life.steps.iter().enumerate() {
        now = match step.wait {
            Wait::Seconds(seconds) => now + seconds,
            Wait::Boundary { which, offset } => {
                let coming = model.oracle.boundaries(now + 1);
                let boundary = coming.get(which % coming.len().max(1));
                boundary.map_or(now, |at| (at + offset).max(now))
            }
        };
        model.renew(met, life.late_hours * 3600, now);
        model.check(met, now, "time");
        model.oracle.names.retain(|name| name.is_kept(now));
        let names = &model.oracle.names;
        if names.is_empty() {
            return;
        }
        let under = &names[step.under % names.len()].domain;
        let Some(item) = model.items.get(under) else {
            continue;
        };
        let license = item.license.as_of(instant(now)).unwrap();
        let fresh = format!("tenant-{number}.cybozu.com");
        let applied = apply(&step.operation, &license, &model.oracle, &fresh, now);
        let Some((license, oracle)) = applied.contract else {
            met.insert(format!("{}, refused", applied.what));
            continue;
        };
        met.insert(format!("{}, done", applied.what));
        model.oracle = oracle;
        model.serials.push(model.oracle.serial);
        model.write(&license, now);
        for name in &license.domains {
            let host = name.domain.as_str();
            if !model.domains.iter().any(|known| known == host) {
                model.domains.push(host.to_owned());
            }
        }
        assert_eq!(license.under(&domain(host)).domains, license.domains);
        model.check(met, now, applied.what);
    }
}

#[test]
fn a_licence_says_what_the_oracle_says_whatever_is_done_to_it() {
    let seeds = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/contract_model/seeds.txt"
    );
    let mut config = ProptestConfig {
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(seeds))),
        max_shrink_iters: 20_000,
        ..ProptestConfig::default()
    };
    // Far more than proptest's 256: one takes half a millisecond.
    config.cases *= 24;
    let met = RefCell::new(Met::new());
    // While a failure is shrunk, hundreds of lives panic; the last one's reason is in the result.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let found = TestRunner::new(config).run(&life(), |life| {
        live(&life, &mut met.borrow_mut());
        Ok(())
    });
    std::panic::set_hook(hook);
    if let Err(failure) = found {
        panic!("{failure}");
    }
    let met = met.into_inner();
    for what in [
        "cancel",
        "withdraw",
        "rebill",
        "convert",
        "suspend",
        "resume",
        "change",
        "add-domain",
        "move",
        "remove-domain",
        "keep-domain",
    ] {
        assert!(
            met.contains(&format!("{what}, done")),
            "{what} was never done: {met:?}"
        );
        assert!(
            met.contains(&format!("{what}, refused")),
            "{what} was never refused: {met:?}"
        );
    }
    for what in [
        "reissue, done",
        "renewed",
        "signed again",
        "released",
        "VALID, answered",
        "GRACE, answered",
        "EXPIRED, answered",
        "SUSPENDED, answered",
        "NOT_STARTED, answered",
        "NOT_FOUND, answered",
    ] {
        assert!(met.contains(what), "{what}: never met in {met:?}");
    }
}

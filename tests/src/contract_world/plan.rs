//! What happens on a day, worked out from the seed and the day alone: whatever came of the days
//! before, the same seed means the same events.

use fastrand::Rng;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::DAY;
use super::operation::{Operation, Order, operation, order};
use super::oracle::Second;
use crate::process::Death;

/// An event.
#[derive(Debug)]
pub(super) enum Event {
    /// A customer orders, if there is one for that, a domain that another contract has left.
    Order {
        order: Order,
        takes_over: bool,
        which: usize,
    },
    /// An operator changes a contract. Which, and under which of its domains, is counted round.
    Operator {
        contract: usize,
        under: usize,
        operation: Operation,
        death: Option<Death>,
    },
    Renewal(Run),
    /// Every domain is asked for.
    Sweep {
        /// What is chosen on the way.
        seed: u64,
    },
}

/// How the renewal runs on a day.
#[derive(Clone, Copy, Debug)]
pub(super) enum Run {
    /// Not at all, unless it has not run for too long.
    Late,
    /// It dies, and does not run again until the next day, unless it has not run for too long.
    Dies(Death),
    /// Twice at once.
    Twice,
    Once,
}

/// What there is to happen on a day.
pub(super) struct Amounts {
    pub(super) orders: usize,
    pub(super) contracts: usize,
    /// An operator changes a contract once in so many days.
    pub(super) days_between_changes: u32,
    /// One of so many operators' processes dies.
    pub(super) operators_for_a_death: u32,
}

/// The day's events, by the second.
pub(super) fn day(seed: u64, day: i64, amounts: &Amounts) -> Vec<(Second, Event)> {
    let mut random = Rng::with_seed(seed ^ (day as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    // The first numbers of similar seeds are similar.
    random.u64(..);
    let mut bytes = [0; 32];
    random.fill(&mut bytes);
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut generator = TestRunner::new_with_rng(Config::default(), rng);
    let mut events = Vec::new();
    for _ in 0..amounts.orders {
        events.push((
            random.i64(0..DAY),
            Event::Order {
                order: order().new_tree(&mut generator).unwrap().current(),
                takes_over: random.u8(0..4) == 0,
                which: random.usize(..),
            },
        ));
    }
    for _ in 0..amounts.contracts {
        if random.u32(0..amounts.days_between_changes) > 0 {
            continue;
        }
        let dies = random.u32(0..amounts.operators_for_a_death) == 0;
        events.push((
            random.i64(0..DAY),
            Event::Operator {
                contract: random.usize(..),
                under: random.usize(..),
                operation: operation().new_tree(&mut generator).unwrap().current(),
                death: dies.then(|| death(&mut random, 3)),
            },
        ));
    }
    // The keys, eight shards, and two for each contract that is due.
    let requests_of_a_run = 12 + u32::try_from(amounts.contracts / 4).unwrap();
    let run = match random.u8(0..20) {
        0..3 => Run::Late,
        3..6 => Run::Dies(death(&mut random, requests_of_a_run)),
        6..8 => Run::Twice,
        _ => Run::Once,
    };
    events.push((random.i64(0..DAY), Event::Renewal(run)));
    // Half of the sweeps meet an instant at which something changes for somebody.
    let sweep = match random.u8(0..8) {
        0 => 0,             // 09:00 in Tokyo
        1 => 15 * 3600,     // midnight in Tokyo
        2 => 15 * 3600 - 1, // a second before
        3 => DAY - 1,       // a second before 09:00
        _ => random.i64(0..DAY),
    };
    let sweeps = Event::Sweep {
        seed: random.u64(..),
    };
    events.push((sweep, sweeps));
    events.sort_by_key(|(second, _)| *second);
    events
}

fn death(random: &mut Rng, requests: u32) -> Death {
    Death {
        request: random.u32(0..requests),
        is_carried_out: random.bool(),
    }
}

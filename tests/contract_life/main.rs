//! The life of a thousand contracts over three years: operators order, change, move, cancel and
//! suspend at random; the renewal runs every day, or late, or twice at once, or is killed. At
//! every day every domain is asked for, and the answer has to be the oracle's.
//!
//! The real tables, the real SDK, the real renewal and lookup functions, real signatures.
//! `TEGATA_SIMULATION=<contracts>x<days>` makes it smaller or larger,
//! `TEGATA_SIMULATION_SEED=<number>` another one.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod oracle;
mod world;

use world::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_answer_is_the_oracles_whatever_happens_to_the_renewal() {
    let size = std::env::var("TEGATA_SIMULATION").unwrap_or_else(|_| "1000x1096".to_owned());
    let (contracts, days) = size.split_once('x').unwrap();
    let seed = std::env::var("TEGATA_SIMULATION_SEED").map_or(20_171_003, |s| s.parse().unwrap());
    let mut world = World::new(contracts.parse().unwrap(), seed).await;
    let days: i64 = days.parse().unwrap();
    for day in 0..days {
        world.live(day, days).await;
    }
    let counts = world.counts();
    println!("{counts:#?}");
    // What did not happen was not tested.
    assert!(counts.lookups > 0 && counts.leases_verified > 0 && counts.copies > 0);
    if days >= 1096 {
        for (what, count) in [
            ("crashed runs", counts.crashed_runs),
            ("double runs", counts.double_runs),
            ("late days", counts.late_days),
            ("renewed", counts.renewed),
            ("resigned", counts.resigned),
            ("released", counts.released),
            ("crashed operators", counts.crashed_operators),
            ("moves", counts.actions["move"]),
            ("quarantined", counts.quarantined),
            ("names taken over", counts.taken_over),
        ] {
            assert!(count > 0, "no {what} in this simulation");
        }
        for code in [
            "VALID",
            "GRACE",
            "EXPIRED",
            "SUSPENDED",
            "NOT_STARTED",
            "NOT_FOUND",
        ] {
            assert!(counts.codes[code] > 0, "no {code}");
        }
    }
}

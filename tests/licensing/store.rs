//! The store test of contracts: what operators do to two dozen contracts, through the real tables
//! and the renewal function, while processes die at any of their requests; every answer on the
//! days on which something changes has to be the oracle's.
//!
//! The seed is printed. `TEGATA_SEED=<number>` lives the same life again: the same orders and
//! operations, at the same seconds, with the same deaths. The program `simulation` does the same
//! for a thousand contracts on every day.

use tegata_tests::contract_world::{Options, World};

#[tokio::test]
async fn every_answer_is_the_oracles_whatever_dies() {
    let seed = match std::env::var("TEGATA_SEED") {
        Ok(seed) => seed.parse().unwrap(),
        Err(_) => 20_171_003,
    };
    println!("seed {seed}: TEGATA_SEED={seed} repeats it");
    let options = Options {
        contracts: 24,
        days: 500,
        seed,
        only_event_days: true,
        days_between_changes: 15,
        operators_for_a_death: 4,
    };
    let (days, deaths) = (options.days, options.operators_for_a_death);
    let mut world = World::new(options).await;
    for day in 0..days {
        world.live(day).await;
    }
    println!("{:#?}", world.counts());
    let coverage = world.counts().coverage(deaths);
    println!("{coverage:#?}");
    assert!(
        coverage.missing.is_empty(),
        "not met: {:?}",
        coverage.missing
    );
}

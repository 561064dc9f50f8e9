//! The storage test of contracts: operators change two dozen contracts through the real tables and
//! the renewal function, while processes are killed at any request. On each day on which something
//! changes, every answer must be that of the oracle.
//!
//! The seed is printed. `TEGATA_SEED=<number>` repeats a run: the same orders and operations at the
//! same instants, with the same crashes. The program `simulation` does the same for a thousand
//! contracts on every day.

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

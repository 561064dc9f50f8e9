//! The program that simulates contracts: `cargo test --workspace --test simulation -- --help`.
//!
//! A target of `cargo test`, so that it is built with the profile and the features of the tests,
//! and no dependency is built twice; but not one of the tests that always run.
#![allow(clippy::unwrap_used, missing_docs)]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use tegata_tests::contract_world::{Options, World};

/// Simulates the contracts of a vendor, and compares every answer with an oracle.
///
/// Operators order, change, move, cancel, suspend at random instants. The renewal runs every day,
/// or late, or twice at once, or dies at any of its requests, as the operators' processes do. Once
/// a day every domain is asked for, half of the time at an instant at which something changes. The
/// tables, the SDK, the functions and the signatures are the real ones.
///
/// Exit code: 0 if every answer was right and everything was met that has to be met at this size;
/// 1 if not; 2 for wrong arguments.
#[derive(Parser)]
#[command(
    name = "simulation",
    bin_name = "simulation",
    after_help = "Examples, each after `cargo test --workspace --test simulation --`:
  --contracts 50 --days 200              a quick look, with a fresh seed
  --seed 4711 --contracts 50 --days 200  the same life again
  --contracts 1000 --minutes 60          as much as an hour allows

The seed decides the orders, operations, instants and deaths of each day, whatever came of the days
before. A failure prints the command that repeats it. A shorter life with few contracts that fails
too is easier to read: try fewer contracts, or the model test, which shrinks what it finds:
  cargo test -p tegata-common --test contract_model"
)]
struct Arguments {
    /// Decides what happens [default: a fresh one, printed]
    #[arg(long)]
    seed: Option<u64>,
    /// How many orders come, over the first four fifths of the time
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    contracts: u32,
    /// Days that are simulated, from 2023-02-01 on
    #[arg(long, default_value_t = 1096, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    days: u32,
    /// Stop after the day on which so many minutes are over; what was met is then demanded by what
    /// was simulated
    #[arg(long)]
    minutes: Option<f64>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let seed = arguments.seed.unwrap_or_else(|| fastrand::u64(..));
    let (contracts, days) = (arguments.contracts, arguments.days);
    let repeat = format!("--seed {seed} --contracts {contracts} --days {days}");
    println!("seed {seed}: {contracts} contracts, {days} days");
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let simulation = runtime.spawn(simulate(arguments, seed));
    let failure = match runtime.block_on(simulation) {
        Ok(Ok(())) => return ExitCode::SUCCESS,
        Ok(Err(missing)) => format!("not met at this size: {}", missing.join("; ")),
        // The panic has said why.
        Err(_) => "an answer was wrong".to_owned(),
    };
    eprintln!("simulation: {failure}\nagain: cargo test --workspace --test simulation -- {repeat}");
    ExitCode::FAILURE
}

async fn simulate(arguments: Arguments, seed: u64) -> Result<(), Vec<String>> {
    let started = Instant::now();
    let limit = arguments
        .minutes
        .map(|minutes| Duration::from_secs_f64(minutes * 60.0));
    let options = Options {
        contracts: arguments.contracts as usize,
        days: arguments.days.into(),
        seed,
        only_event_days: false,
        days_between_changes: 90,
        operators_for_a_death: 20,
    };
    let (days, deaths) = (options.days, options.operators_for_a_death);
    let mut world = World::new(options).await;
    let mut told = started;
    for day in 0..days {
        world.live(day).await;
        if limit.is_some_and(|limit| started.elapsed() >= limit) {
            println!("the time is up after {} of {days} days", day + 1);
            break;
        }
        if told.elapsed() >= Duration::from_secs(10) {
            told = Instant::now();
            let counts = world.counts();
            println!(
                "{:4.0} s: day {} of {days}, {} contracts, {} answers",
                started.elapsed().as_secs_f64(),
                day + 1,
                counts.orders,
                counts.lookups,
            );
        }
    }
    let counts = world.counts();
    let coverage = counts.coverage(deaths);
    println!("{counts:#?}");
    if !coverage.out_of_reach.is_empty() {
        println!(
            "not met, and out of reach at this size: {}",
            coverage.out_of_reach.join("; ")
        );
    }
    println!(
        "{} answers in {:.0} s",
        counts.lookups,
        started.elapsed().as_secs_f64()
    );
    match coverage.missing.is_empty() {
        true => Ok(()),
        false => Err(coverage.missing),
    }
}

//! The program that simulates the month of an announcement:
//! `cargo test --workspace --test announcement -- --help`.
//!
//! A target of `cargo test`, so that it is built with the profile and the features of the tests.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

#[path = "mod.rs"]
mod announcement;
#[path = "../notices/cloud.rs"]
#[allow(dead_code, reason = "the tests of notices use the rest")]
mod cloud;

use std::process::ExitCode;
use std::time::Instant;

use announcement::{Options, simulate};
use clap::Parser;

/// Simulates the month in which a release is announced, and compares who was told with an oracle.
///
/// Customers order, cancel, are suspended and resumed, get contacts and correct them, at random
/// instants. The functions run at random instants, and die at any of their calls. Messages and events
/// come twice and late. Mailboxes are missing, full, or complain.
///
/// Exit code: 0 if at the planned instant everyone to whom the promise is made was told or is listed,
/// and nobody was told twice; 1 if not; 2 for wrong arguments.
#[derive(Parser)]
#[command(name = "announcement", bin_name = "announcement")]
struct Arguments {
    /// Decides what happens [default: a fresh one, printed]
    #[arg(long)]
    seed: Option<u64>,
    /// How many contracts there are in the end
    #[arg(long, default_value_t = 1000)]
    contracts: usize,
    /// How often the functions run in the month
    #[arg(long, default_value_t = 60)]
    runs: usize,
}

fn main() -> ExitCode {
    let Arguments {
        seed,
        contracts,
        runs,
    } = Arguments::parse();
    let seed = seed.unwrap_or_else(|| fastrand::u64(..));
    println!("seed {seed}: {contracts} contracts, {runs} runs");
    let started = Instant::now();
    let options = Options {
        seed,
        contracts,
        runs,
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let simulation = runtime.spawn(async move { simulate(options).await });
    let failure = match runtime.block_on(simulation) {
        Ok(Ok(counts)) => {
            println!("{counts:#?}");
            println!("{:.0} s", started.elapsed().as_secs_f64());
            return ExitCode::SUCCESS;
        }
        Ok(Err(failure)) => failure,
        // The panic has said why.
        Err(_) => "the simulation failed".to_owned(),
    };
    let repeat = format!("--seed {seed} --contracts {contracts} --runs {runs}");
    eprintln!(
        "announcement: {failure}\nagain: cargo test --workspace --test announcement -- {repeat}"
    );
    ExitCode::FAILURE
}

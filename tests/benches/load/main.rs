//! `license-lookup` under load: a day's worth of answers in minutes, ten times that, a database that is
//! slow, silent or broken and comes back, and a storm of strangers.
//!
//! The functions are the processes that they are on Lambda, each for one request at a time, started when
//! none is free, up to a limit; above it the gateway answers 503, as it does when Lambda has no capacity.
//! Requests come when they are due, whether or not earlier ones were answered, and a latency counts from
//! then. Every answer is compared with the tenant's licence, and of every tenth the lease is verified.
//! What functions and gateway log is archived by `access-log`'s handler; at the end the roll-up of the
//! archive has to have every request, with its code.
//!
//! `cargo bench -p tegata-tests --bench load [-- --short]`
//!
//! Needs cargo-lambda. `-- --binaries DIR` takes DIR/license-lookup/bootstrap instead of building it, and
//! `--concurrency N` is the limit (400). Exits with 1 after a wrong answer or a lost record.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)] // A benchmark that cannot run should say where.

mod archive;
mod functions;
mod phase;
mod tenants;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tegata_tests::lambda::dynamodb::{self, Answers, Condition};
use tegata_tests::{Database, SigningKey, lambda, ratio};

use archive::Recorder;
use functions::Functions;
use phase::{Figures, Load, Phase};
use tenants::Tenants;

const FULL: [Phase; 9] = [
    phase("steady", 600, 500, 2, Condition::Up),
    phase("ten times that", 60, 5000, 2, Condition::Up),
    phase("steady again", 30, 500, 2, Condition::Up),
    phase("the database takes 300 ms", 60, 500, 2, SLOW),
    phase("the database is silent", 30, 500, 2, Condition::Silent),
    phase("it is back", 30, 500, 2, Condition::Up),
    phase("it closes connections", 30, 500, 2, Condition::Broken),
    phase("it is back", 30, 500, 2, Condition::Up),
    phase("a storm of strangers", 60, 1000, 90, Condition::Up),
];

const SHORT: [Phase; 7] = [
    phase("steady", 4, 40, 10, Condition::Up),
    phase("the database takes 300 ms", 3, 40, 10, SLOW),
    phase("the database is silent", 3, 20, 10, Condition::Silent),
    phase("it is back", 3, 40, 10, Condition::Up),
    phase("it closes connections", 3, 20, 10, Condition::Broken),
    phase("it is back", 3, 40, 10, Condition::Up),
    phase("a storm of strangers", 3, 80, 90, Condition::Up),
];

const fn phase(
    name: &'static str,
    seconds: u32,
    rate: u32,
    strangers: u8,
    database: Condition,
) -> Phase {
    Phase {
        name,
        seconds,
        rate,
        strangers,
        database,
    }
}

const SLOW: Condition = Condition::Slow(Duration::from_millis(300));

#[tokio::main]
async fn main() -> ExitCode {
    let (phases, tenants): (&[Phase], _) = match ratio::is_short() {
        true => (&SHORT, 100),
        false => (&FULL, 2000),
    };
    let limit = option("--concurrency").map_or(400, |limit| limit.parse().expect("a number"));
    let binaries = option("--binaries").map_or_else(lambda::build, PathBuf::from);

    let database = Database::start().await;
    let key = SigningKey::create();
    let tenants = Tenants::sign_up(&database, &key, tenants).await;
    let answers = Answers::recorded(&database, &tenants.keys()).await;
    let endpoint = dynamodb::start(answers).await;
    let (recorder, recording) = Recorder::start(database.usage.clone());
    let binary = binaries.join("license-lookup/bootstrap");
    let functions = Functions::new(binary, &endpoint.variables, limit, recorder.clone());
    let seed = fastrand::u64(..);
    println!(
        "{} tenants, at most {limit} functions at once, seed {seed}\n",
        tenants.number()
    );
    let load = Arc::new(Load::new(tenants, functions, recorder));

    let mut random = fastrand::Rng::with_seed(seed);
    let mut all = Figures::default();
    let mut answers = true;
    Figures::print_head();
    for phase in phases {
        endpoint.condition.send_replace(phase.database);
        let figures = load.run(phase, &mut random).await;
        figures.print(phase, &load.functions);
        let is_usual = phase.database == Condition::Up && phase.rate <= 2 * phases[0].rate;
        answers &= !is_usual || figures.is_mostly_answered();
        all.add(figures);
    }
    let unexpected = all.print_wrong();
    drop(load);
    let archived = recording.await.unwrap().compare(&all).await;
    if !answers {
        println!("with a database that is well, most requests were not answered");
    }
    match unexpected == 0 && archived && answers {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

fn option(name: &str) -> Option<String> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1)
}

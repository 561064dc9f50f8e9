//! What a cold start and a warm request of `license-lookup` cost, beside a floor that has the
//! Lambda runtime and nothing else.
//!
//! Both run as the processes they are on Lambda: started by this program, fed by a Runtime API
//! server, and `license-lookup` reading from a DynamoDB endpoint behind TLS. Printed are medians.
//!
//! `cargo bench -p tegata-tests --bench cold_start [-- --runs N]`
//!
//! Needs cargo-lambda. `-- --binaries DIR` measures DIR/floor/bootstrap and DIR/license-lookup/bootstrap
//! instead of building them.
//! With `-- --only PROGRAM [--warm N]` it runs one process of `PROGRAM` instead, which may be any
//! command line, and prints nothing: for a profiler, such as
//! `--only "valgrind --tool=callgrind target/cold_start/license-lookup/bootstrap"`.
#![allow(clippy::unwrap_used, clippy::expect_used)] // A benchmark that cannot run should say where.

mod dynamodb;
mod process;
mod runtime_api;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use process::{CpuShare, Program};
use runtime_api::RuntimeApi;

/// Warm requests of which the mean is taken.
const WARM_REQUESTS: u32 = 1000;

/// Lambda gives a function its memory's share of a core; 1769 MB is a whole one.
const MEMORY_SIZES: [u32; 4] = [128, 256, 512, 1769];

/// What one process cost.
struct Sample {
    first_cpu: f64,
    warm_cpu: f64,
    peak_rss_mb: f64,
}

/// How long one process took with a share of a core.
struct Wall {
    init: f64,
    first: f64,
}

#[tokio::main]
async fn main() {
    let runs = option("--runs").map_or(15, |runs| runs.parse().expect("--runs takes a number"));
    let database = dynamodb::start().await;
    let event = include_str!("../../../events/get-license.json");
    if let Some(command) = option("--only") {
        let warm = option("--warm").map_or(0, |warm| warm.parse().expect("--warm takes a number"));
        return profile(&command, &database.variables, event, warm).await;
    }
    let binaries = option("--binaries").map_or_else(build, PathBuf::from);
    let programs = [
        Program::new("floor", binaries.join("floor/bootstrap"), &[]),
        Program::new(
            "license-lookup",
            binaries.join("license-lookup/bootstrap"),
            &database.variables,
        ),
    ];
    println!("{runs} runs each, in turn; {WARM_REQUESTS} warm requests a run; medians\n");

    let mut samples: [Vec<Sample>; 2] = [Vec::new(), Vec::new()];
    for run in 0..=runs {
        for (program, samples) in programs.iter().zip(&mut samples) {
            let sample = sample(program, event).await;
            if run > 0 {
                samples.push(sample); // The run before the first warms the page cache.
            }
        }
    }
    let row = |name: &str, value: fn(&Sample) -> f64, digits: usize| {
        let [floor, lookup] =
            [&samples[0], &samples[1]].map(|samples| median(samples.iter().map(value).collect()));
        print_row(name, floor, lookup, digits);
    };
    println!(
        "{:34}{:>10}{:>16}{:>8}",
        "", "floor", "license-lookup", "ratio"
    );
    row("CPU to first answer, ms", |sample| sample.first_cpu, 2);
    row("CPU per warm request, ms", |sample| sample.warm_cpu, 3);
    row("peak RSS, MB", |sample| sample.peak_rss_mb, 2);
    let [floor, lookup] = [&programs[0], &programs[1]].map(|program| size_mb(&program.path));
    print_row("binary, MB", floor.0, lookup.0, 2);
    print_row("zip, MB", floor.1, lookup.1, 2);

    for memory in MEMORY_SIZES {
        let share = match CpuShare::of_memory(memory) {
            Ok(share) => share,
            Err(reason) => {
                println!("\nno wall times at a share of a core: {reason}");
                break;
            }
        };
        let mut walls: [Vec<Wall>; 2] = [Vec::new(), Vec::new()];
        for _ in 0..runs {
            for (program, walls) in programs.iter().zip(&mut walls) {
                walls.push(wall(program, event, &share).await);
            }
        }
        println!();
        let row = |name: &str, value: fn(&Wall) -> f64| {
            let [floor, lookup] =
                [&walls[0], &walls[1]].map(|walls| median(walls.iter().map(value).collect()));
            print_row(&format!("{name} at {memory} MB, ms"), floor, lookup, 1);
        };
        row("init", |wall| wall.init);
        row("first request", |wall| wall.first);
        row("both", |wall| wall.init + wall.first);
    }
}

fn option(name: &str) -> Option<String> {
    std::env::args()
        .skip_while(|argument| argument != name)
        .nth(1)
}

/// One process of a command line: its init, a first request, and some warm ones.
async fn profile(command: &str, variables: &[(String, String)], event: &str, warm: u32) {
    let mut words = command.split_whitespace();
    let program = PathBuf::from(words.next().expect("--only takes a command"));
    let program = Program::new("profile", program, variables).with_arguments(words);
    let mut api = RuntimeApi::start(event).await;
    let process = program.start(&api.address, None);
    api.ready().await;
    for _ in 0..=warm {
        api.invoke().await;
    }
    process.terminate();
}

/// Builds both programs with cargo-lambda: the function as it is deployed (scripts/lambda/build.mk),
/// the floor as cargo-lambda builds by default. Each package alone, so that no other crate's features
/// leak in.
fn build() -> PathBuf {
    let target = std::env::current_exe().unwrap();
    let target = target.ancestors().nth(3).unwrap().to_owned();
    let built = target.join("cold_start");
    let lambda = |arguments: &[&str], to: &Path, flags: &str| {
        let status = Command::new(env!("CARGO"))
            .args(["lambda", "build", "--release", "--locked"])
            .args(["--package", "license-lookup"])
            .args(arguments)
            .arg("--lambda-dir")
            .arg(to)
            .env("CARGO_TARGET_DIR", &target)
            .env("RUSTFLAGS", flags)
            .status();
        assert!(
            status.expect("cargo runs").success(),
            "cargo lambda build failed: pip install cargo-lambda"
        );
    };
    let musl = format!("{}-unknown-linux-musl", std::env::consts::ARCH);
    let function = ["--bin", "license-lookup", "--target", &musl];
    lambda(&function, &built, "-C relocation-model=static");
    lambda(&["--example", "floor"], &built, "");
    built
}

async fn sample(program: &Program, event: &str) -> Sample {
    let mut api = RuntimeApi::start(event).await;
    let process = program.start(&api.address, None);
    api.ready().await;
    api.invoke().await;
    let first_cpu = process.cpu_ms();
    for _ in 0..10 {
        api.invoke().await;
    }
    let before = process.cpu_ms();
    for _ in 0..WARM_REQUESTS {
        api.invoke().await;
    }
    let warm_cpu = (process.cpu_ms() - before) / f64::from(WARM_REQUESTS);
    Sample {
        first_cpu,
        warm_cpu,
        peak_rss_mb: process.peak_rss_mb(),
    }
}

async fn wall(program: &Program, event: &str, share: &CpuShare) -> Wall {
    let mut api = RuntimeApi::start(event).await;
    let process = program.start(&api.address, Some(share));
    let init = api.ready().await.duration_since(process.started);
    // A sandbox's quota is fresh when its first request comes.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let first = api.invoke().await;
    Wall {
        init: init.as_secs_f64() * 1e3,
        first: first.as_secs_f64() * 1e3,
    }
}

/// The binary's size, and that of a zip with it alone.
fn size_mb(path: &Path) -> (f64, f64) {
    let binary = std::fs::read(path).unwrap();
    let mut deflated = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut deflated, &binary).unwrap();
    let zip = deflated.finish().unwrap().len();
    #[allow(clippy::cast_precision_loss)]
    let mb = |bytes: usize| bytes as f64 / 1e6;
    (mb(binary.len()), mb(zip))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn print_row(name: &str, floor: f64, lookup: f64, digits: usize) {
    let ratio = lookup / floor;
    println!("{name:34}{floor:>10.digits$}{lookup:>16.digits$}{ratio:>8.2}");
}

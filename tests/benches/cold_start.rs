//! What a cold start and a warm request of `license-lookup` cost, beside a floor that has the
//! Lambda runtime and nothing else.
//!
//! Both run as the processes they are on Lambda: started by this program, fed by a Runtime API
//! server, and `license-lookup` reading from a DynamoDB endpoint behind TLS. Printed are medians.
//!
//! `cargo bench -p tegata-tests --bench cold_start [-- [--short] [--runs N] [--sdk-defaults]
//! [--official-sample DIR]]`
//!
//! Peers are the same function with the SDK's defaults (peers/sdk_defaults), and Cybozu's official sample:
//! DIR is the folder LambdaFunction of a checkout of github.com/kintone-samples/kintone-plugin-license,
//! with its bundle built. `--node FILE` names another Node.js than /usr/bin/node.
//!
//! Needs cargo-lambda. `-- --binaries DIR` measures DIR/floor/bootstrap, DIR/license-lookup/bootstrap
//! and DIR/sdk-defaults/bootstrap instead of building them.
//! With `-- --only PROGRAM [--warm N]` it runs one process of `PROGRAM` instead, which may be any
//! command line, and prints nothing: for a profiler, such as
//! `--only "valgrind --tool=callgrind target/cold_start/license-lookup/bootstrap"`.
#![allow(clippy::unwrap_used, clippy::expect_used)] // A benchmark that cannot run should say where.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tegata_storage::Key;
use tegata_tests::lambda;
use tegata_tests::lambda::dynamodb::{self, Answers};
use tegata_tests::lambda::process::{CpuShare, Program};
use tegata_tests::lambda::runtime_api::RuntimeApi;
use tegata_tests::{Database, SigningKey, license, product, put, ratio};

/// The number of warm requests per run; the result is their mean.
const WARM_REQUESTS: u32 = 1000;

const EVENT: &str = include_str!("../../events/get-license.json");

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

/// What runs: a program, with the event that it gets.
struct Peer {
    program: Program,
    event: &'static str,
    /// What is deployed: a binary or a bundle.
    package: PathBuf,
}

#[tokio::main]
async fn main() {
    let runs = if ratio::is_short() { 2 } else { 15 };
    let runs = option("--runs").map_or(runs, |runs| runs.parse().expect("--runs takes a number"));
    let database = database().await;
    if let Some(command) = option("--only") {
        let warm = option("--warm").map_or(0, |warm| warm.parse().expect("--warm takes a number"));
        return profile(&command, &database.variables, warm).await;
    }
    let peers = peers(&database);
    println!(
        "{runs} runs each, in turn; {WARM_REQUESTS} warm requests a run; medians, and times the floor\n"
    );

    let mut samples: Vec<Vec<Sample>> = peers.iter().map(|_| Vec::new()).collect();
    for run in 0..=runs {
        for (peer, samples) in peers.iter().zip(&mut samples) {
            let sample = sample(peer).await;
            if run > 0 {
                samples.push(sample); // The run before the first warms the page cache.
            }
        }
    }
    let row = |name: &str, value: fn(&Sample) -> f64, digits: usize| {
        let medians: Vec<_> = samples
            .iter()
            .map(|of| median(of.iter().map(value)))
            .collect();
        print_row(name, medians.iter().copied(), digits);
        ratio::compare(&format!("lookup: {name}"), medians[1] / medians[0]);
    };
    print!("{:34}", "");
    for peer in &peers {
        print!("{:>19}", peer.program.name);
    }
    println!();
    row("CPU to first answer, ms", |sample| sample.first_cpu, 2);
    row("CPU per warm request, ms", |sample| sample.warm_cpu, 3);
    row("peak RSS, MB", |sample| sample.peak_rss_mb, 2);
    let sizes: Vec<_> = peers.iter().map(|peer| size_mb(&peer.package)).collect();
    print_row("binary or bundle, MB", sizes.iter().map(|size| size.0), 2);
    print_row("zip, MB", sizes.iter().map(|size| size.1), 2);

    if ratio::is_short() {
        return;
    }
    for memory in MEMORY_SIZES {
        let share = match CpuShare::of_memory(memory) {
            Ok(share) => share,
            Err(reason) => {
                println!("\nno wall times at a share of a core: {reason}");
                break;
            }
        };
        let mut walls: Vec<Vec<Wall>> = peers.iter().map(|_| Vec::new()).collect();
        for _ in 0..runs {
            for (peer, walls) in peers.iter().zip(&mut walls) {
                walls.push(wall(peer, &share).await);
            }
        }
        println!();
        let row = |name: &str, value: fn(&Wall) -> f64| {
            let medians = walls.iter().map(|of| median(of.iter().map(value)));
            print_row(&format!("{name} at {memory} MB, ms"), medians, 1);
        };
        row("init", |wall| wall.init);
        row("first request", |wall| wall.first);
        row("both", |wall| wall.init + wall.first);
    }
}

/// The floor, the function, and the peers that the command line asks for.
fn peers(database: &dynamodb::Endpoint) -> Vec<Peer> {
    let built = option("--binaries").map(PathBuf::from);
    let binaries = built.clone().unwrap_or_else(lambda::build);
    let rust = |name, package: PathBuf, variables: &[(String, String)]| Peer {
        program: Program::new(name, package.clone(), variables),
        event: EVENT,
        package,
    };
    let mut peers = vec![
        rust("floor", binaries.join("floor/bootstrap"), &[]),
        rust(
            "license-lookup",
            binaries.join("license-lookup/bootstrap"),
            &database.variables,
        ),
    ];
    if std::env::args().any(|argument| argument == "--sdk-defaults") {
        let binary = match built {
            Some(built) => built.join("sdk-defaults/bootstrap"),
            None => lambda::build_sdk_defaults(),
        };
        // It reads the system's certificates, and these.
        let mut variables = database.variables.clone();
        variables.push(("SSL_CERT_FILE".to_owned(), database.all_roots()));
        peers.push(rust("SDK defaults", binary, &variables));
    }
    if let Some(sample) = option("--official-sample") {
        let bundle = Path::new(&sample).join("dist/index.js");
        assert!(
            bundle.exists(),
            "{}: run `npm ci && node build.js` in {sample}",
            bundle.display()
        );
        // Its zip has the bundle alone, which therefore is CommonJS.
        let directory = binaries.join("official-sample");
        std::fs::create_dir_all(&directory).expect("a directory for the bundle");
        let alone = directory.join("index.cjs");
        std::fs::copy(&bundle, &alone).expect("the bundle can be copied");
        let runner = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/peers/node.cjs");
        let mut variables = database.variables.clone();
        variables.push(("NODE_NO_WARNINGS".to_owned(), "1".to_owned()));
        variables.push(("LICENSE_TABLE_NAME".to_owned(), "Licenses".to_owned()));
        variables.push(("NODE_EXTRA_CA_CERTS".to_owned(), database.root()));
        let node = option("--node").unwrap_or_else(|| "/usr/bin/node".to_owned());
        let program = Program::new("official sample", PathBuf::from(node), &variables);
        let arguments = [runner, alone.to_str().expect("a path in UTF-8")];
        peers.push(Peer {
            program: program.with_arguments(arguments.into_iter()),
            event: include_str!("../../events/post-license.json"),
            package: bundle,
        });
    }
    peers
}

fn option(name: &str) -> Option<String> {
    std::env::args()
        .skip_while(|argument| argument != name)
        .nth(1)
}

/// One process of a command line: its init, a first request, and some warm ones.
async fn profile(command: &str, variables: &[(String, String)], warm: u32) {
    let mut words = command.split_whitespace();
    let program = PathBuf::from(words.next().expect("--only takes a command"));
    let program = Program::new("profile", program, variables).with_arguments(words);
    let mut api = RuntimeApi::start().await;
    let process = program.start(&api.address, None);
    api.ready().await;
    for _ in 0..=warm {
        invoke(&mut api, EVENT).await;
    }
    process.terminate();
}

/// The endpoint with the licence that the sample event asks for, and the official sample's.
async fn database() -> dynamodb::Endpoint {
    let database = Database::start().await;
    let key = SigningKey::create();
    let license = license("example.cybozu.com", &product(), "2026-10-03T01:00:00Z");
    let license = put(&database.licenses, &key, license).await.license;
    let key = Key::license(&license.domain, &license.product);
    let mut answers = Answers::recorded(&database, &[key]).await;
    let domain = json!({ "S": "example.cybozu.com" });
    let id = json!({ "S": "abcdefghijklmnopabcdefghijklmnop" });
    let last_day = json!({ "S": "2099-10-31" });
    answers.add(
        &json!({ "domain": domain, "pluginId": id }),
        &json!({ "domain": domain, "pluginId": id, "expirationDate": last_day }),
    );
    dynamodb::start(answers).await
}

/// One request, and the time until its answer.
async fn invoke(api: &mut RuntimeApi, event: &str) -> Duration {
    let started = Instant::now();
    let answered = api.invoke(event.to_owned()).await;
    let body: Value = serde_json::from_slice(&answered.body.unwrap()).unwrap();
    assert_eq!(body["statusCode"], 200, "{body}");
    answered.at.duration_since(started)
}

async fn sample(peer: &Peer) -> Sample {
    let event = peer.event;
    let mut api = RuntimeApi::start().await;
    let process = peer.program.start(&api.address, None);
    api.ready().await;
    invoke(&mut api, event).await;
    let first_cpu = process.cpu_ms();
    for _ in 0..10 {
        invoke(&mut api, event).await;
    }
    let before = process.cpu_ms();
    for _ in 0..WARM_REQUESTS {
        invoke(&mut api, event).await;
    }
    let warm_cpu = (process.cpu_ms() - before) / f64::from(WARM_REQUESTS);
    Sample {
        first_cpu,
        warm_cpu,
        peak_rss_mb: process.peak_rss_mb(),
    }
}

async fn wall(peer: &Peer, share: &CpuShare) -> Wall {
    let mut api = RuntimeApi::start().await;
    let process = peer.program.start(&api.address, Some(share));
    let init = api.ready().await.duration_since(process.started);
    // A sandbox's quota is fresh when its first request comes.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let first = invoke(&mut api, peer.event).await;
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

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn print_row(name: &str, values: impl Iterator<Item = f64>, digits: usize) {
    let values: Vec<f64> = values.collect();
    print!("{name:34}");
    for value in &values {
        print!("{value:>11.digits$}{:>8.2}", value / values[0]);
    }
    println!();
}

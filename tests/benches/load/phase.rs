//! One phase: requests at a rate, and how they were answered.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::Value;
use tegata_tests::lambda::dynamodb::Condition;
use tegata_tests::log_lines::gateway_line;
use tokio::task::JoinSet;

use crate::archive::{LogGroup, Recorder};
use crate::functions::{Functions, NoAnswer};
use crate::tenants::{Request, Tenants};

/// Of how many answers one lease is verified.
const VERIFIED: u64 = 10;

/// The function's answer while the database is in trouble.
const UNAVAILABLE: (u16, &str) = (503, "UNAVAILABLE");

/// The code of a request that the gateway answers because Lambda has no capacity.
const NO_ROOM: &str = "GATEWAY_ERROR";

pub(crate) struct Phase {
    pub(crate) name: &'static str,
    pub(crate) seconds: u32,
    /// Requests a second.
    pub(crate) rate: u32,
    /// Requests of strangers in a hundred.
    pub(crate) strangers: u8,
    pub(crate) database: Condition,
}

pub(crate) struct Load {
    tenants: Tenants,
    pub(crate) functions: Functions,
    recorder: Recorder,
    requests: AtomicU64,
}

/// How a request was answered.
struct Outcome {
    status: u16,
    code: String,
    latency: Duration,
    wrong: Option<String>,
}

/// How the requests of a phase were answered.
#[derive(Default)]
pub(crate) struct Figures {
    statuses: BTreeMap<u16, u64>,
    pub(crate) codes: BTreeMap<String, u64>,
    latencies: Vec<Duration>,
    wrong: BTreeMap<String, u64>,
}

impl Load {
    pub(crate) fn new(tenants: Tenants, functions: Functions, recorder: Recorder) -> Self {
        Self {
            tenants,
            functions,
            recorder,
            requests: AtomicU64::new(0),
        }
    }

    pub(crate) async fn run(
        self: &Arc<Self>,
        phase: &Phase,
        random: &mut fastrand::Rng,
    ) -> Figures {
        let &Phase {
            seconds,
            rate,
            strangers,
            ..
        } = phase;
        let mut figures = Figures::default();
        let mut asked = JoinSet::new();
        let start = Instant::now();
        let end = start + Duration::from_secs(seconds.into());
        let mut due = start;
        loop {
            // Arrivals that do not know of each other.
            due += Duration::from_secs_f64(-(1.0 - random.f64()).ln() / f64::from(rate));
            if due >= end {
                break;
            }
            tokio::time::sleep_until(due.into()).await;
            let number = self.requests.fetch_add(1, Ordering::Relaxed);
            let request = self.tenants.request(number, strangers, random);
            let load = Arc::clone(self);
            let verifies = number.is_multiple_of(VERIFIED);
            asked.spawn(async move { load.ask(&request, due, verifies).await });
            while let Some(outcome) = asked.try_join_next() {
                figures.note(outcome.unwrap());
            }
        }
        while let Some(outcome) = asked.join_next().await {
            figures.note(outcome.unwrap());
        }
        figures
    }

    /// What the gateway does with a request.
    async fn ask(&self, request: &Request, due: Instant, verifies: bool) -> Outcome {
        let arrived = Timestamp::now();
        let answered = self.functions.invoke(request.event.clone()).await;
        let ended = answered
            .as_ref()
            .map_or_else(|_| Instant::now(), |(at, _)| *at);
        let latency = ended - due;
        let (status, code, integration, wrong) = match answered {
            Ok((_, answer)) => {
                let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
                let status = answer["statusCode"].as_u64().unwrap_or_default();
                let status = u16::try_from(status).unwrap_or_default();
                let body = answer["body"].as_str().unwrap_or_default();
                let body: Value = serde_json::from_str(body).unwrap_or_default();
                let code = body["code"].as_str().unwrap_or_default().to_owned();
                // That the licence cannot be read is never wrong, but not an answer either.
                let wrong = match (status, &*code) == UNAVAILABLE {
                    true => None,
                    false => self.tenants.wrong(request, status, &body, verifies),
                };
                (status, code, "200", wrong)
            }
            // How API Gateway answers when Lambda throttles or fails.
            Err(NoAnswer::Throttled) => (503, NO_ROOM.to_owned(), "429", None),
            Err(NoAnswer::Failed(why)) => (500, "UNRECORDED".to_owned(), "200", Some(why)),
        };
        let line = gateway_line(
            &request.id,
            arrived,
            status,
            latency.as_millis(),
            integration,
        );
        self.recorder.record(LogGroup::Gateway, line);
        Outcome {
            status,
            code,
            latency,
            wrong,
        }
    }
}

impl Figures {
    fn note(&mut self, outcome: Outcome) {
        *self.statuses.entry(outcome.status).or_default() += 1;
        *self.codes.entry(outcome.code).or_default() += 1;
        self.latencies.push(outcome.latency);
        if let Some(wrong) = outcome.wrong {
            *self.wrong.entry(wrong).or_default() += 1;
        }
    }

    pub(crate) fn add(&mut self, other: Self) {
        let add = |sums: &mut BTreeMap<String, u64>, more: BTreeMap<String, u64>| {
            for (name, number) in more {
                *sums.entry(name).or_default() += number;
            }
        };
        add(&mut self.codes, other.codes);
        add(&mut self.wrong, other.wrong);
    }

    pub(crate) fn requests(&self) -> u64 {
        self.codes.values().sum()
    }

    /// Whether at least half of the requests have an answer about the licence.
    pub(crate) fn is_mostly_answered(&self) -> bool {
        let answered = [200, 400, 403, 404].map(|status| self.status(status));
        answered.iter().sum::<u64>() * 2 >= self.requests()
    }

    fn status(&self, status: u16) -> u64 {
        self.statuses.get(&status).copied().unwrap_or_default()
    }

    fn code(&self, code: &str) -> u64 {
        self.codes.get(code).copied().unwrap_or_default()
    }

    pub(crate) fn print_head() {
        println!(
            "{:26}{:>8}{:>10}{:>9}{:>7}{:>7}{:>7}{:>13}{:>9}{:>7}{:>8}{:>8}{:>8}{:>11}{:>10}{:>6}",
            "",
            "asked/s",
            "requests",
            "200",
            "400",
            "403",
            "404",
            "unavailable",
            "no room",
            "wrong",
            "p50 ms",
            "p99",
            "p99.9",
            "functions",
            "MB, mean",
            "most",
        );
    }

    pub(crate) fn print(&self, phase: &Phase, functions: &Functions) {
        let mut latencies = self.latencies.clone();
        latencies.sort_unstable();
        let latency_ms = |per_mille: usize| {
            let at = latencies.len() * per_mille / 1000;
            latencies[at.min(latencies.len() - 1)].as_secs_f64() * 1e3
        };
        let (number, mean, most) = functions.memory();
        println!(
            "{:26}{:>8}{:>10}{:>9}{:>7}{:>7}{:>7}{:>13}{:>9}{:>7}{:>8.1}{:>8.0}{:>8.0}{number:>11}{mean:>10.1}{most:>6.1}",
            phase.name,
            phase.rate,
            self.requests(),
            self.status(200),
            self.status(400),
            self.status(403),
            self.status(404),
            self.code(UNAVAILABLE.1),
            self.code(NO_ROOM),
            self.wrong.values().sum::<u64>(),
            latency_ms(500),
            latency_ms(990),
            latency_ms(999),
        );
    }

    /// Prints the wrong answers, and returns their number.
    pub(crate) fn print_wrong(&self) -> u64 {
        for (wrong, number) in &self.wrong {
            println!("wrong: {number} x {wrong}");
        }
        self.wrong.values().sum()
    }
}

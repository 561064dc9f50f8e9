//! The functions: processes that are started when none is free, and reused.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use tegata_tests::lambda::process::{Process, Program};
use tegata_tests::lambda::runtime_api::RuntimeApi;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::ChildStdout;

use crate::archive::{LogGroup, Recorder};

/// The function's time-out, as in the template.
const TIMEOUT: Duration = Duration::from_secs(5);

pub(crate) struct Functions {
    program: Program,
    limit: usize,
    running: AtomicUsize,
    idle: Mutex<Vec<Function>>,
    recorder: Recorder,
}

struct Function {
    process: Process,
    api: RuntimeApi,
}

/// Why a request has no answer of a function's.
#[derive(Debug)]
pub(crate) enum NoAnswer {
    /// All functions are at work.
    Throttled,
    /// The function reported an error, or its time was up.
    Failed(String),
}

impl Functions {
    pub(crate) fn new(
        binary: PathBuf,
        variables: &[(String, String)],
        limit: usize,
        recorder: Recorder,
    ) -> Self {
        Self {
            program: Program::new("license-lookup", binary, variables),
            limit,
            running: AtomicUsize::new(0),
            idle: Mutex::default(),
            recorder,
        }
    }

    pub(crate) async fn invoke(&self, event: String) -> Result<(Instant, Bytes), NoAnswer> {
        let Some(mut function) = self.take().await else {
            return Err(NoAnswer::Throttled);
        };
        match tokio::time::timeout(TIMEOUT, function.api.invoke(event)).await {
            Ok(answered) => {
                self.idle.lock().unwrap().push(function);
                let failed = |error: Bytes| String::from_utf8_lossy(&error).into_owned();
                match answered.body {
                    Ok(body) => Ok((answered.at, body)),
                    Err(error) => Err(NoAnswer::Failed(failed(error))),
                }
            }
            // Lambda ends the process.
            Err(_) => {
                self.running.fetch_sub(1, Ordering::Relaxed);
                Err(NoAnswer::Failed("the time was up".to_owned()))
            }
        }
    }

    /// A free function, or a new one.
    async fn take(&self) -> Option<Function> {
        if let Some(function) = self.idle.lock().unwrap().pop() {
            return Some(function);
        }
        let add = |running| (running < self.limit).then_some(running + 1);
        let (done, seen) = (Ordering::Relaxed, Ordering::Relaxed);
        self.running.fetch_update(done, seen, add).ok()?;
        let mut api = RuntimeApi::start().await;
        let (process, log) = self.program.start_with_log(&api.address);
        let log = ChildStdout::from_std(log).unwrap();
        tokio::spawn(follow(log, self.recorder.clone()));
        api.ready().await;
        Some(Function { process, api })
    }

    /// The number of functions, and the mean and the most of their memory in MB.
    pub(crate) fn memory(&self) -> (usize, f64, f64) {
        let idle = self.idle.lock().unwrap();
        let memory: Vec<f64> = idle.iter().map(|one| one.process.rss_mb()).collect();
        #[allow(clippy::cast_precision_loss)]
        let mean = memory.iter().sum::<f64>() / memory.len() as f64;
        let most = memory.iter().copied().fold(0.0, f64::max);
        (memory.len(), mean, most)
    }
}

/// Records the access lines that a function writes, as the subscription's filter selects them.
async fn follow(log: ChildStdout, recorder: Recorder) {
    let mut lines = BufReader::new(log).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        if line.contains(r#""type":"access""#) {
            recorder.record(LogGroup::Lookup, line);
        }
    }
}

//! What the `main` of every Lambda function shares: settings, clients, logging, metrics, and the time
//! that is left.

mod environment;
pub mod metrics;
mod variables;

use std::error::Error;
use std::fmt::Display;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

pub use environment::{Environment, RetryPolicy};
pub use variables::{SettingError, Variables};

/// Logs warnings and errors as JSON, and serves until that ends. An error that keeps the function
/// from starting is logged in one sentence.
///
/// Callers box what they hand over: the runtime's own futures are nested as deeply as the compiler
/// allows.
pub async fn run(
    serve: impl Future<Output = Result<(), Box<dyn Error + Send + Sync>>>,
) -> ExitCode {
    tracing_subscriber::fmt()
        .json()
        .with_max_level(tracing::Level::WARN)
        .init();
    match serve.await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// The instant of an invocation.
#[expect(clippy::disallowed_methods, reason = "the edge: the clock enters here")]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// Tells when an invocation should begin nothing more: `reserve` before its deadline.
#[expect(clippy::disallowed_methods, reason = "the edge: the clock enters here")]
pub fn time_is_up(deadline: SystemTime, reserve: Duration) -> impl Fn() -> bool {
    move || SystemTime::now() + reserve > deadline
}

/// Writes a line to the function's log. A log that cannot be written must not cost an answer.
pub fn log(line: impl Display) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

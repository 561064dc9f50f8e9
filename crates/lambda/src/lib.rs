//! What the `main` of every Lambda function does around its work.

pub mod metrics;

use std::error::Error;
use std::process::ExitCode;

/// Logs warnings and errors as JSON, and serves until that ends. What keeps the function from
/// starting is logged in one sentence.
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

//! The Lambda binary `announce`: settings from the environment, the clients, run.
#![expect(
    clippy::disallowed_methods,
    reason = "the edge: environment and clock enter here"
)]

use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use release_notification::report::AnnounceReport;
use release_notification::settings::Variables;
use serde_json::Value;
use tegata_lambda as function;

/// The time before the function's end in which nothing is begun: enough to report.
const RESERVE: Duration = Duration::from_secs(30);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    function::run(Box::pin(serve())).await
}

async fn serve() -> Result<(), Error> {
    let variables = Variables(|name: &str| std::env::var(name).ok());
    let (announce, stack) = (variables.announce()?, variables.stack()?);
    run(service_fn(async |event: LambdaEvent<Value>| {
        let now = Timestamp::now();
        let deadline = event.context.deadline();
        let time_is_up = || SystemTime::now() + RESERVE > deadline;
        let report = Box::pin(announce.run(now, time_is_up)).await?;
        let _ = writeln!(std::io::stdout(), "{}", report.line(now, &stack));
        Ok::<AnnounceReport, Error>(report)
    }))
    .await
}

//! The Lambda binary `usage-roll-up`: settings from the environment, the clients, run.
#![expect(
    clippy::disallowed_methods,
    reason = "the edge: environment and clock enter here"
)]

use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use access_log::roll_up::{RollUp, RollUpReport};
use access_log::settings::AccessLogSettings;
use jiff::Timestamp;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::Value;
use tegata_lambda as function;

/// The time before the function's end in which nothing is begun: enough to report.
const RESERVE: Duration = Duration::from_secs(30);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    function::run(Box::pin(serve())).await
}

async fn serve() -> Result<(), Error> {
    let settings = AccessLogSettings::read(|name| std::env::var(name).ok())?;
    let roll_up = RollUp::open(&settings)?;
    run(service_fn(async |event: LambdaEvent<Value>| {
        let now = Timestamp::now();
        let deadline = event.context.deadline();
        let time_is_up = || SystemTime::now() + RESERVE > deadline;
        let report = roll_up.run(now, time_is_up).await?;
        let _ = writeln!(std::io::stdout(), "{}", report.line(now, &settings.stack));
        Ok::<RollUpReport, Error>(report)
    }))
    .await
}

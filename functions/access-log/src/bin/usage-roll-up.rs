//! The Lambda binary `usage-roll-up`: settings from the environment, the clients, run.

use std::process::ExitCode;
use std::time::Duration;

use access_log::roll_up::{RollUp, RollUpReport};
use access_log::settings::AccessLogSettings;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::Value;
use tegata_lambda::{Variables, time_is_up};

/// The time before the function's time-out in which no further day is started, so that the report
/// can be written.
const RESERVE: Duration = Duration::from_secs(30);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    tegata_lambda::run(Box::pin(serve())).await
}

async fn serve() -> Result<(), Error> {
    let variables = Variables::of_process();
    let settings = AccessLogSettings::read(&variables)?;
    let roll_up = RollUp::open(&settings, &variables.required("COPIES_BUCKET")?)?;
    run(service_fn(async |event: LambdaEvent<Value>| {
        let now = tegata_lambda::now();
        let time_is_up = time_is_up(event.context.deadline(), RESERVE);
        let report = roll_up.run(now, time_is_up).await?;
        tegata_lambda::log(report.line(now, &settings.stack));
        Ok::<RollUpReport, Error>(report)
    }))
    .await
}

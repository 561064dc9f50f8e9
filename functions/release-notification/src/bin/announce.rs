//! The Lambda binary `announce`: settings from the environment, the clients, run.

use std::process::ExitCode;
use std::time::Duration;

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use release_notification::report::AnnounceReport;
use release_notification::settings::Settings;
use serde_json::Value;
use tegata_lambda::{Variables, time_is_up};

/// The time before the function's end in which nothing is begun: enough to report.
const RESERVE: Duration = Duration::from_secs(30);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    tegata_lambda::run(Box::pin(serve())).await
}

async fn serve() -> Result<(), Error> {
    let variables = Variables::of_process();
    let settings = Settings(&variables);
    let (announce, stack) = (settings.announce()?, settings.stack()?);
    run(service_fn(async |event: LambdaEvent<Value>| {
        let now = tegata_lambda::now();
        let time_is_up = time_is_up(event.context.deadline(), RESERVE);
        let report = Box::pin(announce.run(now, time_is_up)).await?;
        tegata_lambda::log(report.line(now, &stack));
        Ok::<AnnounceReport, Error>(report)
    }))
    .await
}

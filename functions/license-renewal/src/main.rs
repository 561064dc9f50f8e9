//! The Lambda binary: settings from the environment, the clients, run.

use std::process::ExitCode;
use std::time::Duration;

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use license_renewal::handler::Renewal;
use license_renewal::report::RenewalReport;
use license_renewal::settings::RenewalSettings;
use serde_json::Value;
use tegata_lambda::{Variables, time_is_up};

/// The time before the function's time-out in which no further licence is started, so that those in
/// progress and the report can be completed.
const RESERVE: Duration = Duration::from_secs(30);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    tegata_lambda::run(Box::pin(serve())).await
}

async fn serve() -> Result<(), Error> {
    let settings = RenewalSettings::read(&Variables::of_process())?;
    let renewal = Renewal::open(&settings)?;
    run(service_fn(async |event: LambdaEvent<Value>| {
        let now = tegata_lambda::now();
        let time_is_up = time_is_up(event.context.deadline(), RESERVE);
        let report = renewal.run(now, time_is_up).await?;
        tegata_lambda::log(report.line(now, &settings.stack));
        Ok::<RenewalReport, Error>(report)
    }))
    .await
}

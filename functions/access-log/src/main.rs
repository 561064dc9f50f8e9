//! The Lambda binary `access-log`: settings from the environment, the clients, run.

use std::process::ExitCode;

use access_log::handler::AccessLog;
use access_log::report::BatchReport;
use access_log::settings::AccessLogSettings;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::value::RawValue;
use tegata_lambda::Variables;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    tegata_lambda::run(Box::pin(serve())).await
}

async fn serve() -> Result<(), Error> {
    let settings = AccessLogSettings::read(&Variables::of_process())?;
    let access_log = AccessLog::open(&settings)?;
    run(service_fn(async |event: LambdaEvent<Box<RawValue>>| {
        let now = tegata_lambda::now();
        let report = access_log.handle(event.payload.get(), now).await?;
        for line in report.lines(now, &settings.stack) {
            tegata_lambda::log(line);
        }
        Ok::<BatchReport, Error>(report)
    }))
    .await
}

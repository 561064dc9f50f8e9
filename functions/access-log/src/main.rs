//! The Lambda binary `access-log`: settings from the environment, the clients, run.
#![expect(
    clippy::disallowed_methods,
    reason = "the edge: environment and clock enter here"
)]

use std::io::Write as _;
use std::process::ExitCode;

use access_log::handler::AccessLog;
use access_log::report::BatchReport;
use access_log::settings::AccessLogSettings;
use jiff::Timestamp;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::value::RawValue;
use tegata_lambda as function;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    function::run(Box::pin(serve())).await
}

async fn serve() -> Result<(), Error> {
    let settings = AccessLogSettings::read(|name| std::env::var(name).ok())?;
    let access_log = AccessLog::open(&settings)?;
    run(service_fn(async |event: LambdaEvent<Box<RawValue>>| {
        let now = Timestamp::now();
        let report = access_log.handle(event.payload.get(), now).await?;
        for line in report.lines(now, &settings.stack) {
            let _ = writeln!(std::io::stdout(), "{line}");
        }
        Ok::<BatchReport, Error>(report)
    }))
    .await
}

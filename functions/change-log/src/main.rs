//! The Lambda binary `change-log`: settings from the environment, the client, run.
#![expect(
    clippy::disallowed_methods,
    reason = "the edge: environment and clock enter here"
)]

use std::process::ExitCode;

use change_log::handler::{ChangeLog, Response};
use change_log::settings::ChangeLogSettings;
use jiff::Timestamp;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::value::RawValue;
use tegata_lambda as function;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    function::run(Box::pin(serve())).await
}

async fn serve() -> Result<(), Error> {
    let settings = ChangeLogSettings::read(|name| std::env::var(name).ok())?;
    let change_log = ChangeLog::open(&settings)?;
    run(service_fn(async |event: LambdaEvent<Box<RawValue>>| {
        let response = change_log.handle(event.payload.get(), Timestamp::now());
        Ok::<Response, Error>(response.await?)
    }))
    .await
}

//! The Lambda binary `change-log`: settings from the environment, the client, run.

use std::process::ExitCode;

use change_log::handler::{ChangeLog, Response};
use change_log::settings::ChangeLogSettings;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use serde_json::value::RawValue;
use tegata_lambda::Variables;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    tegata_lambda::run(Box::pin(serve())).await
}

async fn serve() -> Result<(), Error> {
    let settings = ChangeLogSettings::read(&Variables::of_process())?;
    let change_log = ChangeLog::open(&settings)?;
    run(service_fn(async |event: LambdaEvent<Box<RawValue>>| {
        let response = change_log.handle(event.payload.get(), tegata_lambda::now());
        Ok::<Response, Error>(response.await?)
    }))
    .await
}

//! The Lambda binary `feedback`: settings from the environment, the clients, run.
#![expect(
    clippy::disallowed_methods,
    reason = "the edge: environment and clock enter here"
)]

use std::process::ExitCode;

use jiff::Timestamp;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use release_notification::feedback::Seen;
use release_notification::settings::Variables;
use serde_json::Value;
use tegata_lambda as function;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    function::run(Box::pin(serve())).await
}

async fn serve() -> Result<(), Error> {
    let feedback = Variables(|name: &str| std::env::var(name).ok()).feedback()?;
    run(service_fn(async |event: LambdaEvent<Value>| {
        let event = event.payload.to_string();
        let handled = feedback.handle(&event, Timestamp::now());
        Ok::<Seen, Error>(Box::pin(handled).await?)
    }))
    .await
}

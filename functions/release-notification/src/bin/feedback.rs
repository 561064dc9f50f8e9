//! The Lambda binary `feedback`: settings from the environment, the clients, run.

use std::process::ExitCode;

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use release_notification::feedback::Seen;
use release_notification::settings::Settings;
use serde_json::Value;
use tegata_lambda::Variables;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    tegata_lambda::run(Box::pin(serve())).await
}

async fn serve() -> Result<(), Error> {
    let feedback = Settings(&Variables::of_process()).feedback()?;
    run(service_fn(async |event: LambdaEvent<Value>| {
        let event = event.payload.to_string();
        let handled = feedback.handle(&event, tegata_lambda::now());
        Ok::<Seen, Error>(Box::pin(handled).await?)
    }))
    .await
}

//! The Lambda binary: settings from the environment, one client, run.

use std::io::Write as _;
use std::process::ExitCode;

use jiff::Timestamp;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use license_lookup::handler::Lookup;
use license_lookup::settings::Settings;
use serde_json::value::RawValue;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .json()
        .with_max_level(tracing::Level::WARN)
        .init();
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Error> {
    let settings = Settings::read(|name| std::env::var(name).ok())?;
    let lookup = Lookup::new(&settings)?;
    lookup.warm_up().await;
    run(service_fn(async |event: LambdaEvent<Box<RawValue>>| {
        let answered = lookup.answer(event.payload.get(), Timestamp::now()).await;
        // A log that cannot be written must not cost the plug-in its answer.
        let _ = writeln!(std::io::stdout(), "{}", answered.line);
        Ok::<_, Error>(answered.response)
    }))
    .await
}

//! The Lambda binary: settings from the environment, one client, run.
#![expect(
    clippy::disallowed_methods,
    reason = "the edge: environment and clock enter here"
)]

use std::io::Write as _;
use std::process::ExitCode;

use jiff::Timestamp;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use license_lookup::handler::Lookup;
use license_lookup::settings::LookupSettings;
use serde_json::value::RawValue;
use tegata_lambda as function;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    function::run(Box::pin(serve())).await
}

async fn serve() -> Result<(), Error> {
    let settings = LookupSettings::read(|name| std::env::var(name).ok())?;
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

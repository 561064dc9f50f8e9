//! The Lambda binary: settings from the environment, one client, run.

use std::process::ExitCode;

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use license_lookup::handler::Lookup;
use license_lookup::settings::LookupSettings;
use serde_json::value::RawValue;
use tegata_lambda::Variables;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    tegata_lambda::run(Box::pin(serve())).await
}

async fn serve() -> Result<(), Error> {
    let settings = LookupSettings::read(&Variables::of_process())?;
    let lookup = Lookup::new(&settings)?;
    lookup.warm_up().await;
    run(service_fn(async |event: LambdaEvent<Box<RawValue>>| {
        let answered = lookup
            .answer(event.payload.get(), tegata_lambda::now())
            .await;
        tegata_lambda::log(answered.line);
        Ok::<_, Error>(answered.response)
    }))
    .await
}

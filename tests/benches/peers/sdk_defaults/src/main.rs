//! `license-lookup` with the SDK's defaults.
#![forbid(unsafe_code)]

use aws_config::BehaviorVersion;
use aws_sdk_dynamodb::Client;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use license_lookup::database::read;
use license_lookup::handler::answer;
use license_lookup::settings::LookupSettings;
use serde_json::value::RawValue;
use tegata_lambda::Variables;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let settings = &LookupSettings::read(&Variables::of_process())?;
    let client = &Client::new(&aws_config::load_defaults(BehaviorVersion::latest()).await);
    run(service_fn(async |event: LambdaEvent<Box<RawValue>>| {
        let now = tegata_lambda::now();
        let read = async |key: &_| read(client, &settings.table, key).await;
        let answered = answer(event.payload.get(), settings, now, read).await;
        tegata_lambda::log(answered.line);
        Ok::<_, Error>(answered.response)
    }))
    .await
}

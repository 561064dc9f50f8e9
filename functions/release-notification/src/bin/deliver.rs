//! The Lambda binary `deliver`: settings from the environment, the clients, run.

use std::process::ExitCode;
use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use release_notification::settings::Settings;
use tegata_lambda::{Variables, now, time_is_up};

/// The time before the function's end in which no mail is begun: more than sending and recording
/// one takes.
const RESERVE: Duration = Duration::from_secs(60);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    tegata_lambda::run(Box::pin(serve())).await
}

async fn serve() -> Result<(), Error> {
    let variables = Variables::of_process();
    let settings = Settings(&variables);
    let (deliver, stack) = (settings.deliver()?, settings.stack()?);
    run(service_fn(async |event: LambdaEvent<SqsEvent>| {
        let time_is_up = time_is_up(event.context.deadline(), RESERVE);
        let handled = deliver.handle(event.payload, now, time_is_up);
        let (response, report) = Box::pin(handled).await;
        tegata_lambda::log(report.line(now(), &stack));
        Ok::<SqsBatchResponse, Error>(response)
    }))
    .await
}

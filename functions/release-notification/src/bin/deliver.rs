//! The Lambda binary `deliver`: settings from the environment, the clients, run.
#![expect(
    clippy::disallowed_methods,
    reason = "the edge: environment and clock enter here"
)]

use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use jiff::Timestamp;
use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use release_notification::settings::Variables;
use tegata_lambda as function;

/// The time before the function's end in which no mail is begun: more than sending and recording
/// one takes.
const RESERVE: Duration = Duration::from_secs(60);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    function::run(Box::pin(serve())).await
}

async fn serve() -> Result<(), Error> {
    let variables = Variables(|name: &str| std::env::var(name).ok());
    let (deliver, stack) = (variables.deliver()?, variables.stack()?);
    run(service_fn(async |event: LambdaEvent<SqsEvent>| {
        let deadline = event.context.deadline();
        let time_is_up = || SystemTime::now() + RESERVE > deadline;
        let handled = deliver.handle(event.payload, Timestamp::now, time_is_up);
        let (response, report) = Box::pin(handled).await;
        let line = report.line(Timestamp::now(), &stack);
        let _ = writeln!(std::io::stdout(), "{line}");
        Ok::<SqsBatchResponse, Error>(response)
    }))
    .await
}

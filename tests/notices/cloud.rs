//! What the functions call: the real SDK, whose requests end here. DynamoDB's go on to the embedded
//! one; SQS and SES are answered in their wire formats. Calls fail as a test says.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{
    AsyncSleep, BehaviorVersion, Credentials, Region, SharedAsyncSleep, SharedCredentialsProvider,
    SharedHttpClient,
};
use aws_smithy_runtime_api::client::http::HttpClient as _;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use jiff::Timestamp;
use release_notification::deliver::Deliver;
use serde_json::{Value, json};
use tokio::sync::Notify;

/// The time-out of an attempt. It passes when a call is never answered, and at no other time: see
/// [`Clock`].
const ATTEMPT: Duration = Duration::from_secs(3600);

thread_local! {
    /// Whether the call that was polled last on this thread will never be answered.
    static IS_UNANSWERED: Cell<bool> = const { Cell::new(false) };
}

/// What goes wrong with a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    /// The process ends before the call arrives.
    CrashBefore,
    /// The process ends after the call was carried out, before it knows.
    CrashAfter,
    /// The call never arrives, and is never answered.
    TimeoutBefore,
    /// The call is carried out, and never answered.
    TimeoutAfter,
    /// The call is turned away: too many.
    Throttled,
    /// The call is turned away with an error of the server's.
    ErrorBefore,
    /// The call is carried out, and answered with an error of the server's.
    ErrorAfter,
    /// The same for every attempt that the SDK makes: its retries do not help.
    ErrorLasting,
}

impl Fault {
    pub(crate) const ALL: [Self; 8] = [
        Self::CrashBefore,
        Self::CrashAfter,
        Self::TimeoutBefore,
        Self::TimeoutAfter,
        Self::Throttled,
        Self::ErrorBefore,
        Self::ErrorAfter,
        Self::ErrorLasting,
    ];

    fn is_carried_out(self) -> bool {
        matches!(
            self,
            Self::CrashAfter | Self::TimeoutAfter | Self::ErrorAfter
        )
    }

    /// For how many calls in a row.
    pub(crate) fn lasts(self) -> usize {
        if self == Self::ErrorLasting { 4 } else { 1 }
    }
}

/// A mail that SES has taken.
#[derive(Clone, Debug)]
pub(crate) struct Mail {
    pub(crate) to: String,
    pub(crate) tags: BTreeMap<String, String>,
    pub(crate) message_id: String,
}

/// An error of SES's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) kind: &'static str,
    pub(crate) message: &'static str,
}

#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Which function is running.
    pub(crate) step: &'static str,
    /// The calls so far: which function, which operation.
    pub(crate) calls: Vec<(&'static str, String)>,
    /// What goes wrong with which call.
    pub(crate) faults: BTreeMap<usize, Fault>,
    /// What SES answers to every mail, if it does not take them.
    pub(crate) answer: Option<Answer>,
    pub(crate) queue: Vec<String>,
    pub(crate) mails: Vec<Mail>,
}

#[derive(Debug, Default)]
pub(crate) struct Cloud {
    pub(crate) seen: Mutex<Seen>,
    pub(crate) crash: Notify,
}

/// The real clients of a cloud.
pub(crate) struct Clients {
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    pub(crate) sqs: aws_sdk_sqs::Client,
    pub(crate) ses: aws_sdk_sesv2::Client,
}

impl Cloud {
    /// Makes one in front of a database, and clients for it.
    pub(crate) fn new(dynamodb: &str) -> (Arc<Self>, Clients) {
        let cloud = Arc::new(Self::default());
        let http = http_client(Arc::clone(&cloud));
        let config = |attempts| {
            let timeouts = TimeoutConfig::builder()
                .operation_attempt_timeout(ATTEMPT)
                .build();
            let credentials = Credentials::new("local", "local", None, None, "test");
            let retries = RetryConfig::standard()
                .with_max_attempts(attempts)
                .with_initial_backoff(Duration::from_millis(1));
            aws_types::SdkConfig::builder()
                .behavior_version(BehaviorVersion::latest())
                .http_client(http.clone())
                .endpoint_url(dynamodb)
                .region(Region::new("local"))
                .credentials_provider(SharedCredentialsProvider::new(credentials))
                .timeout_config(timeouts)
                .retry_config(retries)
                .sleep_impl(SharedAsyncSleep::new(Clock))
                .build()
        };
        let clients = Clients {
            dynamodb: aws_sdk_dynamodb::Client::new(&config(3)),
            sqs: aws_sdk_sqs::Client::new(&config(3)),
            // As the function's: one attempt.
            ses: aws_sdk_sesv2::Client::new(&config(1)),
        };
        (cloud, clients)
    }

    /// Lets the function handle a batch of messages, and returns the numbers of those that come again:
    /// `None` if the process died, and all come again.
    pub(crate) async fn deliver_batch(
        &self,
        deliver: &Deliver,
        now: Timestamp,
        bodies: impl Iterator<Item = &String>,
    ) -> Option<Vec<usize>> {
        let mut event = SqsEvent::default();
        for (number, body) in bodies.enumerate() {
            let mut message = SqsMessage::default();
            message.message_id = Some(number.to_string());
            message.body = Some(body.clone());
            event.records.push(message);
        }
        let handled = deliver.handle(event, || now, || false);
        tokio::select! {
            (response, _) = Box::pin(handled) => {
                let failures = response.batch_item_failures.iter();
                Some(failures.map(|of| of.item_identifier.parse().unwrap()).collect())
            }
            () = self.crash.notified() => None,
        }
    }

    pub(crate) fn step(&self, step: &'static str) {
        self.seen.lock().unwrap().step = step;
    }

    fn begin(&self, operation: &str) -> Option<Fault> {
        let mut seen = self.seen.lock().unwrap();
        let number = seen.calls.len();
        let step = seen.step;
        seen.calls.push((step, operation.to_owned()));
        let mut faults = seen.faults.range(..=number).rev();
        let (since, fault) = faults.next()?;
        (number - since < fault.lasts()).then_some(*fault)
    }

    /// Answers a request, or ends the process that made it, or never answers.
    async fn answer(
        &self,
        request: HttpRequest,
        database: SharedHttpConnector,
    ) -> Result<HttpResponse, ConnectorError> {
        let Some(service) = Service::of(&request) else {
            return Ok(error_response(404, "NotFoundException", ""));
        };
        // As the roles have it: `announce` fills the queue that wakes `deliver`, and nobody else.
        if matches!(service, Service::Sqs(_)) && self.seen.lock().unwrap().step != "announce" {
            return Ok(error_response(403, "AccessDenied", ""));
        }
        let fault = self.begin(&service.operation());
        let answer = match fault {
            Some(fault) if !fault.is_carried_out() => None,
            _ => Some(self.carry_out(&service, request, database).await?),
        };
        match (fault, answer) {
            (None, Some(answer)) => Ok(answer),
            (Some(Fault::CrashBefore | Fault::CrashAfter), _) => {
                self.crash.notify_one();
                std::future::pending().await
            }
            (Some(Fault::TimeoutBefore | Fault::TimeoutAfter), _) => {
                std::future::poll_fn(|_| {
                    IS_UNANSWERED.set(true);
                    std::task::Poll::Pending
                })
                .await
            }
            (Some(Fault::Throttled), _) => Ok(service.throttled()),
            _ => Ok(error_response(500, "InternalServerError", "")),
        }
    }

    async fn carry_out(
        &self,
        service: &Service,
        request: HttpRequest,
        database: SharedHttpConnector,
    ) -> Result<HttpResponse, ConnectorError> {
        if matches!(service, Service::DynamoDb(_)) {
            return database.call(request).await;
        }
        let body = request.body().bytes().unwrap();
        let request: Value = serde_json::from_slice(body).unwrap();
        Ok(self.take(service, &request))
    }

    /// What SQS and SES do.
    fn take(&self, service: &Service, request: &Value) -> HttpResponse {
        match service {
            Service::Sqs(_) => {
                let entries = request["Entries"].as_array().unwrap();
                let mut seen = self.seen.lock().unwrap();
                let mut successful = Vec::new();
                for entry in entries {
                    seen.queue
                        .push(entry["MessageBody"].as_str().unwrap().to_owned());
                    successful.push(json!({
                        "Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": "0",
                    }));
                }
                json_response(200, &json!({ "Successful": successful, "Failed": [] }))
            }
            _ => {
                let mut seen = self.seen.lock().unwrap();
                if let Some(Answer {
                    status,
                    kind,
                    message,
                }) = seen.answer
                {
                    return error_response(status, kind, message);
                }
                let message_id = format!("ses-{}", seen.mails.len());
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                let tags = request["EmailTags"].as_array().unwrap().iter();
                let to = text(&request["Destination"]["ToAddresses"][0]);
                if to.starts_with("refused-") {
                    return error_response(400, "MessageRejected", "");
                }
                if to.starts_with("not-taken-") {
                    return error_response(500, "InternalServerError", "");
                }
                let is_answer_lost = to.starts_with("answer-lost-");
                seen.mails.push(Mail {
                    to,
                    tags: tags
                        .map(|tag| (text(&tag["Name"]), text(&tag["Value"])))
                        .collect(),
                    message_id: message_id.clone(),
                });
                if is_answer_lost {
                    return error_response(500, "InternalServerError", "");
                }
                json_response(200, &json!({ "MessageId": message_id }))
            }
        }
    }
}

/// An HTTP client whose requests a cloud answers.
fn http_client(cloud: Arc<Cloud>) -> SharedHttpClient {
    let database = tegata_aws::http_client();
    http_client_fn(move |settings, components| {
        SharedHttpConnector::new(Connector {
            cloud: Arc::clone(&cloud),
            database: database.http_connector(settings, components),
        })
    })
}

#[derive(Debug)]
struct Connector {
    cloud: Arc<Cloud>,
    database: SharedHttpConnector,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (cloud, database) = (Arc::clone(&self.cloud), self.database.clone());
        HttpConnectorFuture::new(async move { cloud.answer(request, database).await })
    }
}

/// The SDK's pauses between attempts, by the runtime's clock; and the time-out of an attempt, which has
/// passed as soon as its call is known to stay without an answer. So no scenario waits for a time-out,
/// and a slow machine has none.
///
/// The SDK polls an attempt and then the pause that limits it, so that the two meet on one thread.
#[derive(Debug)]
struct Clock;

impl AsyncSleep for Clock {
    fn sleep(&self, duration: Duration) -> aws_sdk_dynamodb::config::Sleep {
        if duration < ATTEMPT {
            return aws_sdk_dynamodb::config::Sleep::new(tokio::time::sleep(duration));
        }
        aws_sdk_dynamodb::config::Sleep::new(std::future::poll_fn(|_| {
            match IS_UNANSWERED.replace(false) {
                true => std::task::Poll::Ready(()),
                false => std::task::Poll::Pending,
            }
        }))
    }
}

enum Service {
    DynamoDb(String),
    Sqs(String),
    Ses,
}

impl Service {
    fn of(request: &HttpRequest) -> Option<Self> {
        let target = request.headers().get("x-amz-target");
        match target.and_then(|target| target.split_once('.')) {
            Some(("AmazonSQS", operation)) => Some(Self::Sqs(operation.to_owned())),
            Some((_, operation)) => Some(Self::DynamoDb(operation.to_owned())),
            None => request
                .uri()
                .ends_with("/v2/email/outbound-emails")
                .then_some(Self::Ses),
        }
    }

    fn operation(&self) -> String {
        match self {
            Self::DynamoDb(operation) => format!("DynamoDB {operation}"),
            Self::Sqs(operation) => format!("SQS {operation}"),
            Self::Ses => "SES SendEmail".to_owned(),
        }
    }

    fn throttled(&self) -> HttpResponse {
        let (status, kind) = match self {
            Self::DynamoDb(_) => (400, "ProvisionedThroughputExceededException"),
            Self::Sqs(_) => (400, "RequestThrottled"),
            Self::Ses => (429, "TooManyRequestsException"),
        };
        error_response(status, kind, "")
    }
}

fn error_response(status: u16, kind: &'static str, message: &str) -> HttpResponse {
    let mut response = json_response(status, &json!({ "__type": kind, "message": message }));
    response.headers_mut().insert("x-amzn-errortype", kind);
    response
}

fn json_response(status: u16, body: &Value) -> HttpResponse {
    let mut response =
        HttpResponse::new(status.try_into().unwrap(), SdkBody::from(body.to_string()));
    response
        .headers_mut()
        .insert("content-type", "application/json");
    response
}

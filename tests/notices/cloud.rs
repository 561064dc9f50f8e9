//! What the functions call, in one server that fails as it is told: DynamoDB (the embedded one
//! behind it), SQS's and SES's wire formats. The functions reach it through the real SDK.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Response, Uri};
use jiff::Timestamp;
use release_notification::deliver::Deliver;
use serde_json::{Value, json};
use tokio::sync::Notify;

/// How long a call may take before the SDK gives up on it.
const ATTEMPT: Duration = Duration::from_millis(400);

/// Made once: it reads the system's certificates, which takes longer than a scenario.
static HTTP: LazyLock<reqwest::Client> = LazyLock::new(|| {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
});

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

#[derive(Default)]
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

pub(crate) struct Cloud {
    pub(crate) seen: Mutex<Seen>,
    pub(crate) crash: Notify,
    dynamodb: String,
    http: reqwest::Client,
}

/// The real clients of a cloud.
pub(crate) struct Clients {
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    pub(crate) sqs: aws_sdk_sqs::Client,
    pub(crate) ses: aws_sdk_sesv2::Client,
}

impl Cloud {
    /// Serves one in front of a database, and makes clients for it.
    pub(crate) async fn start(dynamodb: &str) -> (Arc<Self>, Clients) {
        let cloud = Arc::new(Self {
            seen: Mutex::default(),
            crash: Notify::new(),
            dynamodb: dynamodb.to_owned(),
            http: HTTP.clone(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(serve).with_state(Arc::clone(&cloud));
        tokio::spawn(async move { axum::serve(listener, router).await });
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
                .http_client(tegata_aws::http_client())
                .endpoint_url(&endpoint)
                .region(Region::new("local"))
                .credentials_provider(SharedCredentialsProvider::new(credentials))
                .timeout_config(timeouts)
                .retry_config(retries)
                .sleep_impl(aws_sdk_dynamodb::config::SharedAsyncSleep::new(Sleep))
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

    async fn carry_out(
        &self,
        service: &Service,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Response<Body> {
        match service {
            Service::DynamoDb(_) => {
                let mut request = self.http.post(&self.dynamodb).body(body);
                for (name, value) in headers {
                    if name != "host" && name != "content-length" {
                        request = request.header(name, value);
                    }
                }
                let answer = request.send().await.unwrap();
                let status = answer.status();
                let checksum = answer.headers().get("x-amz-crc32").cloned();
                let body = answer.bytes().await.unwrap();
                let mut response = Response::builder()
                    .status(status)
                    .header("content-type", "application/x-amz-json-1.0");
                if let Some(checksum) = checksum {
                    response = response.header("x-amz-crc32", checksum);
                }
                response.body(Body::from(body)).unwrap()
            }
            Service::Sqs(_) => {
                let request: Value = serde_json::from_slice(&body).unwrap();
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
            Service::Ses => {
                let request: Value = serde_json::from_slice(&body).unwrap();
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

/// The SDK's pauses between attempts, by the runtime's clock.
#[derive(Debug)]
struct Sleep;

impl aws_sdk_dynamodb::config::AsyncSleep for Sleep {
    fn sleep(&self, duration: Duration) -> aws_sdk_dynamodb::config::Sleep {
        aws_sdk_dynamodb::config::Sleep::new(tokio::time::sleep(duration))
    }
}

enum Service {
    DynamoDb(String),
    Sqs(String),
    Ses,
}

impl Service {
    fn operation(&self) -> String {
        match self {
            Self::DynamoDb(operation) => format!("DynamoDB {operation}"),
            Self::Sqs(operation) => format!("SQS {operation}"),
            Self::Ses => "SES SendEmail".to_owned(),
        }
    }

    fn throttled(&self) -> Response<Body> {
        let (status, kind) = match self {
            Self::DynamoDb(_) => (400, "ProvisionedThroughputExceededException"),
            Self::Sqs(_) => (400, "RequestThrottled"),
            Self::Ses => (429, "TooManyRequestsException"),
        };
        error_response(status, kind, "")
    }
}

async fn serve(
    State(cloud): State<Arc<Cloud>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let target = headers
        .get("x-amz-target")
        .map(|value| value.to_str().unwrap());
    let service = match target.and_then(|target| target.split_once('.')) {
        Some(("AmazonSQS", operation)) => Service::Sqs(operation.to_owned()),
        Some((_, operation)) => Service::DynamoDb(operation.to_owned()),
        None if uri.path() == "/v2/email/outbound-emails" => Service::Ses,
        None => return error_response(404, "NotFoundException", ""),
    };
    // As the roles have it: `announce` fills the queue that wakes `deliver`, and nobody else.
    if matches!(service, Service::Sqs(_)) && cloud.seen.lock().unwrap().step != "announce" {
        return error_response(403, "AccessDenied", "");
    }
    let fault = cloud.begin(&service.operation());
    let answer = match fault {
        Some(fault) if !fault.is_carried_out() => None,
        _ => Some(cloud.carry_out(&service, &headers, body).await),
    };
    match (fault, answer) {
        (None, Some(answer)) => answer,
        (Some(Fault::CrashBefore | Fault::CrashAfter), _) => {
            cloud.crash.notify_one();
            std::future::pending().await
        }
        (Some(Fault::TimeoutBefore | Fault::TimeoutAfter), _) => std::future::pending().await,
        (Some(Fault::Throttled), _) => service.throttled(),
        _ => error_response(500, "InternalServerError", ""),
    }
}

fn error_response(status: u16, kind: &str, message: &str) -> Response<Body> {
    let body = json!({ "__type": kind, "message": message });
    let mut response = json_response(status, &body);
    let kind = kind.parse().unwrap();
    response.headers_mut().insert("x-amzn-errortype", kind);
    response
}

fn json_response(status: u16, body: &Value) -> Response<Body> {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .unwrap()
}

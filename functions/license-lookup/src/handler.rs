//! Event in, answer out.

use std::time::{Duration, Instant};

use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use aws_lambda_events::encodings::Body;
use aws_sdk_dynamodb::Client;
use http::HeaderMap;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY,
    RETRY_AFTER, STRICT_TRANSPORT_SECURITY, VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tegata_aws::TrustError;
use tegata_common::lease::SignedLicense;
use tegata_common::license::{Code, License};
use tegata_common::network;
use tegata_common::version::PluginVersion;
use tegata_storage::{Item, Key};

use crate::access_line::{AccessLine, SerialCheck};
use crate::answer::LicenseAnswer;
use crate::database::{self, ReadFailed};
use crate::origin::AllowedOrigin;
use crate::problem::Problem;
use crate::request::{Refused, Request, Route, Subject};
use crate::sample;
use crate::settings::LookupSettings;

/// Seconds after which to ask again when the database does not answer.
const RETRY_DATABASE: u16 = 5;
/// Seconds after which to ask again when an operator has to mend the item first.
const RETRY_ITEM: u16 = 300;
/// How long the start may wait for the connection that it opens ahead. With the first request's
/// own time-out it stays below two seconds.
const WARM_UP: Duration = Duration::from_millis(250);

/// The function: its settings and its one client.
#[derive(Clone, Debug)]
pub struct Lookup {
    client: Client,
    settings: LookupSettings,
}

/// An answer and its record.
#[derive(Debug)]
pub struct Answered {
    /// For the gateway.
    pub response: ApiGatewayV2httpResponse,
    /// For the log.
    pub line: AccessLine,
}

/// What the database said to a request.
pub type Read = Result<Option<Item>, ReadFailed>;

impl Lookup {
    /// The function with a client of its own.
    pub fn new(settings: &LookupSettings) -> Result<Self, TrustError> {
        Ok(Self {
            client: database::client(&settings.aws)?,
            settings: settings.clone(),
        })
    }

    /// Opens the connection to the database ahead of the first request, while Lambda gives the
    /// start a full core. It reads a key that no tenant can have; if that fails, the first
    /// request will say so.
    pub async fn warm_up(&self) {
        let key = Key::signing_keys();
        let read = database::read(&self.client, &self.settings.table, &key);
        if !matches!(tokio::time::timeout(WARM_UP, read).await, Ok(Ok(_))) {
            tracing::warn!("the database did not answer at start");
        }
    }

    /// Answers one event (HTTP API, payload format 2.0) at an instant.
    pub async fn answer(&self, event: &str, now: Timestamp) -> Answered {
        let read = async |key: &Key| {
            let table = &self.settings.table;
            database::read(&self.client, table, key).await
        };
        answer(event, &self.settings, now, read).await
    }
}

/// Answers an event from whatever `read` gives for the licence's key. It is asked once, and only
/// for a request that is in order.
pub async fn answer(
    event: &str,
    settings: &LookupSettings,
    now: Timestamp,
    read: impl AsyncFnOnce(&Key) -> Read,
) -> Answered {
    let mut line = AccessLine::at(now);
    let request = match read_request(event, settings, &mut line) {
        Ok(request) => request,
        Err(refused) => return refuse(refused, line),
    };
    let key = match request.key() {
        Some(key) if !request.is_preflight => key,
        _ => return preflight(&request, line),
    };
    let started = Instant::now();
    let read = read(&key).await;
    let micros = u32::try_from(started.elapsed().as_micros()).unwrap_or(u32::MAX);
    line.database_ms = Some(f64::from(micros) / 1000.0);
    respond(&request, read, now, line)
}

/// Reads the event, and notes in the line what may be known of it.
fn read_request(
    event: &str,
    settings: &LookupSettings,
    line: &mut AccessLine,
) -> Result<Request, Refused> {
    // The gateway's own types refuse a header with a control character, which a caller may send:
    // that is the caller's mistake, not a failed invocation.
    let Ok(event) = serde_json::from_str::<ApiGatewayV2httpRequest>(event) else {
        let mut door = Route::Api;
        if let Ok(unread) = serde_json::from_str::<UnreadEvent<'_>>(event) {
            door = Route::of(unread.route_key);
            note_request(line, &unread.request_context);
        }
        let problem = Problem::Malformed("headers: expected values without control characters");
        return Err(Refused::unread(door, problem));
    };
    let http = &event.request_context.http;
    note_request(
        line,
        &UnreadContext {
            request_id: event.request_context.request_id.as_deref(),
            time_epoch: Some(event.request_context.time_epoch),
        },
    );
    line.source = http.source_ip.as_deref().and_then(network::network);
    line.browser = event.headers.contains_key(http::header::ORIGIN);
    line.method = match http.method {
        http::Method::GET => Some("GET"),
        http::Method::POST => Some("POST"),
        http::Method::OPTIONS => Some("OPTIONS"),
        _ => None,
    };
    Request::read(&event, settings)
}

/// What is read of an event whose headers cannot be: which request it was.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UnreadEvent<'a> {
    #[serde(borrow, default)]
    route_key: Option<&'a str>,
    #[serde(borrow)]
    request_context: UnreadContext<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct UnreadContext<'a> {
    #[serde(default)]
    request_id: Option<&'a str>,
    #[serde(default)]
    time_epoch: Option<i64>,
}

/// Notes which request it is, by the gateway's own id and instant.
fn note_request(line: &mut AccessLine, context: &UnreadContext<'_>) {
    line.request_id = context.request_id.map(str::to_owned);
    let requested_at = context.time_epoch.filter(|epoch| *epoch > 0);
    let requested_at = requested_at.and_then(|epoch| Timestamp::from_millisecond(epoch).ok());
    line.requested_at = requested_at.map(|instant| format!("{instant:.3}"));
}

/// The answer to a request, from what the database said.
fn respond(request: &Request, read: Read, now: Timestamp, mut line: AccessLine) -> Answered {
    line.domain = Some(request.domain.to_string());
    let version = request.version.as_deref().map(PluginVersion::recorded);
    line.version = version.map(str::to_owned);
    line.serial = Some(match request.serial {
        Some(_) => SerialCheck::Unchecked,
        None => SerialCheck::Absent,
    });
    match &request.subject {
        Subject::Product(product) => {
            line.product = Some(product.to_string());
            answer_in_full(request, read, now, line)
        }
        Subject::Plugin(_) | Subject::Unsaid => answer_as_the_sample(request, read, now, line),
    }
}

fn answer_in_full(request: &Request, read: Read, now: Timestamp, mut line: AccessLine) -> Answered {
    let origin = request.origin.as_ref();
    let signed = match find::<SignedLicense>(request, read, now, &mut line) {
        Ok(signed) => signed,
        Err(problem) => return fail(Route::Api, problem, origin, line),
    };
    let answer = match line.serial {
        Some(SerialCheck::Match) => LicenseAnswer::of(&signed, now),
        _ => LicenseAnswer::without_serial(&signed, now),
    };
    let is_of_use = matches!(answer.code, Code::Valid | Code::Grace);
    if is_of_use && signed.lease.expires_at <= now {
        // The plug-in can use the answer, but keep nothing of it: leases are not being renewed.
        line.reason = Some("lease_ended".to_owned());
    }
    tell(Route::Api, answer.code, &answer, origin, line)
}

/// The answer in the official sample's form, from a licence's copy under a kintone plug-in id.
fn answer_as_the_sample(
    request: &Request,
    read: Read,
    now: Timestamp,
    mut line: AccessLine,
) -> Answered {
    let origin = request.origin.as_ref();
    let license = match find::<LicenseCopy>(request, read, now, &mut line) {
        Ok(LicenseCopy { license }) => license,
        Err(problem) => return fail(Route::Sample, problem, origin, line),
    };
    let code = license.code_at(now);
    let answer = sample::SampleAnswer::of(&license, now, code);
    tell(Route::Sample, code, &answer, origin, line)
}

/// The answer about a licence, as a door gives it.
fn tell(
    door: Route,
    code: Code,
    answer: &impl Serialize,
    origin: Option<&AllowedOrigin>,
    mut line: AccessLine,
) -> Answered {
    let Ok(body) = serde_json::to_string(answer) else {
        let retry_after = RETRY_ITEM;
        return fail(door, Problem::Unavailable { retry_after }, origin, line);
    };
    line.code = code.as_str();
    let mut headers = headers(origin);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let cached = match door {
        Route::Api => "private, max-age=300",
        // Nobody keeps what a POST is answered.
        Route::Sample => "no-store",
    };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cached));
    finish(200, headers, Some(body), line)
}

/// A licence's copy: the facts alone.
#[derive(Deserialize)]
struct LicenseCopy {
    license: License,
}

/// What an item holds of a licence.
trait Holds: DeserializeOwned {
    /// The facts, to be brought up to now.
    fn license(&mut self) -> &mut License;
}

impl Holds for SignedLicense {
    fn license(&mut self) -> &mut License {
        &mut self.license
    }
}

impl Holds for LicenseCopy {
    fn license(&mut self) -> &mut License {
        &mut self.license
    }
}

/// The licence that a request may see, as of now.
fn find<T: Holds>(
    request: &Request,
    read: Read,
    now: Timestamp,
    line: &mut AccessLine,
) -> Result<T, Problem> {
    let not_found = |line: &mut AccessLine, reason: &str| {
        line.reason = Some(reason.to_owned());
        Err(Problem::NotFound)
    };
    let unreadable = |line: &mut AccessLine| {
        line.reason = Some("unreadable_item".to_owned());
        let retry_after = RETRY_ITEM;
        Err(Problem::Unavailable { retry_after })
    };
    let item = match read {
        Ok(Some(item)) => item,
        Ok(None) => return not_found(line, "no_license"),
        Err(failed) => {
            tracing::error!(error = failed.detail, "the database did not answer");
            line.reason = Some(failed.kind);
            let retry_after = RETRY_DATABASE;
            return Err(Problem::Unavailable { retry_after });
        }
    };
    let mut found: T = match serde_dynamo::from_item(item) {
        Ok(found) => found,
        Err(error) => {
            tracing::error!(%error, "unreadable item");
            return unreadable(line);
        }
    };
    let license = found.license();
    // What time has done since the item was written. At the calendar's end there is nothing more.
    if let Ok(current) = license.as_of(now) {
        *license = current;
    }
    let is_asked = match &request.subject {
        Subject::Product(product) => license.product == *product,
        Subject::Plugin(id) => license.kintone_plugin_ids.contains(id),
        Subject::Unsaid => false,
    };
    if !is_asked || license.domain != request.domain || license.name().is_none() {
        tracing::error!(domain = %request.domain, "the item is about another licence");
        return unreadable(line);
    }
    if line.product.is_none() {
        line.product = Some(license.product.to_string());
    }
    if license.code_at(now) == Code::NotFound {
        return not_found(line, "released");
    }
    match &request.serial {
        Some(serial) if license.accepts(serial, now) => {
            line.serial = Some(SerialCheck::Match);
        }
        Some(_) => {
            line.serial = Some(SerialCheck::Mismatch);
            return not_found(line, "serial_mismatch");
        }
        None if license.policy.requires_serial => return not_found(line, "serial_missing"),
        None => {}
    }
    Ok(found)
}

fn preflight(request: &Request, mut line: AccessLine) -> Answered {
    let (method, header) = match &request.subject {
        Subject::Product(product) => {
            line.product = Some(product.to_string());
            ("GET", "X-License-Serial")
        }
        Subject::Plugin(_) | Subject::Unsaid => ("POST", "Content-Type"),
    };
    line.domain = Some(request.domain.to_string());
    line.code = "PREFLIGHT";
    line.withhold_serials();
    let mut headers = headers(None);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Some(origin) = &request.origin {
        origin.allow_request(method, header, &mut headers);
    }
    finish(204, headers, None, line)
}

fn refuse(refused: Refused, mut line: AccessLine) -> Answered {
    line.product = refused.product.map(|product| product.to_string());
    line.domain = refused.domain.map(|domain| domain.to_string());
    if let Problem::Malformed(detail) = refused.problem {
        line.reason = Some(detail.to_owned());
    }
    fail(refused.door, refused.problem, refused.origin.as_ref(), line)
}

fn fail(
    door: Route,
    problem: Problem,
    origin: Option<&AllowedOrigin>,
    mut line: AccessLine,
) -> Answered {
    line.code = problem.code();
    line.withhold_serials();
    let mut headers = headers(origin);
    let (content_type, (status, body)) = match door {
        Route::Api => (
            "application/problem+json",
            (problem.status(), problem.body()),
        ),
        Route::Sample => ("application/json", sample::told(problem)),
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Problem::Unavailable { retry_after } = problem {
        headers.insert(RETRY_AFTER, HeaderValue::from(retry_after));
    }
    finish(status, headers, Some(body), line)
}

/// The headers of every answer.
fn headers(origin: Option<&AllowedOrigin>) -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(16);
    for (name, value) in [
        (VARY, "Origin, X-License-Serial"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (
            STRICT_TRANSPORT_SECURITY,
            "max-age=63072000; includeSubDomains",
        ),
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Some(origin) = origin {
        origin.allow_reading(&mut headers);
    }
    headers
}

fn finish(status: u16, headers: HeaderMap, body: Option<String>, mut line: AccessLine) -> Answered {
    line.status = status;
    let mut response = ApiGatewayV2httpResponse::default();
    response.status_code = i64::from(status);
    response.headers = headers;
    response.body = body.map(Body::Text);
    Answered { response, line }
}

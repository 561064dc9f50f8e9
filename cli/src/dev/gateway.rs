//! The shape of API Gateway on one machine: an HTTP request becomes the payload-format-2.0 event
//! that a Lambda gets, and its answer becomes the response.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody as _};
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use data_encoding::BASE64;
use jiff::Timestamp;
use license_lookup::handler::Lookup;
use percent_encoding::percent_decode_str;
use serde_json::{Value, json};

use tegata_archive::objects::Objects;
use tegata_common::keys::KeyPurpose;
use tegata_common::release::MEDIA_TYPE;

use super::demo;
use super::log_delivery::{CdnLine, GatewayLine, LogSink, LogSource, common_log_time};
use super::outbox;
use crate::loopback::{Loopback, Refusal};
use crate::output;
use crate::publish::content_type;
use crate::target::Target;

/// The gateway's routes to the lookup function: the methods, and the path.
const LOOKUP_ROUTES: [(&[Method], &str); 2] = [
    (
        &[Method::GET, Method::OPTIONS],
        "/v1/products/{product}/domains/{domain}/license",
    ),
    (&[Method::POST, Method::OPTIONS], "/license"),
];

/// The description of the licence API, and where it is.
const OPENAPI: &str = include_str!("../../../docs/openapi.json");
const OPENAPI_PATH: &str = "/openapi.json";

/// What the port serves.
pub(super) struct Gateway {
    /// Which requests are answered.
    pub(super) loopback: Loopback,
    pub(super) lookup: Lookup,
    pub(super) target: Target,
    pub(super) guide: String,
    pub(super) doors: LogSink,
    /// Where mails are.
    pub(super) outbox: PathBuf,
    /// What the demo shows of the lookup.
    pub(super) lines: demo::Lines,
}

pub(super) fn router(
    gateway: Arc<Gateway>,
) -> axum::extract::connect_info::IntoMakeServiceWithConnectInfo<Router, SocketAddr> {
    Router::new()
        .fallback(serve)
        .with_state(gateway)
        .into_make_service_with_connect_info::<SocketAddr>()
}

async fn serve(
    State(gateway): State<Arc<Gateway>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let arrived = Arrived {
        at: Timestamp::now(),
        since: Instant::now(),
    };
    if let Err(refusal) = gateway.check(&method, uri.path(), &headers) {
        return gateway.loopback.refuse(refusal);
    }
    if let Some(route) = Route::of(&method, uri.path()) {
        let event = event(&route, &method, &uri, &headers, &body, peer.ip(), &arrived);
        let answered = gateway
            .lookup
            .answer(&event.to_string(), Timestamp::now())
            .await;
        // Whoever reads stdout may have gone; requests are answered all the same.
        let line = answered.line.to_string();
        output::try_json_text(&line);
        gateway.lines.note(&line);
        gateway.doors.write(LogSource::Lookup, arrived.at, line);
        let response = response(answered.response);
        gateway.log(&arrived, &route.key, response.status(), true);
        return response;
    }
    if let Some(response) = gateway.demo(&method, uri.path(), &headers, &body).await {
        return response;
    }
    if let (&Method::GET, Some(purpose)) = (&method, jwks_purpose(uri.path())) {
        let response = jwks(&gateway.target, purpose).await;
        gateway.log_file(&arrived, uri.path(), &response, peer.ip(), &headers);
        return response;
    }
    match (method, uri.path()) {
        (Method::GET, "/") => (
            [(header::CONTENT_TYPE, "text/plain; charset=utf-8")],
            gateway.guide.clone(),
        )
            .into_response(),
        (Method::GET, OPENAPI_PATH) => {
            ([(header::CONTENT_TYPE, "application/json")], OPENAPI).into_response()
        }
        (Method::GET, path) if path.starts_with(outbox::PATH) => {
            let host = headers
                .get(header::HOST)
                .and_then(|host| host.to_str().ok());
            outbox::answer(&gateway.outbox, path, host.unwrap_or_default())
        }
        (Method::GET, path) if is_cdn_file(path) => {
            let response = match gateway.target.cdn() {
                Ok(cdn) => file(cdn, path).await,
                Err(error) => {
                    tracing::error!("the files of the CDN cannot be opened: {error:#}");
                    StatusCode::SERVICE_UNAVAILABLE.into_response()
                }
            };
            gateway.log_file(&arrived, path, &response, peer.ip(), &headers);
            response
        }
        // The gateway's own words for a path that has no route.
        _ => {
            gateway.log(&arrived, "-", StatusCode::NOT_FOUND, false);
            json_response(StatusCode::NOT_FOUND, &json!({ "message": "Not Found" }))
        }
    }
}

/// When a request came, by the clock and to be measured from.
struct Arrived {
    at: Timestamp,
    since: Instant,
}

impl Arrived {
    fn request_id(&self) -> String {
        format!("local-{}", self.at.as_nanosecond())
    }
}

impl Gateway {
    /// Which pages may ask for a path. The licence API is asked by pages of other origins: the
    /// function decides, as it does behind the real gateway. Files of the CDN are for kintone's
    /// pages too, and everything else is for this origin's own.
    fn check(&self, method: &Method, path: &str, headers: &HeaderMap) -> Result<(), Refusal> {
        self.loopback.check_host(headers)?;
        let is_lookup = Route::of(method, path).is_some();
        let is_local = demo::has(path) || path.starts_with(outbox::PATH);
        let is_cdn = !is_local && is_cdn_file(path);
        if is_lookup || (is_cdn && self.is_asked_by_kintone(headers)) {
            return Ok(());
        }
        self.loopback.check_origin(headers)
    }

    /// Whether a request is a kintone page's, or does not say whose it is: a plain `<script>` has
    /// no `Origin`.
    fn is_asked_by_kintone(&self, headers: &HeaderMap) -> bool {
        headers.get(header::ORIGIN).is_none_or(|origin| {
            let host = origin
                .to_str()
                .ok()
                .and_then(|origin| origin.strip_prefix("https://"));
            host.is_some_and(|host| self.target.bases.canonicalize(host).is_ok())
        })
    }

    /// What the demo asks for, which is in no log.
    async fn demo(
        &self,
        method: &Method,
        path: &str,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Option<Response> {
        match (method, path) {
            (&Method::GET, "/") if demo::wants_page(headers) => demo::page(demo::PATH),
            (&Method::GET, demo::STATE) => {
                Some(match demo::state(&self.target, &self.lines).await {
                    Ok(state) => json_response(StatusCode::OK, &state),
                    Err(error) => {
                        let text = format!("{error:#}\n");
                        (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
                    }
                })
            }
            (&Method::POST, demo::LICENSE) => Some(demo::change(&self.target, headers, body).await),
            (&Method::GET | &Method::HEAD, demo::KINTONE) => Some(StatusCode::OK.into_response()),
            (&Method::GET, path) if path.starts_with(demo::PATH) => demo::page(path),
            _ => None,
        }
    }

    /// What API Gateway's access log has of a request.
    fn log(&self, arrived: &Arrived, route_key: &str, status: StatusCode, was_integrated: bool) {
        let line = GatewayLine {
            request_id: &arrived.request_id(),
            at: arrived.at,
            route_key,
            status: status.as_u16(),
            latency_ms: arrived.since.elapsed().as_millis(),
            was_integrated,
        };
        self.doors
            .write(LogSource::Gateway, arrived.at, line.text());
    }

    /// What CloudFront's log has of a file.
    fn log_file(
        &self,
        arrived: &Arrived,
        path: &str,
        response: &Response,
        peer: IpAddr,
        headers: &HeaderMap,
    ) {
        let header = |name| {
            let value = headers.get(name);
            value.and_then(|value| value.to_str().ok()).unwrap_or("-")
        };
        let line = CdnLine {
            request_id: &arrived.request_id(),
            at: arrived.at,
            path,
            status: response.status().as_u16(),
            bytes: response.body().size_hint().exact().unwrap_or_default(),
            latency_ms: arrived.since.elapsed().as_millis(),
            address: &peer.to_string(),
            user_agent: header(header::USER_AGENT),
            referer: header(header::REFERER),
        };
        self.doors.write(LogSource::Cdn, arrived.at, line.text());
    }
}

/// A request's route to the lookup function.
struct Route {
    key: String,
    parameters: BTreeMap<&'static str, String>,
}

impl Route {
    fn of(method: &Method, path: &str) -> Option<Self> {
        LOOKUP_ROUTES.iter().find_map(|(methods, route)| {
            let parameters = path_parameters(route, path)?;
            methods.contains(method).then(|| Self {
                key: format!("{method} {route}"),
                parameters,
            })
        })
    }
}

/// The path parameters of a route, decoded as the gateway does.
fn path_parameters(route: &'static str, path: &str) -> Option<BTreeMap<&'static str, String>> {
    let mut parameters = BTreeMap::new();
    let mut segments = path.split('/');
    for expected in route.split('/') {
        let segment = segments.next()?;
        match expected
            .strip_prefix('{')
            .and_then(|name| name.strip_suffix('}'))
        {
            Some(_) if segment.is_empty() => return None,
            Some(name) => {
                let decoded = percent_decode_str(segment).decode_utf8_lossy().into_owned();
                parameters.insert(name, decoded);
            }
            None if segment == expected => {}
            None => return None,
        }
    }
    segments.next().is_none().then_some(parameters)
}

fn event(
    route: &Route,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &Bytes,
    peer: IpAddr,
    arrived: &Arrived,
) -> Value {
    let now = arrived.at;
    // Headers and query parameters of one name are joined with commas.
    let mut joined: BTreeMap<&str, String> = BTreeMap::new();
    for (name, value) in headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        join(joined.entry(name.as_str()).or_default(), &value);
    }
    let raw_query = uri.query().unwrap_or("");
    let mut query: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(raw_query.as_bytes()) {
        join(query.entry(name.into_owned()).or_default(), &value);
    }
    let host = joined.get("host").cloned().unwrap_or_default();
    let mut event = json!({
        "version": "2.0",
        "routeKey": route.key,
        "rawPath": uri.path(),
        "rawQueryString": raw_query,
        "headers": joined,
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "local",
            "domainName": host,
            "domainPrefix": "local",
            "http": {
                "method": method.as_str(),
                "path": uri.path(),
                "protocol": "HTTP/1.1",
                "sourceIp": peer.to_string(),
                "userAgent": joined.get("user-agent"),
            },
            "requestId": arrived.request_id(),
            "routeKey": route.key,
            "stage": "$default",
            "time": common_log_time(now),
            "timeEpoch": now.as_millisecond(),
        },
        "isBase64Encoded": false,
    });
    if !query.is_empty() {
        event["queryStringParameters"] = json!(query);
    }
    if !route.parameters.is_empty() {
        event["pathParameters"] = json!(route.parameters);
    }
    if !body.is_empty() {
        let content_type = headers.get(header::CONTENT_TYPE);
        let text = std::str::from_utf8(body).ok();
        match text.filter(|_| is_text(content_type)) {
            Some(text) => event["body"] = json!(text),
            None => {
                event["body"] = json!(BASE64.encode(body));
                event["isBase64Encoded"] = json!(true);
            }
        }
    }
    event
}

/// Whether the gateway hands a body on as text. Every other it encodes, a form's too.
fn is_text(content_type: Option<&HeaderValue>) -> bool {
    let content_type = content_type.and_then(|value| value.to_str().ok());
    content_type.is_none_or(|value| {
        let kind = value.split(';').next().unwrap_or_default().trim();
        let texts = [
            "application/json",
            "application/javascript",
            "application/xml",
        ];
        kind.starts_with("text/") || texts.contains(&kind)
    })
}

fn join(joined: &mut String, value: &str) {
    if !joined.is_empty() {
        joined.push(',');
    }
    joined.push_str(value);
}

fn response(answer: aws_lambda_events::apigw::ApiGatewayV2httpResponse) -> Response {
    let body = match answer.body {
        Some(aws_lambda_events::encodings::Body::Text(text)) => Body::from(text),
        _ => Body::empty(),
    };
    let mut response = Response::new(body);
    let status = u16::try_from(answer.status_code).ok();
    *response.status_mut() = status
        .and_then(|status| StatusCode::from_u16(status).ok())
        .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    *response.headers_mut() = answer.headers;
    response
}

/// Whether a path is the CDN's: everything but the API's.
fn is_cdn_file(path: &str) -> bool {
    let path = path.trim_start_matches('/');
    let mut parts = path.split('/');
    path.contains('/')
        && !path.starts_with("v1/")
        && parts.all(|part| !part.starts_with('.') || part == ".well-known")
}

/// A file of the CDN, as CloudFront serves it.
async fn file(cdn: &Objects, path: &str) -> Response {
    let path = path.trim_start_matches('/');
    let key = match path.ends_with('/') {
        true => format!("{path}index.html"),
        false => path.to_owned(),
    };
    let content_type = match key.rsplit_once('.') {
        Some((_, "xml")) => "application/atom+xml; charset=utf-8",
        Some((_, "jwt")) => MEDIA_TYPE,
        _ => content_type(&key).unwrap_or("application/octet-stream"),
    };
    match cdn.get(&key).await {
        Ok(Some(content)) => {
            let headers = [
                (header::CONTENT_TYPE, content_type),
                // Scripts of pages at kintone load them, with their integrity checked.
                (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
                (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
            ];
            (headers, content).into_response()
        }
        Ok(None) => (StatusCode::NOT_FOUND, "Not Found\n").into_response(),
        Err(error) => {
            tracing::error!("a file of the CDN cannot be read: {error}");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

/// The purpose of the keys that the CDN serves at a path.
fn jwks_purpose(path: &str) -> Option<KeyPurpose> {
    let path = path.strip_prefix('/')?;
    let mut purposes = KeyPurpose::ALL.into_iter();
    purposes.find(|purpose| purpose.jwks_path() == path)
}

async fn jwks(target: &Target, purpose: KeyPurpose) -> Response {
    match target.key_register(purpose).await {
        Ok((register, _)) => json_response(StatusCode::OK, &json!(register.jwks())),
        Err(error) => {
            tracing::error!("the register of keys cannot be read: {error:#}");
            json_response(
                StatusCode::SERVICE_UNAVAILABLE,
                &json!({ "message": "Service Unavailable" }),
            )
        }
    }
}

fn json_response(status: StatusCode, body: &Value) -> Response {
    let content_type = [(header::CONTENT_TYPE, "application/json")];
    (status, content_type, body.to_string()).into_response()
}

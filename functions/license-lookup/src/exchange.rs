//! A request and its answer: the response for the gateway, and the access line.

use aws_lambda_events::apigw::{ApiGatewayV2httpRequest, ApiGatewayV2httpResponse};
use aws_lambda_events::encodings::Body;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, ORIGIN, REFERRER_POLICY,
    RETRY_AFTER, STRICT_TRANSPORT_SECURITY, VARY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, Method};
use jiff::Timestamp;
use serde::Deserialize;
use tegata_common::network;

use crate::access_line::AccessLine;
use crate::origin::AllowedOrigin;
use crate::problem::Problem;
use crate::route::{Answer, Route};

/// A request during processing.
#[derive(Debug)]
pub struct Exchange {
    pub route: &'static Route,
    /// The origin of the page, if it may read the answer.
    pub origin: Option<AllowedOrigin>,
    /// The access line.
    pub line: AccessLine,
}

/// An answer and its access line.
#[derive(Debug)]
pub struct Answered {
    /// The response for the gateway.
    pub response: ApiGatewayV2httpResponse,
    /// The access line.
    pub line: AccessLine,
}

impl Exchange {
    /// A request before its event is read.
    pub fn new(now: Timestamp) -> Self {
        Self {
            route: Route::of(None),
            origin: None,
            line: AccessLine::at(now),
        }
    }

    /// Parses the event. The source address is the one determined by the gateway; headers such as
    /// `X-Forwarded-For` are ignored.
    pub fn read_event(&mut self, event: &str) -> Result<ApiGatewayV2httpRequest, Problem> {
        // The event types reject a header with a control character, which a caller can send. That
        // is an invalid request, not a failed invocation.
        let Ok(event) = serde_json::from_str::<ApiGatewayV2httpRequest>(event) else {
            if let Ok(event) = serde_json::from_str::<UnreadEvent<'_>>(event) {
                self.route = Route::of(event.route_key);
                let context = event.request_context;
                self.note_request(context.request_id, context.time_epoch);
            }
            return Err(Problem::Malformed(
                "headers: expected values without control characters",
            ));
        };
        self.route = Route::of(event.route_key.as_deref());
        let context = &event.request_context;
        self.note_request(context.request_id.as_deref(), Some(context.time_epoch));
        self.line.source = context.http.source_ip.as_deref().and_then(network::network);
        self.line.browser = event.headers.contains_key(ORIGIN);
        self.line.method = match context.http.method {
            Method::GET => Some("GET"),
            Method::POST => Some("POST"),
            Method::OPTIONS => Some("OPTIONS"),
            _ => None,
        };
        Ok(event)
    }

    /// Records the gateway's id and time of the request.
    fn note_request(&mut self, id: Option<&str>, time_epoch: Option<i64>) {
        self.line.request_id = id.map(str::to_owned);
        let requested_at = time_epoch.filter(|epoch| *epoch > 0);
        let requested_at = requested_at.and_then(|epoch| Timestamp::from_millisecond(epoch).ok());
        self.line.requested_at = requested_at.map(|instant| format!("{instant:.3}"));
    }

    /// Answers with a licence.
    pub fn answer(mut self, answer: Answer) -> Answered {
        self.line.code = answer.code.as_str();
        let mut headers = self.headers();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let cached = HeaderValue::from_static(self.route.cache_control);
        headers.insert(CACHE_CONTROL, cached);
        self.finish(200, headers, Some(answer.body))
    }

    /// Answers a preflight request.
    pub fn allow_request(mut self) -> Answered {
        self.line.code = "PREFLIGHT";
        self.line.withhold_serials();
        let origin = self.origin.take();
        let mut headers = self.headers();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(origin) = origin {
            origin.allow_request(self.route.method, self.route.header, &mut headers);
        }
        self.finish(204, headers, None)
    }

    /// Answers with a problem.
    pub fn refuse(mut self, problem: Problem) -> Answered {
        self.line.code = problem.code();
        self.line.withhold_serials();
        if let Problem::Malformed(detail) = problem {
            self.line.reason = Some(detail.to_owned());
        }
        let mut headers = self.headers();
        let (status, body) = (self.route.problem)(problem);
        let content_type = HeaderValue::from_static(self.route.problem_type);
        headers.insert(CONTENT_TYPE, content_type);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Problem::Unavailable { retry_after } = problem {
            headers.insert(RETRY_AFTER, HeaderValue::from(retry_after));
        }
        self.finish(status, headers, Some(body))
    }

    /// The headers of every answer.
    fn headers(&self) -> HeaderMap {
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
        if let Some(origin) = &self.origin {
            origin.allow_reading(&mut headers);
        }
        headers
    }

    fn finish(mut self, status: u16, headers: HeaderMap, body: Option<String>) -> Answered {
        self.line.status = status;
        let mut response = ApiGatewayV2httpResponse::default();
        response.status_code = i64::from(status);
        response.headers = headers;
        response.body = body.map(Body::Text);
        Answered {
            response,
            line: self.line,
        }
    }
}

/// The members of an event with invalid headers that are still read: the id and the time of the
/// request.
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

//! The route of Cybozu's official licence sample: `POST /license` with a tenant and a kintone
//! plug-in id. The answer has the form that the sample's plug-ins expect.

use std::borrow::Cow;

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use data_encoding::BASE64;
use http::Method;
use http::header::ORIGIN;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use tegata_common::calendar;
use tegata_common::license::{Code, CurrentLicense, License};
use tegata_storage::Item;

use crate::access_line::AccessLine;
use crate::exchange::Exchange;
use crate::origin::AllowedOrigin;
use crate::problem::Problem;
use crate::request::{self, Request, Subject};
use crate::route::{Answer, Route};
use crate::settings::LookupSettings;

/// The sample's path, in the gateway's route key after the method.
pub const PATH: &str = "/license";

/// The maximum size of a body in bytes. A valid request needs less than a third of it.
const LARGEST: usize = 1024;

/// The route.
pub static ROUTE: Route = Route {
    method: "POST",
    header: "Content-Type",
    // Answers to POST are not cached.
    cache_control: "no-store",
    problem_type: "application/json",
    problem,
    read,
    answer,
};

/// Parses a request. A preflight does not contain the requested tenant, so it is accepted from a
/// page of any tenant.
fn read(
    event: &ApiGatewayV2httpRequest,
    settings: &LookupSettings,
    exchange: &mut Exchange,
) -> Result<Option<Request>, Problem> {
    match event.request_context.http.method {
        Method::POST => {}
        Method::OPTIONS => return read_preflight(event, settings, exchange).map(|()| None),
        _ => return Err(Problem::Malformed("method: expected POST or OPTIONS")),
    }
    let body = body(event)?;
    let sent = SampleRequest::read(&body)?;
    let domain = request::read_domain(sent.domain.as_deref().unwrap_or_default(), settings)?;
    exchange.line.domain = Some(domain.to_string());
    exchange.origin = request::read_origin(&event.headers, &domain)?;
    let id = sent.plugin_id.as_deref().unwrap_or_default();
    let id = id
        .parse()
        .map_err(|_| Problem::Malformed("pluginId: expected kintone's 32 letters from a to p"))?;
    Ok(Some(Request {
        subject: Subject::Plugin(id),
        domain,
        version: request::read_version(event)?,
        serial: request::read_serial(&event.headers)?,
    }))
}

fn read_preflight(
    event: &ApiGatewayV2httpRequest,
    settings: &LookupSettings,
    exchange: &mut Exchange,
) -> Result<(), Problem> {
    let mut origins = event.headers.get_all(ORIGIN).iter();
    let origin = match (origins.next(), origins.next()) {
        (Some(origin), None) => origin,
        (None, _) => return Err(Problem::Malformed("OPTIONS: expected an Origin header")),
        _ => return Err(Problem::OriginNotAllowed),
    };
    let host = origin.to_str().ok();
    let host = host.and_then(|origin| origin.strip_prefix("https://"));
    let domain = host.and_then(|host| settings.bases.canonicalize(host).ok());
    let domain = domain.ok_or(Problem::OriginNotAllowed)?;
    let origin = AllowedOrigin::of(origin, &domain).ok_or(Problem::OriginNotAllowed)?;
    exchange.origin = Some(origin);
    exchange.line.domain = Some(domain.to_string());
    Ok(())
}

/// A licence's alias under a kintone plug-in id: the facts without the lease.
#[derive(Deserialize)]
struct Alias {
    license: License,
}

fn answer(
    request: &Request,
    item: Item,
    now: Timestamp,
    line: &mut AccessLine,
) -> Result<Answer, Problem> {
    let Alias { license } = request::read_item(item, line)?;
    let current = license.at(now);
    request.check(&current, line)?;
    let answer = SampleAnswer::of(&current);
    let body = serde_json::to_string(&answer).map_err(|_| Problem::ITEM_UNREADABLE)?;
    Ok(Answer {
        code: current.code(),
        body,
    })
}

/// The body of a request. Other members are ignored, as by the sample's own endpoint, so that
/// plug-ins that send additional members work.
#[derive(Debug, Deserialize)]
struct SampleRequest<'a> {
    /// `location.hostname`.
    #[serde(borrow, default)]
    domain: Option<Cow<'a, str>>,
    /// `kintone.$PLUGIN_ID`.
    #[serde(borrow, default, rename = "pluginId")]
    plugin_id: Option<Cow<'a, str>>,
}

/// The bytes of a request's body. The gateway sends a body that is not text in base64.
fn body(event: &ApiGatewayV2httpRequest) -> Result<Cow<'_, [u8]>, Problem> {
    const TOO_LARGE: Problem = Problem::Malformed("body: larger than 1 KB");
    let body = event.body.as_deref().unwrap_or_default();
    if body.is_empty() {
        return Err(Problem::Malformed("body: expected domain and pluginId"));
    }
    let body = match event.is_base64_encoded {
        // Four base64 characters encode three bytes.
        true if body.len() > LARGEST / 3 * 4 + 4 => return Err(TOO_LARGE),
        true => BASE64
            .decode(body.as_bytes())
            .map(Cow::Owned)
            .map_err(|_| Problem::Malformed("body: not the base64 that it is said to be"))?,
        false => Cow::Borrowed(body.as_bytes()),
    };
    match body.len() {
        0..=LARGEST => Ok(body),
        _ => Err(TOO_LARGE),
    }
}

impl<'a> SampleRequest<'a> {
    /// Parses a body.
    fn read(body: &'a [u8]) -> Result<Self, Problem> {
        const EXPECTED: Problem =
            Problem::Malformed("body: expected a JSON object with the texts domain and pluginId");
        // serde would also accept a list of two texts.
        if !body.trim_ascii_start().starts_with(b"{") {
            return Err(EXPECTED);
        }
        serde_json::from_slice(body).map_err(|_| EXPECTED)
    }
}

/// The body of the answer.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct SampleAnswer {
    /// `Valid` or `Invalid`.
    message: &'static str,
    /// The last day on which the licence can be used, in the product's time zone. A plug-in that
    /// compares it with today gets the same result as `message`.
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration_date: Option<Date>,
}

impl SampleAnswer {
    fn of(current: &CurrentLicense) -> Self {
        let (license, bounds) = (current.license(), current.bounds());
        let works_until = |end: Timestamp| {
            let end = license.suspended_from.map_or(end, |from| end.min(from));
            // The last whole day: if the end is in the morning, the day before.
            calendar::date_of(end, &license.policy).yesterday().ok()
        };
        let today = calendar::date_of(current.now(), &license.policy);
        let (message, expiration_date) = match current.code() {
            // On the morning after the last day it can still be used, so the date is today.
            Code::Valid => ("Valid", works_until(bounds.valid_until).max(Some(today))),
            Code::Grace => ("Valid", works_until(bounds.grace_until).max(Some(today))),
            Code::Expired | Code::Suspended => ("Invalid", works_until(bounds.valid_until)),
            // The last day is in the future, and a plug-in that compares only the date would accept
            // it.
            Code::NotStarted | Code::NotFound => ("Invalid", None),
        };
        Self {
            message,
            expiration_date,
        }
    }
}

/// The body of a problem in the sample's form.
#[derive(Serialize)]
struct SampleProblem {
    message: &'static str,
}

/// The status and the body of a problem. A missing licence has status 200, as in the sample.
fn problem(problem: Problem) -> (u16, String) {
    let (status, message) = match problem {
        Problem::NotFound => (200, "No item found."),
        Problem::Malformed(detail) => (problem.status(), detail),
        other => (other.status(), other.title()),
    };
    // A struct of a text always serialises.
    let body = serde_json::to_string(&SampleProblem { message }).unwrap_or_default();
    (status, body)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn event(body: &str, is_base64_encoded: bool) -> ApiGatewayV2httpRequest {
        let mut event = ApiGatewayV2httpRequest::default();
        event.body = Some(body.to_owned());
        event.is_base64_encoded = is_base64_encoded;
        event
    }

    #[test]
    fn bodies_are_read_as_text_and_as_base64_up_to_a_kilobyte() {
        let body_of = |text: &str, encoded| body(&event(text, encoded)).map(Cow::into_owned);
        let too_large = Err(Problem::Malformed("body: larger than 1 KB"));
        for length in [1, 1022, 1023, 1024] {
            let text = "x".repeat(length);
            assert_eq!(body_of(&text, false).as_deref(), Ok(text.as_bytes()));
            let encoded = BASE64.encode(text.as_bytes());
            assert_eq!(body_of(&encoded, true).as_deref(), Ok(text.as_bytes()));
        }
        for length in [1025, 1026, 1027, 100_000] {
            let text = "x".repeat(length);
            assert_eq!(body_of(&text, false), too_large, "{length}");
            let encoded = BASE64.encode(text.as_bytes());
            assert_eq!(body_of(&encoded, true), too_large, "{length}");
        }
        assert!(body_of("", false).is_err());
        assert!(body_of("", true).is_err());
        assert!(body_of("{}", true).is_err());
    }

    #[test]
    fn an_object_with_two_texts_is_read_and_nothing_else() {
        let read = |text: &str| {
            let asked = SampleRequest::read(text.as_bytes()).ok()?;
            Some((asked.domain?.into_owned(), asked.plugin_id?.into_owned()))
        };
        let both = Some(("d".to_owned(), "p".to_owned()));
        for text in [
            r#"{"domain":"d","pluginId":"p"}"#,
            r#" { "pluginId" : "\u0070", "domain" : "d", "version": {"a": [1]} } "#,
        ] {
            assert_eq!(read(text), both, "{text}");
        }
        for text in [
            "",
            "null",
            "[]",
            r#"["d","p"]"#,
            r#""domain""#,
            "domain=d&pluginId=p",
            r#"{"domain":"d"}"#,
            r#"{"domain":"d","pluginId":null}"#,
            r#"{"domain":"d","pluginId":1}"#,
            r#"{"domain":["d"],"pluginId":"p"}"#,
            r#"{"domain":"d","pluginid":"p"}"#,
            r#"{"domain":"d","domain":"e","pluginId":"p"}"#,
            r#"{"domain":"d","pluginId":"p"} {"#,
            "{\"domain\":\"d\",\"pluginId\":\"\u{fffd}",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
        assert!(SampleRequest::read(b"{\"domain\":\"\xff\",\"pluginId\":\"p\"}").is_err());
    }

    #[test]
    fn a_problem_is_one_sentence() {
        let unavailable = Problem::Unavailable { retry_after: 5 };
        for (problem, status, message) in [
            (Problem::NotFound, 200, "No item found."),
            (Problem::Malformed("body: bad"), 400, "body: bad"),
            (
                unavailable,
                503,
                "The licence cannot be read at the moment.",
            ),
        ] {
            let (actual, body) = super::problem(problem);
            assert_eq!(actual, status);
            let body: serde_json::Value = serde_json::from_str(&body).unwrap();
            assert_eq!(body, json!({ "message": message }));
        }
    }
}

//! The door of Cybozu's official licence sample: `POST /license` with a tenant and a kintone
//! plug-in id, answered as that sample's plug-ins read it.

use std::borrow::Cow;

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use data_encoding::BASE64;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use tegata_common::calendar;
use tegata_common::license::{Code, License};

use crate::problem::Problem;

/// The sample's path, in the gateway's route key after the method.
pub const PATH: &str = "/license";

/// The largest body, in bytes: a host name and an id have room in a third of it.
const LARGEST: usize = 1024;

/// What a plug-in sends. What else is in it is nobody's business here, as at the sample's own
/// endpoint: plug-ins that say more go on working.
#[derive(Debug, Deserialize)]
pub struct SampleRequest<'a> {
    /// `location.hostname`.
    #[serde(borrow, default)]
    pub domain: Option<Cow<'a, str>>,
    /// `kintone.$PLUGIN_ID`.
    #[serde(borrow, default, rename = "pluginId")]
    pub plugin_id: Option<Cow<'a, str>>,
}

/// The bytes of a request's body. The gateway encodes what it does not take for text.
pub fn body(event: &ApiGatewayV2httpRequest) -> Result<Cow<'_, [u8]>, Problem> {
    const TOO_LARGE: Problem = Problem::Malformed("body: larger than 1 KB");
    let body = event.body.as_deref().unwrap_or_default();
    if body.is_empty() {
        return Err(Problem::Malformed("body: expected domain and pluginId"));
    }
    let body = match event.is_base64_encoded {
        // Four letters hold three bytes.
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
    /// Reads a body.
    pub fn read(body: &'a [u8]) -> Result<Self, Problem> {
        const EXPECTED: Problem =
            Problem::Malformed("body: expected a JSON object with the texts domain and pluginId");
        // To serde a list of two texts would be the same.
        if !body.trim_ascii_start().starts_with(b"{") {
            return Err(EXPECTED);
        }
        serde_json::from_slice(body).map_err(|_| EXPECTED)
    }
}

/// What a plug-in reads.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SampleAnswer {
    /// `Valid` or `Invalid`.
    message: &'static str,
    /// The last day on which the licence works, in the product's zone. A plug-in that compares it
    /// with today by itself comes to the same as `message`.
    #[serde(skip_serializing_if = "Option::is_none")]
    expiration_date: Option<Date>,
}

impl SampleAnswer {
    /// What is said of a licence, which is as of now, with its code.
    pub fn of(license: &License, now: Timestamp, code: Code) -> Self {
        let bounds = license.bounds();
        let works_until = |end: Timestamp| {
            let end = license.suspended_from.map_or(end, |from| end.min(from));
            // The last whole day: where it ends in the morning, the one before.
            calendar::date_of(end, &license.policy).yesterday().ok()
        };
        let today = calendar::date_of(now, &license.policy);
        let (message, expiration_date) = match code {
            // On the morning after the last day it still works: then that is today.
            Code::Valid => ("Valid", works_until(bounds.valid_until).max(Some(today))),
            Code::Grace => ("Valid", works_until(bounds.grace_until).max(Some(today))),
            Code::Expired | Code::Suspended => ("Invalid", works_until(bounds.valid_until)),
            // Its last day lies ahead, and whoever reads only that would let it work.
            Code::NotStarted | Code::NotFound => ("Invalid", None),
        };
        Self {
            message,
            expiration_date,
        }
    }
}

/// A problem as the sample tells it: one sentence.
#[derive(Serialize)]
struct SampleProblem {
    message: &'static str,
}

/// The status and the body of a problem. That there is no licence is none: the sample answers it
/// as it answers a licence.
pub fn told(problem: Problem) -> (u16, String) {
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
            let (told_status, body) = told(problem);
            assert_eq!(told_status, status);
            let body: serde_json::Value = serde_json::from_str(&body).unwrap();
            assert_eq!(body, json!({ "message": message }));
        }
    }
}

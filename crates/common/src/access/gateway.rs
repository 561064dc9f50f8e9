//! API Gateway's access log: JSON lines in the format that is set in template.yaml.

use serde::de;
use serde::{Deserialize, Deserializer};

use super::moment::{Moment, Window};
use super::record::AccessRecord;
use super::redact;
use super::scalar::Scalar;
use super::text::Text;
use crate::domain::BaseDomains;
use crate::network::network;

/// A line. The gateway writes `$context` variables as texts, and `-` for an empty value.
///
/// The template's format has no address, user agent or path. If somebody adds them, they are
/// redacted and recorded.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GatewayLine<'a> {
    #[serde(borrow)]
    request_id: Text<'a>,
    /// `$context.requestTime`, to the second. Older lines have `$context.requestTimeEpoch`, whose
    /// unit depends on the kind of API.
    time: Moment,
    #[serde(default)]
    status: OptionalNumber,
    #[serde(default)]
    response_latency: OptionalNumber,
    #[serde(default)]
    integration_status: OptionalNumber,
    #[serde(borrow, default)]
    route_key: Option<Text<'a>>,
    #[serde(borrow, default)]
    source_ip: Option<Text<'a>>,
    #[serde(borrow, default)]
    user_agent: Option<Text<'a>>,
    #[serde(borrow, default)]
    path: Option<Text<'a>>,
}

/// Why a line that could be parsed is not a valid record.
pub(super) type InvalidReason = &'static str;

/// Parses a line.
pub(super) fn read<'a>(
    line: &'a [u8],
    window: Window,
    bases: &BaseDomains,
) -> Result<Result<AccessRecord<'a>, InvalidReason>, serde_json::Error> {
    let line: GatewayLine<'a> = serde_json::from_slice(line)?;
    Ok(normalise(line, window, bases))
}

fn normalise<'a>(
    line: GatewayLine<'a>,
    window: Window,
    bases: &BaseDomains,
) -> Result<AccessRecord<'a>, InvalidReason> {
    if !is_request_id(&line.request_id) {
        return Err("requestId is invalid");
    }
    let time = window.instant(line.time)?;
    let small = |figure: OptionalNumber| figure.0.and_then(|value| u16::try_from(value).ok());
    let method = line.route_key.as_deref().and_then(|route| {
        let (method, _) = route.split_once(' ')?;
        ["GET", "OPTIONS", "POST"]
            .into_iter()
            .find(|known| *known == method)
    });
    let (product, domain) = line
        .path
        .as_deref()
        .and_then(|path| of_path(path, bases))
        .unzip();
    Ok(AccessRecord {
        status: small(line.status),
        latency_ms: line
            .response_latency
            .0
            .map(|latency| u32::try_from(latency).unwrap_or(u32::MAX)),
        integration_status: small(line.integration_status),
        method: method.map(Text::from),
        network: line.source_ip.as_deref().and_then(network).map(Text::from),
        agent: line
            .user_agent
            .as_deref()
            .map(redact::agent)
            .map(Text::from),
        product,
        domain,
        ..AccessRecord::new(line.request_id, time)
    })
}

/// The product and the tenant in `/v1/products/{product}/domains/{domain}/license`.
fn of_path(path: &str, bases: &BaseDomains) -> Option<(Text<'static>, Text<'static>)> {
    let rest = path.strip_prefix("/v1/products/")?;
    let (product, rest) = rest.split_once("/domains/")?;
    let domain = bases.canonicalize(rest.strip_suffix("/license")?).ok()?;
    let product = redact::product(product)?.to_owned();
    let is_recorded = !redact::may_be_serial(domain.as_str());
    is_recorded.then(|| (Text::from(product), Text::from(domain.to_string())))
}

/// Whether a text can be a request id. The gateway and CloudFront use base64 or base64url; a UUID is
/// also accepted.
pub(super) fn is_request_id(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'=' | b'-' | b'_' | b'+' | b'/'))
}

/// A number with or without quotes; `-`, an empty text or null is an empty value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct OptionalNumber(pub(super) Option<u64>);

impl<'de> Deserialize<'de> for OptionalNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = match Scalar::deserialize(deserializer)? {
            Scalar::Null => None,
            Scalar::Number(number) => Some(number),
            Scalar::Text(text) if matches!(&*text, "" | "-") => None,
            Scalar::Text(text) => {
                let number = text.parse();
                Some(number.map_err(|_| de::Error::custom("expected a number"))?)
            }
        };
        Ok(Self(value))
    }
}

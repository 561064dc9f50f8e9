//! The log line of `license-lookup`. Its values have been validated by that function.

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use super::gateway::{InvalidReason, is_request_id};
use super::moment::{Moment, Window};
use super::record::AccessRecord;
use super::redact;
use super::text::Text;
use crate::license::Code;
use crate::network::is_network;
use crate::version::{OTHER, PluginVersion};

#[derive(Deserialize)]
struct LookupLine<'a> {
    /// When the request was answered.
    #[serde(borrow)]
    time: Text<'a>,
    /// When the gateway received the request, as in the gateway's own line.
    #[serde(borrow, default)]
    requested_at: Option<Text<'a>>,
    #[serde(borrow, default)]
    request_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    method: Option<Text<'a>>,
    #[serde(borrow, default)]
    product: Option<Text<'a>>,
    #[serde(borrow, default)]
    domain: Option<Text<'a>>,
    #[serde(borrow, default)]
    version: Option<Text<'a>>,
    #[serde(borrow)]
    code: Text<'a>,
    status: u16,
    #[serde(borrow, default)]
    reason: Option<Text<'a>>,
    #[serde(borrow, default)]
    serial: Option<Text<'a>>,
    #[serde(borrow, default)]
    source: Option<Text<'a>>,
    #[serde(default)]
    browser: Option<bool>,
    #[serde(default)]
    database_ms: Option<f64>,
}

/// Parses a line.
pub(super) fn read(
    line: &[u8],
    window: Window,
) -> Result<Result<AccessRecord<'_>, InvalidReason>, serde_json::Error> {
    let parsed: LookupLine<'_> = serde_json::from_slice(line)?;
    Ok(normalise(parsed, window, line))
}

fn normalise<'a>(
    line: LookupLine<'a>,
    window: Window,
    whole: &'a [u8],
) -> Result<AccessRecord<'a>, InvalidReason> {
    let time = line.requested_at.as_ref().unwrap_or(&line.time);
    let time: Timestamp = time.parse().map_err(|_| "time is invalid")?;
    let time = window.instant(Moment::DateTime(time))?;
    let request_id = match line.request_id {
        Some(id) if is_request_id(&id) => id,
        Some(_) => return Err("request_id is invalid"),
        // The request did not come through the gateway. The hash of the line is used as an id.
        None => Text::from(format!(
            "line-{}",
            HEXLOWER.encode(&Sha256::digest(whole)[..16])
        )),
    };
    if !is_word(&line.code) {
        return Err("code is invalid");
    }
    // The domain of an existing licence is a real one. Otherwise it is an arbitrary text of the
    // caller, which may contain a serial.
    let has_license = Code::states_a_license(line.code.as_str());
    let domain = line.domain.filter(|domain| {
        redact::is_host(domain) && (has_license || !redact::may_be_serial(domain))
    });
    let product = line
        .product
        .filter(|product| redact::product(product).is_some());
    let version = line
        .version
        .map(|version| match PluginVersion::recorded(&version) {
            OTHER => Text::from(OTHER),
            _ => version,
        });
    Ok(AccessRecord {
        product,
        domain,
        version,
        method: line
            .method
            .filter(|method| matches!(method.as_str(), "GET" | "OPTIONS" | "POST")),
        status: Some(line.status),
        code: Some(line.code),
        reason: line.reason.filter(|reason| redact::is_safe_reason(reason)),
        serial: line.serial.filter(|serial| {
            matches!(
                serial.as_str(),
                "absent" | "match" | "mismatch" | "unchecked"
            )
        }),
        network: line.source.filter(|network| is_network(network)),
        browser: line.browser,
        database_ms: line.database_ms,
        ..AccessRecord::new(request_id, time)
    })
}

fn is_word(text: &str) -> bool {
    (1..=24).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')
}

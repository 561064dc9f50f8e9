//! Log lines as the real services deliver them.

use std::io::Write as _;

use data_encoding::BASE64;
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde_json::json;

/// The event with a batch of a log group's lines, as a subscription of CloudWatch Logs delivers it.
pub fn subscription<'a>(
    group: &str,
    lines: impl IntoIterator<Item = (Timestamp, &'a str)>,
) -> String {
    let events: Vec<_> = lines
        .into_iter()
        .enumerate()
        .map(|(number, (at, line))| {
            json!({ "id": format!("{number:056}"), "timestamp": at.as_millisecond(), "message": line })
        })
        .collect();
    let data = json!({
        "messageType": "DATA_MESSAGE",
        "owner": "123456789012",
        "logGroup": group,
        "logStream": "2026/11/22/[$LATEST]0123456789abcdef0123456789abcdef",
        "subscriptionFilters": ["access-log"],
        "logEvents": events,
    });
    let data = BASE64.encode(&gzip(data.to_string().as_bytes()));
    json!({ "awslogs": { "data": data } }).to_string()
}

/// Compresses quickly, as the services do.
pub fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// API Gateway's line of a request for a licence, in the template's format. `integration` is
/// Lambda's status, or `-` if Lambda was not called.
pub fn gateway_line(
    request_id: &str,
    at: Timestamp,
    status: u16,
    latency_ms: u128,
    integration: &str,
) -> String {
    format!(
        r#"{{"type":"gateway","requestId":"{request_id}","time":"{}", "routeKey":"GET /v1/products/{{product}}/domains/{{domain}}/license","status":"{status}", "responseLatency":"{latency_ms}", "integrationStatus":"{integration}"}}"#,
        at.strftime("%d/%b/%Y:%H:%M:%S +0000"),
    )
}

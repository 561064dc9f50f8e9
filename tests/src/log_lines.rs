//! Log lines as the real services deliver them.

use std::io::Write as _;

use data_encoding::BASE64;
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde_json::json;

/// The event with a batch of a log group's lines, as a subscription of CloudWatch Logs delivers it.
pub fn subscription(group: &str, lines: &[(Timestamp, String)]) -> String {
    let events: Vec<_> = lines
        .iter()
        .enumerate()
        .map(|(number, (at, line))| {
            json!({ "id": format!("{number:056}"), "timestamp": at.as_millisecond(), "message": line })
        })
        .collect();
    let data = json!({
        "messageType": "DATA_MESSAGE", "owner": "1", "logGroup": group, "logStream": "s",
        "subscriptionFilters": ["access-log"], "logEvents": events,
    });
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(data.to_string().as_bytes()).unwrap();
    let data = BASE64.encode(&gzip.finish().unwrap());
    json!({ "awslogs": { "data": data } }).to_string()
}

/// API Gateway's line of a request for a licence, in the template's format. `integration` is
/// Lambda's status.
pub fn gateway_line(
    request_id: &str,
    at: Timestamp,
    status: u16,
    latency_ms: u128,
    integration: u16,
) -> String {
    format!(
        r#"{{"type":"gateway","requestId":"{request_id}","time":"{}","routeKey":"GET /v1/products/{{product}}/domains/{{domain}}/license","status":"{status}","responseLatency":"{latency_ms}","integrationStatus":"{integration}"}}"#,
        at.strftime("%d/%b/%Y:%H:%M:%S +0000"),
    )
}

//! CloudWatch's embedded metric format: a log line that becomes metrics, without a call or a
//! permission.

use jiff::Timestamp;
use serde_json::{Value, json};

/// The CloudWatch namespace of all metrics.
const NAMESPACE: &str = "tegata";

/// Says that a member of the line is a metric: `Count`, `Percent`, or of no unit.
pub fn metric(name: &str, unit: Option<&str>) -> Value {
    match unit {
        Some(unit) => json!({ "Name": name, "Unit": unit }),
        None => json!({ "Name": name }),
    }
}

/// The line's `_aws` member, which tells CloudWatch which of the others are metrics, and by which
/// they are told apart.
pub fn metadata(now: Timestamp, dimensions: &[&str], metrics: &[Value]) -> Value {
    json!({
        "Timestamp": now.as_millisecond(),
        "CloudWatchMetrics": [{
            "Namespace": NAMESPACE,
            "Dimensions": [dimensions],
            "Metrics": metrics,
        }],
    })
}

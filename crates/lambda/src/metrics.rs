//! Report lines: one line of JSON for each run of a function, with CloudWatch metrics in it.
//!
//! Every figure of a run is a member of its line, for people and for queries. The figures that have an
//! alarm are also metrics, in CloudWatch's embedded metric format, which needs no call and no
//! permission. A metric costs money in each hour in which it is sent, so only alarms have one, and a
//! metric that counts faults is not sent while it is zero.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

/// The CloudWatch namespace of all metrics.
const NAMESPACE: &str = "tegata";

/// The share of its days, in percent, that the oldest lease has left.
pub const OLDEST_LEASE_LEFT: Metric = Metric::heartbeat("OldestLeaseLeft", "Percent");
/// Licences that could not be renewed.
pub const RENEWALS_FAILED: Metric = Metric::fault("RenewalsFailed", "Count");
/// Archived records, by source.
pub const RECORDS_ARCHIVED: Metric = Metric::fault("RecordsArchived", "Count");
/// Unreadable lines of access logs.
pub const UNREADABLE_LINES: Metric = Metric::fault("UnreadableLines", "Count");
/// Days with records that are not in the usage yet.
pub const DAYS_WAITING: Metric = Metric::heartbeat("DaysWaiting", "Count");
/// Archived objects whose content does not match their hash.
pub const DAMAGED_OBJECTS: Metric = Metric::fault("DamagedObjects", "Count");
/// 1 if records of the CDN are missing.
pub const CDN_RECORDS_MISSING: Metric = Metric::fault("CdnRecordsMissing", "Count");
/// Notices that are late: not announced, or with mails that are not sent yet.
pub const NOTICES_BEHIND: Metric = Metric::heartbeat("NoticesBehind", "Count");
/// Mails whose outcome is still unknown after the evidence window.
pub const UNKNOWN_OVERDUE: Metric = Metric::fault("UnknownOverdue", "Count");
/// Notices whose mails are stopped.
pub const NOTICES_PAUSED: Metric = Metric::fault("NoticesPaused", "Count");
/// Notices that are not on the news page or the status page.
pub const CHANNELS_FAILING: Metric = Metric::fault("ChannelsFailing", "Count");
/// Customers and licences that cannot be told of a version that is signed ahead.
pub const CONTRACTS_NOT_TOLD: Metric = Metric::fault("ContractsNotTold", "Count");
/// The used or expected share of the daily mail quota, in percent.
pub const DAILY_QUOTA_PERCENT: Metric = Metric::fault("DailyQuotaPercent", "Percent");
/// Mails that SES refused.
pub const MAILS_REFUSED: Metric = Metric::fault("MailsRefused", "Count");

/// A metric. All metrics are constants of this module.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    name: &'static str,
    unit: &'static str,
    is_heartbeat: bool,
}

impl Metric {
    /// Sent with every report, so that a missing value shows that the function does not run.
    const fn heartbeat(name: &'static str, unit: &'static str) -> Self {
        Self {
            name,
            unit,
            is_heartbeat: true,
        }
    }

    /// Sent if it is not zero.
    const fn fault(name: &'static str, unit: &'static str) -> Self {
        Self {
            name,
            unit,
            is_heartbeat: false,
        }
    }

    /// Its name in CloudWatch, and in reports.
    pub const fn name(self) -> &'static str {
        self.name
    }
}

/// A report that is being written.
#[derive(Clone, Debug)]
pub struct ReportLine {
    at: Timestamp,
    members: Map<String, Value>,
    dimensions: Vec<&'static str>,
    metrics: Vec<Value>,
}

impl ReportLine {
    /// The report of a run, of a kind that queries know it by. `stack` is its metrics' dimension.
    pub fn new(kind: &str, at: Timestamp, stack: &str) -> Self {
        let report = Self {
            at,
            members: Map::new(),
            dimensions: Vec::new(),
            metrics: Vec::new(),
        };
        let report = report
            .figure("type", kind)
            .figure("time", format!("{at:.3}"));
        report.dimension("Stack", stack)
    }

    /// One more dimension of all its metrics.
    pub fn dimension(mut self, name: &'static str, value: &str) -> Self {
        self.dimensions.push(name);
        self.figure(name, value)
    }

    /// A figure that is in the line only.
    pub fn figure(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    /// A figure that is a metric, too.
    pub fn metric(mut self, metric: Metric, value: impl Into<Value>) -> Self {
        let value = value.into();
        if metric.is_heartbeat || value.as_f64() != Some(0.0) {
            let declared = json!({ "Name": metric.name, "Unit": metric.unit });
            self.metrics.push(declared);
        }
        self.figure(metric.name, value)
    }

    /// The line.
    pub fn line(mut self) -> Value {
        if !self.metrics.is_empty() {
            let metadata = json!({
                "Timestamp": self.at.as_millisecond(),
                "CloudWatchMetrics": [{
                    "Namespace": NAMESPACE,
                    "Dimensions": [self.dimensions],
                    "Metrics": self.metrics,
                }],
            });
            self.members.insert("_aws".to_owned(), metadata);
        }
        Value::Object(self.members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> ReportLine {
        let at = "2026-11-27T09:00:00Z".parse().unwrap();
        ReportLine::new("kind", at, "tegata")
    }

    #[test]
    fn a_metric_is_declared_and_has_its_value() {
        let line = report()
            .dimension("Source", "gateway")
            .figure("objects", 1)
            .metric(RECORDS_ARCHIVED, 7)
            .line();
        let expected = json!({
            "_aws": {
                "Timestamp": 1_795_770_000_000_i64,
                "CloudWatchMetrics": [{
                    "Namespace": "tegata",
                    "Dimensions": [["Stack", "Source"]],
                    "Metrics": [{ "Name": "RecordsArchived", "Unit": "Count" }],
                }],
            },
            "type": "kind",
            "time": "2026-11-27T09:00:00.000Z",
            "Stack": "tegata",
            "Source": "gateway",
            "objects": 1,
            "RecordsArchived": 7,
        });
        assert_eq!(line, expected);
    }

    #[test]
    fn a_fault_that_did_not_happen_is_a_figure_only() {
        let line = report()
            .metric(DAYS_WAITING, 0)
            .metric(DAMAGED_OBJECTS, 0)
            .metric(DAILY_QUOTA_PERCENT, 0.0)
            .line();
        assert_eq!(line["DamagedObjects"], 0);
        let declared = &line["_aws"]["CloudWatchMetrics"][0]["Metrics"];
        assert_eq!(
            *declared,
            json!([{ "Name": "DaysWaiting", "Unit": "Count" }])
        );
        // Without a metric there is nothing to tell CloudWatch.
        assert!(
            report()
                .metric(MAILS_REFUSED, 0)
                .line()
                .get("_aws")
                .is_none()
        );
    }
}

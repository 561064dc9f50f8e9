//! The result of archiving a batch.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use tegata_common::access::Source;
use tegata_lambda::metrics::{self, RECORDS_ARCHIVED, UNREADABLE_LINES};

/// The result of archiving a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BatchReport {
    /// The number of archived lines by source, including unreadable ones.
    pub archived: BTreeMap<Source, u64>,
    /// The number of lines that are not accesses: the runtime's own, a function's errors.
    pub foreign: u64,
    /// The number of new objects.
    pub objects: u64,
    /// The number of objects that existed already, because the batch was delivered again.
    pub repeated: u64,
}

impl BatchReport {
    /// Adds the counts of another batch.
    pub fn add(&mut self, other: Self) {
        for (source, lines) in other.archived {
            *self.archived.entry(source).or_default() += lines;
        }
        self.foreign += other.foreign;
        self.objects += other.objects;
        self.repeated += other.repeated;
    }

    /// The log lines with metrics: one for each source, and one for the batch.
    pub fn lines(&self, now: Timestamp, stack: &str) -> Vec<Value> {
        let sources = self.archived.iter().map(|(source, lines)| {
            let report = metrics::ReportLine::new("archived", now, stack);
            let report = report.dimension("Source", source.as_str());
            // Alarms compare these two metrics with the request counts of API Gateway and the
            // lookup function.
            match source {
                Source::Gateway | Source::Lookup => report.metric(RECORDS_ARCHIVED, *lines),
                _ => report.figure(RECORDS_ARCHIVED.name(), *lines),
            }
        });
        let unreadable = self.archived.get(&Source::Unreadable).copied();
        let whole = metrics::ReportLine::new("batch", now, stack)
            .metric(UNREADABLE_LINES, unreadable.unwrap_or(0))
            .figure("ObjectsRepeated", self.repeated)
            .figure("objects", self.objects)
            .figure("foreign", self.foreign);
        sources
            .chain([whole])
            .map(metrics::ReportLine::line)
            .collect()
    }
}

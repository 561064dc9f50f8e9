//! What became of a batch.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use tegata_common::access::Source;
use tegata_lambda::metrics::{self, RECORDS_ARCHIVED, UNREADABLE_LINES};

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct BatchReport {
    /// Lines in the archive, by source. Those that could not be read are among them.
    pub archived: BTreeMap<Source, u64>,
    /// Lines that are no access: the runtime's own, a function's errors.
    pub foreign: u64,
    /// Objects that were new.
    pub objects: u64,
    /// Objects that were there already: a batch that was delivered again.
    pub repeated: u64,
}

impl BatchReport {
    /// Adds another batch.
    pub fn add(&mut self, other: Self) {
        for (source, lines) in other.archived {
            *self.archived.entry(source).or_default() += lines;
        }
        self.foreign += other.foreign;
        self.objects += other.objects;
        self.repeated += other.repeated;
    }

    /// The report's lines: one for each source, and one of the whole.
    pub fn lines(&self, now: Timestamp, stack: &str) -> Vec<Value> {
        let sources = self.archived.iter().map(|(source, lines)| {
            let report = metrics::ReportLine::new("archived", now, stack);
            let report = report.dimension("Source", source.as_str());
            // Alarms compare these two with what the doors count.
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

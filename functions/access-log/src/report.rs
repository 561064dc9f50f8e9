//! What became of a batch: counts for people, and the same as CloudWatch metrics.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use tegata_common::access::Source;
use tegata_common::metrics::{metadata, metric};

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Lines in the archive, by source. Those that could not be read are among them.
    pub archived: BTreeMap<Source, u64>,
    /// Lines that are no access: the runtime's own, a function's errors.
    pub foreign: u64,
    /// Objects that were new.
    pub objects: u64,
    /// Objects that were there already: a batch that was delivered again.
    pub repeated: u64,
}

impl Report {
    /// Adds another batch.
    pub fn add(&mut self, other: Self) {
        for (source, lines) in other.archived {
            *self.archived.entry(source).or_default() += lines;
        }
        self.foreign += other.foreign;
        self.objects += other.objects;
        self.repeated += other.repeated;
    }

    /// The report as lines in CloudWatch's embedded metric format, which become metrics without a
    /// call or a permission: one for each source, and one of what could not be read.
    pub fn lines(&self, now: Timestamp, stack: &str) -> Vec<Value> {
        let sources = self.archived.iter().map(|(source, lines)| {
            let metadata = metadata(now, &["Stack", "Source"], &counts(["RecordsArchived"]));
            json!({
                "_aws": metadata,
                "type": "archived",
                "Stack": stack,
                "Source": source,
                "RecordsArchived": lines,
            })
        });
        let unreadable = self.archived.get(&Source::Unreadable).copied();
        let whole = json!({
            "_aws": metadata(now, &["Stack"], &counts(["UnreadableLines", "ObjectsRepeated"])),
            "type": "batch",
            "time": format!("{now:.3}"),
            "Stack": stack,
            "UnreadableLines": unreadable.unwrap_or(0),
            "ObjectsRepeated": self.repeated,
            "objects": self.objects,
            "foreign": self.foreign,
        });
        sources.chain([whole]).collect()
    }
}

/// Says that members of a line are counts.
pub(crate) fn counts<const N: usize>(names: [&str; N]) -> [Value; N] {
    names.map(|name| metric(name, Some("Count")))
}

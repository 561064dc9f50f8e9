//! Findings of a verification.

use jiff::Timestamp;
use serde::Serialize;
use tegata_common::change::ItemKey;

/// The kind of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// A history item records a change that was not made, or not at that time.
    Forged,
    /// A history item was overwritten.
    Altered,
    /// A history item is missing.
    Deleted,
    /// An item changed without a history item.
    Unrecorded,
    /// A licence differs from its signed lease or from one of its aliases.
    Contradiction,
    /// The caller in CloudTrail is not the recorded author, or used an unexpected operation.
    Caller,
    /// A write is missing from the archive.
    NotArchived,
    /// An object of the archive is damaged, unlocked or unreadable.
    Archive,
}

impl FindingKind {
    /// The kind as a word in output, such as `FORGED`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Forged => "FORGED",
            Self::Altered => "ALTERED",
            Self::Deleted => "DELETED",
            Self::Unrecorded => "UNRECORDED",
            Self::Contradiction => "CONTRADICTION",
            Self::Caller => "CALLER",
            Self::NotArchived => "NOT ARCHIVED",
            Self::Archive => "ARCHIVE",
        }
    }
}

/// One problem found by a verification.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The kind of problem.
    pub kind: FindingKind,
    /// The item. `None` for a problem with an object of the archive.
    #[serde(flatten)]
    pub item: Option<ItemKey>,
    /// A description for operators.
    pub what: String,
    /// The version of the item, if the finding is about one version.
    pub version: Option<u64>,
    /// The instant in that version's revision.
    pub at: Option<Timestamp>,
    /// The author in that version's revision. It is a claim, and may be forged.
    pub claimed_by: Option<String>,
}

/// The findings, without duplicates.
#[derive(Debug, Default)]
pub(super) struct Findings {
    found: Vec<Finding>,
}

impl Findings {
    pub(super) fn add(&mut self, finding: Finding) {
        self.found.push(finding);
    }

    /// The findings, sorted by item and instant.
    pub(super) fn sorted(mut self) -> Vec<Finding> {
        let order = |finding: &Finding| (finding.item.clone(), finding.at, finding.kind);
        self.found.sort_by_cached_key(order);
        self.found.dedup();
        self.found
    }
}

//! What a verification finds, in words that name an item.

use jiff::Timestamp;
use serde::Serialize;
use tegata_common::change::ItemKey;

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// A history item says what was not done, or not then.
    Forged,
    /// A history item was written over.
    Altered,
    /// A history item is gone.
    Deleted,
    /// An item changed, and no history item says how.
    Unrecorded,
    /// A licence is not what was signed of it, or is not repeated as it is.
    Contradiction,
    /// Somebody else wrote it than it says, or in another way.
    Caller,
    /// The archive does not have a write.
    NotArchived,
    /// An object of the archive is damaged, not locked, or cannot be read.
    Archive,
}

impl FindingKind {
    /// The kind as it is shown.
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

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// What kind of thing.
    pub kind: FindingKind,
    /// With which item; an object of the archive has none.
    #[serde(flatten)]
    pub item: Option<ItemKey>,
    /// What, in words.
    pub what: String,
    /// Which version of the item, where one is meant.
    pub version: Option<u64>,
    /// When that was written, or says it was.
    pub at: Option<Timestamp>,
    /// By whom, as the item says: a claim.
    pub claimed_by: Option<String>,
}

/// All that is wrong, each once.
#[derive(Debug, Default)]
pub(super) struct Findings {
    found: Vec<Finding>,
}

impl Findings {
    pub(super) fn add(&mut self, finding: Finding) {
        self.found.push(finding);
    }

    /// By item, the oldest first.
    pub(super) fn sorted(mut self) -> Vec<Finding> {
        let order = |finding: &Finding| (finding.item.clone(), finding.at, finding.kind);
        self.found.sort_by_cached_key(order);
        self.found.dedup();
        self.found
    }
}

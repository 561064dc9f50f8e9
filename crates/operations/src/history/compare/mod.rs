//! Comparison of current items, history items and archived changes. A pure function that returns
//! findings.
//!
//! `tegata` writes an item and its history item in one transaction, and increases the item's
//! version by one. Signing a lease again increases the version without a history item. Any other
//! pattern is a finding: the item was not written by `tegata`.

mod archive;
mod histories;
#[cfg(test)]
mod tests;
mod writes;

use jiff::{SignedDuration, Timestamp};
use tegata_common::change::ItemKey;

use super::changes::{Changes, Write};
use super::findings::{Finding, FindingKind, Findings};
use super::items::{Items, Version, is_licence};

/// The maximum delay of a write in the archive. A missing write is only reported after that.
const LAG: SignedDuration = SignedDuration::from_mins(15);

/// The maximum difference between the times in the stream of writes of one transaction.
const ONE_TRANSACTION: SignedDuration = SignedDuration::from_mins(1);

/// The maximum time between the instant of a change and its write. An import writes for hours, and
/// all its changes have the instant at which it started.
const LATE: SignedDuration = SignedDuration::from_hours(24);

/// The maximum time by which an operator's clock may be ahead of DynamoDB's.
const AHEAD: SignedDuration = SignedDuration::from_mins(10);

/// The scope of a comparison.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope {
    /// The first instant of the period.
    pub(super) from: Timestamp,
    /// The end of the period, exclusive.
    pub(super) until: Timestamp,
    /// When the tables were read.
    pub(super) now: Timestamp,
    /// Whether changes are dated by a real clock. On one machine, `--now` sets any instant.
    pub(super) has_clock: bool,
}

/// Counts of what could not be verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Unproven {
    /// History items from before the archive starts, or outside the period.
    pub(super) history_items: u64,
    /// Missing versions of licences: either leases that were signed again, or deleted history
    /// items.
    pub(super) versions: u64,
    /// Changes that are so recent that they may not have arrived in the archive.
    pub(super) too_new: u64,
}

/// Compares everything and adds findings. Returns the counts of what could not be verified.
pub(super) fn compare(
    items: &Items,
    changes: &Changes,
    scope: Scope,
    findings: &mut Findings,
) -> Unproven {
    let mut comparison = Comparison {
        items,
        changes,
        scope,
        findings,
        unproven: Unproven::default(),
    };
    comparison.check_histories();
    comparison.check_aliases();
    for (key, writes) in &changes.by_item {
        comparison.check_writes(key, writes);
    }
    comparison.check_archived();
    comparison.unproven
}

struct Comparison<'a> {
    items: &'a Items,
    changes: &'a Changes,
    scope: Scope,
    findings: &'a mut Findings,
    unproven: Unproven,
}

impl Comparison<'_> {
    fn add_finding(
        &mut self,
        kind: FindingKind,
        key: &ItemKey,
        version: Option<&Version>,
        what: String,
    ) {
        let revision = version.and_then(|version| version.revision.as_ref());
        self.findings.add(Finding {
            kind,
            item: Some(key.clone()),
            what,
            version: revision.map(|revision| revision.version),
            at: revision.map(|revision| revision.at),
            claimed_by: revision.map(|revision| revision.by.clone()),
        });
    }

    /// Whether the archive must contain a write of this instant.
    fn is_covered(&self, at: Timestamp) -> bool {
        let since = self.changes.since.map(|since| since.max(self.scope.from));
        since.is_some_and(|since| since <= at) && at < self.scope.until && !self.is_too_new(at)
    }

    fn is_too_new(&self, at: Timestamp) -> bool {
        self.scope.now.duration_since(at) < LAG
    }
}

/// Whether a write only replaced the lease of a licence.
fn is_lease_renewal(key: &ItemKey, write: &Write) -> bool {
    match (&write.before, &write.after) {
        (Some(before), Some(after)) => {
            is_licence(key) && before.facts == after.facts && before.lease != after.lease
        }
        _ => false,
    }
}

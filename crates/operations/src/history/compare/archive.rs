//! Checks that the archive contains the writes of all items that it should contain.

use std::collections::BTreeMap;

use super::Comparison;
use crate::history::findings::FindingKind;

impl Comparison<'_> {
    pub(super) fn check_archived(&mut self) {
        let items = self.items;
        let past = items.past.values().flat_map(BTreeMap::values);
        for (key, version) in past {
            if !self.changes.of(key).is_empty() {
                continue;
            }
            let at = version.revision.as_ref().map(|revision| revision.at);
            match at {
                Some(at) if self.is_covered(at) => {
                    let what = "the archive has no write of this history item".to_owned();
                    self.add_finding(FindingKind::NotArchived, key, Some(version), what);
                }
                Some(at) if self.is_too_new(at) => self.unproven.too_new += 1,
                _ => self.unproven.history_items += 1,
            }
        }
        for (key, version) in &items.current {
            let at = version.revision.as_ref().map(|revision| revision.at);
            if self.changes.of(key).is_empty() && at.is_some_and(|at| self.is_covered(at)) {
                let what = "the archive has no write of this item".to_owned();
                self.add_finding(FindingKind::NotArchived, key, Some(version), what);
            }
        }
    }
}

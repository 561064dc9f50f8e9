//! Comparison of current items with their histories, and of aliases with their licences. Does not
//! need the archive.

use std::collections::BTreeMap;

use jiff::Timestamp;
use tegata_common::change::{ItemKey, Role};

use super::{Comparison, is_lease_renewal};
use crate::history::findings::FindingKind;
use crate::history::items::{Version, is_licence};

impl Comparison<'_> {
    pub(super) fn check_histories(&mut self) {
        let items = self.items;
        let nothing = BTreeMap::new();
        for (key, past) in &items.past {
            self.check_history(key, items.current.get(key), past);
        }
        for (key, current) in &items.current {
            if !items.past.contains_key(key) {
                self.check_history(key, Some(current), &nothing);
            }
        }
    }

    fn check_history(
        &mut self,
        key: &ItemKey,
        current: Option<&Version>,
        past: &BTreeMap<Timestamp, (ItemKey, Version)>,
    ) {
        let mut last: Option<&Version> = None;
        for (at, (past_key, version)) in past {
            let Some(revision) = &version.revision else {
                let what = "it has no revision".to_owned();
                self.add_finding(FindingKind::Altered, past_key, Some(version), what);
                continue;
            };
            if revision.at != *at {
                let what = format!(
                    "its key has the instant {at}, but its revision {}",
                    revision.at
                );
                self.add_finding(FindingKind::Forged, past_key, Some(version), what);
            }
            let before = last.and_then(Version::number).unwrap_or(0);
            if revision.version <= before {
                let number = revision.version;
                let what = format!("version {number} follows version {before}");
                self.add_finding(FindingKind::Forged, past_key, Some(version), what);
            } else {
                let from = last.and_then(|last| last.revision.as_ref());
                let from = from.map(|revision| revision.at);
                self.check_gap(key, before + 1..revision.version, from, *at);
            }
            last = Some(version);
        }
        self.check_current(key, current, last);
    }

    /// Checks missing versions of the history. They are allowed only if a lease was signed again.
    fn check_gap(
        &mut self,
        key: &ItemKey,
        versions: std::ops::Range<u64>,
        from: Option<Timestamp>,
        to: Timestamp,
    ) {
        for number in versions {
            let missing = format!("version {number} is missing from the history");
            // Version 1 is the issue, which always has a history item.
            if !is_licence(key) || number == 1 {
                self.add_finding(FindingKind::Deleted, key, None, missing);
            } else if !self.is_signed_again(key, number) {
                match from {
                    Some(from) if self.is_covered(from) && self.is_covered(to) => {
                        self.add_finding(FindingKind::Deleted, key, None, missing);
                    }
                    _ => self.unproven.versions += 1,
                }
            }
        }
    }

    fn is_signed_again(&self, key: &ItemKey, number: u64) -> bool {
        self.changes.of(key).iter().any(|write| {
            write.after.as_ref().and_then(Version::number) == Some(number)
                && is_lease_renewal(key, write)
        })
    }

    /// Compares the current item with its latest history item.
    fn check_current(&mut self, key: &ItemKey, current: Option<&Version>, last: Option<&Version>) {
        let what = match (current, last) {
            (None, None) => return,
            (None, Some(last)) if last.is_deletion => return,
            (None, Some(_)) => "it was deleted without a history item".to_owned(),
            (Some(_), None) => "it has no history".to_owned(),
            (Some(_), Some(last)) if last.is_deletion => {
                "it exists, but its history ends with a deletion".to_owned()
            }
            (Some(current), Some(last)) => match (current.number(), last.number()) {
                (Some(now), Some(then)) if now == then => match current.content == last.content {
                    true => return,
                    false => format!("it differs from version {now} in its history"),
                },
                (Some(now), Some(then)) if now > then => {
                    // The lease was signed again.
                    if is_licence(key) && current.facts == last.facts {
                        return;
                    }
                    format!("it has version {now}, but its history ends with version {then}")
                }
                (Some(now), Some(then)) => {
                    format!("it has version {now}, but its history continues to version {then}")
                }
                _ => "it has no revision".to_owned(),
            },
        };
        self.add_finding(FindingKind::Unrecorded, key, current.or(last), what);
    }

    /// Compares each alias under a kintone plug-in id with its licence.
    pub(super) fn check_aliases(&mut self) {
        let items = self.items;
        let aliases = items.others.iter();
        for (key, alias) in aliases.filter(|(key, _)| key.role() == Role::Alias) {
            let license = alias.product.as_ref().and_then(|product| {
                items.current.get(&ItemKey {
                    sort: product.clone(),
                    ..key.clone()
                })
            });
            let what = match license {
                None => "it is an alias of a licence that does not exist",
                Some(license) if license.license != alias.license => {
                    "it differs from the licence of which it is an alias"
                }
                Some(_) => continue,
            };
            self.add_finding(FindingKind::Contradiction, key, license, what.to_owned());
        }
    }
}

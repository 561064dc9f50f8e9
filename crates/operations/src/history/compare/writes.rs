//! Checks of the archived writes of an item: each one must be a write that `tegata` makes.

use jiff::Timestamp;
use tegata_common::change::{ChangeEvent, ItemKey, Role};

use super::{AHEAD, Comparison, LATE, ONE_TRANSACTION, is_lease_renewal};
use crate::history::changes::Write;
use crate::history::findings::FindingKind;
use crate::history::items::Version;

impl Comparison<'_> {
    pub(super) fn check_writes(&mut self, key: &ItemKey, writes: &[Write]) {
        for pair in writes.windows(2) {
            let image = |version: &Option<Version>| version.as_ref().map(|version| version.image);
            if image(&pair[0].after) != image(&pair[1].before) {
                let (first, second) = (pair[0].time, pair[1].time);
                let what = format!("a change between {first} and {second} is missing");
                self.add_finding(FindingKind::NotArchived, key, pair[1].before.as_ref(), what);
            }
        }
        let role = key.role();
        for write in writes {
            if let Some(service) = &write.service {
                let what = format!("{service} deleted it at {}", write.time);
                self.add_finding(FindingKind::Unrecorded, key, write.before.as_ref(), what);
                continue;
            }
            match &role {
                Role::Current => self.check_item_write(key, write),
                Role::History { of, at } => self.check_history_write(key, of, *at, write),
                Role::Alias => self.check_alias_write(key, write),
                Role::Delivery | Role::Audience if write.event == ChangeEvent::Remove => {
                    let what = format!("it was deleted at {}", write.time);
                    self.add_finding(FindingKind::Unrecorded, key, write.before.as_ref(), what);
                }
                Role::Delivery | Role::Audience => {}
            }
        }
        self.check_last_write(key, &role, writes);
    }

    fn check_item_write(&mut self, key: &ItemKey, write: &Write) {
        let time = write.time;
        let number = |version: &Option<Version>| version.as_ref().and_then(Version::number);
        let before = number(&write.before);
        let Some(after) = &write.after else {
            let is_recorded = self.history_written(key, time).any(|history| {
                history.is_deletion && history.number() == before.map(|before| before + 1)
            });
            if !is_recorded {
                let what = format!("it was deleted at {time} without a history item");
                self.add_finding(FindingKind::Unrecorded, key, write.before.as_ref(), what);
            }
            return;
        };
        let Some(revision) = &after.revision else {
            let what = format!("it was written at {time} without a revision");
            self.add_finding(FindingKind::Unrecorded, key, Some(after), what);
            return;
        };
        let now = revision.version;
        if before == Some(now) {
            let what = format!("it was changed at {time} without a new version");
            self.add_finding(FindingKind::Unrecorded, key, Some(after), what);
            return;
        }
        if let Some(before) = before.filter(|before| *before + 1 != now) {
            let what = format!("its version went from {before} to {now} at {time}");
            self.add_finding(FindingKind::Forged, key, Some(after), what);
        }
        if is_lease_renewal(key, write) {
            return;
        }
        let is_recorded = self
            .history_written(key, time)
            .any(|history| history.content == after.content);
        if !is_recorded {
            let what = format!(
                "version {now} was written at {time} without a history item in the same transaction"
            );
            self.add_finding(FindingKind::Unrecorded, key, Some(after), what);
        }
    }

    /// The history items of an item that were written in the same transaction as a write at this
    /// time.
    fn history_written(&self, key: &ItemKey, time: Timestamp) -> impl Iterator<Item = &Version> {
        self.changes
            .history_of(key)
            .filter(move |write| {
                write.event == ChangeEvent::Insert
                    && write.time.duration_since(time).abs() <= ONE_TRANSACTION
            })
            .filter_map(|write| write.after.as_ref())
    }

    fn check_history_write(&mut self, key: &ItemKey, of: &ItemKey, at: Timestamp, write: &Write) {
        let time = write.time;
        let before = write.before.as_ref();
        let after = match (&write.event, &write.after) {
            (ChangeEvent::Insert, Some(after)) => after,
            (ChangeEvent::Remove, _) => {
                let what = format!("this history item was removed at {time}");
                return self.add_finding(FindingKind::Deleted, key, before, what);
            }
            _ => {
                let what = format!("this history item was overwritten at {time}");
                return self.add_finding(FindingKind::Altered, key, before, what);
            }
        };
        if self.scope.has_clock {
            let late = time.duration_since(at);
            if late > LATE || -late > AHEAD {
                let what = format!("its instant is {at}, but it was written at {time}");
                self.add_finding(FindingKind::Forged, key, Some(after), what);
            }
        }
        let written = self.changes.of(of).iter().filter(|write| {
            write.time.duration_since(time).abs() <= ONE_TRANSACTION && write.service.is_none()
        });
        let mut written = written.map(|write| (write.event, write.after.as_ref()));
        let is_of_a_write = written.any(|(event, version)| match version {
            Some(version) => version.revision == after.revision && !after.is_deletion,
            None => event == ChangeEvent::Remove && after.is_deletion,
        });
        if !is_of_a_write {
            let what = format!("it was written at {time}, but its item was not");
            self.add_finding(FindingKind::Forged, key, Some(after), what);
        }
        match self.items.get(key) {
            None => {
                let what = format!("this history item, written at {time}, is missing");
                self.add_finding(FindingKind::Deleted, key, Some(after), what);
            }
            Some(version) if version.image != after.image => {
                let what = format!("this history item differs from what was written at {time}");
                self.add_finding(FindingKind::Altered, key, Some(version), what);
            }
            Some(_) => {}
        }
    }

    /// Checks that an alias was written in the same transaction as its licence.
    fn check_alias_write(&mut self, key: &ItemKey, write: &Write) {
        let versions = [&write.after, &write.before];
        let product = versions
            .into_iter()
            .flatten()
            .find_map(|of| of.product.clone());
        let is_of_a_write = product.is_some_and(|sort| {
            let license = ItemKey {
                sort,
                ..key.clone()
            };
            let mut writes = self.changes.of(&license).iter();
            writes.any(|of| of.time.duration_since(write.time).abs() <= ONE_TRANSACTION)
        });
        if !is_of_a_write {
            let what = format!("it was written at {}, but its licence was not", write.time);
            self.add_finding(FindingKind::Unrecorded, key, write.after.as_ref(), what);
        }
    }

    /// Compares the current item with its latest archived write.
    fn check_last_write(&mut self, key: &ItemKey, role: &Role, writes: &[Write]) {
        // History items have been compared with their single write. If the period ends in the past,
        // later writes are unknown.
        let is_until_now = self.scope.until >= self.scope.now;
        let (Some(last), false, true) = (
            writes.last(),
            matches!(role, Role::History { .. }),
            is_until_now,
        ) else {
            return;
        };
        let now = self.items.get(key);
        let image = |version: Option<&Version>| version.map(|version| version.image);
        if image(now) == image(last.after.as_ref()) {
            return;
        }
        let at = now
            .and_then(|now| now.revision.as_ref())
            .map(|revision| revision.at);
        if at.is_some_and(|at| self.is_too_new(at)) || self.is_too_new(last.time) {
            self.unproven.too_new += 1;
            return;
        }
        let what = format!(
            "it differs from its latest archived write, at {}",
            last.time
        );
        self.add_finding(
            FindingKind::NotArchived,
            key,
            now.or(last.after.as_ref()),
            what,
        );
    }
}

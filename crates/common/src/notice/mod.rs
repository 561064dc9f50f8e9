//! Notices: announcements of releases, maintenance and incidents.
//!
//! A notice consists of updates: what was announced first, and what was added since. Each update
//! goes by mail to its audience, one [`Delivery`] to a contact, onto the news page, and for
//! incidents and maintenance onto the status page.

mod audience;
mod delivery;
mod id;

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};

use crate::customer::{Language, Severity};
use crate::product::{Bilingual, ProductSlug, Zone};

pub use audience::{
    Audience, Entitlement, Member, NoticeScope, Recipient, RecipientRole, Unreachable,
    UnreachableBecause, audience,
};
pub use delivery::{
    Attempt, Bounce, BounceKind, Claim, CustomerName, Delivery, Evidence, Facts,
    OperatorConfirmation, Outcome, RecipientAddress, Rejected, RetryReason, State, Tally,
};
pub use id::{ContactHash, DeliveryId, DeliveryIdError, NoticeId, NoticeIdError};

/// What is announced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum NoticeKind {
    /// A version of a product.
    Release {
        /// Which version: `1.9.0`. A notice that was announced before versions had one form may
        /// have one that is no [`PluginVersion`](crate::version::PluginVersion).
        version: String,
        /// When it becomes current.
        planned_at: Timestamp,
    },
    /// A time in which something does not work, or may not.
    Maintenance {
        /// From when.
        planned_at: Timestamp,
        /// Until when.
        ends_at: Timestamp,
    },
    /// Something that does not work as it should.
    Incident,
}

impl NoticeKind {
    /// The kind as it stands in files, listings and pages.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Release { .. } => "release",
            Self::Maintenance { .. } => "maintenance",
            Self::Incident => "incident",
        }
    }

    /// When what is announced will happen; an incident has happened.
    pub fn planned_at(&self) -> Option<Timestamp> {
        match self {
            Self::Release { planned_at, .. } | Self::Maintenance { planned_at, .. } => {
                Some(*planned_at)
            }
            Self::Incident => None,
        }
    }

    /// Whether the instant that it was planned for has come.
    pub fn has_come(&self, now: Timestamp) -> bool {
        self.planned_at().is_some_and(|planned| planned <= now)
    }

    /// Until when maintenance lasts.
    pub fn ends_at(&self) -> Option<Timestamp> {
        match self {
            Self::Maintenance { ends_at, .. } => Some(*ends_at),
            _ => None,
        }
    }

    /// The version that is released.
    pub fn version(&self) -> Option<&str> {
        match self {
            Self::Release { version, .. } => Some(version),
            _ => None,
        }
    }
}

/// How far an incident is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// It is looked into.
    Investigating,
    /// Its cause is known.
    Identified,
    /// It is mended, and watched.
    Monitoring,
    /// It is over.
    Resolved,
}

impl Stage {
    /// The stage as it stands in files and pages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Investigating => "investigating",
            Self::Identified => "identified",
            Self::Monitoring => "monitoring",
            Self::Resolved => "resolved",
        }
    }
}

/// A product that a notice is about, under the name it had when the notice was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeProduct {
    /// Its slug.
    pub slug: ProductSlug,
    /// Its display name.
    pub name: Bilingual,
}

/// An announcement with all its updates: the item of the `Notices` table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Its name, which is that of its file.
    pub notice_id: NoticeId,
    /// What is announced.
    #[serde(flatten)]
    pub kind: NoticeKind,
    /// Of which products; none means all.
    pub products: Vec<NoticeProduct>,
    /// The zone in which its instants are shown.
    pub time_zone: Zone,
    /// Its title, one line.
    pub title: Bilingual,
    /// What was announced, the first at first.
    pub updates: Vec<Update>,
    /// Why no mails of it are sent, if so.
    pub paused: Option<Pause>,
    /// Errors that an operator has seen and let pass.
    #[serde(default)]
    pub forgiven: AcknowledgedErrors,
    /// How far the news page is.
    #[serde(default)]
    pub news: Channel,
    /// How far the status page is.
    #[serde(default)]
    pub status_page: Channel,
}

/// A part of a notice that is announced at one time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    /// 1 for the first.
    pub number: u16,
    /// Of an incident: how far it is.
    pub stage: Option<Stage>,
    /// Of an incident: how bad it is.
    pub severity: Option<Severity>,
    /// What is said, in Markdown.
    pub body: Bilingual,
    /// The instant from which it is announced.
    pub send_at: Timestamp,
    /// Why it is announced later than the product's lead time asks for.
    #[serde(default)]
    pub short_notice: Option<String>,
    /// That its deliveries have been written.
    pub announced: Option<Announced>,
    /// That its deliveries have been queued.
    pub queued: Option<Queued>,
}

/// That an update's deliveries have all been written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announced {
    /// When.
    pub at: Timestamp,
    /// How many there are.
    pub recipients: usize,
    /// Contracts of which nobody could be told.
    #[serde(default)]
    pub unreachable: usize,
}

/// That messages of an update's deliveries have been put into the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queued {
    /// When.
    pub at: Timestamp,
    /// How many.
    pub messages: usize,
    /// When messages of throttled deliveries were last put into it again.
    #[serde(default)]
    pub throttled_at: Option<Timestamp>,
}

/// Why, since when and by whom sending is stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Since when.
    pub at: Timestamp,
    /// By whom: an ARN, or `local:<user>`.
    pub by: String,
    /// In words.
    pub reason: String,
}

impl Pause {
    /// A pause from an instant on.
    pub fn new(at: Timestamp, by: &str, reason: &str) -> Self {
        Self {
            at,
            by: by.to_owned(),
            reason: reason.to_owned(),
        }
    }
}

/// Mails that had gone wrong when an operator let sending go on: only what goes wrong after that
/// stops it again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcknowledgedErrors {
    /// How many had gone wrong.
    pub wrong: usize,
    /// Of how many.
    pub attempted: usize,
}

/// The state of the whole account's sending: the item that stops all notices.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sending {
    /// Why nothing is sent, if so.
    pub paused: Option<Pause>,
    /// When sending last went on: what was queued before that may have been passed over.
    #[serde(default)]
    pub resumed_at: Option<Timestamp>,
}

/// How far a channel beside mail is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// The last update that is on it; 0 for none.
    pub done: u16,
    /// What the channel calls the notice, once it is there.
    #[serde(default)]
    pub external_id: Option<String>,
    /// What kept the next one from it.
    #[serde(default)]
    pub failed: Option<ChannelFailure>,
}

/// What keeps an update from a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelFailure {
    /// At the last try.
    pub at: Timestamp,
    /// Tries in a row that failed.
    pub times: u32,
    /// Why, at the last.
    pub reason: String,
}

impl Channel {
    /// Whether it is time to try: at once, and after failures in growing distances up to 15
    /// minutes.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.failed.as_ref().is_none_or(|failed| {
            let minutes = 1_i64 << failed.times.saturating_sub(1).min(4);
            failed.at + jiff::SignedDuration::from_mins(minutes.min(15)) <= now
        })
    }

    /// Notes a try that failed.
    pub fn fail(&mut self, now: Timestamp, reason: String) {
        let times = self.failed.as_ref().map_or(0, |failed| failed.times);
        self.failed = Some(ChannelFailure {
            at: now,
            times: times.saturating_add(1),
            reason,
        });
    }

    /// Notes that an update is on it.
    pub fn succeed(&mut self, update: u16) {
        self.done = self.done.max(update);
        self.failed = None;
    }
}

impl Notice {
    /// The severity of an incident as of an update: what that says, or the last one before that
    /// said something.
    pub fn severity_at(&self, update: u16) -> Option<Severity> {
        let known = self.updates.iter().filter(|known| known.number <= update);
        known.filter_map(|known| known.severity).next_back()
    }

    /// How far an incident is, as of its last announced update.
    pub fn stage(&self) -> Option<Stage> {
        self.announced().filter_map(|update| update.stage).last()
    }

    /// The updates that have been announced.
    pub fn announced(&self) -> impl Iterator<Item = &Update> {
        let updates = self.updates.iter();
        updates.filter(|update| update.announced.is_some())
    }

    /// Whether all of it has been announced.
    pub fn is_announced(&self) -> bool {
        let mut updates = self.updates.iter();
        updates.all(|update| update.announced.is_some())
    }

    /// The number of the last announced update; 0 for none.
    pub fn last_announced(&self) -> u16 {
        self.announced()
            .map(|update| update.number)
            .last()
            .unwrap_or(0)
    }

    /// An update by its number.
    pub fn update(&self, number: u16) -> Option<&Update> {
        self.updates.iter().find(|update| update.number == number)
    }

    /// Whether this is the release notice of a version.
    pub fn announces(&self, product: &ProductSlug, wanted: &str) -> bool {
        let is_of_it = self.products.iter().any(|of| of.slug == *product);
        self.kind.version() == Some(wanted) && is_of_it
    }

    /// The display names of its products in a language; what stands for all if it names none.
    pub fn product_names(&self, language: Language) -> Vec<String> {
        if self.products.is_empty() {
            let all = match language {
                Language::Ja => "すべての製品",
                Language::En => "all products",
            };
            return vec![all.to_owned()];
        }
        let names = self.products.iter();
        names
            .map(|product| product.name.get(language).to_owned())
            .collect()
    }
}

/// The last instant at which something planned may be announced: so many days before, at the same
/// time of day in the product's zone.
///
/// Issue "notices": release notices must leave with the product's minimum lead time.
pub fn announce_by(planned_at: Timestamp, lead_days: u16, zone: &TimeZone) -> Timestamp {
    let lead: Span = i64::from(lead_days).days();
    let planned = planned_at.to_zoned_datetime(zone.clone());
    planned
        .checked_sub(lead)
        .map_or(planned_at, |zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lead_time_is_counted_in_days_of_the_products_zone() {
        for (planned, days, zone, expected) in [
            // Month ends, a leap year, a year's end.
            (
                "2026-12-05T10:00:00+09:00",
                7,
                "Asia/Tokyo",
                "2026-11-28T10:00:00+09:00",
            ),
            (
                "2028-03-01T00:00:00+09:00",
                1,
                "Asia/Tokyo",
                "2028-02-29T00:00:00+09:00",
            ),
            (
                "2027-01-03T09:30:00+09:00",
                7,
                "Asia/Tokyo",
                "2026-12-27T09:30:00+09:00",
            ),
            (
                "2026-12-05T10:00:00+09:00",
                0,
                "Asia/Tokyo",
                "2026-12-05T10:00:00+09:00",
            ),
            // A day of 25 hours lies between.
            (
                "2026-11-02T12:00:00-05:00",
                2,
                "America/New_York",
                "2026-10-31T12:00:00-04:00",
            ),
        ] {
            let zone = Zone::named(zone).unwrap();
            let by = announce_by(planned.parse().unwrap(), days, zone.tz());
            assert_eq!(by, expected.parse().unwrap(), "{planned} {days}");
        }
    }

    #[test]
    fn a_channel_that_fails_is_tried_in_growing_distances() {
        let start: Timestamp = "2026-11-26T00:00:00Z".parse().unwrap();
        let mut channel = Channel::default();
        assert!(channel.is_due(start));
        for (times, minutes) in [(1, 1), (2, 2), (3, 4), (4, 8), (5, 15), (6, 15)] {
            channel.fail(start, "503".to_owned());
            assert_eq!(channel.failed.as_ref().unwrap().times, times);
            let due = start + jiff::SignedDuration::from_mins(minutes);
            assert!(channel.is_due(due), "{times}");
            assert!(
                !channel.is_due(due - jiff::SignedDuration::from_secs(1)),
                "{times}"
            );
        }
        channel.succeed(2);
        assert_eq!(
            channel,
            Channel {
                done: 2,
                ..Channel::default()
            }
        );
    }
}

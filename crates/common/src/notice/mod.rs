//! Notices: announcements of releases, maintenance, incidents, and other information.
//!
//! A notice has one or more updates: the first announcement and later additions. Each update is
//! mailed to its [`Audience`], with one [`Delivery`] per contact, and published on the news page.
//! Incidents and maintenance are also published on the status page.

mod audience;
mod delivery;
mod filter;
mod id;
mod text;
mod told;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Span, Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};

use crate::customer::{Language, Severity};
use crate::product::{Bilingual, ProductSlug, Zone};

pub use audience::{
    Audience, Entitlement, Member, NoticeScope, Recipient, RecipientRole, Unreachable,
    UnreachableReason, audience,
};
pub use delivery::{
    Attempt, Bounce, BounceKind, Claim, CustomerName, Delivery, Evidence, Facts,
    OperatorConfirmation, Outcome, RecipientAddress, Rejected, RetryReason, State, Tally,
};
pub use filter::{AudienceFilter, FilteredLicense};
pub use id::{ContactHash, DeliveryId, DeliveryIdError, NoticeId, NoticeIdError};
pub use text::NoticeText;
pub use told::{
    AudienceRecord, MAX_UNREACHABLE, NotTold, NotToldBecause, ToldOtherwise, has_told,
    is_withdrawn, not_told,
};

/// The kind of a notice, with its instants.
///
/// Stored flattened into the [`Notice`], with the tag `kind`: `release`, `maintenance`, `incident`,
/// `information`.
///
/// ```
/// use tegata_common::notice::NoticeKind;
///
/// let kind: NoticeKind = serde_json::from_str(
///     r#"{ "kind": "release", "version": "1.9.0", "planned_at": "2026-12-05T10:00:00+09:00" }"#,
/// )?;
/// assert_eq!(kind.version(), Some("1.9.0"));
/// assert_eq!(NoticeKind::Incident.planned_at(), None);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum NoticeKind {
    /// A new version of a product. It must be announced before `planned_at`, by the product's lead
    /// time ([`announce_by`]).
    Release {
        /// The version, such as `1.9.0`. Old notices may have a version that is not a valid
        /// [`PluginVersion`](crate::version::PluginVersion).
        version: String,
        /// When the version becomes the current one.
        planned_at: Timestamp,
    },
    /// A period in which a service may be unavailable.
    Maintenance {
        /// The start of the period.
        planned_at: Timestamp,
        /// The end of the period, after `planned_at`.
        ends_at: Timestamp,
    },
    /// A failure or degradation of a service, with a [`Stage`] and a [`Severity`] per update.
    Incident,
    /// What else contract holders have to know: prices, the end of sale, terms.
    Information {
        /// When it takes effect, if that is a certain instant.
        planned_at: Option<Timestamp>,
    },
}

impl NoticeKind {
    /// The kind as written in files, listings and pages.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Release { .. } => "release",
            Self::Maintenance { .. } => "maintenance",
            Self::Incident => "incident",
            Self::Information { .. } => "information",
        }
    }

    /// When the release or maintenance happens, or the information takes effect. `None` for an
    /// incident.
    pub fn planned_at(&self) -> Option<Timestamp> {
        match self {
            Self::Release { planned_at, .. } | Self::Maintenance { planned_at, .. } => {
                Some(*planned_at)
            }
            Self::Incident => None,
            Self::Information { planned_at } => *planned_at,
        }
    }

    /// Whether the planned instant has passed.
    pub fn has_come(&self, now: Timestamp) -> bool {
        self.planned_at().is_some_and(|planned| planned <= now)
    }

    /// The end of a maintenance. `None` for other kinds.
    pub fn ends_at(&self) -> Option<Timestamp> {
        match self {
            Self::Maintenance { ends_at, .. } => Some(*ends_at),
            _ => None,
        }
    }

    /// The released version. `None` for other kinds.
    pub fn version(&self) -> Option<&str> {
        match self {
            Self::Release { version, .. } => Some(version),
            _ => None,
        }
    }
}

/// The stage of an incident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// The cause is being investigated.
    Investigating,
    /// The cause is known.
    Identified,
    /// A fix is in place and being monitored.
    Monitoring,
    /// The incident has ended. No further update may follow.
    Resolved,
}

impl Stage {
    /// The stage as written in files and pages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Investigating => "investigating",
            Self::Identified => "identified",
            Self::Monitoring => "monitoring",
            Self::Resolved => "resolved",
        }
    }
}

/// A product that a notice is about, with its display name at the time of the announcement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticeProduct {
    /// The product's slug.
    pub slug: ProductSlug,
    /// The product's display name.
    pub name: Bilingual,
}

/// A notice with all its updates: the item `notice` of the notices table.
///
/// An operator writes it as a TOML file. An announced update never changes: a correction is a
/// further update. The white paper promises that a version-up is announced before it happens, and
/// that incidents are announced on the news page and the status page.
///
/// ```
/// use tegata_common::notice::Notice;
///
/// let notice: Notice = serde_json::from_str(
///     r#"{ "notice_id": "2026-12-05-sheet-1.9.0", "kind": "release", "version": "1.9.0",
///          "planned_at": "2026-12-05T01:00:00Z",
///          "products": [{ "slug": "sheet", "name": { "ja": "シート", "en": "Sheet" } }],
///          "time_zone": "Asia/Tokyo", "title": { "ja": "シート 1.9.0", "en": "Sheet 1.9.0" },
///          "updates": [{ "number": 1, "stage": null, "severity": null,
///                        "body": { "ja": "本文", "en": "Text" },
///                        "send_at": "2026-11-27T01:00:00Z", "announced": null, "queued": null }],
///          "paused": null }"#,
/// )?;
/// assert!(notice.announces(&"sheet".parse().unwrap(), "1.9.0"));
/// assert_eq!(notice.last_announced(), 0); // not announced yet
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// The notice's id, which is the name of its file.
    pub notice_id: NoticeId,
    /// Release, maintenance, incident or information.
    #[serde(flatten)]
    pub kind: NoticeKind,
    /// The products that it is about. Empty means all products.
    pub products: Vec<NoticeProduct>,
    /// The time zone in which its instants are shown.
    pub time_zone: Zone,
    /// The title, one line. Its languages are those of the notice.
    pub title: NoticeText,
    /// Whose contacts it is mailed to, if not those of all contracts for its products.
    #[serde(default)]
    pub audience: AudienceFilter,
    /// The lowest severity of an incident that is mailed to primary contacts; `None` for all.
    /// Additional contacts have their own.
    #[serde(default)]
    pub severity_floor: Option<Severity>,
    /// Whether it is mailed. If not, it is on the pages only.
    #[serde(default = "yes")]
    pub mails: bool,
    /// The updates, in ascending order of their numbers.
    pub updates: Vec<Update>,
    /// Set while the sending of its mails is paused.
    pub paused: Option<Pause>,
    /// Errors that an operator has acknowledged by resuming the notice.
    #[serde(default)]
    pub forgiven: AcknowledgedErrors,
    /// The progress of the news page.
    #[serde(default)]
    pub news: Channel,
    /// The progress of the status page.
    #[serde(default)]
    pub status_page: Channel,
}

const fn yes() -> bool {
    true
}

/// An update of a notice: the part that is announced at one time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Update {
    /// 1 for the first update.
    pub number: u16,
    /// The stage of an incident. `None` for other kinds.
    pub stage: Option<Stage>,
    /// The severity of an incident, if this update sets it ([`Notice::severity_at`]).
    pub severity: Option<Severity>,
    /// The text, in Markdown.
    pub body: NoticeText,
    /// The instant from which it is announced.
    pub send_at: Timestamp,
    /// The operator's reason for an announcement after the lead time has begun.
    #[serde(default)]
    pub short_notice: Option<String>,
    /// Set when all its deliveries have been written. From then on the text does not change.
    pub announced: Option<Announced>,
    /// Set when its deliveries have been put into the queue.
    pub queued: Option<Queued>,
}

/// When an update was announced, and to how many recipients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announced {
    /// When the last delivery had been written.
    pub at: Timestamp,
    /// The number of deliveries.
    pub recipients: usize,
    /// The number of contracts without a reachable contact.
    #[serde(default)]
    pub unreachable: usize,
}

/// When an update's deliveries were put into the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queued {
    /// When the messages were put into the queue.
    pub at: Timestamp,
    /// The number of messages.
    pub messages: usize,
    /// When throttled deliveries were last put into the queue again.
    #[serde(default)]
    pub throttled_at: Option<Timestamp>,
}

/// A pause of sending, by an operator or after too many errors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// The start of the pause.
    pub at: Timestamp,
    /// The caller: an ARN, or `local:<user>` on one machine.
    pub by: String,
    /// The reason, as a text for operators.
    pub reason: String,
}

impl Pause {
    /// A pause that starts at an instant.
    pub fn new(at: Timestamp, by: &str, reason: &str) -> Self {
        Self {
            at,
            by: by.to_owned(),
            reason: reason.to_owned(),
        }
    }
}

/// The counts at the time at which an operator resumed a notice. Only later errors count towards
/// the next automatic pause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcknowledgedErrors {
    /// The number of deliveries with an error.
    pub wrong: usize,
    /// The number of attempted deliveries, including those with an error.
    pub attempted: usize,
}

/// The account-wide switch for sending. While it is paused, no mail of any notice is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sending {
    /// Set while all sending is paused.
    pub paused: Option<Pause>,
    /// When sending was last resumed. Messages that were queued before may have been skipped.
    #[serde(default)]
    pub resumed_at: Option<Timestamp>,
}

/// The progress of a channel other than mail: the news page or the status page.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// The number of the last published update; 0 for none.
    pub done: u16,
    /// The notice's id in the channel, such as Statuspal's incident id.
    #[serde(default)]
    pub external_id: Option<String>,
    /// The failure of the next update, if its last attempt failed.
    #[serde(default)]
    pub failed: Option<ChannelFailure>,
}

/// Consecutive failures to publish an update on a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelFailure {
    /// When the last attempt failed.
    pub at: Timestamp,
    /// The number of consecutive failed attempts.
    pub times: u32,
    /// The error of the last attempt.
    pub reason: String,
}

impl Channel {
    /// Whether an attempt is due: at once, and after failures with a backoff of 1, 2, 4, 8 and then
    /// 15 minutes.
    pub fn is_due(&self, now: Timestamp) -> bool {
        self.failed.as_ref().is_none_or(|failed| {
            let minutes = 1_i64 << failed.times.saturating_sub(1).min(4);
            failed.at + jiff::SignedDuration::from_mins(minutes.min(15)) <= now
        })
    }

    /// Records a failed attempt.
    pub fn fail(&mut self, now: Timestamp, reason: String) {
        let times = self.failed.as_ref().map_or(0, |failed| failed.times);
        self.failed = Some(ChannelFailure {
            at: now,
            times: times.saturating_add(1),
            reason,
        });
    }

    /// Records that an update has been published.
    pub fn succeed(&mut self, update: u16) {
        self.done = self.done.max(update);
        self.failed = None;
    }
}

impl Notice {
    /// The severity of an incident as of an update: the one that this update or the last one before
    /// it has set.
    pub fn severity_at(&self, update: u16) -> Option<Severity> {
        let known = self.updates.iter().filter(|known| known.number <= update);
        known.filter_map(|known| known.severity).next_back()
    }

    /// Whether an incident as of an update is mailed to primary contacts.
    pub fn concerns_primary(&self, update: u16) -> bool {
        let severity = self.severity_at(update);
        self.severity_floor
            .is_none_or(|floor| severity.is_none_or(|of| of >= floor))
    }

    /// The stage of an incident as of its last announced update.
    pub fn stage(&self) -> Option<Stage> {
        self.announced().filter_map(|update| update.stage).last()
    }

    /// The updates that have been announced.
    pub fn announced(&self) -> impl Iterator<Item = &Update> {
        let updates = self.updates.iter();
        updates.filter(|update| update.announced.is_some())
    }

    /// Whether all updates have been announced.
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

    /// When the addresses in its deliveries are removed: `retention` after the last announcement or
    /// the planned instant, whichever is later. `None` if nothing has been announced.
    pub fn addresses_expire_at(&self, retention: SignedDuration) -> Option<Timestamp> {
        let announced = self.announced().filter_map(|update| update.announced);
        let last = announced.map(|announced| announced.at).max()?;
        Some(last.max(self.kind.planned_at().unwrap_or(last)) + retention)
    }

    /// The update with a number.
    pub fn update(&self, number: u16) -> Option<&Update> {
        self.updates.iter().find(|update| update.number == number)
    }

    /// Whether this is the release notice of a product's version.
    pub fn announces(&self, product: &ProductSlug, wanted: &str) -> bool {
        let is_of_it = self.products.iter().any(|of| of.slug == *product);
        self.kind.version() == Some(wanted) && is_of_it
    }

    /// The display names of its products in a language, or "all products" if it has none.
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

/// The latest instant at which a release or maintenance may be announced: `lead_days` before it, at
/// the same local time (white paper: a version-up is announced before it happens).
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
            // With a day of 25 hours between.
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
    fn a_failed_channel_is_retried_with_backoff() {
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

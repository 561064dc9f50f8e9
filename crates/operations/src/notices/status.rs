//! How far notices are.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::{Serialize, Serializer};
use serde_json::{Value, json};
use tegata_common::notice::{
    AudienceRecord, NotTold, NotToldBecause, Notice, NoticeId, State, Tally, ToldOtherwise,
    not_told,
};
use tegata_storage::Versioned;
use tegata_storage::notices::{Notices, VersionedDelivery};

use super::{Context, known};
use crate::Error;

/// A notice with its deliveries at an instant. It serialises to the JSON that `notice status` prints.
#[derive(Debug)]
pub struct NoticeStatus {
    /// The notice.
    pub notice: Notice,
    /// Its deliveries, sorted by update and address hash.
    pub deliveries: Vec<VersionedDelivery>,
    /// The reason why all sending is paused, if it is.
    pub sending_paused: Option<String>,
    /// The last calculation of its audience.
    pub audience: Option<AudienceRecord>,
    /// Who was told of it otherwise, by [`ToldOtherwise::who`].
    pub told_otherwise: BTreeMap<String, Versioned<ToldOtherwise>>,
    now: Timestamp,
    zone: TimeZone,
}

/// How far a notice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeState {
    /// An operator, or too many errors, have paused it or all sending.
    Paused,
    /// An update is to be announced.
    Scheduled,
    /// Mails are on their way.
    Sending,
    /// All of it was cancelled before it was announced.
    Cancelled,
    /// The outcome of a mail is unknown.
    Unknown,
    /// A customer has not been told.
    Incomplete,
    /// All customers have been told.
    Sent,
}

impl NoticeState {
    /// The state as written in listings.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Paused => "paused",
            Self::Scheduled => "scheduled",
            Self::Sending => "sending",
            Self::Cancelled => "cancelled",
            Self::Unknown => "unknown",
            Self::Incomplete => "incomplete",
            Self::Sent => "sent",
        }
    }
}

/// Reads how far a notice is, as of an instant.
pub async fn status(
    context: &Context<'_>,
    id: &NoticeId,
    now: Timestamp,
) -> Result<NoticeStatus, Error> {
    let notice = known(context.notices, id).await?.value;
    let sending_paused = sending_paused(context.notices).await?;
    read(context, notice, sending_paused, now).await
}

/// Reads how far all notices are, the newest first.
pub async fn list(context: &Context<'_>) -> Result<Vec<NoticeStatus>, Error> {
    let mut notices = context.notices.all().await?;
    let sending_paused = sending_paused(context.notices).await?;
    notices.sort_by_key(|notice| std::cmp::Reverse(send_at(notice)));
    let mut read_so_far = Vec::new();
    for notice in notices {
        let now = context.caller.now;
        read_so_far.push(read(context, notice, sending_paused.clone(), now).await?);
    }
    Ok(read_so_far)
}

async fn read(
    context: &Context<'_>,
    notice: Notice,
    sending_paused: Option<String>,
    now: Timestamp,
) -> Result<NoticeStatus, Error> {
    let (notices, id) = (context.notices, &notice.notice_id);
    Ok(NoticeStatus {
        deliveries: notices.deliveries(id, None).await?,
        audience: notices.audience(id).await?,
        told_otherwise: notices.told_otherwise(id).await?,
        notice,
        sending_paused,
        now,
        zone: context.zone.clone(),
    })
}

/// Why all sending is paused, if it is.
async fn sending_paused(notices: &Notices) -> Result<Option<String>, Error> {
    let sending = notices.sending().await?;
    let paused = sending.and_then(|stored| stored.value.paused);
    Ok(paused.map(|pause| pause.reason))
}

/// When the first update of a notice is, or was, due.
fn send_at(notice: &Notice) -> Option<Timestamp> {
    notice.updates.first().map(|update| update.send_at)
}

impl NoticeStatus {
    /// The instant of the status.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// When the first update is, or was, due.
    pub fn send_at(&self) -> Option<Timestamp> {
        send_at(&self.notice)
    }

    /// The deliveries by state: of one update, or of all.
    pub fn tally(&self, update: Option<u16>) -> Tally {
        let of_it = self
            .deliveries
            .iter()
            .filter(|stored| update.is_none_or(|update| stored.delivery.delivery.update == update));
        let facts = of_it.map(|stored| &stored.delivery.facts);
        Tally::of(facts, self.now, SignedDuration::ZERO)
    }

    /// Whether nothing is being sent now: everything was sent, or is paused.
    pub fn is_at_rest(&self) -> bool {
        let is_sent = self.notice.is_announced() && self.tally(None).waiting() == 0;
        is_sent || self.notice.paused.is_some() || self.sending_paused.is_some()
    }

    /// Who has not been told, sorted.
    pub fn not_told(&self) -> Vec<NotTold> {
        let deliveries = self.deliveries.iter().map(|stored| &stored.delivery);
        let audience = self.audience.as_ref();
        not_told(deliveries, audience, &self.told_otherwise, self.now)
    }

    /// The number of those who have not been told that are not named for lack of room.
    pub fn unnamed(&self) -> usize {
        self.audience.as_ref().map_or(0, |record| record.unnamed)
    }

    /// The state.
    pub fn state(&self) -> NoticeState {
        let tally = self.tally(None);
        let not_told = self.not_told();
        let unknown = NotToldBecause::Mail(State::Unknown);
        if self.notice.paused.is_some() || self.sending_paused.is_some() && tally.open() > 0 {
            NoticeState::Paused
        } else if !self.notice.is_announced() {
            NoticeState::Scheduled
        } else if tally.waiting() > 0 {
            NoticeState::Sending
        } else if self.notice.updates.is_empty() {
            NoticeState::Cancelled
        } else if not_told.iter().any(|of| of.because == unknown) {
            NoticeState::Unknown
        } else if !not_told.is_empty() || self.unnamed() > 0 {
            NoticeState::Incomplete
        } else {
            NoticeState::Sent
        }
    }

    /// The number of mails that were sent again because the outcome stayed unknown.
    pub fn resends(&self) -> usize {
        let facts = self.deliveries.iter().map(|stored| &stored.delivery.facts);
        facts.map(|facts| facts.unknown_resends()).sum()
    }

    fn document(&self) -> Value {
        let notice = &self.notice;
        let local = |at: Timestamp| crate::local_time(at, &self.zone);
        let states = |tally: &Tally| -> Value {
            let states = State::ALL.iter();
            let states = states.map(|of| (of.as_str().to_owned(), json!(tally.count(*of))));
            Value::Object(states.collect())
        };
        json!({
            "notice_id": notice.notice_id,
            "kind": notice.kind.as_str(),
            "state": self.state().as_str(),
            "mails": notice.mails,
            "planned_at": notice.kind.planned_at().map(local),
            "paused": notice.paused,
            "sending_paused": self.sending_paused,
            "updates": notice.updates.iter().map(|update| json!({
                "number": update.number,
                "stage": update.stage,
                "severity": update.severity,
                "send_at": local(update.send_at),
                "announced_at": update.announced.map(|announced| local(announced.at)),
                "unreachable": update.announced.map(|announced| announced.unreachable),
                "short_notice": update.short_notice,
                "deliveries": states(&self.tally(Some(update.number))),
            })).collect::<Vec<_>>(),
            "audience_calculated_at": self.audience.as_ref().map(|of| local(of.calculated_at)),
            "not_told": self.not_told(),
            "told_otherwise": self.told_otherwise.values().map(|told| json!({
                "who": told.value.who,
                "how": told.value.how,
                "by": told.revision.by,
                "at": local(told.revision.at),
            })).collect::<Vec<_>>(),
            "news": notice.news,
            "status_page": notice.status_page,
        })
    }
}

impl Serialize for NoticeStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.document().serialize(serializer)
    }
}

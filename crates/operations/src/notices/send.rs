//! A notice that is scheduled for `announce` to send.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use tegata_common::notice::{ContactHash, Notice, NoticeId};
use tegata_notices::audience::AudienceReport;
use tegata_notices::scope;
use tegata_storage::notices::{Notices, Work};

use super::{CheckedNotice, Context, NoticeError};
use crate::Error;

/// A notice that can be sent, and has not been.
#[derive(Debug)]
pub struct PlannedSend {
    /// The notice.
    pub notice: Notice,
    /// The number of the update that is new.
    pub update: u16,
    /// When it is announced.
    pub send_at: Timestamp,
    /// The recipients as of now, and the contracts that it does not reach.
    pub audience: AudienceReport,
    /// What differs from the last comparable audience, if there is one.
    pub difference: Option<AudienceDifference>,
    checked: CheckedNotice,
}

/// The difference from the audience of the update before, or of the last notice of the same kind and
/// products.
#[derive(Debug, Serialize)]
pub struct AudienceDifference {
    /// The notice of the audience before.
    pub notice_id: NoticeId,
    /// Its update.
    pub update: u16,
    /// The addresses of the contacts that are new.
    #[serde(serialize_with = "count")]
    pub new: Vec<String>,
    /// The number of contacts that are not told any more.
    pub gone: usize,
}

/// Serialises only the number, so that no address gets into a program's output.
fn count<S: Serializer>(of: &[String], serializer: S) -> Result<S::Ok, S::Error> {
    of.len().serialize(serializer)
}

/// The result of sending.
#[derive(Debug, Serialize)]
pub struct SendReport {
    /// The notice.
    pub notice_id: NoticeId,
    /// The number of the update.
    pub update: u16,
    /// When it is announced, in the zone of the place.
    pub send_at: String,
    /// The number of recipients.
    pub recipients: usize,
    /// The number of contracts without a reachable primary contact.
    pub unreachable: usize,
    /// The number of contacts that were left out because mail to them cannot be delivered.
    pub undeliverable: usize,
    /// What differs from the last comparable audience.
    pub since: Option<AudienceDifference>,
    /// Whether nothing was to be written.
    pub dry_run: bool,
}

/// Plans to announce a checked file's next update at an instant.
pub async fn send(
    context: &Context<'_>,
    checked: CheckedNotice,
    send_at: Timestamp,
    suppressed: &BTreeSet<ContactHash>,
) -> Result<PlannedSend, Error> {
    let notice = checked.notice.clone();
    let update = checked.update()?.clone();
    if notice.paused.is_some() {
        return Err(NoticeError::Paused(notice.notice_id).into());
    }
    let audience = context.audience(&notice, &update, suppressed).await?;
    let missing = scope::missing_languages(&notice, &update, &audience.audience);
    if !missing.is_empty() {
        return Err(NoticeError::Languages(missing).into());
    }
    let last = last_audience(context.notices, &notice, update.number).await?;
    Ok(PlannedSend {
        difference: last.map(|(of, told)| AudienceDifference::new(of, &told, &audience)),
        notice,
        update: update.number,
        send_at,
        audience,
        checked,
    })
}

impl PlannedSend {
    /// Writes the notice for `announce`, unless this is a dry run.
    pub async fn carry_out(
        self,
        context: &Context<'_>,
        dry_run: bool,
    ) -> Result<SendReport, Error> {
        let now = context.caller.now;
        if !dry_run {
            let change = if self.send_at > now {
                "schedule"
            } else {
                "send"
            };
            let act = context.caller.change(change);
            let before = self.checked.before.as_ref().map(|stored| &stored.revision);
            // What was announced before may have work left: announcing looks at once, and waits.
            let due = if before.is_some() { now } else { self.send_at };
            let notices = context.notices;
            notices
                .put(before, &self.notice, Work::Due(due), &act)
                .await?;
        }
        let audience = &self.audience.audience;
        Ok(SendReport {
            notice_id: self.notice.notice_id,
            update: self.update,
            send_at: context.local_time(self.send_at),
            recipients: audience.recipients.len(),
            unreachable: audience.unreachable.len(),
            undeliverable: audience.undeliverable,
            since: self.difference,
            dry_run,
        })
    }
}

/// The recipients of the update before, or of the last notice of the same kind and products.
async fn last_audience(
    notices: &Notices,
    notice: &Notice,
    update: u16,
) -> Result<Option<((NoticeId, u16), BTreeSet<ContactHash>)>, Error> {
    let id = &notice.notice_id;
    let of = if update > 1 {
        Some((id.clone(), update - 1))
    } else {
        let all = notices.all().await?;
        let of_its_kind = all.into_iter().filter(|other| {
            other.notice_id != *id
                && other.kind.as_str() == notice.kind.as_str()
                && other
                    .products
                    .iter()
                    .map(|of| &of.slug)
                    .eq(notice.products.iter().map(|of| &of.slug))
                && other.last_announced() > 0
        });
        let at = |other: &Notice| {
            other
                .announced()
                .filter_map(|of| of.announced)
                .map(|of| of.at)
                .max()
        };
        of_its_kind
            .max_by_key(|other| at(other))
            .map(|other| (other.notice_id.clone(), other.last_announced()))
    };
    let Some((id, update)) = of else {
        return Ok(None);
    };
    let deliveries = notices.deliveries(&id, Some(update)).await?.into_iter();
    let told = deliveries.map(|stored| stored.delivery.delivery.contact);
    Ok(Some(((id, update), told.collect())))
}

impl AudienceDifference {
    fn new(
        (notice_id, update): (NoticeId, u16),
        told: &BTreeSet<ContactHash>,
        audience: &AudienceReport,
    ) -> Self {
        let recipients = &audience.audience.recipients;
        let hashed = recipients
            .iter()
            .map(|recipient| (ContactHash::of(&recipient.email), recipient));
        let now: BTreeSet<ContactHash> = hashed.clone().map(|(hash, _)| hash).collect();
        let new = hashed
            .filter(|(hash, _)| !told.contains(hash))
            .map(|(_, recipient)| recipient.email.as_str().to_owned());
        Self {
            notice_id,
            update,
            new: new.collect(),
            gone: told.difference(&now).count(),
        }
    }
}

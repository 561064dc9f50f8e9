//! A notice file that is checked against the catalogue and against what was announced before.

use jiff::Timestamp;
use serde::Serialize;
use tegata_common::notice::{Notice, NoticeId, NoticeKind, Update, announce_by};
use tegata_common::product::Product;
use tegata_notices::check::{self, Terms};
use tegata_notices::file::NoticeFile;
use tegata_storage::Versioned;

use super::{Context, NoticeError};
use crate::Error;

/// A file without problems.
#[derive(Debug)]
pub struct CheckedNotice {
    /// The notice that it makes.
    pub notice: Notice,
    /// The minimum time between the announcement and the planned instant, in days.
    pub lead_days: u16,
    /// The notice as it is in the table.
    pub(super) before: Option<Versioned<Notice>>,
}

/// The result of a check.
#[derive(Debug, Serialize)]
pub struct CheckReport {
    /// The notice.
    pub notice_id: NoticeId,
    /// `release`, `maintenance` or `incident`.
    pub kind: &'static str,
    /// The number of the update that is new.
    pub update: u16,
    /// The latest instant of its announcement, in the zone of the place.
    pub announce_by: Option<String>,
}

/// Checks a file whose next update is to be announced at an instant. `short_notice` is the reason
/// for announcing it later than the lead time requires.
pub async fn check(
    context: &Context<'_>,
    id: &NoticeId,
    file: &NoticeFile,
    short_notice: Option<String>,
    send_at: Timestamp,
) -> Result<CheckedNotice, Error> {
    let is_empty = |reason: &String| reason.trim().is_empty();
    if short_notice.as_ref().is_some_and(is_empty) {
        return Err(NoticeError::NoReason("--short-notice").into());
    }
    if send_at < context.caller.now {
        return Err(NoticeError::Past("--at").into());
    }
    let products = context.licenses.products().await?.into_iter();
    let products: Vec<Product> = products.map(|stored| stored.value).collect();
    let before = context.notices.get(id).await?;
    let terms = Terms {
        now: context.caller.now,
        send_at,
        short_notice,
    };
    let known = before.as_ref().map(|stored| &stored.value);
    let checked = check::notice(id, file, known, &products, &terms);
    let notice = checked.map_err(NoticeError::Problems)?;
    let is_named = |product: &&Product| notice.products.iter().any(|of| of.slug == product.slug);
    let named: Vec<Product> = products.iter().filter(is_named).cloned().collect();
    Ok(CheckedNotice {
        lead_days: check::lead_days(&named, &products),
        notice,
        before,
    })
}

impl CheckedNotice {
    /// The update that is new.
    pub fn update(&self) -> Result<&Update, Error> {
        let mut updates = self.notice.updates.iter();
        let new = updates.find(|update| update.announced.is_none());
        new.ok_or_else(|| NoticeError::NothingNew.into())
    }

    /// What was found.
    pub fn report(&self, context: &Context<'_>) -> Result<CheckReport, Error> {
        let notice = &self.notice;
        // An information has no lead time.
        let planned = notice.kind.planned_at();
        let planned = planned.filter(|_| !matches!(notice.kind, NoticeKind::Information { .. }));
        let by = planned.map(|planned| {
            let by = announce_by(planned, self.lead_days, notice.time_zone.tz());
            context.local_time(by)
        });
        Ok(CheckReport {
            notice_id: notice.notice_id.clone(),
            kind: notice.kind.as_str(),
            update: self.update()?.number,
            announce_by: by,
        })
    }
}

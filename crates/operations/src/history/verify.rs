//! Whether the history is what was done: an answer that an auditor can file.

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde::Serialize;
use tegata_common::access::Source;

use super::Stores;
use super::callers::{Proven, Trail};
use super::changes::Changes;
use super::compare::{self, Scope, Unproven};
use super::findings::{Finding, Findings};
use super::items::Items;
use crate::{Caller, Error, Period, Progress, local_time};

/// The rules of the place that is verified.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// CloudTrail's record of the callers, where there is one.
    pub trail: Option<&'a Trail>,
    /// The zone of the days.
    pub zone: &'a TimeZone,
    /// Whether the instants of changes are those of a clock. On one machine they can be made up.
    pub has_clock: bool,
}

/// Whether the history is what was done.
#[derive(Debug, Serialize)]
pub struct Verification {
    /// The first day.
    pub from: Date,
    /// The last day.
    pub to: Date,
    /// The zone of the days.
    pub time_zone: String,
    /// When it was verified.
    pub verified_at: String,
    /// The caller that verified it.
    pub verified_by: String,
    /// Whether nothing is wrong.
    pub ok: bool,
    /// Items that were compared.
    pub items: usize,
    /// History items that were compared.
    pub history_items: usize,
    /// Changes that the archive has of the period, and of a day before and after it.
    pub archived_changes: u64,
    /// The first day with changes in the archive.
    pub archive_begins: Option<Date>,
    /// Changes whose author CloudTrail proves, and does not; none without a trail.
    pub callers: Option<Proven>,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// What nothing proves, in words.
    pub unproven: Vec<String>,
}

/// Compares the tables with their histories, the archive of changes and the trail. The archive and
/// the trail are read for a period, the tables as a whole.
pub async fn verify(
    stores: &Stores<'_>,
    place: &Place<'_>,
    period: Period,
    caller: Caller<'_>,
    progress: &dyn Progress,
) -> Result<Verification, Error> {
    let (archive, zone) = (stores.archive, place.zone);
    let mut findings = Findings::default();
    let archive_begins = archive.first_day(Source::Change).await?;
    let changes = Changes::read(archive, zone, period, progress, &mut findings).await?;
    let scope = scope(place, period, caller.now)?;
    let callers = match place.trail {
        Some(trail) => {
            let calls = trail.read(scope, progress, &mut findings).await?;
            Some(calls.compare(&changes, scope, &mut findings))
        }
        None => None,
    };
    // The tables after the archive: what is written in between is too new to be missed.
    let items = Items::read(stores, &mut findings).await?;
    let unproven = compare::compare(&items, &changes, scope, &mut findings);
    let findings = findings.sorted();
    Ok(Verification {
        from: period.from,
        to: period.to,
        time_zone: zone.iana_name().unwrap_or("UTC").to_owned(),
        verified_at: local_time(caller.now, zone),
        verified_by: caller.name.to_owned(),
        ok: findings.is_empty(),
        items: items.current.len() + items.others.len(),
        history_items: items.past_items(),
        archived_changes: changes.count,
        archive_begins,
        unproven: unproven_in_words(unproven, callers, archive_begins),
        callers,
        findings,
    })
}

fn scope(place: &Place<'_>, period: Period, now: Timestamp) -> Result<Scope, Error> {
    let instant = |date: Date| -> Result<Timestamp, Error> {
        Ok(date.to_zoned_datetime(place.zone.clone())?.timestamp())
    };
    Ok(Scope {
        from: instant(period.from)?,
        until: instant(period.to.checked_add(1.day())?)?,
        now,
        has_clock: place.has_clock,
    })
}

fn unproven_in_words(
    unproven: Unproven,
    callers: Option<Proven>,
    begins: Option<Date>,
) -> Vec<String> {
    let Unproven {
        history_items,
        versions,
        too_new,
    } = unproven;
    let mut words = Vec::new();
    match callers {
        None => words.push(
            "who made the changes: what an item says of that is a claim of its writer, and there \
             is no trail of CloudTrail to compare it with"
                .to_owned(),
        ),
        Some(Proven { unproven: 0, .. }) => {}
        Some(Proven { unproven, .. }) => words.push(format!(
            "who made {unproven} of the changes: CloudTrail's trail is younger, or does not have \
             them yet"
        )),
    }
    if begins.is_none() {
        words.push("all that only the archive shows: it has no changes yet".to_owned());
    }
    for (count, what) in [
        (
            history_items,
            "history items from before the archive, or of days that were not asked for: compared \
             with their items only",
        ),
        (
            versions,
            "versions of licences without a history, from such days: leases that were signed \
             again, or history items that were removed",
        ),
        (
            too_new,
            "changes of the last minutes, which may be on their way into the archive",
        ),
    ] {
        if count > 0 {
            words.push(format!("{count} {what}"));
        }
    }
    words
}

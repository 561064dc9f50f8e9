//! Verification of the history. The result is a document for auditors.

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

/// The properties of the target that is verified.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The CloudTrail trail, if the stack has one.
    pub trail: Option<&'a Trail>,
    /// The zone of the days.
    pub zone: &'a TimeZone,
    /// Whether changes are dated by a real clock. On one machine, `--now` sets any instant.
    pub has_clock: bool,
}

/// The result of a verification.
#[derive(Debug, Serialize)]
pub struct Verification {
    /// The first day.
    pub from: Date,
    /// The last day.
    pub to: Date,
    /// The zone of the days.
    pub time_zone: String,
    /// When the history was verified, RFC 3339.
    pub verified_at: String,
    /// The caller who verified it.
    pub verified_by: String,
    /// Whether there are no findings.
    pub ok: bool,
    /// The number of current items.
    pub items: usize,
    /// The number of history items.
    pub history_items: usize,
    /// The number of archived changes in the period and one day before and after it.
    pub archived_changes: u64,
    /// The first day with archived changes.
    pub archive_begins: Option<Date>,
    /// The number of changes whose author CloudTrail confirms or does not confirm. `None` without a
    /// trail.
    pub callers: Option<Proven>,
    pub findings: Vec<Finding>,
    /// What could not be verified, as descriptions for operators.
    pub unproven: Vec<String>,
}

/// Compares the tables with their histories, the archive of changes and the trail. The tables are
/// read completely; the archive and the trail are read for the period.
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
    // The tables are read after the archive. A write in between is recent enough not to be reported
    // as missing.
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
        unproven: describe_unproven(unproven, callers, archive_begins),
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

fn describe_unproven(
    unproven: Unproven,
    callers: Option<Proven>,
    begins: Option<Date>,
) -> Vec<String> {
    let Unproven {
        history_items,
        versions,
        too_new,
    } = unproven;
    let mut lines = Vec::new();
    match callers {
        None => lines.push(
            "who made the changes: what an item says of that is a claim of its writer, and there \
             is no trail of CloudTrail to compare it with"
                .to_owned(),
        ),
        Some(Proven { unproven: 0, .. }) => {}
        Some(Proven { unproven, .. }) => lines.push(format!(
            "who made {unproven} of the changes: CloudTrail's trail is younger, or does not have \
             them yet"
        )),
    }
    if begins.is_none() {
        lines.push("everything that needs the archive: it contains no changes yet".to_owned());
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
            lines.push(format!("{count} {what}"));
        }
    }
    lines
}

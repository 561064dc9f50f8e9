//! The roll-up: recalculates the usage of changed days from the archive.

mod spill;

use std::io;

use futures_util::{StreamExt as _, stream};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde::Serialize;
use serde_json::Value;
use tegata_archive::objects::ObjectsError;
use tegata_archive::{Archive, KEPT_DAYS, Listed};
use tegata_aws::TrustError;
use tegata_common::access::{Source, UsageRecord};
use tegata_common::network::Networks;
use tegata_common::usage::day::Day;
use tegata_common::usage::{DaySummary, DomainUsage, cdn_records_stopped};
use tegata_lambda::metrics::{CDN_RECORDS_MISSING, DAMAGED_OBJECTS, DAYS_WAITING, ReportLine};
use tegata_storage::TableError;
use tegata_storage::usage::{DayState, UsageTable};

use crate::clients;
use crate::settings::AccessLogSettings;
use spill::SpillFiles;

/// The number of objects that are fetched concurrently, ahead of the one that is read.
const AHEAD: usize = 8;

/// The compressed bytes per part of a day: about 200,000 records, which need 30 MB of memory at a
/// time.
const PART: u64 = 4 * 1024 * 1024;

/// The function with its archive and the usage table.
#[derive(Clone, Debug)]
pub struct RollUp {
    archive: Archive,
    usage: UsageTable,
    zone: TimeZone,
    kintone: Networks,
}

/// Why a day or a run failed. The days stay marked as changed, so the next run includes them.
#[derive(Debug, thiserror::Error)]
pub enum RollUpError {
    /// Reading the archive failed.
    #[error("the archive: {0}")]
    Archive(#[from] ObjectsError),
    /// Reading or writing the usage table failed.
    #[error("the usage: {0}")]
    Table(#[from] TableError),
    /// Writing or reading a temporary file failed.
    #[error("temporary file: {0}")]
    Spill(#[from] io::Error),
    /// The time was up.
    #[error("out of time")]
    OutOfTime,
}

/// The result of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RollUpReport {
    /// The number of recalculated days.
    pub days: u64,
    /// The number of changed days that were not recalculated, because they failed or the time was
    /// up.
    pub waiting: u64,
    /// The number of records read.
    pub records: u64,
    /// The number of duplicate records.
    pub duplicates: u64,
    /// The number of damaged objects, whose records are not counted.
    pub damaged: u64,
    /// Whether records of the CDN have stopped arriving.
    pub cdn_records_missing: bool,
}

impl RollUpReport {
    /// The log line with metrics.
    pub fn line(&self, now: Timestamp, stack: &str) -> Value {
        ReportLine::new("roll_up", now, stack)
            .figure("DaysRolledUp", self.days)
            .metric(DAYS_WAITING, self.waiting)
            .figure("DuplicateRecords", self.duplicates)
            .metric(DAMAGED_OBJECTS, self.damaged)
            .metric(CDN_RECORDS_MISSING, u8::from(self.cdn_records_missing))
            .figure("records", self.records)
            .line()
    }
}

/// The calculated usage of a day.
#[derive(Debug)]
pub struct AddedUp {
    /// The usage by product and tenant.
    pub usage: Vec<DomainUsage>,
    /// The summary of the day.
    pub summary: DaySummary,
    /// The number of damaged objects.
    pub damaged: u64,
}

impl RollUp {
    /// Creates the function with its clients.
    pub fn open(settings: &AccessLogSettings) -> Result<Self, TrustError> {
        let (archive, usage) = clients::open(settings)?;
        let roll_up = Self::new(archive, usage, settings.time_zone.tz().clone());
        Ok(roll_up.with_kintone(settings.kintone.clone()))
    }

    /// Creates the function with existing stores.
    pub fn new(archive: Archive, usage: UsageTable, zone: TimeZone) -> Self {
        Self {
            archive,
            usage,
            zone,
            kintone: Networks::default(),
        }
    }

    /// Replaces the networks whose requests are confirmed.
    pub fn with_kintone(self, kintone: Networks) -> Self {
        Self { kintone, ..self }
    }

    /// Recalculates today and the changed days, latest first, until the time is up.
    pub async fn run(
        &self,
        now: Timestamp,
        time_is_up: impl Fn() -> bool,
    ) -> Result<RollUpReport, RollUpError> {
        let today = self.zone.to_datetime(now).date();
        let known = self.usage.days().await?;
        // Today is always included: a batch may have been interrupted before it marked the day as
        // changed. Days whose archive may have been deleted are excluded: their usage could not be
        // recalculated.
        let oldest = today.saturating_sub(KEPT_DAYS.days());
        let mut due: Vec<Date> = known
            .iter()
            .filter(|day| day.is_waiting() && day.date >= oldest || day.date == today)
            .map(|day| day.date)
            .collect();
        if !due.contains(&today) {
            due.push(today);
        }
        due.sort_by(|a, b| b.cmp(a));
        let days = known.iter().map(|day| (day.date, &day.summary));
        let mut report = RollUpReport {
            cdn_records_missing: cdn_records_stopped(days, today),
            ..RollUpReport::default()
        };
        for date in due {
            match self.roll_up(date, now, &time_is_up).await {
                Ok(AddedUp {
                    summary, damaged, ..
                }) => {
                    report.days += 1;
                    report.records += summary.records;
                    report.duplicates += summary.duplicates;
                    report.damaged += damaged;
                }
                Err(error) => {
                    tracing::error!(%date, %error, "a day was not rolled up");
                    report.waiting += 1;
                }
            }
        }
        Ok(report)
    }

    /// Recalculates one day and replaces its usage.
    pub async fn roll_up(
        &self,
        date: Date,
        now: Timestamp,
        time_is_up: impl Fn() -> bool,
    ) -> Result<AddedUp, RollUpError> {
        // Read before the archive: an object that is archived from now on marks the day as changed
        // again.
        let state = self.usage.day(date).await?;
        let is_known = state.is_some();
        let state = state.unwrap_or_else(|| DayState {
            date,
            changes: 0,
            rolled_up: 0,
            rolled_up_at: None,
            products: Default::default(),
            summary: DaySummary::default(),
        });
        let added = add_up(&self.archive, date, &self.kintone, time_is_up).await?;
        if is_known || added.summary != DaySummary::default() {
            let AddedUp { usage, summary, .. } = &added;
            self.usage.replace(&state, usage, summary, now).await?;
        }
        Ok(added)
    }
}

/// Calculates the usage of a day from the archive. Memory grows with the number of tenants and with
/// `PART`, not with the number of records, whose observations are written to temporary files.
pub async fn add_up(
    archive: &Archive,
    date: Date,
    kintone: &Networks,
    time_is_up: impl Fn() -> bool,
) -> Result<AddedUp, RollUpError> {
    let mut objects = Vec::new();
    // The function's records first, because they show which tenants have a licence.
    for source in [
        Source::Lookup,
        Source::Gateway,
        Source::Cdn,
        Source::Unreadable,
    ] {
        let listed = archive.list(source, date).await?;
        objects.extend(listed.into_iter().map(|listed| (source, listed)));
    }
    let bytes: u64 = objects.iter().map(|(_, listed)| listed.bytes).sum();
    let parts = usize::try_from(bytes.div_ceil(PART)).unwrap_or(1);
    let mut spill = SpillFiles::new(parts.max(1))?;
    let mut day = Day::new(date, kintone.clone());
    let mut damaged = 0;

    let fetched = stream::iter(objects)
        .map(async |(source, listed)| (source, archive.get(&listed.key).await, listed));
    let mut fetched = std::pin::pin!(fetched.buffered(AHEAD));
    while let Some((source, object, listed)) = fetched.next().await {
        if time_is_up() {
            return Err(RollUpError::OutOfTime);
        }
        match lines_of(&listed, object?) {
            Some(lines) => read_object(source, &lines, &mut day, &mut spill)?,
            None => damaged += 1,
        }
    }
    for part in 0..spill.parts() {
        if time_is_up() {
            return Err(RollUpError::OutOfTime);
        }
        day.count(spill.take(part)?);
    }
    let (usage, summary) = day.finish();
    Ok(AddedUp {
        usage,
        summary,
        damaged,
    })
}

/// The lines of an object. `None` if it is damaged or missing.
fn lines_of(listed: &Listed, object: Option<Vec<u8>>) -> Option<Vec<u8>> {
    let key = &listed.key;
    let (Some(name), Some(object)) = (&listed.name, object) else {
        tracing::error!(%key, "an object is missing, or its name is not one of the archive");
        return None;
    };
    match tegata_archive::open(name, &object) {
        Ok(lines) => Some(lines),
        Err(damage) => {
            tracing::error!(%key, "a damaged object: {damage}");
            None
        }
    }
}

fn read_object(
    source: Source,
    lines: &[u8],
    day: &mut Day,
    spill: &mut SpillFiles,
) -> Result<(), RollUpError> {
    // Checked once for the whole object: this program writes nothing but UTF-8.
    let Ok(lines) = str::from_utf8(lines) else {
        lines
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty())
            .for_each(|_| day.see_unreadable());
        return Ok(());
    };
    for line in lines.split('\n').filter(|line| !line.is_empty()) {
        if source == Source::Unreadable {
            day.see_unreadable();
            continue;
        }
        match serde_json::from_str::<UsageRecord<'_>>(line) {
            Ok(record) => spill.put(&day.see(source, &record))?,
            // Written by a version of this program with another format.
            Err(_) => day.see_unreadable(),
        }
    }
    Ok(())
}

//! The roll-up: recalculates the usage of changed days from the archive, and writes their copies.

mod add_up;
mod spill;

use std::io;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde::Serialize;
use serde_json::Value;
use tegata_archive::copies::Copies;
use tegata_archive::objects::ObjectsError;
use tegata_archive::{Archive, KEPT_DAYS};
use tegata_aws::TrustError;
use tegata_common::network::Networks;
use tegata_common::usage::{DaySummary, cdn_records_stopped};
use tegata_lambda::metrics::{CDN_RECORDS_MISSING, DAMAGED_OBJECTS, DAYS_WAITING, ReportLine};
use tegata_storage::TableError;
use tegata_storage::usage::{DayState, UsageTable};

use crate::clients;
use crate::settings::AccessLogSettings;
pub use add_up::{AddedUp, add_up};

/// The function with its archive, the copies and the usage table.
#[derive(Clone, Debug)]
pub struct RollUp {
    archive: Archive,
    copies: Copies,
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
    /// The number of days whose usage was not recalculated or whose copies were not written,
    /// because they failed or the time was up.
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

impl RollUp {
    /// Creates the function with its clients. The copies are in the bucket `copies`.
    pub fn open(settings: &AccessLogSettings, copies: &str) -> Result<Self, TrustError> {
        let (bucket, usage) = clients::open(settings)?;
        let archive = Archive::new(bucket(&settings.archive_bucket));
        let copies = Copies::new(bucket(copies));
        let roll_up = Self::new(archive, copies, usage, settings.time_zone.tz().clone());
        Ok(roll_up.with_kintone(settings.kintone.clone()))
    }

    /// Creates the function with existing stores.
    pub fn new(archive: Archive, copies: Copies, usage: UsageTable, zone: TimeZone) -> Self {
        Self {
            archive,
            copies,
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
            .filter(|day| {
                (day.is_waiting() || !day.is_copied()) && day.date >= oldest || day.date == today
            })
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
                Ok(added) => {
                    report.days += 1;
                    report.records += added.summary.records;
                    report.duplicates += added.summary.duplicates;
                    report.damaged += added.damaged;
                    report.waiting += u64::from(!added.is_copied);
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
        if time_is_up() {
            return Err(RollUpError::OutOfTime);
        }
        // Read before the archive: an object that is archived from now on marks the day as changed
        // again.
        let state = self.usage.day(date).await?;
        let is_known = state.is_some();
        let state = state.unwrap_or_else(|| DayState {
            date,
            changes: 0,
            rolled_up: 0,
            copied: 0,
            rolled_up_at: None,
            products: Default::default(),
            summary: DaySummary::default(),
        });
        let (archive, copies) = (&self.archive, &self.copies);
        let added = add_up(archive, copies, date, &self.kintone, time_is_up).await?;
        if is_known || added.summary != DaySummary::default() {
            // Without its copies the day is due again, and its usage is there.
            let copied = if added.is_copied {
                state.changes
            } else {
                state.copied
            };
            let state = DayState { copied, ..state };
            let AddedUp { usage, summary, .. } = &added;
            self.usage.replace(&state, usage, summary, now).await?;
        }
        Ok(added)
    }
}

//! A batch of lines that is being archived: one object for each source and day.

use std::io;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use tegata_archive::{Lines, Object};
use tegata_common::access::{ReadLine, Source, Unreadable};

use crate::report::BatchReport;

/// Collects lines by source and day.
#[derive(Debug)]
pub struct Batch<'a> {
    zone: &'a TimeZone,
    lines: Lines,
    report: BatchReport,
}

/// The archived evidence of an unreadable line.
#[derive(Serialize)]
struct Evidence<'a> {
    /// The time of delivery, UTC.
    time: String,
    /// Where the line was written: log group, stream and event id, or file and line number.
    origin: &'a str,
    #[serde(flatten)]
    line: &'a Unreadable,
}

impl<'a> Batch<'a> {
    /// An empty batch. `zone` is the time zone of the archive's days.
    pub fn new(zone: &'a TimeZone) -> Self {
        Self {
            zone,
            lines: Lines::default(),
            report: BatchReport::default(),
        }
    }

    /// Adds a parsed line. `origin` and `at` must be the same when the line is delivered again, so
    /// that the same object is written.
    pub fn add(
        &mut self,
        item: &ReadLine<'_>,
        at: Timestamp,
        origin: impl FnOnce() -> String,
    ) -> io::Result<()> {
        match item {
            ReadLine::Record(source, record) => self.write(*source, record.time, record),
            ReadLine::Unreadable(line) => {
                let evidence = Evidence {
                    time: format!("{at:.3}"),
                    origin: &origin(),
                    line,
                };
                self.write(Source::Unreadable, at, &evidence)
            }
            ReadLine::Foreign => {
                self.report.foreign += 1;
                Ok(())
            }
        }
    }

    /// The objects to write, and the counts.
    pub fn finish(self) -> io::Result<(Vec<Object>, BatchReport)> {
        Ok((self.lines.finish()?, self.report))
    }

    fn write(&mut self, source: Source, at: Timestamp, value: &impl Serialize) -> io::Result<()> {
        let date = self.zone.to_datetime(at).date();
        self.lines.add(source, date, value)?;
        *self.report.archived.entry(source).or_default() += 1;
        Ok(())
    }
}

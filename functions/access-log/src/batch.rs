//! A batch of lines on its way into the archive: one object for each source and day in it.

use std::io;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use tegata_archive::{Lines, Object};
use tegata_common::access::{ReadLine, Source, Unreadable};

use crate::report::BatchReport;

/// Lines that are being collected.
#[derive(Debug)]
pub struct Batch<'a> {
    zone: &'a TimeZone,
    lines: Lines,
    report: BatchReport,
}

/// What the archive keeps of a line that cannot be read.
#[derive(Serialize)]
struct Evidence<'a> {
    /// When it was delivered, UTC.
    time: String,
    /// Where it was written: a log group, stream and event, or a file and line.
    origin: &'a str,
    #[serde(flatten)]
    line: &'a Unreadable,
}

impl<'a> Batch<'a> {
    /// An empty one; its days are of this zone.
    pub fn new(zone: &'a TimeZone) -> Self {
        Self {
            zone,
            lines: Lines::default(),
            report: BatchReport::default(),
        }
    }

    /// Adds what was read of a line. `origin` and `at` are of the line's delivery: they are the
    /// same when it is delivered again.
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

    /// The objects, and what was counted.
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

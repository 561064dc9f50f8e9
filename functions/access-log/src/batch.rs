//! A batch of lines on its way into the archive: one object for each source and day in it.

use std::collections::BTreeMap;
use std::io;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::Serialize;
use tegata_common::access::{Item, Source, Unreadable};
use tegata_common::archive::{self, ObjectName};

use crate::report::Report;

/// The lines of an object, uncompressed: more of one source and day make a second one.
const LARGEST: usize = 8 * 1024 * 1024;

/// An object that is to be written.
#[derive(Debug)]
pub struct Object {
    /// Its name.
    pub name: ObjectName,
    /// Its content.
    pub compressed: Vec<u8>,
    /// Lines in it.
    pub records: u64,
}

/// Lines that are being collected.
#[derive(Debug)]
pub struct Batch<'a> {
    zone: &'a TimeZone,
    open: BTreeMap<(Source, Date), Lines>,
    done: Vec<Object>,
    report: Report,
}

#[derive(Debug, Default)]
struct Lines {
    text: Vec<u8>,
    number: u64,
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
            open: BTreeMap::new(),
            done: Vec::new(),
            report: Report::default(),
        }
    }

    /// Adds what was read of a line. `origin` and `at` are of the line's delivery: they are the
    /// same when it is delivered again.
    pub fn add(
        &mut self,
        item: &Item<'_>,
        at: Timestamp,
        origin: impl FnOnce() -> String,
    ) -> io::Result<()> {
        match item {
            Item::Record(source, record) => self.write(*source, record.time, record),
            Item::Unreadable(line) => {
                let evidence = Evidence {
                    time: format!("{at:.3}"),
                    origin: &origin(),
                    line,
                };
                self.write(Source::Unreadable, at, &evidence)
            }
            Item::Foreign => {
                self.report.foreign += 1;
                Ok(())
            }
        }
    }

    /// The objects, and what was counted.
    pub fn finish(mut self) -> io::Result<(Vec<Object>, Report)> {
        for ((source, date), lines) in std::mem::take(&mut self.open) {
            self.done.push(close(source, date, &lines)?);
        }
        Ok((self.done, self.report))
    }

    fn write(&mut self, source: Source, at: Timestamp, value: &impl Serialize) -> io::Result<()> {
        let date = self.zone.to_datetime(at).date();
        let lines = self.open.entry((source, date)).or_default();
        serde_json::to_writer(&mut lines.text, value)?;
        lines.text.push(b'\n');
        lines.number += 1;
        *self.report.archived.entry(source).or_default() += 1;
        if lines.text.len() >= LARGEST {
            let full = std::mem::take(lines);
            self.done.push(close(source, date, &full)?);
            self.open.remove(&(source, date));
        }
        Ok(())
    }
}

fn close(source: Source, date: Date, lines: &Lines) -> io::Result<Object> {
    Ok(Object {
        name: ObjectName::of(source, date, &lines.text),
        compressed: archive::compress(&lines.text)?,
        records: lines.number,
    })
}

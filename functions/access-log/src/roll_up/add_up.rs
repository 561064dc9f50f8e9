//! Reads a day of the archive: calculates its usage, and brings its copies up to date.

use std::collections::BTreeMap;
use std::io::BufReader;

use futures_util::{StreamExt as _, stream};
use jiff::civil::Date;
use tegata_archive::copies::{Copies, CopyFile, Members};
use tegata_archive::{Archive, Listed};
use tegata_common::access::{Source, UsageRecord};
use tegata_common::network::Networks;
use tegata_common::usage::day::Day;
use tegata_common::usage::{DaySummary, DomainUsage};

use super::RollUpError;
use super::spill::SpillFiles;

/// The number of objects that are fetched concurrently, ahead of the one that is read.
const AHEAD: usize = 8;

/// The compressed bytes per part of a day: about 200,000 records, which need 30 MB of memory at a
/// time.
const PART: u64 = 4 * 1024 * 1024;

/// The calculated usage of a day.
#[derive(Debug)]
pub struct AddedUp {
    /// The usage by product and tenant.
    pub usage: Vec<DomainUsage>,
    /// The summary of the day.
    pub summary: DaySummary,
    /// The number of damaged objects.
    pub damaged: u64,
    /// Whether the copies of the day include all of its objects that are not damaged.
    pub is_copied: bool,
}

/// Calculates the usage of a day from the archive, and writes its copies. Memory grows with the
/// number of tenants and with `PART`, not with the number of records, whose observations are written
/// to temporary files.
///
/// An object that the copy of an earlier run includes is read from the copy. Only the others are
/// fetched, so that an hourly run needs one request per new object, and not per object of the day.
pub async fn add_up(
    archive: &Archive,
    copies: &Copies,
    date: Date,
    kintone: &Networks,
    time_is_up: impl Fn() -> bool,
) -> Result<AddedUp, RollUpError> {
    let mut sources = Vec::new();
    // The function's records first, because they show which tenants have a licence.
    for source in [
        Source::Lookup,
        Source::Gateway,
        Source::Cdn,
        Source::Unreadable,
    ] {
        sources.push((source, archive.list(source, date).await?));
    }
    let objects = sources.iter().flat_map(|(_, listed)| listed);
    let bytes: u64 = objects.map(|listed| listed.bytes).sum();
    let parts = usize::try_from(bytes.div_ceil(PART)).unwrap_or(1);
    let mut reader = Reader {
        archive,
        copies,
        date,
        day: Day::new(date, kintone.clone()),
        spill: SpillFiles::new(parts.max(1))?,
        damaged: 0,
        is_copied: true,
    };
    for (source, listed) in sources {
        reader.read(source, listed, &time_is_up).await?;
    }
    let Reader {
        mut day,
        mut spill,
        damaged,
        is_copied,
        ..
    } = reader;
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
        is_copied,
    })
}

struct Reader<'a> {
    archive: &'a Archive,
    copies: &'a Copies,
    date: Date,
    day: Day,
    spill: SpillFiles,
    damaged: u64,
    is_copied: bool,
}

impl Reader<'_> {
    /// Reads the objects of a source, and replaces their copy if it is not up to date.
    async fn read(
        &mut self,
        source: Source,
        listed: Vec<Listed>,
        time_is_up: impl Fn() -> bool,
    ) -> Result<(), RollUpError> {
        let mut missing = BTreeMap::new();
        for listed in listed {
            let Some(name) = &listed.name else {
                let key = &listed.key;
                tracing::error!(%key, "an object whose name is not one of the archive");
                self.damaged += 1;
                continue;
            };
            missing.insert(name.hash.clone(), listed);
        }
        let mut copy = CopyFile::new()?;
        let mut is_changed = !self
            .read_copy(source, &mut missing, &mut copy, &time_is_up)
            .await?;

        let archive = self.archive;
        let fetched = stream::iter(missing.into_values())
            .map(async |listed| (archive.get(&listed.key).await, listed));
        let mut fetched = std::pin::pin!(fetched.buffered(AHEAD));
        let mut is_time_up = false;
        while let Some((object, listed)) = fetched.next().await {
            is_time_up = time_is_up();
            if is_time_up {
                break;
            }
            let object = object?;
            match lines_of(&listed, object.as_deref()) {
                Some(lines) => {
                    self.read_lines(source, &lines)?;
                    copy.append(object.as_deref().unwrap_or_default())?;
                    is_changed = true;
                }
                None => self.damaged += 1,
            }
        }
        if is_changed && let Err(error) = self.copies.write(source, self.date, &mut copy).await {
            let date = self.date;
            tracing::error!(%source, %date, %error, "a copy was not written");
            self.is_copied = false;
        }
        match is_time_up {
            // The next run continues with the copy.
            true => Err(RollUpError::OutOfTime),
            false => Ok(()),
        }
    }

    /// Reads the objects that the copy of an earlier run includes. Returns whether it includes
    /// nothing else; if not, or if it cannot be read, the rest is fetched from the archive.
    async fn read_copy(
        &mut self,
        source: Source,
        missing: &mut BTreeMap<String, Listed>,
        copy: &mut CopyFile,
        time_is_up: impl Fn() -> bool,
    ) -> Result<bool, RollUpError> {
        let date = self.date;
        let earlier = match self.copies.read(source, date).await {
            Ok(Some(earlier)) => earlier,
            Ok(None) => return Ok(true),
            Err(error) => {
                tracing::warn!(%source, %date, %error, "a copy cannot be read");
                return Ok(false);
            }
        };
        let mut is_whole = true;
        for member in Members::new(BufReader::new(earlier)) {
            if time_is_up() {
                return Err(RollUpError::OutOfTime);
            }
            let member = match member {
                Ok(member) => member,
                Err(error) => {
                    tracing::warn!(%source, %date, %error, "a copy cannot be read");
                    return Ok(false);
                }
            };
            // An object that is not in the archive, or is in the copy twice.
            if missing.remove(&member.hash).is_none() {
                is_whole = false;
                continue;
            }
            self.read_lines(source, &member.lines)?;
            copy.append(&member.compressed)?;
        }
        Ok(is_whole)
    }

    fn read_lines(&mut self, source: Source, lines: &[u8]) -> Result<(), RollUpError> {
        // Checked once for the whole object: this program writes nothing but UTF-8.
        let Ok(lines) = str::from_utf8(lines) else {
            lines
                .split(|byte| *byte == b'\n')
                .filter(|line| !line.is_empty())
                .for_each(|_| self.day.see_unreadable());
            return Ok(());
        };
        for line in lines.split('\n').filter(|line| !line.is_empty()) {
            if source == Source::Unreadable {
                self.day.see_unreadable();
                continue;
            }
            match serde_json::from_str::<UsageRecord<'_>>(line) {
                Ok(record) => self.spill.put(&self.day.see(source, &record))?,
                // Written by a version of this program with another format.
                Err(_) => self.day.see_unreadable(),
            }
        }
        Ok(())
    }
}

/// The lines of an object. `None` if it is damaged or missing.
fn lines_of(listed: &Listed, object: Option<&[u8]>) -> Option<Vec<u8>> {
    let key = &listed.key;
    let (Some(name), Some(object)) = (&listed.name, object) else {
        tracing::error!(%key, "an object is missing");
        return None;
    };
    match tegata_archive::open(name, object) {
        Ok(lines) => Some(lines),
        Err(damage) => {
            tracing::error!(%key, "a damaged object: {damage}");
            None
        }
    }
}

//! The archive of access records and changes: objects that are written once and never changed.
//!
//! An object contains the records of one batch, source and day, as gzip-compressed JSON lines. Its
//! name contains the hash of these lines. A batch that is delivered again therefore writes the same
//! object, and a damaged object is detected.

pub mod copies;
pub mod objects;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::str::FromStr;

use aws_sdk_s3::types::ObjectLockMode;
use data_encoding::HEXLOWER;
use flate2::read::MultiGzDecoder;
use flate2::{Compression, GzBuilder};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use crate::objects::{Headers, Objects, ObjectsError, Put};
use tegata_common::access::Source;

/// The minimum retention of an object in days, as in the template. Older objects may be deleted.
pub const KEPT_DAYS: i32 = 400;

/// The name of an object: `source=lookup/dt=2026-11-22/<32 hexadecimal digits>.ndjson.gz`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ObjectName {
    /// The source of the records.
    pub source: Source,
    /// The day of the records, in the stack's time zone.
    pub date: Date,
    /// The first 128 bits of SHA-256 of the uncompressed lines, in hexadecimal.
    pub hash: String,
}

/// An invalid object name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the name of an object of the archive")]
pub struct NoObjectName;

impl ObjectName {
    /// The name for these lines.
    pub fn of(source: Source, date: Date, lines: &[u8]) -> Self {
        Self {
            source,
            date,
            hash: hash(lines),
        }
    }

    /// The prefix of the names of all objects of a source and a day.
    pub fn prefix(source: Source, date: Date) -> String {
        format!("source={source}/dt={date}/")
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = Self::prefix(self.source, self.date);
        write!(f, "{prefix}{}.ndjson.gz", self.hash)
    }
}

impl FromStr for ObjectName {
    type Err = NoObjectName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (source, rest) = text.strip_prefix("source=")?.split_once("/dt=")?;
            let (date, hash) = rest.split_once('/')?;
            Some(Self {
                source: source.parse().ok()?,
                date: date.parse().ok()?,
                hash: hash.strip_suffix(".ndjson.gz")?.to_owned(),
            })
        };
        parse()
            .filter(|name| name.to_string() == text)
            .ok_or(NoObjectName)
    }
}

fn hash(lines: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(lines)[..16])
}

/// Compresses lines with gzip. The same lines always give the same bytes.
pub fn compress(lines: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzBuilder::new()
        .mtime(0)
        .write(Vec::new(), Compression::default());
    encoder.write_all(lines)?;
    encoder.finish()
}

/// An object to be written.
#[derive(Clone, Debug)]
pub struct Object {
    pub name: ObjectName,
    pub compressed: Vec<u8>,
    /// The number of lines.
    pub records: u64,
}

/// The uncompressed size in bytes from which a further object is started.
const LARGEST: usize = 8 * 1024 * 1024;

/// Collects lines into objects, one per source and day, in the order in which they are added. The
/// same lines always give the same objects.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    open: BTreeMap<(Source, Date), (Vec<u8>, u64)>,
    done: Vec<Object>,
}

impl Lines {
    pub fn add(&mut self, source: Source, date: Date, line: &impl Serialize) -> io::Result<()> {
        let (text, records) = self.open.entry((source, date)).or_default();
        serde_json::to_writer(&mut *text, line)?;
        text.push(b'\n');
        *records += 1;
        if text.len() >= LARGEST
            && let Some(full) = self.open.remove(&(source, date))
        {
            self.done.push(close(source, date, &full)?);
        }
        Ok(())
    }

    pub fn finish(mut self) -> io::Result<Vec<Object>> {
        for ((source, date), lines) in self.open {
            self.done.push(close(source, date, &lines)?);
        }
        Ok(self.done)
    }
}

fn close(source: Source, date: Date, (text, records): &(Vec<u8>, u64)) -> io::Result<Object> {
    Ok(Object {
        name: ObjectName::of(source, date, text),
        compressed: compress(text)?,
        records: *records,
    })
}

/// Why an object is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The object is truncated or not gzip.
    #[error("it cannot be decompressed")]
    Compression,
    /// The lines do not match the hash in the object's name.
    #[error("its content is not what its name says")]
    Content,
}

/// Decompresses an object and checks it against its name.
pub fn open(name: &ObjectName, object: &[u8]) -> Result<Vec<u8>, Damage> {
    let mut lines = Vec::with_capacity(object.len() * 8);
    MultiGzDecoder::new(object)
        .read_to_end(&mut lines)
        .map_err(|_| Damage::Compression)?;
    match hash(&lines) == name.hash {
        true => Ok(lines),
        false => Err(Damage::Content),
    }
}

/// An entry of a listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The parsed name. `None` if it is not the name of an archived object.
    pub name: Option<ObjectName>,
    /// The key as listed.
    pub key: String,
    /// The compressed size.
    pub bytes: u64,
}

/// The Object Lock of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lock {
    /// Locked in compliance mode: nobody can change or delete the object before `until`.
    Until {
        /// When the object was written.
        since: Timestamp,
        until: Timestamp,
    },
    /// Not locked, or locked in a mode that can be bypassed.
    None,
    /// The archive is a directory, which cannot lock objects.
    NotHere,
}

/// The archive: a bucket with Object Lock, or a directory.
#[derive(Clone, Debug)]
pub struct Archive {
    objects: Objects,
}

impl Archive {
    /// The archive in these objects.
    pub fn new(objects: Objects) -> Self {
        Self { objects }
    }

    /// Where it is.
    pub fn objects(&self) -> &Objects {
        &self.objects
    }

    /// Writes an object unless it exists. Idempotent: an overwrite would create one more locked
    /// version.
    pub async fn put(&self, name: &ObjectName, object: Vec<u8>) -> Result<Put, ObjectsError> {
        let headers = Headers {
            content_type: "application/gzip",
            cache_control: None,
        };
        self.objects
            .put_new(&name.to_string(), object, headers)
            .await
    }

    /// The objects of a source and a day, by name.
    pub async fn list(&self, source: Source, date: Date) -> Result<Vec<Listed>, ObjectsError> {
        let listed = self.objects.list(&ObjectName::prefix(source, date)).await?;
        let listed = listed.into_iter().map(|(key, bytes)| Listed {
            name: key.parse().ok(),
            key,
            bytes,
        });
        let mut listed: Vec<Listed> = listed.collect();
        listed.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(listed)
    }

    /// The first day of which there are objects of a source.
    pub async fn first_day(&self, source: Source) -> Result<Option<Date>, ObjectsError> {
        let folders = self
            .objects
            .first_folder(&format!("source={source}/"))
            .await?;
        let day = folders.and_then(|folder| folder.strip_prefix("dt=")?.parse().ok());
        Ok(day)
    }

    /// Reads an object; `None` if it is not there.
    pub async fn get(&self, key: &str) -> Result<Option<Vec<u8>>, ObjectsError> {
        self.objects.get(key).await
    }

    /// Until when an object is locked.
    pub async fn lock(&self, key: &str) -> Result<Lock, ObjectsError> {
        let Objects::S3 { client, bucket } = &self.objects else {
            return Ok(Lock::NotHere);
        };
        let head = client.head_object().bucket(bucket).key(key).send().await;
        let head = head.map_err(objects::s3)?;
        let instant = |time: Option<aws_sdk_s3::primitives::DateTime>| {
            time.and_then(|time| Timestamp::from_second(time.secs()).ok())
        };
        let until = instant(head.object_lock_retain_until_date);
        let since = instant(head.last_modified);
        let is_for_everybody = head.object_lock_mode == Some(ObjectLockMode::Compliance);
        Ok(match (since, until) {
            (Some(since), Some(until)) if is_for_everybody => Lock::Until { since, until },
            _ => Lock::None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(lines: &[u8]) -> ObjectName {
        ObjectName::of(Source::Lookup, "2026-11-22".parse().unwrap(), lines)
    }

    #[test]
    fn names_are_read_back_and_nothing_else_is() {
        let object = name(b"{}\n");
        let text = object.to_string();
        assert_eq!(
            text,
            "source=lookup/dt=2026-11-22/ca3d163bab055381827226140568f3be.ndjson.gz"
        );
        assert_eq!(text.parse(), Ok(object));
        for wrong in ["", "x", "source=x/dt=2026-11-22/0.ndjson.gz", &text[1..]] {
            assert_eq!(wrong.parse::<ObjectName>(), Err(NoObjectName), "{wrong}");
        }
    }

    #[test]
    fn what_is_not_what_was_written_is_found() {
        let lines = b"{\"a\":1}\n{\"a\":2}\n";
        let object = compress(lines).unwrap();
        assert_eq!(object, compress(lines).unwrap());
        assert_eq!(open(&name(lines), &object).unwrap(), lines);
        assert_eq!(
            open(&name(lines), &object[..object.len() - 1]),
            Err(Damage::Compression)
        );
        let other = compress(&lines[..8]).unwrap();
        assert_eq!(open(&name(lines), &other), Err(Damage::Content));
    }

    #[tokio::test]
    async fn a_directory_keeps_what_it_has() {
        let directory = tempfile::tempdir().unwrap();
        let archive = Archive::new(Objects::Directory(directory.path().to_owned()));
        let object = name(b"{}\n");
        assert_eq!(archive.list(object.source, object.date).await.unwrap(), []);
        let put = archive.put(&object, b"first".to_vec()).await;
        assert_eq!(put.unwrap(), Put::New);
        let again = archive.put(&object, b"other".to_vec()).await;
        assert_eq!(again.unwrap(), Put::AlreadyThere);
        let listed = archive.list(object.source, object.date).await.unwrap();
        assert_eq!(listed.len(), 1);
        assert_eq!(
            (listed[0].name.as_ref(), listed[0].bytes),
            (Some(&object), 5)
        );
        let got = archive.get(&object.to_string()).await.unwrap();
        assert_eq!(got.as_deref(), Some(b"first".as_slice()));
        assert_eq!(archive.get("nothing").await.unwrap(), None);
        assert_eq!(archive.lock(&listed[0].key).await.unwrap(), Lock::NotHere);
    }
}

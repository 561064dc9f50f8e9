//! Copies of the archive's objects: the objects of a source and a day as one large object, which a
//! query reads instead of thousands of small ones.
//!
//! A copy contains the bytes of the objects one after the other. Each of them is a gzip member, and
//! all of them together are one gzip file (RFC 1952, section 2.2). A copy is derived: it can be
//! deleted, and is written again from the archive. A reader takes no member from it whose hash is
//! not in the name of an object of the archive.

use std::fs::File;
use std::io::{self, BufRead, BufWriter, Read, Write as _};

use flate2::bufread::GzDecoder;
use jiff::civil::Date;
use tegata_common::access::Source;

use crate::objects::{self, Headers, Objects, ObjectsError};
use crate::{LARGEST, ObjectName, hash};

/// The size in bytes from which the lines of a member are not those of an object.
const TOO_LARGE: u64 = 2 * LARGEST as u64;

/// The store of copies: a bucket without Object Lock, or a directory.
#[derive(Clone, Debug)]
pub struct Copies {
    objects: Objects,
}

impl Copies {
    /// The copies in these objects.
    pub fn new(objects: Objects) -> Self {
        Self { objects }
    }

    /// The key of a copy: `access/source=lookup/dt=2026-11-22/copy.ndjson.gz`.
    pub fn key(source: Source, date: Date) -> String {
        format!("access/{}copy.ndjson.gz", ObjectName::prefix(source, date))
    }

    /// Reads a copy into a temporary file; `None` if it is not there.
    pub async fn read(&self, source: Source, date: Date) -> Result<Option<File>, ObjectsError> {
        self.objects.get_file(&Self::key(source, date)).await
    }

    /// Writes a copy, and replaces an existing one. A reader sees the one or the other.
    pub async fn write(
        &self,
        source: Source,
        date: Date,
        copy: &mut CopyFile,
    ) -> Result<(), ObjectsError> {
        let headers = Headers {
            content_type: "application/gzip",
            cache_control: None,
        };
        let file = copy.file().map_err(objects::temporary_file)?;
        let key = Self::key(source, date);
        self.objects.put_file(&key, file, headers).await
    }
}

/// A copy that is being written: a temporary file.
#[derive(Debug)]
pub struct CopyFile {
    file: BufWriter<File>,
}

impl CopyFile {
    /// Creates an empty copy.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            file: BufWriter::new(tempfile::tempfile()?),
        })
    }

    /// Appends an object as it is in the archive.
    pub fn append(&mut self, object: &[u8]) -> io::Result<()> {
        self.file.write_all(object)
    }

    fn file(&mut self) -> io::Result<&mut File> {
        self.file.flush()?;
        Ok(self.file.get_mut())
    }
}

/// A member of a copy.
#[derive(Debug)]
pub struct Member {
    /// The hash of the lines, as in the name of an object.
    pub hash: String,
    /// The bytes of the object.
    pub compressed: Vec<u8>,
    pub lines: Vec<u8>,
}

/// Reads the members of a copy. Ends after the first error.
#[derive(Debug)]
pub struct Members<R> {
    copy: Option<R>,
}

impl<R: BufRead> Members<R> {
    pub fn new(copy: R) -> Self {
        Self { copy: Some(copy) }
    }
}

impl<R: BufRead> Iterator for Members<R> {
    type Item = io::Result<Member>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut copy = self.copy.take()?;
        match copy.fill_buf() {
            Ok([]) => return None,
            Ok(_) => {}
            Err(error) => return Some(Err(error)),
        }
        let member = read_member(copy).map(|(member, rest)| {
            self.copy = Some(rest);
            member
        });
        Some(member)
    }
}

fn read_member<R: BufRead>(copy: R) -> io::Result<(Member, R)> {
    let copy = Recorded {
        copy,
        read: Vec::new(),
    };
    let mut lines = Vec::new();
    let mut decoder = GzDecoder::new(copy);
    decoder.by_ref().take(TOO_LARGE).read_to_end(&mut lines)?;
    if lines.len() as u64 == TOO_LARGE {
        return Err(io::Error::other("a member is too large"));
    }
    let Recorded { copy, read } = decoder.into_inner();
    let member = Member {
        hash: hash(&lines),
        compressed: read,
        lines,
    };
    Ok((member, copy))
}

/// A reader that keeps what was read from it.
struct Recorded<R> {
    copy: R,
    read: Vec<u8>,
}

impl<R: BufRead> Read for Recorded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.copy.read(buffer)?;
        self.read.extend_from_slice(&buffer[..read]);
        Ok(read)
    }
}

impl<R: BufRead> BufRead for Recorded<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.copy.fill_buf()
    }

    fn consume(&mut self, bytes: usize) {
        if let Ok(buffer) = self.copy.fill_buf() {
            self.read.extend_from_slice(&buffer[..bytes]);
        }
        self.copy.consume(bytes);
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use flate2::read::MultiGzDecoder;

    use super::*;
    use crate::compress;

    const DAY: &str = "2026-11-22";

    fn objects() -> Vec<(Vec<u8>, Vec<u8>)> {
        let lines = (0..400).map(|number| format!("{{\"a\":{number}}}\n").repeat(number % 7 + 1));
        lines
            .map(|lines| (compress(lines.as_bytes()).unwrap(), lines.into_bytes()))
            .collect()
    }

    #[tokio::test]
    async fn a_copy_has_the_objects_and_is_one_gzip_file() {
        let directory = tempfile::tempdir().unwrap();
        let copies = Copies::new(Objects::Directory(directory.path().to_owned()));
        let (source, date) = (Source::Lookup, DAY.parse().unwrap());
        assert!(copies.read(source, date).await.unwrap().is_none());
        let mut copy = CopyFile::new().unwrap();
        for (object, _) in objects() {
            copy.append(&object).unwrap();
        }
        for _ in 0..2 {
            copies.write(source, date, &mut copy).await.unwrap();
        }
        let path = "access/source=lookup/dt=2026-11-22/copy.ndjson.gz";
        let mut whole = Vec::new();
        let file = File::open(directory.path().join(path)).unwrap();
        MultiGzDecoder::new(file).read_to_end(&mut whole).unwrap();
        let file = copies.read(source, date).await.unwrap().unwrap();
        // A small buffer: members and their trailers are cut anywhere.
        let members = Members::new(BufReader::with_capacity(17, file));
        let members: io::Result<Vec<_>> = members.collect();
        let members = members.unwrap();
        assert_eq!(members.len(), 400);
        for (member, (object, lines)) in members.iter().zip(objects()) {
            assert_eq!((&member.compressed, &member.lines), (&object, &lines));
            assert_eq!(member.hash, hash(&lines));
        }
        let lines = members.into_iter().flat_map(|member| member.lines);
        assert_eq!(lines.collect::<Vec<_>>(), whole);
    }

    #[test]
    fn a_damaged_copy_ends_at_the_damage() {
        let whole: Vec<u8> = objects()
            .into_iter()
            .take(3)
            .flat_map(|(object, _)| object)
            .collect();
        let mut read = Vec::new();
        for length in 0..whole.len() {
            let members: Vec<_> = Members::new(&whole[..length]).collect();
            let good = members.iter().filter(|member| member.is_ok()).count();
            // At most one error, at the end.
            assert!(members[..good].iter().all(Result::is_ok));
            assert!(good < 3 && members.len() <= good + 1);
            read.push(good);
        }
        assert!(read.is_sorted() && read.ends_with(&[2]));
        let bomb = compress(&vec![b' '; 17 * 1024 * 1024]).unwrap();
        assert!(Members::new(&bomb[..]).next().unwrap().is_err());
    }
}

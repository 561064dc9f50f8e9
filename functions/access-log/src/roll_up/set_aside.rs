//! Sightings set aside on the disk, in parts that fit into memory one after the other.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Seek as _, Write as _};

use tegata_common::usage::day::RequestObservation;

/// The buffer of a part that is being written. A day of 20 million requests has about 150.
const BUFFER: usize = 64 * 1024;

/// The longest that a sighting is, encoded.
const LONGEST: usize = 128;

#[derive(Debug)]
pub(super) struct SetAside {
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    file: BufWriter<File>,
    sightings: u64,
}

impl SetAside {
    /// Makes so many parts, as files that are gone when this value is.
    pub(super) fn new(parts: usize) -> io::Result<Self> {
        let parts = (0..parts).map(|_| {
            Ok(Part {
                file: BufWriter::with_capacity(BUFFER, tempfile::tempfile()?),
                sightings: 0,
            })
        });
        Ok(Self {
            parts: parts.collect::<io::Result<_>>()?,
        })
    }

    pub(super) fn parts(&self) -> usize {
        self.parts.len()
    }

    /// Sets one aside, in the part of its request.
    pub(super) fn put(&mut self, sighting: &RequestObservation) -> io::Result<()> {
        let number = sighting.part(self.parts.len());
        let part = &mut self.parts[number];
        let mut buffer = [0; LONGEST];
        let encoded = postcard::to_slice(sighting, &mut buffer).map_err(io::Error::other)?;
        part.file.write_all(encoded)?;
        part.sightings += 1;
        Ok(())
    }

    /// Takes a part back.
    pub(super) fn take(&mut self, number: usize) -> io::Result<Vec<RequestObservation>> {
        let part = &mut self.parts[number];
        part.file.flush()?;
        let file = part.file.get_mut();
        file.rewind()?;
        let mut reader = BufReader::with_capacity(BUFFER, file);
        let mut scratch = [0; LONGEST];
        let mut sightings = Vec::with_capacity(usize::try_from(part.sightings).unwrap_or(0));
        for _ in 0..part.sightings {
            let (sighting, _) =
                postcard::from_io((&mut reader, &mut scratch)).map_err(io::Error::other)?;
            sightings.push(sighting);
        }
        reader.into_inner().set_len(0)?;
        Ok(sightings)
    }
}

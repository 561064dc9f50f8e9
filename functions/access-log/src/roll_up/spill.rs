//! Temporary files for observations, divided into parts of which each fits into memory.

use std::fs::File;
use std::io::{self, BufWriter, Read as _, Seek as _, Write as _};

use tegata_common::usage::day::RequestObservation;

/// The write buffer of a part in bytes. A day with 20 million requests has about 150 parts.
const BUFFER: usize = 64 * 1024;

/// The maximum encoded size of an observation in bytes.
const LONGEST: usize = 128;

#[derive(Debug)]
pub(super) struct SpillFiles {
    parts: Vec<Part>,
}

#[derive(Debug)]
struct Part {
    file: BufWriter<File>,
    observations: u64,
}

impl SpillFiles {
    /// Creates a number of parts as temporary files, which are deleted when this value is dropped.
    pub(super) fn new(parts: usize) -> io::Result<Self> {
        let parts = (0..parts).map(|_| {
            Ok(Part {
                file: BufWriter::with_capacity(BUFFER, tempfile::tempfile()?),
                observations: 0,
            })
        });
        Ok(Self {
            parts: parts.collect::<io::Result<_>>()?,
        })
    }

    pub(super) fn parts(&self) -> usize {
        self.parts.len()
    }

    /// Writes an observation to the part of its request.
    pub(super) fn put(&mut self, observation: &RequestObservation) -> io::Result<()> {
        let number = observation.part(self.parts.len());
        let part = &mut self.parts[number];
        let mut buffer = [0; LONGEST];
        let encoded = postcard::to_slice(observation, &mut buffer).map_err(io::Error::other)?;
        part.file.write_all(encoded)?;
        part.observations += 1;
        Ok(())
    }

    /// Reads and empties a part.
    pub(super) fn take(&mut self, number: usize) -> io::Result<Vec<RequestObservation>> {
        let part = &mut self.parts[number];
        part.file.flush()?;
        let file = part.file.get_mut();
        file.rewind()?;
        let mut encoded = Vec::new();
        file.read_to_end(&mut encoded)?;
        file.set_len(0)?;
        let mut rest = encoded.as_slice();
        let mut observations = Vec::with_capacity(usize::try_from(part.observations).unwrap_or(0));
        for _ in 0..part.observations {
            let (observation, after) = postcard::take_from_bytes(rest).map_err(io::Error::other)?;
            observations.push(observation);
            rest = after;
        }
        Ok(observations)
    }
}

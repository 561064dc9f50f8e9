//! Serials that an import generates. They are in a file before they are in the table: a serial
//! that is stored as a hash only would be lost with the process.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use tegata_common::domain::Domain;
use tegata_common::product::ProductSlug;
use tegata_common::serial::{Serial, SerialHash};

const HEADER: &str = "domain,product,serial";

/// The file of generated serials: those that are in it, and those that are to be added.
#[derive(Debug)]
pub(super) struct Serials {
    file: Option<PathBuf>,
    known: HashMap<(String, String), Serial>,
    added: HashMap<(String, String), Serial>,
}

impl Serials {
    /// Reads the file, if there is one: an import that was broken off gives the same serials.
    pub(super) fn open(file: Option<PathBuf>) -> anyhow::Result<Self> {
        let mut serials = Self {
            file,
            known: HashMap::new(),
            added: HashMap::new(),
        };
        let Some(path) = &serials.file else {
            return Ok(serials);
        };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(serials),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        let mut lines = text.lines();
        if lines.next() != Some(HEADER) {
            bail!(
                "{} is no file of serials: it does not start with {HEADER}",
                path.display()
            );
        }
        for line in lines {
            let [domain, product, serial] = line.split(',').collect::<Vec<_>>()[..] else {
                bail!("{} has a line that is no serial's", path.display());
            };
            let serial = Serial::parse(serial)?;
            let key = (domain.to_owned(), product.to_owned());
            serials.known.insert(key, serial);
        }
        Ok(serials)
    }

    /// Whether generated serials are kept, in a file.
    pub(super) fn is_kept(&self) -> bool {
        self.file.is_some()
    }

    /// The serial of a new licence, as a hash.
    pub(super) fn of(
        &mut self,
        domain: &Domain,
        product: &ProductSlug,
    ) -> anyhow::Result<SerialHash> {
        if self.file.is_none() {
            bail!(
                "a new licence needs one; state it, or say --serials FILE to have serials \
                 generated and written to FILE"
            );
        }
        let key = (domain.to_string(), product.to_string());
        if let Some(known) = self.known.get(&key) {
            return Ok(known.hash());
        }
        let serial = Serial::generate()?;
        let hash = serial.hash();
        self.added.insert(key, serial);
        Ok(hash)
    }

    /// Writes the new ones of these licences to the disk: those that are going to be written.
    pub(super) fn save<'a>(
        &mut self,
        written: impl Iterator<Item = (&'a Domain, &'a ProductSlug)>,
    ) -> anyhow::Result<()> {
        let added: Vec<String> = written
            .filter_map(|(domain, product)| {
                let key = (domain.to_string(), product.to_string());
                let serial = self.added.remove(&key)?;
                Some(format!("{domain},{product},{}", serial.reveal()))
            })
            .collect();
        let Some(path) = self.file.as_ref().filter(|_| !added.is_empty()) else {
            return Ok(());
        };
        let is_new = !path.exists();
        let mut text = if is_new {
            format!("{HEADER}\n")
        } else {
            String::new()
        };
        for line in added {
            text += &line;
            text.push('\n');
        }
        OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)
            .and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                file.sync_all()
            })
            .with_context(|| format!("cannot write {}", path.display()))
    }
}

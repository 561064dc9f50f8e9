//! Serials that an import generates. They are in a file before they are in the table: a serial
//! that is stored as a hash only would be lost with the process.

use std::collections::HashMap;
use std::path::PathBuf;

use anyhow::{Context as _, bail};
use tegata_common::domain::Domain;
use tegata_common::product::ProductSlug;
use tegata_common::serial::{Serial, SerialHash};

use super::sheet::{self, Encoding, Refusal, Sheet};
use crate::private_file::{self, Existing};

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
        let bytes = match std::fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(serials),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        // As it was written here, or as Excel saved it: with a byte order mark and CRLF.
        let shown = path.display().to_string();
        let text = sheet::decode(bytes, Some(Encoding::Utf8)).with_context(|| shown.clone())?;
        let first = text.split(['\r', '\n']).next().unwrap_or_default();
        if first.trim() != HEADER {
            bail!("{shown} is no file of serials: it does not start with {HEADER}");
        }
        let sheet = Sheet::parse(shown, &text)?;
        for row in &sheet.rows {
            let read = || -> Result<_, Refusal> {
                sheet.check_cells(row)?;
                let cell = |column| sheet.cell(row, column).unwrap_or_default();
                let serial = Serial::parse(cell("serial"));
                let serial = serial.map_err(|error| sheet.refuse(row, "serial", error))?;
                Ok((
                    (cell("domain").to_owned(), cell("product").to_owned()),
                    serial,
                ))
            };
            let (key, serial) = read().map_err(|refusal| anyhow::anyhow!("{refusal}"))?;
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
        let serial = tegata_operations::new_serial()?;
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
        let mut text = match std::fs::read(path).as_deref() {
            Err(_) | Ok([]) => format!("{HEADER}\n"),
            Ok([.., b'\n']) => String::new(),
            Ok(_) => "\n".to_owned(),
        };
        for line in added {
            text += &line;
            text.push('\n');
        }
        private_file::write(path, text.as_bytes(), Existing::Append)
            .with_context(|| format!("cannot write {}", path.display()))
    }
}

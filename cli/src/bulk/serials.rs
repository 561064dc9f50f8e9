//! The file of serials that an import generates. They are in it before they are in the table: a
//! serial that is stored as a hash only would be lost with the process.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use tegata_common::serial::Serial;
use tegata_operations::import::{ImportPlan, Refusal, Serials};

use super::sheet::{self, Encoding};
use crate::private_file::{self, Existing};

const HEADER: &str = "domain,product,serial";

/// Serials by domain and product.
type Known = HashMap<(String, String), Serial>;

/// Reads the file, if one is named: an import that was broken off gives the same serials.
pub(super) fn open(file: Option<&Path>) -> anyhow::Result<Serials> {
    let Some(path) = file else {
        return Ok(Serials::default());
    };
    match std::fs::read(path) {
        Ok(bytes) => Ok(Serials::kept(parse(path, bytes)?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Ok(Serials::kept(Known::new()))
        }
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

fn parse(path: &Path, bytes: Vec<u8>) -> anyhow::Result<Known> {
    // As it was written here, or as Excel saved it: with a byte order mark and CRLF.
    let shown = path.display().to_string();
    let text = sheet::decode(bytes, Some(Encoding::Utf8)).with_context(|| shown.clone())?;
    let first = text.split(['\r', '\n']).next().unwrap_or_default();
    if first.trim() != HEADER {
        bail!("{shown} is no file of serials: it does not start with {HEADER}");
    }
    let table = sheet::parse(shown, &text)?;
    let mut known = Known::new();
    for row in &table.rows {
        let read = || -> Result<_, Refusal> {
            table.check_cells(row)?;
            let cell = |column| table.cell(row, column).unwrap_or_default();
            let serial = Serial::parse(cell("serial"));
            let serial = serial.map_err(|error| table.refuse(row, "serial", error))?;
            let key = (cell("domain").to_owned(), cell("product").to_owned());
            Ok((key, serial))
        };
        let (key, serial) = read().map_err(|refusal| anyhow::anyhow!("{refusal}"))?;
        known.insert(key, serial);
    }
    Ok(known)
}

/// Appends the generated serials of the contracts that are going to be written.
pub(super) fn save(
    file: Option<&PathBuf>,
    serials: &mut Serials,
    plan: &ImportPlan,
) -> anyhow::Result<()> {
    let mut added = Vec::new();
    for write in &plan.contracts.writes {
        let (domain, product) = (&write.license.domain, &write.license.product);
        if let Some(serial) = serials.take_added(domain, product) {
            added.push(format!("{domain},{product},{}", serial.reveal()));
        }
    }
    let Some(path) = file.filter(|_| !added.is_empty()) else {
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

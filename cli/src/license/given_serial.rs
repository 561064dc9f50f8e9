//! Reading a serial from a file or standard input, so that other users of the machine cannot see
//! it.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use anyhow::Context as _;
use tegata_common::serial::Serial;

use crate::failure::UsageError;

/// The maximum number of bytes to read, more than any serial has.
const LIMIT: u64 = 4096;

/// The serial from an argument, a file or standard input.
pub(super) fn read(
    argument: Option<Serial>,
    file: Option<&Path>,
) -> anyhow::Result<Option<Serial>> {
    let Some(path) = file else {
        return Ok(argument);
    };
    let mut bytes = Vec::new();
    let result = match path.as_os_str() == "-" {
        true => io::stdin().take(LIMIT).read_to_end(&mut bytes),
        false => File::open(path).and_then(|file| file.take(LIMIT).read_to_end(&mut bytes)),
    };
    let shown = match path.as_os_str() == "-" {
        true => "standard input".to_owned(),
        false => path.display().to_string(),
    };
    result.with_context(|| format!("cannot read {shown}"))?;
    let text = String::from_utf8(bytes).unwrap_or_default();
    let serial = Serial::parse_typed(&text);
    // The error does not contain the text.
    let serial = serial.map_err(|error| UsageError(format!("{shown}: {error}")))?;
    Ok(Some(serial))
}

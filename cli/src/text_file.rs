//! Reading of text files with or without a byte order mark, in UTF-16, or compressed.

use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use encoding_rs::{SHIFT_JIS, UTF_16BE, UTF_16LE};
use flate2::read::MultiGzDecoder;

use crate::failure::UsageError;

/// The byte order mark of UTF-8.
pub(crate) const BOM: &[u8] = b"\xef\xbb\xbf";

const GZIP: &[u8] = b"\x1f\x8b";

/// The maximum size of a decompressed text.
const LONGEST: u64 = 512 << 20;

/// Reads a UTF-8 file, as TOML requires.
pub(crate) fn read_utf8(path: &Path) -> anyhow::Result<String> {
    let shown = path.display();
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {shown}"))?;
    let text = bytes.strip_prefix(BOM).unwrap_or(&bytes);
    let error = match std::str::from_utf8(text) {
        Ok(text) => return Ok(text.to_owned()),
        Err(error) => error,
    };
    let line = line_of(text, error.valid_up_to());
    let what = if bytes.starts_with(GZIP) {
        "it is compressed (gzip)"
    } else if utf16_text(&bytes).is_some() {
        "it is UTF-16"
    } else if SHIFT_JIS.decode_without_bom_handling(&bytes).1 {
        "its encoding is unknown"
    } else {
        "it looks like CP932 (Shift_JIS)"
    };
    Err(UsageError(format!(
        "{shown} line {line}: not UTF-8; {what}: save it as UTF-8"
    ))
    .into())
}

/// Decompresses the bytes of a file if they are compressed.
pub(crate) fn unpacked(bytes: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    for (start, what) in [
        (&b"PK\x03\x04"[..], "an Excel workbook or a ZIP file"),
        (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    ] {
        if bytes.starts_with(start) {
            return Err(UsageError(format!("{what}: save the sheet as CSV (UTF-8)")).into());
        }
    }
    if !bytes.starts_with(GZIP) {
        return Ok(bytes);
    }
    let mut unpacked = Vec::new();
    let read = MultiGzDecoder::new(&bytes[..])
        .take(LONGEST + 1)
        .read_to_end(&mut unpacked);
    read.map_err(|error| UsageError(format!("damaged gzip file: {error}")))?;
    if unpacked.len() as u64 > LONGEST {
        return Err(UsageError("longer than 512 MB when decompressed".to_owned()).into());
    }
    Ok(unpacked)
}

/// Decodes a UTF-16 file. `None` if it has no UTF-16 byte order mark.
pub(crate) fn utf16(bytes: &[u8]) -> anyhow::Result<Option<String>> {
    match utf16_text(bytes) {
        None => Ok(None),
        Some(Some(text)) => Ok(Some(text)),
        Some(None) => Err(UsageError(
            "has the byte order mark of UTF-16, but is not valid UTF-16".to_owned(),
        )
        .into()),
    }
}

/// `None` without a byte order mark, `Some(None)` if it is wrong.
fn utf16_text(bytes: &[u8]) -> Option<Option<String>> {
    let (encoding, text) = match (
        bytes.strip_prefix(b"\xff\xfe"),
        bytes.strip_prefix(b"\xfe\xff"),
    ) {
        (Some(text), _) => (UTF_16LE, text),
        (_, Some(text)) => (UTF_16BE, text),
        _ => return None,
    };
    let (text, had_errors) = encoding.decode_without_bom_handling(text);
    Some((!had_errors).then(|| text.into_owned()))
}

/// Counts the line ends in a part of a file: LF, CRLF or CR alone.
pub(crate) fn line_ends(bytes: &[u8]) -> usize {
    let next = bytes.iter().skip(1).map(Some).chain([None]);
    let ends = bytes.iter().zip(next).filter(|(byte, next)| match byte {
        b'\n' => true,
        b'\r' => *next != Some(&b'\n'),
        _ => false,
    });
    ends.count()
}

/// The line number of a position, starting with 1.
pub(crate) fn line_of(bytes: &[u8], position: usize) -> usize {
    line_ends(bytes.get(..position).unwrap_or(bytes)) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_with_lf_crlf_or_cr() {
        for (text, ends) in [
            ("", 0),
            ("a\nb\n", 2),
            ("a\r\nb\r\n", 2),
            ("a\rb\r", 2),
            ("\r\r\n\n", 3),
        ] {
            assert_eq!(line_ends(text.as_bytes()), ends, "{text:?}");
        }
        assert_eq!(line_of(b"a\rb\rc", 4), 3);
    }

    #[test]
    fn a_file_that_is_not_utf8_is_told_what_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.toml");
        let read = |content: &[u8]| {
            std::fs::write(&path, content).unwrap();
            read_utf8(&path).map_err(|error| error.to_string())
        };
        assert_eq!(read(b"\xef\xbb\xbfa"), Ok("a".to_owned()));
        for (content, expected) in [
            (
                &b"a\r\nb = '\x82\xa0'"[..],
                "line 2: not UTF-8; it looks like CP932 (Shift_JIS)",
            ),
            (b"\xff\xfea\0", "line 1: not UTF-8; it is UTF-16"),
            (
                b"\x1f\x8b\x08",
                "line 1: not UTF-8; it is compressed (gzip)",
            ),
            (b"a\n\xff", "line 2: not UTF-8; its encoding is unknown"),
        ] {
            let error = read(content).unwrap_err();
            let expected = format!("{} {expected}: save it as UTF-8", path.display());
            assert_eq!(error, expected);
        }
    }
}

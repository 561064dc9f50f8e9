//! Whatever a spreadsheet writes: a sheet that is read says where each cell stood, and what is
//! exported again is read back the same, in each encoding that can hold it.
#![no_main]
#![allow(dead_code)] // Of the files below, what the commands use.

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;

/// What these files of the command line need of it.
mod failure {
    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    pub(crate) struct UsageError(pub(crate) String);
}
/// `tegata_operations`, of which `sheet.rs` needs the tables only: with them this target needs no AWS SDK.
extern crate self as tegata_operations;
pub mod import {
    pub use crate::table::{Row, Table};
}
#[path = "../../../crates/operations/src/import/table.rs"]
mod table;
#[path = "../../../cli/src/bulk/sheet.rs"]
mod sheet;
#[path = "../../../cli/src/spreadsheet.rs"]
mod spreadsheet;
#[path = "../../../cli/src/text_file.rs"]
mod text_file;

use import::Table;
use sheet::Encoding;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    encoding: u8,
    bytes: &'a [u8],
}

const COLUMNS: [&str; 5] = ["domain", "customer_id", "name", "note", "users"];

fuzz_target!(|input: Input<'_>| {
    let encoding = match input.encoding % 4 {
        0 => Some(Encoding::Utf8),
        1 => Some(Encoding::Utf8Bom),
        2 => Some(Encoding::Cp932),
        _ => None,
    };
    let Ok(text) = sheet::decode(input.bytes.to_vec(), encoding) else { return };
    // UTF-16 with a byte order mark may have them: nobody reads it as something else.
    assert!(encoding.is_none() || !text.contains('\0'));
    for encoding in [Encoding::Utf8, Encoding::Utf8Bom, Encoding::Cp932] {
        if let Ok(bytes) = sheet::encode(&text, encoding) {
            survives(&text, bytes, encoding);
        }
    }
    for cell in text.split(',') {
        let written = spreadsheet::escape(cell);
        assert_eq!(spreadsheet::unescape(&written), cell);
        assert!(!written.starts_with(['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠']));
    }
    let Ok(sheet) = sheet::parse("f.csv".to_owned(), &text) else { return };
    let lines = text_file::line_ends(text.as_bytes()) as u64 + 1;
    let mut before = 0;
    for row in &sheet.rows {
        assert!(row.line > before && row.line <= lines, "line {} of {lines}", row.line);
        before = row.line;
        if let Err(refusal) = sheet.check_cells(row) {
            assert_eq!((refusal.line, refusal.file.as_str()), (row.line, "f.csv"));
        }
    }
    let _ = sheet.check_header(&["domain"], &["name", "note", "users"]);
    again(&sheet);
});

/// What is written in an encoding says the same.
fn survives(text: &str, bytes: Vec<u8>, encoding: Encoding) {
    let mut bytes = bytes;
    // Text that starts with a compressed file's bytes, or a byte order mark, is none of this tool's.
    let is_text = |bytes: &[u8]| !bytes.starts_with(b"PK\x03\x04") && !bytes.starts_with(b"\x1f\x8b");
    if !is_text(&bytes) || text.starts_with('\u{feff}') || text.contains('\0') {
        return;
    }
    let read = sheet::decode(std::mem::take(&mut bytes), Some(encoding));
    let read = read.expect("what was written can be read");
    assert_eq!(read, text, "{encoding:?}");
}

/// The columns that are known, written as an export does and read again.
fn again(sheet: &Table) {
    let columns: Vec<&str> = COLUMNS.into_iter().filter(|name| sheet.has(name)).collect();
    if columns.is_empty() {
        return;
    }
    let cells = |sheet: &Table| -> Vec<Vec<String>> {
        let rows = sheet.rows.iter().map(|row| {
            let cells = columns.iter().map(|name| sheet.cell(row, name).unwrap_or_default());
            cells.map(str::to_owned).collect::<Vec<_>>()
        });
        // A row of blanks is left out when it is read.
        rows.filter(|row| row.iter().any(|cell| !cell.is_empty())).collect()
    };
    let expected = cells(sheet);
    let text = spreadsheet::write(&columns, &expected, csv::Terminator::CRLF).expect("CSV");
    let read = sheet::parse("again.csv".to_owned(), &text).expect("what was written can be read");
    assert_eq!(cells(&read), expected, "{text}");
}

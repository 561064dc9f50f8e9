//! CSV files written by spreadsheets: UTF-8 with or without a byte order mark, UTF-16 or CP932,
//! with commas or tabs, compressed or not.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context as _, bail};
use clap::ValueEnum;
use encoding_rs::SHIFT_JIS;
use tegata_operations::import::{Row, Table};

use crate::failure::UsageError;
use crate::spreadsheet;
use crate::text_file::{self, BOM, line_ends, line_of};

/// A character encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Encoding {
    /// UTF-8.
    #[value(name = "utf-8")]
    Utf8,
    /// UTF-8 with a byte order mark, by which Excel recognises it.
    #[value(name = "utf-8-bom")]
    Utf8Bom,
    /// Windows code page 932, which Japanese Excel uses for CSV.
    #[value(name = "cp932")]
    Cp932,
}

/// Reads a file.
pub(super) fn read(path: &Path, encoding: Option<Encoding>) -> anyhow::Result<Table> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let file = path.display().to_string();
    let text = decode(bytes, encoding).with_context(|| file.clone())?;
    parse(file, &text)
}

/// Parses a text as CSV with a header.
pub(super) fn parse(file: String, text: &str) -> anyhow::Result<Table> {
    // Excel's "Unicode Text" has tabs.
    let header = text
        .split(['\r', '\n'])
        .find(|line| !line.trim().is_empty());
    let has_tabs = header.is_some_and(|line| line.contains('\t') && !line.contains(','));
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .delimiter(if has_tabs { b'\t' } else { b',' })
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let mut lines = Lines {
        text: text.as_bytes(),
        position: 0,
        line: 1,
    };
    let mut columns = HashMap::new();
    let mut width = 0;
    let mut rows = Vec::new();
    for record in reader.records() {
        let record = record.with_context(|| file.clone())?;
        let start = record.position().map_or(0, csv::Position::byte);
        let line = lines.of(usize::try_from(start).unwrap_or(usize::MAX));
        if record.iter().all(str::is_empty) {
            continue;
        }
        // A missing closing quote would turn the rest of the file into one cell.
        if let Some(cell) = record.iter().find(|cell| cell.contains(['\n', '\r'])) {
            let lines = line_ends(cell.as_bytes()) + 1;
            bail!(
                "{file} line {line}: a cell has {lines} lines; check for a missing closing quote"
            );
        }
        if width == 0 {
            width = record.len();
            for (index, name) in record.iter().enumerate() {
                let name = name.to_lowercase();
                if !name.is_empty() && columns.insert(name.clone(), index).is_some() {
                    bail!("{file} line {line}: column {name} appears twice");
                }
            }
            continue;
        }
        rows.push(Row {
            line,
            cells: cells(&record),
        });
    }
    if width == 0 {
        bail!("{file} is empty; expected a first line with column names");
    }
    Ok(Table::new(file, columns, width, rows))
}

/// A record's cells, without the apostrophe that an export puts before formulas.
fn cells(record: &csv::StringRecord) -> Vec<String> {
    let cells = record.iter().map(spreadsheet::unescape);
    cells.map(str::to_owned).collect()
}

/// Decodes a file, decompressing it if necessary. Without a given encoding, it is UTF-16 if the
/// file has that byte order mark, UTF-8 if the file is valid UTF-8, and otherwise CP932.
pub(super) fn decode(bytes: Vec<u8>, encoding: Option<Encoding>) -> anyhow::Result<String> {
    let bytes = text_file::unpacked(bytes)?;
    if encoding.is_none()
        && let Some(text) = text_file::utf16(&bytes)?
    {
        return Ok(text);
    }
    let text = decode_bytes(&bytes, encoding)?;
    if let Some(position) = text.find('\0') {
        let line = line_of(text.as_bytes(), position);
        return Err(UsageError(format!(
            "line {line}: it has NUL characters, as UTF-16 without a byte order mark has; save it \
             as UTF-8"
        ))
        .into());
    }
    Ok(text)
}

fn decode_bytes(bytes: &[u8], encoding: Option<Encoding>) -> anyhow::Result<String> {
    let (without_bom, has_bom) = match bytes.strip_prefix(BOM) {
        Some(rest) => (rest, true),
        None => (bytes, false),
    };
    let is_utf8 = match encoding {
        Some(Encoding::Cp932) => false,
        Some(_) => true,
        None => has_bom || std::str::from_utf8(without_bom).is_ok(),
    };
    if is_utf8 {
        return std::str::from_utf8(without_bom)
            .map(str::to_owned)
            .map_err(|error| {
                let line = line_of(without_bom, error.valid_up_to());
                UsageError(format!(
                    "line {line}: not UTF-8; if it is CP932, use --encoding cp932"
                ))
                .into()
            });
    }
    let (text, had_errors) = SHIFT_JIS.decode_without_bom_handling(bytes);
    if had_errors {
        // The second byte of a CP932 character is never a line end, so lines can be split before
        // decoding.
        let mut start = 0;
        for line in bytes.split_inclusive(|byte| matches!(byte, b'\r' | b'\n')) {
            if SHIFT_JIS.decode_without_bom_handling(line).1 {
                break;
            }
            start += line.len();
        }
        let line = line_of(bytes, start);
        return Err(UsageError(format!("line {line}: neither UTF-8 nor CP932")).into());
    }
    Ok(text.into_owned())
}

/// Counts lines as an editor does. (The count of the csv reader excludes blank lines.)
struct Lines<'t> {
    text: &'t [u8],
    position: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of the first character at or after a position that is not a line end.
    fn of(&mut self, position: usize) -> u64 {
        while let Some(byte) = self.text.get(self.position) {
            if self.position >= position && !matches!(byte, b'\r' | b'\n') {
                break;
            }
            let is_crlf = *byte == b'\r' && self.text.get(self.position + 1) == Some(&b'\n');
            self.line += u64::from(matches!(byte, b'\r' | b'\n') && !is_crlf);
            self.position += 1;
        }
        self.line
    }
}

/// Encodes a text. The error is the first line with a character that the encoding does not have.
pub(super) fn encode(text: &str, encoding: Encoding) -> Result<Vec<u8>, usize> {
    match encoding {
        Encoding::Utf8 => Ok(text.as_bytes().to_vec()),
        Encoding::Utf8Bom => Ok([BOM, text.as_bytes()].concat()),
        Encoding::Cp932 => {
            let mut bytes = Vec::with_capacity(text.len());
            for (index, line) in text.split_inclusive('\n').enumerate() {
                let (encoded, _, had_errors) = SHIFT_JIS.encode(line);
                // The encoder writes U+00A5 and U+203E as a backslash and a tilde.
                if had_errors || line.contains(['\u{a5}', '\u{203e}']) {
                    return Err(index + 1);
                }
                bytes.extend_from_slice(&encoded);
            }
            Ok(bytes)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_encoding_is_recognized_and_survives() {
        let text = "customer_id,name\r\nC-1,株式会社髙島屋・ＡＢＣ㈱～－①\r\n";
        for encoding in [Encoding::Utf8, Encoding::Utf8Bom, Encoding::Cp932] {
            let bytes = encode(text, encoding).unwrap();
            assert_eq!(decode(bytes.clone(), None).unwrap(), text, "{encoding:?}");
            assert_eq!(decode(bytes, Some(encoding)).unwrap(), text, "{encoding:?}");
        }
        for missing in ["😀", "\u{a5}", "\u{203e}"] {
            let text = format!("a\nb{missing}\n");
            assert_eq!(encode(&text, Encoding::Cp932), Err(2), "{missing}");
        }
    }

    #[test]
    fn what_is_neither_is_refused_with_its_line() {
        let error = decode(b"a,b\nc,\xff\n".to_vec(), None).unwrap_err();
        assert_eq!(error.to_string(), "line 2: neither UTF-8 nor CP932");
        let error = decode(b"a,b\nc,d\n\x82\xa0\n".to_vec(), Some(Encoding::Utf8)).unwrap_err();
        assert!(
            error.to_string().starts_with("line 3: not UTF-8"),
            "{error}"
        );
        let mut broken = BOM.to_vec();
        broken.extend_from_slice(b"a\n\x82\xa0");
        assert!(
            decode(broken, None).is_err(),
            "a byte order mark is a promise"
        );
    }

    #[test]
    fn headers_and_rows() {
        let text = " Customer_ID ,name,\n\n C-1 ,\"A, B\"\nC-2,B,,,\nC-3,C,,x\n,,\n";
        let sheet = parse("f".to_owned(), text).unwrap();
        let open = parse("f".to_owned(), "a,b\n1,\"x\n2,y\n").unwrap_err();
        assert!(open.to_string().contains("line 2: a cell has"), "{open}");
        sheet.check_header(&["customer_id"], &["name"]).unwrap();
        assert!(sheet.check_header(&["customer_id"], &[]).is_err());
        assert!(
            sheet
                .check_header(&["domain"], &["customer_id", "name"])
                .is_err()
        );
        let [one, two, three] = &sheet.rows[..] else {
            panic!("{:?}", sheet.rows);
        };
        assert_eq!(sheet.cell(one, "name"), Some("A, B"));
        assert_eq!((one.line, two.line), (3, 4));
        assert_eq!(sheet.cell(two, "no"), None);
        assert!(sheet.check_cells(two).is_ok());
        let refusal = sheet.check_cells(three).unwrap_err();
        assert!(
            refusal
                .to_string()
                .starts_with("f line 5: the row has 4 cells")
                && refusal.to_string().ends_with(" (C-3)"),
            "{refusal}"
        );
        assert_eq!(
            sheet.refuse(one, "name", "no").to_string(),
            "f line 3, column 2 (name): no (C-1)"
        );
        assert!(parse("f".to_owned(), "\n").is_err());
        assert!(parse("f".to_owned(), "a,A\n").is_err());
    }

    #[test]
    fn files_arrive_compressed_in_utf16_and_with_lone_carriage_returns() {
        use std::io::Write as _;

        let text = "customer_id\tname\r\nC-1\t株式会社髙島屋\r\n";
        let units = |order: fn(u16) -> [u8; 2]| {
            let units = "\u{feff}".encode_utf16().chain(text.encode_utf16());
            units.flat_map(order).collect::<Vec<u8>>()
        };
        for bytes in [units(u16::to_le_bytes), units(u16::to_be_bytes)] {
            let decoded = decode(bytes.clone(), None).unwrap();
            assert_eq!(decoded, text);
            let sheet = parse("f".to_owned(), &decoded).unwrap();
            assert_eq!(sheet.cell(&sheet.rows[0], "name"), Some("株式会社髙島屋"));
            let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packed.write_all(&bytes).unwrap();
            let packed = packed.finish().unwrap();
            assert_eq!(decode(packed.clone(), None).unwrap(), text);
            let error = decode(packed[..packed.len() / 2].to_vec(), None).unwrap_err();
            assert!(error.to_string().contains("damaged"), "{error}");
            // Without its mark it is named.
            let error = decode(bytes[2..].to_vec(), None).unwrap_err().to_string();
            assert!(
                error.contains("UTF-16") || error.contains("neither"),
                "{error}"
            );
        }
        let error = decode(b"PK\x03\x04".to_vec(), None).unwrap_err();
        assert!(error.to_string().contains("Excel workbook"), "{error}");

        let sheet = parse("f".to_owned(), "a,b\r\r1,2\r3,4\r").unwrap();
        assert_eq!(
            sheet.rows.iter().map(|row| row.line).collect::<Vec<_>>(),
            [3, 4]
        );
        let error = decode(b"a,b\rc,d\re,\xff\r".to_vec(), None).unwrap_err();
        assert_eq!(error.to_string(), "line 3: neither UTF-8 nor CP932");
    }

    #[test]
    fn errors_of_a_spreadsheet_are_no_values() {
        let text = "customer_id,name,note\nC-1,#N/A,\nC-2,#ref!,\nC-3,####,\nC-4,##,#N/A\n";
        let sheet = parse("f".to_owned(), text).unwrap();
        let checked: Vec<_> = sheet
            .rows
            .iter()
            .map(|row| sheet.check_cells(row))
            .collect();
        let refused = checked.iter().filter_map(|checked| checked.as_ref().err());
        let refused: Vec<String> = refused.map(ToString::to_string).collect();
        assert_eq!(
            refused,
            [
                "f line 2, column 2 (name): #N/A is a spreadsheet error, not a value (C-1)",
                "f line 3, column 2 (name): #ref! is a spreadsheet error, not a value (C-2)",
                "f line 4, column 2 (name): #### is a spreadsheet error, not a value (C-3)",
            ]
        );
    }
}

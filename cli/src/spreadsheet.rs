//! CSV that leaves the tool: cells that a spreadsheet takes as text only.
//!
//! A spreadsheet calculates a cell that starts with `=`, `+`, `-` or `@`. What is stored may start
//! so, and a formula can send other cells away. Such a cell gets an apostrophe in front, by which
//! spreadsheets know a text; an import takes it off again.

/// What starts a formula: also in the full-width letters of Japanese, and behind a tab or a
/// carriage return, which spreadsheets pass over.
const STARTS: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'];

/// A cell as it is written.
pub(crate) fn escape(cell: &str) -> String {
    match is_formula(cell) {
        true => format!("'{cell}"),
        false => cell.to_owned(),
    }
}

/// A cell as it was before it was written.
pub(crate) fn unescape(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(text) if is_formula(text) => text,
        _ => cell,
    }
}

/// Apostrophes in front count too, so that a text that has one of its own is read back unchanged.
fn is_formula(cell: &str) -> bool {
    cell.trim_start_matches('\'').starts_with(STARTS)
}

/// A header and rows as CSV.
pub(crate) fn write<R, C>(
    header: &[&str],
    rows: impl IntoIterator<Item = R>,
    terminator: csv::Terminator,
) -> anyhow::Result<String>
where
    R: IntoIterator<Item = C>,
    C: AsRef<str>,
{
    let mut writer = csv::WriterBuilder::new()
        .terminator(terminator)
        .from_writer(Vec::new());
    writer.write_record(header)?;
    for row in rows {
        writer.write_record(row.into_iter().map(|cell| escape(cell.as_ref())))?;
    }
    let bytes = writer.into_inner().map_err(|error| error.into_error())?;
    Ok(String::from_utf8(bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_neutralised_and_read_back_unchanged() {
        for (cell, written) in [
            (
                "=HYPERLINK(\"https://a.example\")",
                "'=HYPERLINK(\"https://a.example\")",
            ),
            ("+81 3", "'+81 3"),
            ("-1", "'-1"),
            ("@sum", "'@sum"),
            ("\t=1", "'\t=1"),
            ("＝１", "'＝１"),
            ("'=1", "''=1"),
            ("''=1", "'''=1"),
            ("'tis", "'tis"),
            ("a=b", "a=b"),
            ("", ""),
        ] {
            assert_eq!(escape(cell), written);
            assert_eq!(unescape(written), cell);
        }
        // Written by a person: an apostrophe that is no escape stays.
        assert_eq!(unescape("'"), "'");
        let text = write(&["a"], [["=1,2"]], csv::Terminator::CRLF).unwrap();
        assert_eq!(text, "a\r\n\"'=1,2\"\r\n");
    }
}

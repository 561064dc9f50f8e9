//! Writing CSV in which a spreadsheet does not treat any cell as a formula.
//!
//! A spreadsheet evaluates a cell that starts with `=`, `+`, `-` or `@`. A stored text may start
//! with one of these, and a formula can send the content of other cells to a server. Such a cell is
//! written with a leading apostrophe, which marks a text; an import removes it.

/// The characters that start a formula, including full-width forms. Spreadsheets skip a leading tab
/// or carriage return.
const STARTS: [char; 10] = ['=', '+', '-', '@', '\t', '\r', '＝', '＋', '－', '＠'];

/// Escapes a cell for writing.
pub(crate) fn escape(cell: &str) -> String {
    match is_formula(cell) {
        true => format!("'{cell}"),
        false => cell.to_owned(),
    }
}

/// Reverts [`escape`].
pub(crate) fn unescape(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(text) if is_formula(text) => text,
        _ => cell,
    }
}

/// Leading apostrophes are skipped, so that a text that starts with one is read back unchanged.
fn is_formula(cell: &str) -> bool {
    cell.trim_start_matches('\'').starts_with(STARTS)
}

/// Writes a header and rows as CSV.
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

//! A file as a table: a header, and rows with the lines that they start on.

use std::collections::HashMap;

/// The columns that say whose row it is.
const SUBJECTS: [&str; 2] = ["domain", "customer_id"];

/// What a spreadsheet writes into a cell that it could not calculate, or that was too narrow.
const SPREADSHEET_ERRORS: [&str; 16] = [
    "#N/A",
    "#REF!",
    "#NAME?",
    "#VALUE!",
    "#DIV/0!",
    "#NUM!",
    "#NULL!",
    "#SPILL!",
    "#CALC!",
    "#FIELD!",
    "#BLOCKED!",
    "#CONNECT!",
    "#UNKNOWN!",
    "#BUSY!",
    "#PYTHON!",
    "#GETTING_DATA",
];

/// A table with a header.
#[derive(Debug)]
pub struct Table {
    /// The file's name, for messages.
    pub file: String,
    /// The column of each name, in lower case.
    columns: HashMap<String, usize>,
    /// Whether columns have numbers: not in JSON.
    is_numbered: bool,
    width: usize,
    /// The rows.
    pub rows: Vec<Row>,
}

/// A row below the header that is not blank.
#[derive(Debug)]
pub struct Row {
    /// The line in the file on which it starts.
    pub line: u64,
    /// Its cells.
    pub cells: Vec<String>,
}

/// A header that is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// It names no column that is known.
    #[error(
        "{file}: its first line names no column that is known; it has to name {accepted}, \
         separated by commas"
    )]
    NoKnownColumn {
        /// The file.
        file: String,
        /// The columns that it may name.
        accepted: String,
    },
    /// It lacks a column.
    #[error("{file}: column {missing} is missing; the columns are {accepted}")]
    Missing {
        /// The file.
        file: String,
        /// The column.
        missing: String,
        /// The columns that it may name.
        accepted: String,
    },
    /// It names a column that is not known.
    #[error("{file}: column {unknown:?} is not known; the columns are {accepted}")]
    Unknown {
        /// The file.
        file: String,
        /// The column.
        unknown: String,
        /// The columns that it may name.
        accepted: String,
    },
}

/// A row that is not taken, and why.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// The file.
    pub file: String,
    /// The line in the file on which the row starts.
    pub line: u64,
    /// The column's number from 1, and its name.
    pub column: Option<(usize, String)>,
    /// The tenant or customer that the row is about, as it is written there.
    pub subject: Option<String>,
    /// Why it is not taken.
    pub reason: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} line {}", self.file, self.line)?;
        if let Some((number, name)) = &self.column {
            write!(f, ", column {number} ({name})")?;
        }
        write!(f, ": {}", self.reason)?;
        match &self.subject {
            Some(subject) if !self.reason.contains(subject) => write!(f, " ({subject})"),
            _ => Ok(()),
        }
    }
}

impl Table {
    /// A table of a file. The names of columns are in lower case.
    pub fn new(
        file: String,
        columns: HashMap<String, usize>,
        width: usize,
        rows: Vec<Row>,
    ) -> Self {
        Self {
            file,
            columns,
            is_numbered: true,
            width,
            rows,
        }
    }

    /// Rows that come from something else than a table, each with its line in the file.
    pub fn of_rows(file: String, columns: &[&str], rows: Vec<(u64, Vec<String>)>) -> Self {
        let names = columns.iter().enumerate();
        let rows = rows.into_iter().map(|(line, cells)| Row { line, cells });
        Self {
            file,
            columns: names
                .map(|(index, name)| (name.to_lowercase(), index))
                .collect(),
            is_numbered: false,
            width: columns.len(),
            rows: rows.collect(),
        }
    }

    /// The index of a column, whose case does not matter.
    fn index(&self, column: &str) -> Option<usize> {
        self.columns.get(&column.to_lowercase()).copied()
    }

    /// Whether there is such a column.
    pub fn has(&self, column: &str) -> bool {
        self.index(column).is_some()
    }

    /// Rejects a header that lacks what is needed, or has what is not known.
    pub fn check_header(&self, required: &[&str], optional: &[&str]) -> Result<(), HeaderError> {
        let known = || required.iter().chain(optional);
        let is_known = |name: &String| known().any(|known| known == name);
        let file = self.file.clone();
        let accepted = known().copied().collect::<Vec<_>>().join(", ");
        if !self.columns.keys().any(is_known) {
            return Err(HeaderError::NoKnownColumn { file, accepted });
        }
        if let Some(missing) = required.iter().find(|name| !self.has(name)) {
            let missing = (*missing).to_owned();
            return Err(HeaderError::Missing {
                file,
                missing,
                accepted,
            });
        }
        if let Some(unknown) = self.columns.keys().find(|name| !is_known(name)) {
            let unknown = unknown.clone();
            return Err(HeaderError::Unknown {
                file,
                unknown,
                accepted,
            });
        }
        Ok(())
    }

    /// A row's cell, or `None` if there is no such column.
    pub fn cell<'r>(&self, row: &'r Row, column: &str) -> Option<&'r str> {
        let index = self.index(column)?;
        Some(row.cells.get(index).map_or("", String::as_str))
    }

    /// Rejects a row that has not one cell for each column, or one with an error of the
    /// spreadsheet's in it.
    pub fn check_cells(&self, row: &Row) -> Result<(), Refusal> {
        let is_error = |cell: &str| {
            let is_too_narrow = cell.len() >= 3 && cell.bytes().all(|byte| byte == b'#');
            is_too_narrow || SPREADSHEET_ERRORS.contains(&cell.to_ascii_uppercase().as_str())
        };
        let mut columns: Vec<&String> = self.columns.keys().collect();
        columns.sort_by_key(|column| self.columns.get(*column));
        // A note is not kept.
        let mut kept = columns.into_iter().filter(|column| *column != "note");
        let wrong = kept.find(|column| self.cell(row, column).is_some_and(is_error));
        if let Some(column) = wrong {
            let cell = self.cell(row, column).unwrap_or_default();
            let reason = format!("{cell} is an error of the spreadsheet's, not a value");
            return Err(self.refuse(row, column, reason));
        }
        // Spreadsheets leave out empty cells at the end, and add some.
        let extra = row
            .cells
            .iter()
            .skip(self.width)
            .any(|cell| !cell.is_empty());
        if extra {
            return Err(Refusal {
                file: self.file.clone(),
                line: row.line,
                column: None,
                subject: self.subject(row),
                reason: format!(
                    "it has {} cells, and the header has {}; a comma inside a cell needs quotes",
                    row.cells.len(),
                    self.width
                ),
            });
        }
        Ok(())
    }

    /// Whom or what a row is about: enough of it to be found.
    fn subject(&self, row: &Row) -> Option<String> {
        let mut cells = SUBJECTS.iter().filter_map(|column| self.cell(row, column));
        let cell = cells.next().filter(|cell| !cell.is_empty())?;
        Some(cell.chars().take(80).collect())
    }

    /// A refusal of a row, because of a column.
    pub fn refuse(&self, row: &Row, column: &str, reason: impl std::fmt::Display) -> Refusal {
        // A column that is not there has no number.
        let index = self.index(column).filter(|_| self.is_numbered);
        let reason = match self.is_numbered {
            true => reason.to_string(),
            false => format!("{column}: {reason}"),
        };
        Refusal {
            file: self.file.clone(),
            line: row.line,
            column: index.map(|index| (index + 1, column.to_owned())),
            subject: self.subject(row),
            reason,
        }
    }
}

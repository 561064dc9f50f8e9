//! Tables: a header, and rows with their line numbers.

use std::collections::HashMap;

/// The columns that identify the subject of a row in messages.
const SUBJECTS: [&str; 2] = ["domain", "customer_id"];

/// Texts that a spreadsheet writes into a cell with a failed formula, or into a column that is too
/// narrow.
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
    /// The index of each column by name, in lower case.
    columns: HashMap<String, usize>,
    /// Whether columns have numbers. False for JSON, whose members have no order.
    is_numbered: bool,
    width: usize,
    pub rows: Vec<Row>,
}

/// A row below the header. Blank rows are skipped.
#[derive(Debug)]
pub struct Row {
    /// The line in the file on which the row starts.
    pub line: u64,
    /// The cells, in the order of the columns.
    pub cells: Vec<String>,
}

/// Why a header was rejected.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// The header has no known column.
    #[error(
        "{file}: the first line has no known column name; the columns are {accepted}, \
         separated by commas"
    )]
    NoKnownColumn {
        /// The file.
        file: String,
        /// The accepted columns.
        accepted: String,
    },
    /// A required column is missing.
    #[error("{file}: column {missing} is missing; the columns are {accepted}")]
    Missing {
        /// The file.
        file: String,
        /// The column.
        missing: String,
        /// The accepted columns.
        accepted: String,
    },
    /// The header has an unknown column.
    #[error("{file}: unknown column {unknown:?}; the columns are {accepted}")]
    Unknown {
        /// The file.
        file: String,
        /// The column.
        unknown: String,
        /// The accepted columns.
        accepted: String,
    },
}

/// A rejected row and the reason.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub file: String,
    /// The line in the file on which the row starts.
    pub line: u64,
    /// The number of the column, starting with 1, and its name.
    pub column: Option<(usize, String)>,
    /// The tenant or customer of the row, as written in the file.
    pub subject: Option<String>,
    /// What is wrong, and what is accepted.
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
    /// Creates the table of a file. Column names must be in lower case.
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

    /// Creates a table from the objects of a JSON file. Each row has the line of its object.
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

    /// The index of a column. The name is not case-sensitive.
    fn index(&self, column: &str) -> Option<usize> {
        self.columns.get(&column.to_lowercase()).copied()
    }

    /// Whether the table has a column.
    pub fn has(&self, column: &str) -> bool {
        self.index(column).is_some()
    }

    /// Checks that the header has all required columns and no unknown ones.
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

    /// A cell of a row. `None` if the table does not have the column.
    pub fn cell<'r>(&self, row: &'r Row, column: &str) -> Option<&'r str> {
        let index = self.index(column)?;
        Some(row.cells.get(index).map_or("", String::as_str))
    }

    /// Checks that a row has one cell for each column, and that no cell is a spreadsheet's error.
    pub fn check_cells(&self, row: &Row) -> Result<(), Refusal> {
        let is_error = |cell: &str| {
            let is_too_narrow = cell.len() >= 3 && cell.bytes().all(|byte| byte == b'#');
            is_too_narrow || SPREADSHEET_ERRORS.contains(&cell.to_ascii_uppercase().as_str())
        };
        let mut columns: Vec<&String> = self.columns.keys().collect();
        columns.sort_by_key(|column| self.columns.get(*column));
        // The column `note` is ignored.
        let mut kept = columns.into_iter().filter(|column| *column != "note");
        let wrong = kept.find(|column| self.cell(row, column).is_some_and(is_error));
        if let Some(column) = wrong {
            let cell = self.cell(row, column).unwrap_or_default();
            let reason = format!("{cell} is a spreadsheet error, not a value");
            return Err(self.refuse(row, column, reason));
        }
        // Spreadsheets may omit or add empty cells at the end of a row.
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
                    "the row has {} cells, but the header has {}; put a cell with a comma in quotes",
                    row.cells.len(),
                    self.width
                ),
            });
        }
        Ok(())
    }

    /// The subject of a row, shortened for messages.
    fn subject(&self, row: &Row) -> Option<String> {
        let mut cells = SUBJECTS.iter().filter_map(|column| self.cell(row, column));
        let cell = cells.next().filter(|cell| !cell.is_empty())?;
        Some(cell.chars().take(80).collect())
    }

    /// The rejection of a row because of a column.
    pub fn refuse(&self, row: &Row, column: &str, reason: impl std::fmt::Display) -> Refusal {
        // A column that the file does not have has no number, only a name.
        let index = self.index(column).filter(|_| self.is_numbered);
        let reason = match index {
            Some(_) => reason.to_string(),
            None => format!("{column}: {reason}"),
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

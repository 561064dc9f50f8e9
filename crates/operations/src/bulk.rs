//! Operations on many items.

use tegata_storage::TableError;

use crate::Error;

/// Items that were read, and errors of those that could not be.
#[derive(Debug)]
pub struct Found<T> {
    /// The items that could be read.
    pub items: Vec<T>,
    /// One error for each item that could not.
    pub unreadable: Vec<TableError>,
}

/// One item of a bulk operation that has been worked on.
#[derive(Debug)]
pub struct BulkItem<'a> {
    /// Items worked on so far, this one included.
    pub done: usize,
    /// All items of the operation.
    pub total: usize,
    /// `domain, product` of this one.
    pub label: &'a str,
    /// Why it failed, if it did. The operation goes on with the others.
    pub error: Option<&'a Error>,
}

/// The results of a bulk operation so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) written: usize,
    /// Items that somebody else changed at the same time.
    pub(crate) changed_meanwhile: usize,
    pub(crate) failed: usize,
}

impl Tally {
    /// Counts a result, and returns the error that is to be reported.
    pub(crate) fn count(&mut self, result: Result<(), Error>) -> Option<Error> {
        match result {
            Ok(()) => self.written += 1,
            Err(error) if error.is_conflict() => self.changed_meanwhile += 1,
            Err(error) => {
                self.failed += 1;
                return Some(error);
            }
        }
        None
    }
}

//! Operations on many items.

use tegata_storage::TableError;

use crate::Error;

/// The result of reading many items. An unreadable item does not affect the others.
#[derive(Debug)]
pub struct Found<T> {
    /// The readable items.
    pub items: Vec<T>,
    /// One error for each unreadable item.
    pub unreadable: Vec<TableError>,
}

/// The progress of a bulk operation, reported after each item.
#[derive(Debug)]
pub struct BulkItem<'a> {
    /// The number of items processed so far, including this one.
    pub done: usize,
    /// The total number of items.
    pub total: usize,
    /// This item, as `domain, product`.
    pub label: &'a str,
    /// The error, if this item failed. The operation continues with the other items.
    pub error: Option<&'a Error>,
}

/// The results of a bulk operation so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) written: usize,
    /// Items whose write was rejected because of a concurrent change.
    pub(crate) changed_meanwhile: usize,
    pub(crate) failed: usize,
}

impl Tally {
    /// Counts a result. Returns the error if it must be reported.
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

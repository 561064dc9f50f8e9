//! The DynamoDB tables, whose items have versions and a history.
//!
//! A change writes the current item and a history item in one transaction. Its precondition is that
//! the current item still has the version that was read. Items that belong together are written in
//! the same transaction.

mod archived;
mod audience;
mod create;
pub mod customers;
mod error;
mod history;
mod key;
pub mod licenses;
pub mod notices;
mod table;
pub mod usage;
mod write;

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

pub use archived::archived_item;
pub use error::TableError;
pub use history::HistoryEntry;
pub use key::Key;
pub use table::{Table, Versioned, read};
pub use write::{ChangeContext, Precondition, Write};

/// An item as returned by the SDK.
pub type Item = HashMap<String, AttributeValue>;

//! What is kept in DynamoDB: tables whose items have versions and a history.
//!
//! A change writes the current item and its history item in one transaction, on condition that
//! the current item still has the version that the change was made from. Several items that
//! belong together change in one transaction too.

mod create;
pub mod customers;
mod error;
mod history;
mod kept;
mod key;
pub mod licenses;
pub mod notices;
mod table;
pub mod usage;
mod write;

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;

pub use error::TableError;
pub use history::HistoryEntry;
pub use kept::kept_item;
pub use key::Key;
pub use table::{Table, Versioned, read};
pub use write::{ChangeContext, Precondition, Write};

/// An item as the SDK gives it.
pub type Item = HashMap<String, AttributeValue>;

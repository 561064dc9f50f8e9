//! Changes of the tables: from a stream record to a line of the archive.
//!
//! A table's stream has a record of every write, independent of the caller and the tool. This module
//! is the pure part of archiving it: [`read_record`] turns a stream record into a [`ChangeLine`].
//!
//! The archive is locked for 400 days, so a line must not contain personal data or secrets. Mail
//! addresses, the hashes of serials and leases are replaced by hashes. [`ArchivedItem`] converts an item
//! of a table in the same way, so that the two can be compared.

mod item;
mod record;
mod redacted;
mod stream;
mod trail;

pub use item::{ArchivedItem, ItemKey, Role, TableKind};
pub use record::{ChangeEvent, ChangeLine, ChangeRecord, UnreadableChange};
pub use stream::read_record;
pub use trail::{Caller, TrailFile, TrailWrite, read_trail};

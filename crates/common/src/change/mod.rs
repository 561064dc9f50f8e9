//! Changes of the tables as their streams report them, in the form in which they may be kept.
//!
//! A table's stream has a record of every write, whoever made it and by whatever tool. This is the
//! pure part of what becomes of it: a stream's record in, a line of the archive out. A line never
//! holds a mail address, the hash of a serial as the table has it, or a lease that could be used:
//! these are hashed. [`KeptItem`] brings an item that is read from a table into the same form, so
//! that the two can be compared.

mod item;
mod kept;
mod record;
mod stream;
mod trail;

pub use item::{ItemKey, KeptItem, Role, TableKind};
pub use record::{ChangeEvent, ChangeLine, ChangeRecord, UnreadableChange};
pub use stream::read_record;
pub use trail::{Caller, TrailFile, TrailWrite, read_trail};

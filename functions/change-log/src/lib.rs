//! Archives every change of the tables, as their streams report it.
//!
//! History items record each change and its author, but a caller who can write items can also write
//! history items. A stream contains every write to a table, by any caller; this function archives
//! it where nobody can change it. `tegata history verify` compares the two.

pub mod handler;
pub mod settings;

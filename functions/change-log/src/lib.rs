//! Archives every change of the tables, as their streams report it.
//!
//! The history items beside the tables' items say what was done and by whom, but whoever may write
//! items may write these too. A stream reports each write of each item, whoever made it; this
//! function puts it where nobody can change it. `tegata history verify` compares the two.

pub mod handler;
pub mod settings;

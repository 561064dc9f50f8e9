//! The domain of tegata, shared by every function and the CLI.
//!
//! Each module is one noun of the vocabulary. What decides (the calendar, the code of a licence, the
//! canonical form of a domain) is a pure function with time as a parameter. Nothing here reaches AWS,
//! reads a clock or draws a random number.

pub mod access;
pub mod calendar;
pub mod change;
pub mod customer;
pub mod domain;
pub mod keys;
pub mod lease;
pub mod license;
pub mod network;
pub mod notice;
pub mod product;
pub mod renewal;
pub mod revision;
pub mod serial;
pub mod usage;
pub mod version;
pub mod xml;

//! The words of tegata and the rules between them, shared by every function and the CLI.
//!
//! Each module is one noun of the vocabulary. What decides (the calendar, the code, the
//! canonical form) is a pure function with time as a parameter; what fetches and stores
//! ([`table`], [`aws`], [`signing`]) takes the AWS SDK's own clients.

pub mod access;
#[cfg(feature = "archive")]
pub mod archive;
pub mod aws;
pub mod calendar;
pub mod change;
#[cfg(feature = "signing")]
pub mod contract;
pub mod customer;
pub mod domain;
#[cfg(feature = "function")]
pub mod function;
pub mod lease;
pub mod license;
pub mod metrics;
pub mod network;
pub mod notice;
#[cfg(feature = "objects")]
pub mod objects;
pub mod product;
pub mod renewal;
pub mod serial;
#[cfg(feature = "signing")]
pub mod signing;
pub mod table;
pub mod usage;
pub mod version;
pub mod xml;

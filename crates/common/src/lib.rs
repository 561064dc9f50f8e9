//! The domain model of tegata, shared by every function and the CLI.
//!
//! Each module is one noun of the vocabulary. Decisions (the contract calendar, the code of a licence,
//! the canonical form of a domain) are pure functions; the current instant is a parameter. Nothing
//! here calls AWS, reads a clock or generates a random number.
//!
//! Where to start:
//!
//! - [`license::License`]: a contract's state under one kintone tenant, and the [`license::Code`] that
//!   the plug-in receives.
//! - [`lease`]: the signed document that the plug-in caches.
//! - [`release`]: the signed document that says which version the plug-in runs.
//! - [`calendar`]: terms, cancellation deadlines, the end of use and of grace.
//! - [`notice`]: announcements, their audience, and the delivery to each recipient.
//! - [`access`] and [`usage`]: log lines as they are archived, and the figures derived from them.

// Only here: the types of this crate are the vocabulary of all others.
#![warn(missing_docs)]

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
pub mod redact;
pub mod release;
pub mod renewal;
pub mod revision;
pub mod serial;
pub mod support_code;
pub mod usage;
pub mod version;
pub mod xml;

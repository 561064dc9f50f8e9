//! Archives access records and calculates the usage from them.
//!
//! Two Lambda binaries. `access-log` is invoked with batches of log subscriptions and with
//! notifications of new files in the CDN's log; it normalises the lines and archives them.
//! `usage-roll-up` is invoked by a schedule; it recalculates the usage of changed days from the
//! archive. Both can be interrupted at any point and run twice.

pub mod batch;
pub mod clients;
pub mod handler;
pub mod report;
pub mod roll_up;
pub mod settings;

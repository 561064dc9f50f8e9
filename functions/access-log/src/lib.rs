//! Archives access records, and rolls them up into usage.
//!
//! Two Lambda binaries. `access-log` is woken by what the doors write: subscription batches of
//! log groups, files of the CDN's log. It normalises the lines and writes them into the archive.
//! `usage-roll-up` is woken by a schedule. It adds up the days that have changed, from the
//! archive, and replaces their usage. Both may be killed at any point and run twice.

pub mod batch;
pub mod clients;
pub mod handler;
pub mod report;
pub mod roll_up;
pub mod settings;

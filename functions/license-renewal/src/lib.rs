//! Renews contracts: writes their changes over time, and signs leases again before they expire.
//!
//! Invoked by a schedule. A run processes what is due, the longest due first. What it does not
//! complete, because the time was up or something failed, stays due for the next run. It can
//! therefore be interrupted at any point, run twice concurrently, or not run for days.

pub mod clients;
pub mod handler;
pub mod item;
pub mod report;
pub mod settings;

//! Renews contracts: writes what time has made of them, and signs leases again before they end.
//!
//! Woken by a schedule. A run does what has become due, the longest due first; what it leaves
//! undone, for lack of time or because something failed, is still due at the next. So it may be
//! killed at any point, run twice at once, or not run for days.

pub mod clients;
pub mod handler;
pub mod item;
pub mod report;
pub mod settings;

//! Tells contacts of releases, maintenance and incidents: everyone, and nobody twice.
//!
//! Three Lambda binaries. `announce` is woken every minute. It works out whom a notice that is due
//! goes to, writes one delivery for each, queues them, and brings the news page and the status
//! page up to date. `deliver` is woken by the queue. It claims a delivery, sends one mail, and
//! records what came of it. `feedback` is woken by SES's events, which tell what became of a mail
//! afterwards. All three may be killed at any point and run twice.

pub mod announce;
pub mod deliver;
pub mod feedback;
mod newcomers;
pub mod queue;
pub mod rate_limiter;
pub mod report;
mod retention;
pub mod settings;

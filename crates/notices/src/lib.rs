//! Notices of releases, maintenance and incidents: the file that states one, its checks, whom it goes
//! to, what it looks like, and the channels that carry it.

pub mod audience;
pub mod channels;
pub mod check;
pub mod file;
pub mod gate;
pub mod mailer;
pub mod operate;
pub mod render;

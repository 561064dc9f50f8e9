//! Notices of releases, maintenance and incidents: the operator's file, its checks, the audience, the
//! rendering of mails and pages, and the channels.

pub mod audience;
pub mod channels;
pub mod check;
pub mod draft;
pub mod file;
pub mod gate;
pub mod mailer;
pub mod render;
pub mod scope;

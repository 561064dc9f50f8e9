//! Answers a plug-in's request for the licence of its kintone tenant.
//!
//! A request causes exactly one call to AWS, a `GetItem`. The function has no signing key and
//! writes nothing except its access line, a JSON line on stdout.

pub mod access_line;
pub mod database;
pub mod exchange;
pub mod handler;
pub mod license;
pub mod origin;
pub mod problem;
pub mod request;
pub mod route;
pub mod sample;
pub mod settings;
pub mod source;

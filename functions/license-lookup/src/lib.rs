//! Answers a plug-in's request for the licence of its kintone tenant.
//!
//! One `GetItem` lies between the request and the answer, and nothing else: no key, no write, no
//! queue. The record of what was answered is one JSON line on stdout.

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

//! The commands as an operator types them, on a directory of their own.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod aws;
mod bulk;
mod commands;
mod contracts;
mod examples;
mod history;
mod language;
mod naughty;
mod notices;
mod official_sample;
mod private_files;
mod publish;
mod support;
mod terminal;

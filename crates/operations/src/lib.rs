//! What an operator can do, and what functions do with the same rules: functions from stores, a
//! caller, an instant and arguments to data. Nothing here parses arguments or prints.

pub mod contract;
mod serial;
mod signer;

pub use serial::new_serial;
pub use signer::{NoSigner, signer};

//! A function as the process it is on Lambda: started by a test, fed by a Runtime API server, and
//! reading from a DynamoDB endpoint behind TLS.

mod build;
pub mod dynamodb;
pub mod process;
pub mod runtime_api;

pub use build::{build, build_sdk_defaults};

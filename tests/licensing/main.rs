//! Tests of licences: answers of the lookup, the renewal, contracts in storage, customers, and
//! hostile texts in every input. They use the real handlers, the real SDK and an embedded DynamoDB.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod customers;
mod lookup;
mod naughty_strings;
mod renewal;
mod store;

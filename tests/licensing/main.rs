//! Licences as the functions and operators have them: the lookup's answers, the renewal, contracts
//! in the store, customers, and hostile texts everywhere. The real handlers, the real SDK, an
//! embedded DynamoDB.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod customers;
mod lookup;
mod naughty_strings;
mod renewal;
mod store;

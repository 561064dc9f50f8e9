//! What an operator can do: functions from stores, a caller, an instant and arguments to data.
//! Nothing here parses arguments or prints.
//!
//! A change is planned first ([`licenses::PlannedChange`]): the plan tells what would change, and
//! whether it can be written at all. Carrying it out writes it, unless it is a dry run, and reports
//! what was done. Values that operations return serialise to the JSON that the command line prints.

pub mod access_log;
mod bulk;
mod caller;
pub mod contacts;
pub mod contract;
pub mod customers;
mod difference;
mod error;
pub mod export;
pub mod history;
pub mod import;
pub mod keys;
pub mod licenses;
pub mod notices;
mod period;
pub mod products;
mod progress;
pub mod publish;
mod serial;
mod signer;
pub mod usage;
mod when;

pub use bulk::{BulkItem, Found};
pub use caller::Caller;
pub use difference::{Difference, differences};
pub use error::{Error, ErrorKind};
pub use period::{Period, local_time};
pub use progress::Progress;
pub use serial::new_serial;
pub use signer::{NoSigner, release_signer, signer};
pub use when::{InvalidWhen, When, date};

//! Access records: who asked what and what was answered, in the form in which it may be kept.
//!
//! The doors write lines: API Gateway's access log, `license-lookup`'s own line, CloudFront's
//! standard log. This is the pure part of what becomes of them: a reader in, records out. A
//! record never holds a serial, a full address, a query string, or more of a user agent than its
//! product and major version; what could be one of these is left out here, whoever wrote the line.

mod cdn;
mod gateway;
mod kept;
mod lookup;
mod moment;
mod read;
mod record;
mod text;
mod unreadable;

pub use kept::{FILE_ENDINGS, agent, hides_a_serial};
pub use read::{ReadLine, read_cdn, read_line, read_lines};
pub use record::{AccessRecord, Source, UnknownSource};
pub use text::Text;
pub use unreadable::Unreadable;

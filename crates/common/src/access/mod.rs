//! Access records: requests and their answers, in the form in which they are archived.
//!
//! Three sources write log lines: API Gateway's access log, the function `license-lookup`, and
//! CloudFront's standard log. This module is the pure part of archiving them: it parses lines and
//! returns an [`AccessRecord`] for each.
//!
//! The archive is locked for 400 days, so a record must not contain personal data or secrets: no
//! serial, no full IP address, no query string, and of a user agent only the product and the major
//! version. A value that could contain one of these is removed, even if the source should not have
//! written it.

mod cdn;
mod gateway;
mod lookup;
mod moment;
mod read;
mod record;
mod redact;
mod scalar;
mod text;
mod unreadable;

pub use read::{ReadLine, read_cdn, read_line, read_lines};
pub use record::{AccessRecord, Source, UnknownSource, UsageRecord};
pub use redact::{FILE_ENDINGS, agent, may_be_serial};
pub use text::Text;
pub use unreadable::Unreadable;

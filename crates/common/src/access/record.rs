//! The access record, which is a line of the archive.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::text::Text;

/// The source of a line in the archive, and the first part of its object key: `source=gateway/…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// API Gateway's access log: every request, including rejected ones.
    Gateway,
    /// The log line of `license-lookup`: what was answered.
    Lookup,
    /// CloudFront's standard log: plug-in files.
    Cdn,
    /// Lines that could not be parsed ([`super::Unreadable`]).
    Unreadable,
    /// Changes of the tables ([`crate::change`]), which are not accesses.
    Change,
}

impl Source {
    /// The sources of access records.
    pub const OF_ACCESSES: [Self; 4] = [Self::Gateway, Self::Lookup, Self::Cdn, Self::Unreadable];

    /// The source as written in the archive's object keys.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gateway => "gateway",
            Self::Lookup => "lookup",
            Self::Cdn => "cdn",
            Self::Unreadable => "unreadable",
            Self::Change => "change",
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// An unknown source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a source is gateway, lookup, cdn, unreadable or change")]
pub struct UnknownSource;

impl FromStr for Source {
    type Err = UnknownSource;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut all = Self::OF_ACCESSES.into_iter().chain([Self::Change]);
        all.find(|source| source.as_str() == text)
            .ok_or(UnknownSource)
    }
}

/// One access, as recorded by one source. A fact that the source does not have is `None`.
///
/// Records of the same request from the gateway and the function have the same
/// [`request_id`](Self::request_id); [`crate::usage`] joins them. Access logs are kept for at least 12
/// months and are unchangeable (white paper); here that is 400 days with S3 Object Lock.
///
/// All texts are checked and redacted before they get into a record. They borrow from the line that
/// was parsed.
///
/// ```
/// use tegata_common::access::{ReadLine, Source, read_line};
/// use tegata_common::domain::BaseDomains;
///
/// let line = br#"{"type":"gateway","requestId":"abc=","time":"22/Nov/2026:01:03:11 +0000","status":"200","sourceIp":"203.0.113.7"}"#;
/// let logged_at = "2026-11-22T01:03:12Z".parse()?;
/// let ReadLine::Record(Source::Gateway, record) = read_line(line, logged_at, &BaseDomains::default())
/// else {
///     panic!("not a record");
/// };
/// assert_eq!(record.status, Some(200));
/// assert_eq!(record.network.as_deref(), Some("203.0.113.0/24"));
/// # Ok::<(), jiff::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccessRecord<'a> {
    /// The request id of the gateway or CloudFront. Equal in all records of a request.
    #[serde(borrow)]
    pub request_id: Text<'a>,
    /// When the request was received, in UTC, to the millisecond.
    #[serde(with = "milliseconds")]
    pub time: Timestamp,
    /// The product's slug.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub product: Option<Text<'a>>,
    /// The tenant in canonical form. For a file, the tenant of the page that loads it, as stated by
    /// the browser.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<Text<'a>>,
    /// The plug-in's version, such as `1.9.0`, or `other` if the caller sent an invalid one.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Text<'a>>,
    /// The HTTP method.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Text<'a>>,
    /// The HTTP status of this source's answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The code of the licence or of the problem, such as `VALID` or `NOT_FOUND`.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Text<'a>>,
    /// The reason for a rejection, as a text for operators.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text<'a>>,
    /// The result of checking the serial: `absent`, `match`, `mismatch`, `unchecked`.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<Text<'a>>,
    /// The network of the caller, /24 or /48, such as `203.0.113.0/24`.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Text<'a>>,
    /// The caller's program and its major version, such as `Chrome/131`, or `other`.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<Text<'a>>,
    /// Whether a browser sent the request directly, instead of kintone's proxy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub browser: Option<bool>,
    /// The time from the request to the answer at this source, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u32>,
    /// The time of the database read, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database_ms: Option<f64>,
    /// The status of the function's answer to the gateway. `None` if the function was not called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integration_status: Option<u16>,
    /// The served file, relative to product and version.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub file: Option<Text<'a>>,
    /// The number of bytes sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// CloudFront's result type: `Hit`, `RefreshHit`, `Miss`, `Error`, …
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<Text<'a>>,
}

/// The facts of an [`AccessRecord`] that usage is calculated from, for reading millions of lines.
#[derive(Debug, Deserialize)]
#[allow(missing_docs)] // As there.
pub struct UsageRecord<'a> {
    #[serde(borrow)]
    pub request_id: Text<'a>,
    #[serde(with = "milliseconds")]
    pub time: Timestamp,
    #[serde(borrow, default)]
    pub product: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub domain: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub version: Option<Text<'a>>,
    #[serde(default)]
    pub status: Option<u16>,
    #[serde(borrow, default)]
    pub code: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub serial: Option<Text<'a>>,
    #[serde(borrow, default)]
    pub network: Option<Text<'a>>,
    #[serde(default)]
    pub latency_ms: Option<u32>,
    #[serde(default)]
    pub integration_status: Option<u16>,
    #[serde(borrow, default)]
    pub file: Option<Text<'a>>,
    #[serde(default)]
    pub bytes: Option<u64>,
}

impl<'a> AccessRecord<'a> {
    /// A record with the request id and the time only.
    pub fn new(request_id: Text<'a>, time: Timestamp) -> Self {
        Self {
            request_id,
            time,
            product: None,
            domain: None,
            version: None,
            method: None,
            status: None,
            code: None,
            reason: None,
            serial: None,
            network: None,
            agent: None,
            browser: None,
            latency_ms: None,
            database_ms: None,
            integration_status: None,
            file: None,
            bytes: None,
            cache: None,
        }
    }
}

impl AccessRecord<'_> {
    /// Copies the texts, so that the record is independent of the line.
    pub fn into_owned(self) -> AccessRecord<'static> {
        let owned = |text: Option<Text<'_>>| text.map(Text::into_owned);
        AccessRecord {
            request_id: self.request_id.into_owned(),
            time: self.time,
            product: owned(self.product),
            domain: owned(self.domain),
            version: owned(self.version),
            method: owned(self.method),
            status: self.status,
            code: owned(self.code),
            reason: owned(self.reason),
            serial: owned(self.serial),
            network: owned(self.network),
            agent: owned(self.agent),
            browser: self.browser,
            latency_ms: self.latency_ms,
            database_ms: self.database_ms,
            integration_status: self.integration_status,
            file: owned(self.file),
            bytes: self.bytes,
            cache: owned(self.cache),
        }
    }
}

/// Instants with exactly three decimals: `2026-11-22T01:03:11.000Z`.
mod milliseconds {
    use super::{Deserialize, Text, Timestamp};
    use serde::{Deserializer, Serializer, de};

    pub(super) fn serialize<S: Serializer>(
        time: &Timestamp,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{time:.3}"))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Timestamp, D::Error> {
        let text = Text::deserialize(deserializer)?;
        text.parse()
            .map_err(|_| de::Error::custom("expected an instant"))
    }
}

//! The normalised record, which is a line of the archive.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::text::Text;

/// Which door a record comes from; the archive is divided by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// API Gateway's access log.
    Gateway,
    /// The line of `license-lookup`.
    Lookup,
    /// CloudFront's standard log.
    Cdn,
    /// No record: what is known of a line that cannot be read.
    Unreadable,
    /// No access: the changes of the tables, which [`crate::change`] reads.
    Change,
}

impl Source {
    /// Those of accesses.
    pub const OF_ACCESSES: [Self; 4] = [Self::Gateway, Self::Lookup, Self::Cdn, Self::Unreadable];

    /// As in the archive's names.
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

/// A text that names no source.
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

/// One access, as one door saw it. What a door does not know is not there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccessRecord<'a> {
    /// The gateway's id of the request, or CloudFront's: what records of one request have in
    /// common.
    #[serde(borrow)]
    pub request_id: Text<'a>,
    /// When the request came, UTC, to the millisecond.
    #[serde(with = "milliseconds")]
    pub time: Timestamp,
    /// The product's slug.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub product: Option<Text<'a>>,
    /// The tenant in canonical form; for a file, of the page that loads it.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<Text<'a>>,
    /// The plug-in's version: `1.9.0`, or `other` for what is not written like one.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Text<'a>>,
    /// The HTTP method.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Text<'a>>,
    /// The HTTP status that this door answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The licence's code, or the problem's.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub code: Option<Text<'a>>,
    /// Why it was answered so.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Text<'a>>,
    /// What became of the serial: `absent`, `match`, `mismatch`, `unchecked`.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<Text<'a>>,
    /// The network that asked, /24 or /48.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub network: Option<Text<'a>>,
    /// The program that asked and its major version: `Chrome/131`, or `other`.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<Text<'a>>,
    /// Whether a browser asked directly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub browser: Option<bool>,
    /// From the request to the answer at this door, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ms: Option<u32>,
    /// The time the database took, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub database_ms: Option<f64>,
    /// What the function answered the gateway, where it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integration_status: Option<u16>,
    /// The file that was served, below product and version.
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub file: Option<Text<'a>>,
    /// Bytes sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// How the CDN served it: `Hit`, `RefreshHit`, `Miss`, `Error`, …
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub cache: Option<Text<'a>>,
}

impl<'a> AccessRecord<'a> {
    /// A record of which nothing is known yet but the request and its time.
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
    /// The same, independent of the line it was read from.
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

/// Instants to the millisecond, whatever their digits: `2026-11-22T01:03:11.000Z`.
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

//! CloudFront's standard log v2: JSON lines, or W3C with a header that names the columns.

use serde::Deserialize;

use super::gateway::{InvalidReason, is_request_id};
use super::moment::{Moment, Window};
use super::record::AccessRecord;
use super::redact;
use super::text::Text;
use crate::domain::BaseDomains;
use crate::network::network;
use crate::version::PluginVersion;

/// The fields that are used. A distribution may be configured to log only some of them. All values
/// are texts; `-` is an empty value.
#[derive(Default, Deserialize)]
pub(super) struct CdnLine<'a> {
    #[serde(borrow, default)]
    date: Option<Text<'a>>,
    #[serde(borrow, default)]
    time: Option<Text<'a>>,
    #[serde(borrow, default, rename = "timestamp(ms)")]
    timestamp_ms: Option<Text<'a>>,
    #[serde(borrow, default, rename = "x-edge-request-id")]
    request_id: Option<Text<'a>>,
    #[serde(borrow, default, rename = "cs-method")]
    method: Option<Text<'a>>,
    #[serde(borrow, default, rename = "cs-uri-stem")]
    path: Option<Text<'a>>,
    #[serde(borrow, default, rename = "sc-status")]
    status: Option<Text<'a>>,
    #[serde(borrow, default, rename = "sc-bytes")]
    bytes: Option<Text<'a>>,
    #[serde(borrow, default, rename = "time-taken")]
    time_taken: Option<Text<'a>>,
    #[serde(borrow, default, rename = "x-edge-result-type")]
    result_type: Option<Text<'a>>,
    #[serde(borrow, default, rename = "c-ip")]
    address: Option<Text<'a>>,
    #[serde(borrow, default, rename = "cs(User-Agent)")]
    user_agent: Option<Text<'a>>,
    #[serde(borrow, default, rename = "cs(Referer)")]
    referer: Option<Text<'a>>,
}

/// The columns of a W3C log, from the `#Fields:` line.
#[derive(Debug, Default)]
pub(super) struct Columns(Vec<Column>);

#[derive(Clone, Copy, Debug)]
enum Column {
    Date,
    Time,
    TimestampMs,
    RequestId,
    Method,
    Path,
    Status,
    Bytes,
    TimeTaken,
    ResultType,
    Address,
    UserAgent,
    Referer,
    NotRead,
}

impl Columns {
    /// Parses the column names after `#Fields:`.
    pub(super) fn read(names: &str) -> Self {
        let column = |name| match name {
            "date" => Column::Date,
            "time" => Column::Time,
            "timestamp(ms)" => Column::TimestampMs,
            "x-edge-request-id" => Column::RequestId,
            "cs-method" => Column::Method,
            "cs-uri-stem" => Column::Path,
            "sc-status" => Column::Status,
            "sc-bytes" => Column::Bytes,
            "time-taken" => Column::TimeTaken,
            "x-edge-result-type" => Column::ResultType,
            "c-ip" => Column::Address,
            "cs(User-Agent)" => Column::UserAgent,
            "cs(Referer)" => Column::Referer,
            _ => Column::NotRead,
        };
        Self(names.split_whitespace().map(column).collect())
    }

    /// Parses a line of tab-separated values.
    pub(super) fn line<'a>(&self, line: &'a str) -> Result<CdnLine<'a>, InvalidReason> {
        if self.0.is_empty() {
            return Err("there is no #Fields line before it");
        }
        let mut read = CdnLine::default();
        let mut values = line.split('\t');
        for column in &self.0 {
            let value = values.next().ok_or("fewer values than columns")?;
            let field = match column {
                Column::Date => &mut read.date,
                Column::Time => &mut read.time,
                Column::TimestampMs => &mut read.timestamp_ms,
                Column::RequestId => &mut read.request_id,
                Column::Method => &mut read.method,
                Column::Path => &mut read.path,
                Column::Status => &mut read.status,
                Column::Bytes => &mut read.bytes,
                Column::TimeTaken => &mut read.time_taken,
                Column::ResultType => &mut read.result_type,
                Column::Address => &mut read.address,
                Column::UserAgent => &mut read.user_agent,
                Column::Referer => &mut read.referer,
                Column::NotRead => continue,
            };
            *field = Some(Text::from(value));
        }
        match values.next() {
            None => Ok(read),
            Some(_) => Err("more values than columns"),
        }
    }
}

/// Parses a JSON line.
pub(super) fn read(line: &[u8]) -> Result<CdnLine<'_>, serde_json::Error> {
    serde_json::from_slice(line)
}

/// Checks and redacts a line.
pub(super) fn normalise<'a>(
    line: CdnLine<'a>,
    window: Window,
    bases: &BaseDomains,
) -> Result<AccessRecord<'a>, InvalidReason> {
    let request_id = present(line.request_id).ok_or("x-edge-request-id is missing")?;
    if !is_request_id(&request_id) {
        return Err("x-edge-request-id is invalid");
    }
    let moment = match present(line.timestamp_ms) {
        Some(timestamp) => Moment::read(&timestamp),
        None => {
            let (date, time) = (present(line.date), present(line.time));
            date.zip(time)
                .and_then(|(date, time)| Moment::read(&format!("{date}T{time}Z")))
        }
    };
    let time = window.instant(moment.ok_or("timestamp(ms), or date and time, is invalid")?)?;
    let status: Option<u16> = present(line.status).and_then(|status| status.parse().ok());
    // The path of a file that does not exist is an arbitrary text of the caller.
    let is_served = matches!(status, Some(200 | 206 | 304));
    let path = present(line.path).filter(|_| is_served);
    let Served {
        product,
        version,
        file,
    } = path.map_or_else(Served::default, |path| Served::of(&path));
    let method = present(line.method);
    Ok(AccessRecord {
        product,
        version,
        file,
        domain: present(line.referer).and_then(|referer| tenant(&referer, bases)),
        method: method.filter(|method| matches!(method.as_str(), "GET" | "HEAD" | "OPTIONS")),
        status,
        bytes: present(line.bytes).and_then(|bytes| bytes.parse().ok()),
        latency_ms: present(line.time_taken).and_then(|seconds| milliseconds(&seconds)),
        cache: present(line.result_type).filter(|result| {
            result.len() <= 24 && result.bytes().all(|byte| byte.is_ascii_alphabetic())
        }),
        network: present(line.address)
            .and_then(|address| network(&address))
            .map(Text::from),
        agent: present(line.user_agent).map(|agent| Text::from(redact::agent(&agent))),
        ..AccessRecord::new(request_id, time)
    })
}

fn present(value: Option<Text<'_>>) -> Option<Text<'_>> {
    value.filter(|value| !matches!(value.as_str(), "" | "-"))
}

/// Converts CloudFront's seconds, such as `0.012`.
fn milliseconds(seconds: &str) -> Option<u32> {
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    let thousandths: u32 = digits.parse().ok()?;
    whole
        .parse::<u32>()
        .ok()?
        .checked_mul(1000)?
        .checked_add(thousandths)
}

/// The tenant of the page that loads a file: only the host of the `Referer`.
fn tenant(referer: &str, bases: &BaseDomains) -> Option<Text<'static>> {
    let referer = percent_encoding::percent_decode_str(referer).decode_utf8_lossy();
    let host = referer
        .strip_prefix("https://")?
        .split(['/', '?', '#'])
        .next()?;
    let domain = bases.canonicalize(host).ok()?;
    (!redact::may_be_serial(domain.as_str())).then(|| Text::from(domain.to_string()))
}

/// The name of a product's release document ([`release`](crate::release)).
const RELEASE: &str = "current.jwt";

/// The parts of a path on the CDN: `/<product>/<version>/<file>`, `/<product>/current.jwt`, or a
/// file that belongs to no product.
#[derive(Default)]
struct Served<'a> {
    product: Option<Text<'a>>,
    version: Option<Text<'a>>,
    file: Option<Text<'a>>,
}

impl Served<'_> {
    fn of(path: &str) -> Self {
        let parts: Vec<&str> = path.trim_start_matches('/').splitn(3, '/').collect();
        let (product, version, file) = match parts[..] {
            // Files that belong to no product.
            [".well-known" | "news", ..] => (None, None, path.trim_start_matches('/')),
            // Old files may have been published under a version that is invalid today.
            [product, version, file] => {
                let product = redact::product(product);
                (
                    product,
                    product.and(Some(PluginVersion::recorded(version))),
                    file,
                )
            }
            [product, RELEASE] => (redact::product(product), None, RELEASE),
            _ => (None, None, ""),
        };
        let owned = |text: &str| Text::from(text.to_owned());
        let file = match file {
            RELEASE => Some(owned(RELEASE)),
            file => redact::file(file).map(|file| file.into_owned()),
        };
        Self {
            product: product.map(owned),
            version: version.map(owned),
            file,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_become_milliseconds() {
        for (seconds, expected) in [
            ("0.012", Some(12)),
            ("1", Some(1000)),
            ("2.5", Some(2500)),
            ("0.0009", Some(0)),
            ("x", None),
            ("99999999", None),
        ] {
            assert_eq!(milliseconds(seconds), expected, "{seconds}");
        }
    }

    #[test]
    fn only_the_tenant_of_a_referer_is_recorded() {
        let bases = BaseDomains::default();
        for (referer, kept) in [
            (
                "https://example.cybozu.com/k/12/?q=secret#x",
                Some("example.cybozu.com"),
            ),
            ("https://example.s.cybozu.com/", Some("example.cybozu.com")),
            (
                "https%3A//example.cybozu.com/k/",
                Some("example.cybozu.com"),
            ),
            ("http://example.cybozu.com/", None),
            ("https://someone@example.com/", None),
            ("https://abcd-efgh-ijkl-mnop.cybozu.com/", None),
        ] {
            assert_eq!(tenant(referer, &bases).as_deref(), kept, "{referer}");
        }
    }
}

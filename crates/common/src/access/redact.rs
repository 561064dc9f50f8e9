//! Redaction of values that a caller controls.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::text::Text;
use crate::network::address;
use crate::product::ProductSlug;
use crate::serial::Serial;
use crate::version::OTHER;

/// The program in a user agent and its major version, such as `Chrome/131`. `other` for an unknown
/// program, because a user agent is an arbitrary text of the caller.
pub fn agent(user_agent: &str) -> String {
    // The first match wins: most browsers also contain the tokens of others.
    const KNOWN: [(&str, &str); 12] = [
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("SamsungBrowser/", "SamsungBrowser"),
        ("Firefox/", "Firefox"),
        ("FxiOS/", "Firefox"),
        ("CriOS/", "Chrome"),
        ("Chrome/", "Chrome"),
        ("Version/", "Safari"),
        ("curl/", "curl"),
        ("Java/", "Java"),
        ("okhttp/", "okhttp"),
        ("python-requests/", "python-requests"),
    ];
    let decoded = percent_decoded_twice(user_agent);
    for (token, name) in KNOWN {
        let Some((before, after)) = decoded.split_once(token) else {
            continue;
        };
        let is_token = before.is_empty() || before.ends_with([' ', ';', '(']);
        let digits = after.bytes().take_while(u8::is_ascii_digit).count();
        if is_token && (1..=3).contains(&digits) {
            return format!("{name}/{}", &after[..digits]);
        }
    }
    OTHER.to_owned()
}

/// Decodes a header's value, which CloudFront's W3C log percent-encodes once, and in an older format
/// twice.
fn percent_decoded_twice(text: &str) -> Cow<'_, str> {
    let mut decoded = Cow::Borrowed(text);
    for _ in 0..2 {
        if !decoded.contains('%') {
            break;
        }
        let once = percent_decode_str(&decoded)
            .decode_utf8_lossy()
            .into_owned();
        decoded = Cow::Owned(once);
    }
    decoded
}

/// The product sent by a caller, if it is a valid slug and cannot be a serial.
pub(super) fn product(text: &str) -> Option<&str> {
    let is_slug = text.parse::<ProductSlug>().is_ok();
    (is_slug && !Serial::resembles(text)).then_some(text)
}

/// Whether a text is a host name in canonical form, as written by the functions.
pub(super) fn is_host(text: &str) -> bool {
    text.len() <= 253
        && text.contains('.')
        && text.split('.').all(|label| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        })
}

/// Whether a product's slug or the first label of a host could be a serial, sent in the wrong place.
pub fn may_be_serial(name: &str) -> bool {
    let label = name.split('.').next().unwrap_or_default();
    Serial::resembles(label)
}

/// Whether a reason written by a function is free of a caller's data: no mail address, no full IP
/// address, nothing that could be a serial.
pub(super) fn is_safe_reason(text: &str) -> bool {
    let mut words = text.split(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '\''));
    text.len() <= 200
        && !text.contains(['@', '\n'])
        && words.all(|word| {
            !Serial::resembles(word) && !resembles_an_address(word) && address(word).is_none()
        })
}

/// The extensions of files that can be published, in lower case. Requests for these files are
/// recorded with their path.
pub const FILE_ENDINGS: [&str; 25] = [
    "js", "mjs", "css", "html", "json", "map", "svg", "png", "jpg", "jpeg", "gif", "webp", "avif",
    "ico", "woff2", "woff", "ttf", "otf", "wasm", "txt", "md", "csv", "xml", "pdf", "zip",
];

/// A file's path relative to product and version, if it is a valid path of a published file.
pub(super) fn file(path: &str) -> Option<Text<'_>> {
    let (_, ending) = path.rsplit_once('.')?;
    let is_ours = path.len() <= 128
        && FILE_ENDINGS
            .iter()
            .any(|known| known.eq_ignore_ascii_case(ending))
        && path.split('/').all(|part| {
            !part.is_empty()
                && !part.split('.').any(Serial::resembles)
                && !resembles_an_address(part)
                && part
                    .bytes()
                    .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
        });
    is_ours.then(|| Text::from(path))
}

/// Whether a text contains four numbers separated by dots.
fn resembles_an_address(part: &str) -> bool {
    let mut runs = part.split(|c: char| !c.is_ascii_digit() && c != '.');
    runs.any(|run| run.split('.').filter(|number| !number.is_empty()).count() > 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_are_known_or_other() {
        let chrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like \
                      Gecko) Chrome/131.0.0.0 Safari/537.36";
        for (user_agent, kept) in [
            (chrome.to_owned(), "Chrome/131"),
            (chrome.replace(' ', "%20"), "Chrome/131"),
            (chrome.replace(' ', "%2520"), "Chrome/131"),
            (format!("{chrome} Edg/131.0.2903.51"), "Edge/131"),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) Version/18.1 Safari/605"
                    .to_owned(),
                "Safari/18",
            ),
            ("curl/8.5.0".to_owned(), "curl/8"),
            ("ABCD-EFGH-IJKL-MNOP/1".to_owned(), "other"),
            ("xChrome/131".to_owned(), "other"),
            ("Chrome/1234567812345678".to_owned(), "other"),
            ("someone@example.com".to_owned(), "other"),
            (String::new(), "other"),
        ] {
            assert_eq!(agent(&user_agent), kept, "{user_agent}");
        }
    }

    #[test]
    fn reasons_with_a_callers_data_are_not_recorded() {
        for ours in [
            "no_license",
            "version: expected one, of 1 to 32 letters, digits, '.', '-', '_' and '+', such as 1.9.0",
            "X-License-Serial: expected one, of 16 to 64 letters and digits, grouped by hyphens",
            "domain: not below cybozu.com, kintone.com, cybozu.cn or a configured one",
        ] {
            assert!(is_safe_reason(ours), "{ours}");
        }
        for not_ours in [
            "from someone@example.com",
            "serial ABCD-EFGH-IJKL-MNOP",
            "from 203.0.113.77",
            "from 2001:db8:1:2:3:4:5:6",
        ] {
            assert!(!is_safe_reason(not_ours), "{not_ours}");
        }
    }

    #[test]
    fn only_paths_of_published_files_are_recorded() {
        for good in [
            "sheet.min.js",
            "sheet.JS",
            "lib/font.woff",
            "assets/a-1_b.css",
            "feed.ja.xml",
        ] {
            assert_eq!(file(good).unwrap().as_str(), good);
        }
        for bad in [
            "",
            "sheet",
            "a@example.com.js",
            "ABCD-EFGH-IJKL-MNOP.js",
            "a//b.js",
            "a b.js",
            "203.0.113.77.js",
            "from-203.0.113.77.js",
            "x.exe",
        ] {
            assert_eq!(file(bad), None, "{bad}");
        }
    }
}

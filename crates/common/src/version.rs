//! Versions of plug-ins, as used in CDN paths, notices, requests and logs.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Recorded instead of an invalid version.
pub const OTHER: &str = "other";

/// The names of pre-release stages.
const STAGES: [&str; 5] = ["alpha", "beta", "rc", "pre", "dev"];

/// A plug-in's version: `1.9.0`, `2.0.0-rc.1`, `2026.11.27.1`.
///
/// The format is one to four numbers of up to five digits, separated by dots, and optionally a
/// pre-release stage: `-alpha`, `-beta`, `-rc`, `-pre` or `-dev`, alone or with a number (`-rc1`,
/// `-rc.1`). Versions compare as texts, not by precedence.
///
/// The format is limited for two reasons:
///
/// - A version is part of a CDN path. S3 behind CloudFront answers 403 for a path with a `+`, so
///   build metadata is invalid.
/// - Access records contain versions sent by unknown callers. A format that could contain a serial
///   (letters other than a stage) or an IPv4 address (four numbers below 256) is invalid, and
///   recorded as [`OTHER`].
///
/// ```
/// use tegata_common::version::PluginVersion;
///
/// let version: PluginVersion = "2.0.0-rc.1".parse()?;
/// assert_eq!(version.to_string(), "2.0.0-rc.1");
/// for invalid in ["v1.9.0", "1.9.0+build", "203.0.113.7"] {
///     assert!(invalid.parse::<PluginVersion>().is_err());
///     assert_eq!(PluginVersion::recorded(invalid), "other");
/// }
/// # Ok::<(), tegata_common::version::PluginVersionError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PluginVersion(String);

/// An invalid version. The message does not repeat the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected one to four numbers of up to five digits separated by dots, and optionally a \
     stage (-alpha, -beta, -rc, -pre or -dev, with a number), such as 1.9.0, 2.0.0-rc.1 or \
     2026.11.27.1; without a leading v, without +, and not in the form of an IP address"
)]
pub struct PluginVersionError;

impl PluginVersion {
    /// The version as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The value to record for a version sent by a caller: the text if it is a valid version,
    /// otherwise [`OTHER`].
    pub fn recorded(text: &str) -> &str {
        if is_version(text) { text } else { OTHER }
    }
}

impl FromStr for PluginVersion {
    type Err = PluginVersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match is_version(text) {
            true => Ok(Self(text.to_owned())),
            false => Err(PluginVersionError),
        }
    }
}

impl TryFrom<String> for PluginVersion {
    type Error = PluginVersionError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<PluginVersion> for String {
    fn from(version: PluginVersion) -> Self {
        version.0
    }
}

impl fmt::Display for PluginVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

fn is_version(text: &str) -> bool {
    let (numbers, stage) = match text.split_once('-') {
        Some((numbers, stage)) => (numbers, Some(stage)),
        None => (text, None),
    };
    let mut count = 0;
    let mut could_be_address = true;
    for part in numbers.split('.') {
        if !is_number(part) {
            return false;
        }
        count += 1;
        could_be_address &= part.parse::<u32>().is_ok_and(|number| number < 256);
    }
    count <= 4 && !(count == 4 && could_be_address) && stage.is_none_or(is_stage)
}

fn is_stage(stage: &str) -> bool {
    STAGES.iter().any(|word| {
        stage.strip_prefix(word).is_some_and(|number| {
            let number = number.strip_prefix('.').unwrap_or(number);
            stage.len() == word.len() || is_number(number)
        })
    })
}

fn is_number(part: &str) -> bool {
    (1..=5).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_numbers_and_a_stage() {
        for good in [
            "1",
            "1.9",
            "1.9.0",
            "10.20.30",
            "2026.11.27.1",
            "1.9.0-rc1",
            "2.0.0-beta",
            "2.0.0-rc.3",
            "2026.11.27.1-dev.12345",
        ] {
            let version: PluginVersion = good.parse().unwrap();
            assert_eq!(version.to_string(), good);
            assert_eq!(PluginVersion::recorded(good), good);
            let read: PluginVersion = serde_json::from_str(&format!("{good:?}")).unwrap();
            assert_eq!(read, version);
        }
        for bad in [
            "",
            ".",
            "v2.1.0",
            "2.0.1+build.5",
            "203.0.113.77",
            "203.000.113.077",
            "203.0.113.77-rc1",
            "1.2.3.4.300",
            "ABCD-EFGH-IJKL-MNOP",
            "1.9.0-somebody",
            "1.9.0-rc.",
            "1.9.0-rc..1",
            "1.9.0-rc1.2",
            "1.9.0-beta.x",
            "1.9.0-",
            "1.9.0 ",
            "1..2",
            "123456",
            "１.９",
            "../1.9.0",
        ] {
            assert_eq!(
                bad.parse::<PluginVersion>(),
                Err(PluginVersionError),
                "{bad}"
            );
            assert_eq!(PluginVersion::recorded(bad), OTHER, "{bad}");
            assert!(serde_json::from_str::<PluginVersion>(&format!("{bad:?}")).is_err());
        }
    }
}

//! What the environment says, read once at start.

use ipnet::IpNet;
use tegata_aws::{Environment, MissingVariable};
use tegata_common::domain::{BaseDomainError, BaseDomains};

use crate::source::SourceRanges;

/// The function's settings.
#[derive(Clone, Debug)]
pub struct LookupSettings {
    /// `LICENSES_TABLE`: the name of the table.
    pub table: String,
    /// `ALLOWED_SOURCE_RANGES`: who may ask; everybody if empty.
    pub sources: SourceRanges,
    /// `DEVELOPMENT_BASE_DOMAINS`: accepted beside kintone's own.
    pub bases: BaseDomains,
    /// How to reach AWS.
    pub aws: Environment,
}

/// A setting that keeps the function from starting: which, and what is accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Not set, or empty.
    #[error(transparent)]
    Missing(#[from] MissingVariable),
    /// A range that cannot be read.
    #[error(
        "environment variable ALLOWED_SOURCE_RANGES: {0:?} is not a CIDR range such as 103.79.14.0/24 or 2001:db8::/32"
    )]
    SourceRange(String),
    /// A base domain that cannot be read.
    #[error("environment variable DEVELOPMENT_BASE_DOMAINS: {0}")]
    BaseDomain(#[from] BaseDomainError),
}

impl LookupSettings {
    /// Reads the settings from a source of variables such as the environment.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let optional = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let required = |name| optional(name).ok_or(MissingVariable(name));
        let ranges = optional("ALLOWED_SOURCE_RANGES").unwrap_or_default();
        let ranges: Vec<IpNet> = list(&ranges)
            .map(|range| {
                range
                    .parse()
                    .map_err(|_| SettingsError::SourceRange(range.to_owned()))
            })
            .collect::<Result<_, _>>()?;
        let development = optional("DEVELOPMENT_BASE_DOMAINS").unwrap_or_default();
        Ok(Self {
            table: required("LICENSES_TABLE")?,
            sources: SourceRanges::new(ranges),
            bases: BaseDomains::with_development(list(&development))?,
            aws: Environment::read(&variable)?,
        })
    }
}

/// The parts of a list. One that is blank stays, and is refused by whoever reads it: a list that
/// was meant to restrict must not turn out empty.
fn list(text: &str) -> impl Iterator<Item = &str> {
    let parts = text.split(',').map(str::trim);
    parts.filter(move |_| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(changes: &[(&str, &str)]) -> Result<LookupSettings, SettingsError> {
        LookupSettings::read(|name| {
            let change = changes.iter().find(|(changed, _)| *changed == name);
            match (change, name) {
                (Some((_, value)), _) => Some((*value).to_owned()),
                (None, "LICENSES_TABLE") => Some("Licenses".to_owned()),
                (None, "AWS_REGION") => Some("ap-northeast-1".to_owned()),
                (None, "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY") => Some("key".to_owned()),
                (None, _) => None,
            }
        })
    }

    #[test]
    fn what_is_not_set_is_off() {
        let settings = read(&[("ALLOWED_SOURCE_RANGES", " "), ("AWS_ENDPOINT_URL", "")]).unwrap();
        assert!(settings.sources.allow("203.0.113.7"));
        assert_eq!(settings.aws.endpoint_url("DYNAMODB"), None);
        assert!(settings.bases.canonicalize("abc.kintone.test").is_err());
    }

    #[test]
    fn lists_are_separated_by_commas() {
        let settings = read(&[
            ("ALLOWED_SOURCE_RANGES", "103.79.14.0/24, 2001:db8::/32"),
            (
                "DEVELOPMENT_BASE_DOMAINS",
                "kintone.test,kintone-dev.example",
            ),
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:1"),
            ("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:2"),
        ])
        .unwrap();
        assert!(settings.sources.allow("2001:db8::1"));
        assert!(!settings.sources.allow("203.0.113.7"));
        assert!(
            settings
                .bases
                .canonicalize("abc.kintone-dev.example")
                .is_ok()
        );
        assert_eq!(
            settings.aws.endpoint_url("DYNAMODB").unwrap(),
            "http://127.0.0.1:2"
        );
        assert_eq!(
            settings.aws.endpoint_url("KMS").unwrap(),
            "http://127.0.0.1:1"
        );
    }

    #[test]
    fn a_wrong_setting_says_which_and_what_is_accepted() {
        for (name, value, message) in [
            (
                "LICENSES_TABLE",
                "",
                "environment variable LICENSES_TABLE is not set",
            ),
            (
                "ALLOWED_SOURCE_RANGES",
                "103.79.14.0/33",
                "environment variable ALLOWED_SOURCE_RANGES: \"103.79.14.0/33\" is not a CIDR \
                 range such as 103.79.14.0/24 or 2001:db8::/32",
            ),
            (
                "ALLOWED_SOURCE_RANGES",
                ",",
                "environment variable ALLOWED_SOURCE_RANGES: \"\" is not a CIDR range such as \
                 103.79.14.0/24 or 2001:db8::/32",
            ),
            (
                "DEVELOPMENT_BASE_DOMAINS",
                "localhost",
                "environment variable DEVELOPMENT_BASE_DOMAINS: development base domain \
                 \"localhost\" must be two or more labels of a-z, 0-9 and '-', such as kintone.test",
            ),
        ] {
            assert_eq!(read(&[(name, value)]).unwrap_err().to_string(), message);
        }
    }

    #[test]
    fn debug_hides_credentials() {
        let settings = read(&[("AWS_SECRET_ACCESS_KEY", "hidden")]).unwrap();
        assert!(!format!("{settings:?}").contains("hidden"));
    }
}

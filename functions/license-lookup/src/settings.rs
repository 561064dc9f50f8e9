//! The settings, read once at start from environment variables.

use ipnet::IpNet;
use tegata_common::domain::BaseDomains;
use tegata_lambda::{Environment, SettingError, Variables};

use crate::source::SourceRanges;

/// The function's settings.
#[derive(Clone, Debug)]
pub struct LookupSettings {
    /// `LICENSES_TABLE`: the name of the table.
    pub table: String,
    /// `ALLOWED_SOURCE_RANGES`: the networks from which requests are accepted. All if empty.
    pub sources: SourceRanges,
    /// `DEVELOPMENT_BASE_DOMAINS`: base domains that are accepted in addition to kintone's.
    pub bases: BaseDomains,
    /// The region, the credentials and the endpoints of AWS.
    pub aws: Environment,
}

impl LookupSettings {
    /// Reads the settings.
    pub fn read(
        variables: &Variables<impl Fn(&str) -> Option<String>>,
    ) -> Result<Self, SettingError> {
        let ranges = variables.list("ALLOWED_SOURCE_RANGES").into_iter();
        let ranges = ranges.map(|range| {
            range.parse().map_err(|_| {
                let accepted = "is not a CIDR range such as 103.79.14.0/24 or 2001:db8::/32";
                SettingError::invalid("ALLOWED_SOURCE_RANGES", format!("{range:?} {accepted}"))
            })
        });
        let ranges: Vec<IpNet> = ranges.collect::<Result<_, _>>()?;
        Ok(Self {
            table: variables.required("LICENSES_TABLE")?,
            sources: SourceRanges::new(ranges),
            bases: variables.base_domains()?,
            aws: Environment::read(variables)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(changes: &[(&str, &str)]) -> Result<LookupSettings, SettingError> {
        LookupSettings::read(&Variables(|name: &str| {
            let change = changes.iter().find(|(changed, _)| *changed == name);
            match (change, name) {
                (Some((_, value)), _) => Some((*value).to_owned()),
                (None, "LICENSES_TABLE") => Some("Licenses".to_owned()),
                (None, "AWS_REGION") => Some("ap-northeast-1".to_owned()),
                (None, "AWS_ACCESS_KEY_ID" | "AWS_SECRET_ACCESS_KEY") => Some("key".to_owned()),
                (None, _) => None,
            }
        }))
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

//! What the environment says, read once at start.

use tegata_aws::{Environment, MissingVariable};
use tegata_common::domain::{BaseDomainError, BaseDomains};
use tegata_common::network::{KINTONE, Networks, NetworksError};
use tegata_common::product::{Zone, ZoneError};

/// The settings of both binaries.
#[derive(Clone, Debug)]
pub struct AccessLogSettings {
    /// `ARCHIVE_BUCKET`: where the archive is.
    pub archive_bucket: String,
    /// `USAGE_TABLE`: the name of the table.
    pub usage_table: String,
    /// `STACK`: whose metrics these are.
    pub stack: String,
    /// `TIME_ZONE`: the zone of the archive's and the usage's days.
    pub time_zone: Zone,
    /// `KINTONE_RANGES`: from where kintone asks.
    pub kintone: Networks,
    /// `DEVELOPMENT_BASE_DOMAINS`: accepted beside kintone's own.
    pub bases: BaseDomains,
    /// How to reach AWS.
    pub aws: Environment,
}

/// A setting that keeps a function from starting: which, and what is accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Not set, or empty.
    #[error(transparent)]
    Missing(#[from] MissingVariable),
    /// No time zone.
    #[error("environment variable TIME_ZONE: {0}")]
    TimeZone(#[from] ZoneError),
    /// A range that cannot be read.
    #[error("environment variable KINTONE_RANGES: {0}")]
    Kintone(#[from] NetworksError),
    /// A base domain that cannot be read.
    #[error("environment variable DEVELOPMENT_BASE_DOMAINS: {0}")]
    BaseDomain(#[from] BaseDomainError),
}

impl AccessLogSettings {
    /// Reads the settings from a source of variables such as the environment.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let optional = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let required = |name| optional(name).ok_or(MissingVariable(name));
        let development = optional("DEVELOPMENT_BASE_DOMAINS").unwrap_or_default();
        let development = development.split(',').map(str::trim);
        Ok(Self {
            archive_bucket: required("ARCHIVE_BUCKET")?,
            usage_table: required("USAGE_TABLE")?,
            stack: required("STACK")?,
            time_zone: Zone::named(&required("TIME_ZONE")?)?,
            kintone: Networks::parse(optional("KINTONE_RANGES").as_deref().unwrap_or(KINTONE))?,
            bases: BaseDomains::with_development(development.filter(|name| !name.is_empty()))?,
            aws: Environment::read(&variable)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(changed: &str, value: &str) -> Result<AccessLogSettings, SettingsError> {
        AccessLogSettings::read(|name| {
            let value = match name {
                name if name == changed => value,
                "TIME_ZONE" => "Asia/Tokyo",
                "DEVELOPMENT_BASE_DOMAINS" => "kintone.test",
                "KINTONE_RANGES" => " ",
                _ => "x",
            };
            Some(value.to_owned())
        })
    }

    #[test]
    fn a_wrong_setting_says_which_and_what_is_accepted() {
        assert!(read("", "").is_ok());
        for missing in ["ARCHIVE_BUCKET", "USAGE_TABLE", "STACK", "TIME_ZONE"] {
            let error = read(missing, " ").unwrap_err().to_string();
            assert_eq!(error, format!("environment variable {missing} is not set"));
        }
        assert_eq!(
            read("TIME_ZONE", "Tokyo").unwrap_err().to_string(),
            "environment variable TIME_ZONE: \"Tokyo\" is not a time zone; expected an IANA name \
             such as Asia/Tokyo"
        );
        assert_eq!(read("", "").unwrap().kintone, Networks::default());
        assert_eq!(
            read("KINTONE_RANGES", "103.79.14.0")
                .unwrap_err()
                .to_string(),
            "environment variable KINTONE_RANGES: \"103.79.14.0\" is not a CIDR range such as \
             103.79.14.0/24 or 2001:db8::/32"
        );
        let error = read("DEVELOPMENT_BASE_DOMAINS", "x").unwrap_err();
        assert!(matches!(error, SettingsError::BaseDomain(_)));
    }
}

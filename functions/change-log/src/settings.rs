//! What the environment says, read once at start.

use tegata_aws::{Environment, MissingVariable};
use tegata_common::product::{Zone, ZoneError};

/// The settings.
#[derive(Clone, Debug)]
pub struct ChangeLogSettings {
    /// `ARCHIVE_BUCKET`: where the archive is.
    pub archive_bucket: String,
    /// `TIME_ZONE`: the zone of the archive's days.
    pub time_zone: Zone,
    /// How to reach AWS.
    pub aws: Environment,
}

/// A setting that keeps the function from starting: which, and what is accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Not set, or empty.
    #[error(transparent)]
    Missing(#[from] MissingVariable),
    /// No time zone.
    #[error("environment variable TIME_ZONE: {0}")]
    TimeZone(#[from] ZoneError),
}

impl ChangeLogSettings {
    /// Reads the settings from a source of variables such as the environment.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, SettingsError> {
        let optional = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let required = |name| optional(name).ok_or(MissingVariable(name));
        Ok(Self {
            archive_bucket: required("ARCHIVE_BUCKET")?,
            time_zone: Zone::named(&required("TIME_ZONE")?)?,
            aws: Environment::read(&variable)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_setting_says_which_and_what_is_accepted() {
        let read = |changed: &str, value: &str| {
            ChangeLogSettings::read(|name| {
                let value = match name {
                    name if name == changed => value,
                    "TIME_ZONE" => "Asia/Tokyo",
                    _ => "x",
                };
                Some(value.to_owned())
            })
        };
        assert!(read("", "").is_ok());
        for missing in ["ARCHIVE_BUCKET", "TIME_ZONE"] {
            let error = read(missing, " ").unwrap_err().to_string();
            assert_eq!(error, format!("environment variable {missing} is not set"));
        }
        let error = read("TIME_ZONE", "Tokyo").unwrap_err().to_string();
        assert!(error.starts_with("environment variable TIME_ZONE: \"Tokyo\" is not a time zone"));
    }
}

//! The settings, read once at start from environment variables.

use tegata_common::product::Zone;
use tegata_lambda::{Environment, SettingError, Variables};

/// The settings.
#[derive(Clone, Debug)]
pub struct ChangeLogSettings {
    /// `ARCHIVE_BUCKET`: the bucket of the archive.
    pub archive_bucket: String,
    /// `TIME_ZONE`: the time zone of the archive's days.
    pub time_zone: Zone,
    /// The region, the credentials and the endpoints of AWS.
    pub aws: Environment,
}

impl ChangeLogSettings {
    /// Reads the settings.
    pub fn read(
        variables: &Variables<impl Fn(&str) -> Option<String>>,
    ) -> Result<Self, SettingError> {
        Ok(Self {
            archive_bucket: variables.required("ARCHIVE_BUCKET")?,
            time_zone: variables.read("TIME_ZONE", Zone::named)?,
            aws: Environment::read(variables)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_setting_says_which_and_what_is_accepted() {
        let read = |changed: &str, value: &str| {
            ChangeLogSettings::read(&Variables(|name: &str| {
                let value = match name {
                    name if name == changed => value,
                    "TIME_ZONE" => "Asia/Tokyo",
                    _ => "x",
                };
                Some(value.to_owned())
            }))
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

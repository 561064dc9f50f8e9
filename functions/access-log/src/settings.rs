//! The settings, read once at start from environment variables.

use tegata_common::domain::BaseDomains;
use tegata_common::network::{KINTONE, Networks};
use tegata_common::product::Zone;
use tegata_lambda::{Environment, SettingError, Variables};

/// The settings of both binaries.
#[derive(Clone, Debug)]
pub struct AccessLogSettings {
    /// `ARCHIVE_BUCKET`: the bucket of the archive.
    pub archive_bucket: String,
    /// `USAGE_TABLE`: the name of the table.
    pub usage_table: String,
    /// `STACK`: the name of the stack, a dimension of the metrics.
    pub stack: String,
    /// `TIME_ZONE`: the time zone of the days of the archive and of usage.
    pub time_zone: Zone,
    /// `KINTONE_RANGES`: the networks of kintone's proxy, in CIDR notation.
    pub kintone: Networks,
    /// `DEVELOPMENT_BASE_DOMAINS`: base domains that are accepted in addition to kintone's.
    pub bases: BaseDomains,
    /// The region, the credentials and the endpoints of AWS.
    pub aws: Environment,
}

impl AccessLogSettings {
    /// Reads the settings.
    pub fn read(
        variables: &Variables<impl Fn(&str) -> Option<String>>,
    ) -> Result<Self, SettingError> {
        let kintone = variables.optional("KINTONE_RANGES");
        let kintone = Networks::parse(kintone.as_deref().unwrap_or(KINTONE));
        Ok(Self {
            archive_bucket: variables.required("ARCHIVE_BUCKET")?,
            usage_table: variables.required("USAGE_TABLE")?,
            stack: variables.required("STACK")?,
            time_zone: variables.read("TIME_ZONE", Zone::named)?,
            kintone: kintone.map_err(|error| SettingError::invalid("KINTONE_RANGES", error))?,
            bases: variables.base_domains()?,
            aws: Environment::read(variables)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(changed: &str, value: &str) -> Result<AccessLogSettings, SettingError> {
        AccessLogSettings::read(&Variables(|name: &str| {
            let value = match name {
                name if name == changed => value,
                "TIME_ZONE" => "Asia/Tokyo",
                "DEVELOPMENT_BASE_DOMAINS" => "kintone.test",
                "KINTONE_RANGES" => " ",
                _ => "x",
            };
            Some(value.to_owned())
        }))
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
        assert!(
            error
                .to_string()
                .starts_with("environment variable DEVELOPMENT_BASE_DOMAINS: ")
        );
    }
}

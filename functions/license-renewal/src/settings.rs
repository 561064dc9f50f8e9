//! The settings, read once at start from environment variables.

use tegata_lambda::{Environment, SettingError, Variables};

/// The function's settings.
#[derive(Clone, Debug)]
pub struct RenewalSettings {
    /// `LICENSES_TABLE`: the name of the table.
    pub table: String,
    /// `ROLE_ARN`: the name that is recorded with changes.
    pub role_arn: String,
    /// `STACK`: the name of the stack, a dimension of the metrics.
    pub stack: String,
    /// The region, the credentials and the endpoints of AWS.
    pub aws: Environment,
}

impl RenewalSettings {
    /// Reads the settings.
    pub fn read(
        variables: &Variables<impl Fn(&str) -> Option<String>>,
    ) -> Result<Self, SettingError> {
        Ok(Self {
            table: variables.required("LICENSES_TABLE")?,
            role_arn: variables.required("ROLE_ARN")?,
            stack: variables.required("STACK")?,
            aws: Environment::read(variables)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_variable_is_named() {
        for missing in ["LICENSES_TABLE", "ROLE_ARN", "STACK", "AWS_REGION"] {
            let read = RenewalSettings::read(&Variables(|name: &str| {
                (name != missing).then(|| "x".to_owned())
            }));
            assert_eq!(read.unwrap_err(), SettingError::Missing(missing));
        }
    }
}

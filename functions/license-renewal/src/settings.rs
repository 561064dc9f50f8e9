//! What the environment says, read once at start.

use tegata_aws::{Environment, MissingVariable};

/// The function's settings.
#[derive(Clone, Debug)]
pub struct RenewalSettings {
    /// `LICENSES_TABLE`: the name of the table.
    pub table: String,
    /// `ROLE_ARN`: whom changes are recorded for.
    pub role_arn: String,
    /// `STACK`: whose metrics these are.
    pub stack: String,
    /// How to reach AWS.
    pub aws: Environment,
}

impl RenewalSettings {
    /// Reads the settings from a source of variables such as the environment.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, MissingVariable> {
        let required = |name| {
            let value = variable(name).filter(|value| !value.trim().is_empty());
            value.ok_or(MissingVariable(name))
        };
        Ok(Self {
            table: required("LICENSES_TABLE")?,
            role_arn: required("ROLE_ARN")?,
            stack: required("STACK")?,
            aws: Environment::read(&variable)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_variable_is_named() {
        for missing in ["LICENSES_TABLE", "ROLE_ARN", "STACK", "AWS_REGION"] {
            let read = RenewalSettings::read(|name| (name != missing).then(|| "x".to_owned()));
            assert_eq!(read.unwrap_err(), MissingVariable(missing));
        }
    }
}

//! A function's settings, read once at start from its environment variables.

use std::fmt::Display;
use std::str::FromStr;

use tegata_common::domain::BaseDomains;

/// Environment variables: gives the value of a name. A blank value counts as not set.
#[derive(Clone, Copy, Debug)]
pub struct Variables<F>(pub F);

/// A setting that keeps a function from starting: which, and what is accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// Not set, or blank.
    #[error("environment variable {0} is not set")]
    Missing(&'static str),
    /// Set to a value that is not accepted.
    #[error("environment variable {name}: {reason}")]
    Invalid {
        /// The variable.
        name: &'static str,
        /// What is wrong, and what is accepted.
        reason: String,
    },
}

impl SettingError {
    /// A value that is not accepted.
    pub fn invalid(name: &'static str, reason: impl Display) -> Self {
        let reason = reason.to_string();
        Self::Invalid { name, reason }
    }
}

impl Variables<fn(&str) -> Option<String>> {
    /// The environment of this process.
    #[expect(
        clippy::disallowed_methods,
        reason = "the edge: the environment enters here"
    )]
    pub fn of_process() -> Self {
        Self(|name| std::env::var(name).ok())
    }
}

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    /// The value of a variable that may be missing.
    pub fn optional(&self, name: &str) -> Option<String> {
        self.0(name).filter(|value| !value.trim().is_empty())
    }

    /// The value of a variable that must be set.
    pub fn required(&self, name: &'static str) -> Result<String, SettingError> {
        self.optional(name).ok_or(SettingError::Missing(name))
    }

    /// The value of a variable that must be set, as `read` reads it.
    pub fn read<T, E: Display>(
        &self,
        name: &'static str,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Result<T, SettingError> {
        let value = self.required(name)?;
        read(value.trim()).map_err(|error| SettingError::invalid(name, error))
    }

    /// A number; `accepted` says which ones are.
    pub fn number<T: FromStr>(
        &self,
        name: &'static str,
        accepted: &str,
    ) -> Result<T, SettingError> {
        self.read(name, |value| {
            value.parse().map_err(|_| format!("expected {accepted}"))
        })
    }

    /// The parts of a list, separated by commas; none if the variable is not set. A blank part stays,
    /// and is refused by its reader: a list that was meant to restrict must not turn out empty.
    pub fn list(&self, name: &str) -> Vec<String> {
        let value = self.optional(name);
        let parts = value.iter().flat_map(|value| value.split(','));
        parts.map(|part| part.trim().to_owned()).collect()
    }

    /// `DEVELOPMENT_BASE_DOMAINS`: base domains that are accepted in addition to kintone's own, such
    /// as `kintone.test`, separated by commas. Only kintone's own if it is not set.
    pub fn base_domains(&self) -> Result<BaseDomains, SettingError> {
        const NAME: &str = "DEVELOPMENT_BASE_DOMAINS";
        let development = self.list(NAME);
        BaseDomains::with_development(development.iter().map(String::as_str))
            .map_err(|error| SettingError::invalid(NAME, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blank_variable_is_not_set_and_a_blank_part_of_a_list_stays() {
        let variables = Variables(|name: &str| match name {
            "BLANK" => Some(" ".to_owned()),
            "LIST" => Some("a, b,,".to_owned()),
            _ => None,
        });
        for name in ["BLANK", "NOT_SET"] {
            assert_eq!(variables.optional(name), None);
            assert_eq!(variables.required(name), Err(SettingError::Missing(name)));
            assert!(variables.list(name).is_empty());
        }
        assert_eq!(variables.list("LIST"), ["a", "b", "", ""]);
    }

    #[test]
    fn an_invalid_value_says_which_variable_and_what_is_accepted() {
        let variables = Variables(|_: &str| Some("x".to_owned()));
        let error = variables
            .number::<u32>("SENDERS", "a number from 1")
            .unwrap_err();
        assert_eq!(
            error.to_string(),
            "environment variable SENDERS: expected a number from 1"
        );
    }
}

//! Customers, and the contacts whom notices reach.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, de};

/// The vendor's own number of a customer: `C-0042`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct CustomerId(String);

/// A text that is no customer id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a customer id is 1 to 32 letters, digits, '-', '_' and '.', starting with a letter or digit, such as C-0042"
)]
pub struct CustomerIdError;

impl CustomerId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CustomerId {
    type Err = CustomerIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_valid = (1..=32).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_alphanumeric())
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
        if is_valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(CustomerIdError)
        }
    }
}

impl fmt::Display for CustomerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for CustomerId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

/// Who signed the contract.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// The vendor's number of it.
    pub customer_id: CustomerId,
    /// Its name, as it is to be addressed.
    pub name: CustomerName,
}

/// A customer's name: one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct CustomerName(String);

/// A text that is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CustomerNameError {
    /// Empty, too long, or more than a line.
    #[error("a customer's name is 1 to 200 characters on one line, without blanks around it")]
    Form,
    /// It would be run as a formula by whoever opens an export in a spreadsheet.
    #[error(
        "a customer's name cannot start with '=', '+', '-' or '@': a spreadsheet would run it as a formula"
    )]
    Formula,
}

impl CustomerName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for CustomerName {
    type Err = CustomerNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_one_line = (1..=200).contains(&text.chars().count())
            && text.trim() == text
            && !text.chars().any(char::is_control);
        if !is_one_line {
            Err(CustomerNameError::Form)
        } else if text.starts_with(['=', '+', '-', '@']) {
            Err(CustomerNameError::Formula)
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

impl fmt::Display for CustomerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for CustomerName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

/// A mail address that SES can send to, in one canonical form: `local@host` and nothing around it,
/// the local part in ASCII, which SES requires, and the host name in lower case and in ASCII (an
/// international one in its `xn--` form).
#[derive(Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct EmailAddress(String);

/// A text that is no address to send to. It does not repeat the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmailAddressError {
    /// A character beyond ASCII.
    #[error(
        "the mail address has a character beyond ASCII, which Amazon SES does not send to; write an international host name in its xn-- form"
    )]
    NotAscii,
    /// Not of the form of an address.
    #[error("the mail address is not of the form name@example.com")]
    Form,
}

impl EmailAddress {
    /// The address: the local part as typed, the host name in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address by which two spellings are the same contact: in lower case.
    pub fn canonical(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    /// The address of a stored text. An earlier version stored some with blanks and angle brackets
    /// around them, which no mail can be rendered with; they are taken off.
    pub fn of_stored(text: &str) -> Result<Self, EmailAddressError> {
        text.parse().or_else(|error| {
            let inner = text.trim().strip_prefix('<');
            let inner = inner.and_then(|inner| inner.strip_suffix('>'));
            inner.ok_or(error)?.parse()
        })
    }
}

impl FromStr for EmailAddress {
    type Err = EmailAddressError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !text.is_ascii() {
            return Err(EmailAddressError::NotAscii);
        }
        let options = email_address::Options::default()
            .with_required_tld()
            .without_domain_literal()
            .without_display_text();
        let parsed = email_address::EmailAddress::parse_with_options(text, options)
            .map_err(|_| EmailAddressError::Form)?;
        // The parser also takes `<name@example.com>` with blanks and line feeds around it.
        let (local, host) = (parsed.local_part(), parsed.domain().to_ascii_lowercase());
        let is_bare = text.len() == local.len() + 1 + host.len();
        // A quoted local part may hold blanks and signs that a mail's header must not.
        if !is_bare || local.starts_with('"') {
            return Err(EmailAddressError::Form);
        }
        Ok(Self(format!("{local}@{host}")))
    }
}

/// Hidden: an address must not reach a log.
impl fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailAddress(…)")
    }
}

impl<'de> Deserialize<'de> for EmailAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::of_stored(&text).map_err(de::Error::custom)
    }
}

/// What a contact is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The contract's contact: gets every notice about its products.
    Primary,
    /// Gets what it asked for.
    Additional,
}

/// The language of a contact's mails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Japanese.
    Ja,
    /// English.
    En,
}

impl Language {
    /// The language as it stands in tables, pages and mails: `ja`, `en`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ja => "ja",
            Self::En => "en",
        }
    }
}

/// How bad an incident is, the mildest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Something is slower or uglier than it should be.
    Minor,
    /// Something does not work.
    Major,
    /// Plug-ins do not work.
    Critical,
}

impl Severity {
    /// The severity as it stands in files and pages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Minor => "minor",
            Self::Major => "major",
            Self::Critical => "critical",
        }
    }
}

/// A person or list at a customer's whom notices reach.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// Where to.
    pub email: EmailAddress,
    /// What for.
    #[serde(flatten)]
    pub wishes: NotificationPreferences,
}

/// What a contact gets, and in which language. It is what the history keeps of a contact: no
/// address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationPreferences {
    /// What the contact is for.
    pub role: Role,
    /// In which language.
    pub language: Language,
    /// The mildest incident that an additional contact is told of; none at all if null. A primary
    /// one is told of all.
    #[serde(deserialize_with = "Option::deserialize")]
    pub severity_floor: Option<Severity>,
    /// Whether an additional contact is told of releases and maintenance too. A primary one is.
    pub releases: bool,
}

/// Why a contact cannot be kept this way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WishesError {
    /// A primary contact that would miss something.
    #[error(
        "a primary contact gets every notice: severity_floor and releases are for additional ones"
    )]
    Primary,
    /// A contact that would get nothing.
    #[error(
        "an additional contact gets what it asked for, and this one asked for nothing: set severity_floor or releases"
    )]
    Nothing,
}

impl NotificationPreferences {
    /// Refuses what cannot be meant.
    pub fn check(self) -> Result<Self, WishesError> {
        match self.role {
            Role::Primary if self.severity_floor.is_some() || self.releases => {
                Err(WishesError::Primary)
            }
            Role::Additional if self.severity_floor.is_none() && !self.releases => {
                Err(WishesError::Nothing)
            }
            _ => Ok(self),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_ses_can_send_to() {
        for text in [
            "user@example.com",
            "First.Last+tag@sub.example.co.jp",
            "a@xn--eckwd4c7c.xn--zckzah",
            "o'brien@example.com",
        ] {
            assert_eq!(text.parse::<EmailAddress>().unwrap().as_str(), text);
        }
        let address: EmailAddress = "User@Example.COM".parse().unwrap();
        assert_eq!(address.as_str(), "User@example.com");
        assert_eq!(address.canonical(), "user@example.com");
        assert_eq!(format!("{address:?}"), "EmailAddress(…)");
    }

    #[test]
    fn what_ses_cannot_send_to_is_refused() {
        use EmailAddressError::{Form, NotAscii};
        for (text, reason) in [
            ("", Form),
            ("user", Form),
            ("user@", Form),
            ("@example.com", Form),
            ("user@localhost", Form),
            ("user@[127.0.0.1]", Form),
            ("a b@example.com", Form),
            ("\"a b\"@example.com", Form),
            ("User <user@example.com>", Form),
            ("<user@example.com>", Form),
            (" <user@example.com>", Form),
            ("\r\n <user@example.com>", Form),
            (" <user@example.com>\r\n", Form),
            (" user@example.com", Form),
            ("user@example.com ", Form),
            ("user@example.com\n", Form),
            ("\tuser@example.com", Form),
            ("user@exam ple.com", Form),
            ("user@example.com>", Form),
            ("user@example.com\r\nBcc: x@example.com", Form),
            ("user@example.com,other@example.com", Form),
            (".user@example.com", Form),
            ("us..er@example.com", Form),
            ("担当@example.com", NotAscii),
            ("ｕser@example.com", NotAscii),
            ("user@例え.jp", NotAscii),
        ] {
            assert_eq!(text.parse::<EmailAddress>(), Err(reason), "{text}");
        }
    }

    #[test]
    fn stored_addresses_are_read_in_the_canonical_form() {
        for text in [
            "user@example.com",
            "user@Example.COM",
            " <user@example.com>",
            "\r\n <user@example.com>",
            "  <user@example.com>\r\n",
        ] {
            let read: EmailAddress = serde_json::from_value(text.into()).unwrap();
            assert_eq!(read.as_str(), "user@example.com", "{text:?}");
        }
        for text in [
            "",
            "user",
            "A <user@example.com>",
            "<user@example.com",
            "<<a@b.example>>",
        ] {
            let read = serde_json::from_value::<EmailAddress>(text.into());
            let error = read.unwrap_err().to_string();
            assert_eq!(error, EmailAddressError::Form.to_string(), "{text:?}");
        }
    }

    #[test]
    fn names_are_one_line_and_no_formula() {
        for text in ["株式会社サンプル", "Example, Inc.", "A"] {
            assert_eq!(text.parse::<CustomerName>().unwrap().as_str(), text);
        }
        for text in ["", " A", "A\n", "=1+1", "@A", "-A", &"あ".repeat(201)] {
            assert!(text.parse::<CustomerName>().is_err(), "{text}");
        }
        for text in ["", "-1", "a b", "ああ", &"1".repeat(33)] {
            assert!(text.parse::<CustomerId>().is_err(), "{text}");
        }
    }

    #[test]
    fn wishes_that_cannot_be_meant() {
        let primary = NotificationPreferences {
            role: Role::Primary,
            language: Language::Ja,
            severity_floor: None,
            releases: false,
        };
        assert_eq!(primary.check(), Ok(primary));
        let picky = NotificationPreferences {
            releases: true,
            ..primary
        };
        assert_eq!(picky.check(), Err(WishesError::Primary));
        let additional = NotificationPreferences {
            role: Role::Additional,
            ..primary
        };
        assert_eq!(additional.check(), Err(WishesError::Nothing));
        let asked = NotificationPreferences {
            severity_floor: Some(Severity::Major),
            ..additional
        };
        assert_eq!(asked.check(), Ok(asked));
        assert!(Severity::Minor < Severity::Critical);
    }
}

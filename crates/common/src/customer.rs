//! Customers, and their contacts, who are the recipients of notices.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, de};

/// The vendor's id of a customer, such as `C-0042`: 1 to 32 letters, digits, `-`, `_` and `.`,
/// starting with a letter or digit. It is the partition key of the customers table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct CustomerId(String);

/// An invalid customer id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a customer id has 1 to 32 letters, digits, '-', '_' and '.', starting with a letter or digit, such as C-0042"
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

/// A customer: the party to the contract.
///
/// A licence refers to it by [`CustomerId`], and a notice about the product goes to its
/// [`Contact`]s. The function that answers licence requests cannot read customers.
///
/// ```
/// use tegata_common::customer::{Customer, CustomerNameError};
///
/// let customer = Customer {
///     customer_id: "C-0042".parse()?,
///     name: "株式会社サンプル".parse()?,
/// };
/// assert_eq!(customer.customer_id.as_str(), "C-0042");
/// assert_eq!("=1+1".parse::<tegata_common::customer::CustomerName>(), Err(CustomerNameError::Formula));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// The vendor's id of the customer.
    pub customer_id: CustomerId,
    /// The name used to address the customer in mails.
    pub name: CustomerName,
}

/// A customer's name: one line of 1 to 200 characters, without leading or trailing white space.
///
/// It must not start with `=`, `+`, `-` or `@`: a spreadsheet that opens an export would run it as
/// a formula.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct CustomerName(String);

/// An invalid customer name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CustomerNameError {
    /// Empty, too long, more than one line, or with surrounding white space.
    #[error("a customer's name has 1 to 200 characters on one line, without surrounding blanks")]
    Form,
    /// A spreadsheet would run it as a formula.
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

/// A mail address that Amazon SES can send to: `local@host`, without a display name.
///
/// The local part must be ASCII and not quoted, because SES does not support other ones (decision
/// record 46). The host name is stored in lower case; an international one must be in its `xn--`
/// form.
///
/// Two addresses belong to the same contact if [`canonical`](Self::canonical) is equal. `Debug`
/// hides the address, so that it cannot get into a log.
///
/// ```
/// use tegata_common::customer::{EmailAddress, EmailAddressError};
///
/// let email: EmailAddress = "Info@Sample.Example.com".parse()?;
/// assert_eq!(email.as_str(), "Info@sample.example.com");
/// assert_eq!(email.canonical(), "info@sample.example.com");
/// assert_eq!(format!("{email:?}"), "EmailAddress(…)");
/// assert_eq!("Info <a@example.com>".parse::<EmailAddress>(), Err(EmailAddressError::Form));
/// # Ok::<(), EmailAddressError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(transparent)]
pub struct EmailAddress(String);

/// An invalid mail address. The message does not repeat the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmailAddressError {
    /// It has a non-ASCII character.
    #[error(
        "the mail address has a non-ASCII character, which Amazon SES does not support; write an international host name in its xn-- form"
    )]
    NotAscii,
    /// It does not have the form `local@host`.
    #[error("the mail address does not have the form name@example.com")]
    Form,
    /// Its local part starts or ends with a dot, or has two in a row.
    #[error(
        "the mail address has a dot at the start, just before the @, or two in a row. Japanese mobile carriers issued such addresses until 2009; RFC 5321 forbids them, and Amazon SES does not send to them, with or without quotation marks. Ask the customer for another address (carriers let their subscribers change it), and tell them by other means until then"
    )]
    Dots,
}

impl EmailAddress {
    /// The address: the local part as typed, the host name in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The whole address in lower case, to compare two spellings. Mail is sent to
    /// [`as_str`](Self::as_str): the local part may be case-sensitive.
    pub fn canonical(&self) -> String {
        self.0.to_ascii_lowercase()
    }

    /// Parses an address from the table. An earlier version of tegata stored some addresses with
    /// surrounding blanks and angle brackets, which are removed here.
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
        if has_invalid_dots(text) {
            return Err(EmailAddressError::Dots);
        }
        let parsed = parse(text).ok_or(EmailAddressError::Form)?;
        // The parser also accepts `<name@example.com>` with surrounding blanks and line feeds.
        let (local, host) = (parsed.local_part(), parsed.domain().to_ascii_lowercase());
        let is_bare = text.len() == local.len() + 1 + host.len();
        // A quoted local part may contain blanks and characters that a mail header must not.
        if !is_bare || local.starts_with('"') {
            return Err(EmailAddressError::Form);
        }
        Ok(Self(format!("{local}@{host}")))
    }
}

fn parse(text: &str) -> Option<email_address::EmailAddress> {
    let options = email_address::Options::default()
        .with_required_tld()
        .without_domain_literal()
        .without_display_text();
    email_address::EmailAddress::parse_with_options(text, options).ok()
}

/// Whether only the dots of the local part make an address invalid.
fn has_invalid_dots(text: &str) -> bool {
    let Some((local, host)) = text.rsplit_once('@') else {
        return false;
    };
    let quoted = local.strip_prefix('"').and_then(|of| of.strip_suffix('"'));
    let local = quoted.unwrap_or(local);
    let words: Vec<&str> = local.split('.').filter(|word| !word.is_empty()).collect();
    let valid = words.join(".");
    valid != local && parse(&format!("{valid}@{host}")).is_some()
}

/// Hides the value: an address must not get into a log.
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

/// The role of a contact at a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The contact registered with the contract. Receives every notice about the contract's
    /// products (white paper: a version-up is announced to the registered contact).
    Primary,
    /// Receives the notices selected by its [`NotificationPreferences`].
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
    /// All languages.
    pub const ALL: [Self; 2] = [Self::Ja, Self::En];

    /// The other language.
    pub fn other(self) -> Self {
        match self {
            Self::Ja => Self::En,
            Self::En => Self::Ja,
        }
    }

    /// The language tag used in tables, pages and mails: `ja`, `en`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ja => "ja",
            Self::En => "en",
        }
    }
}

/// The severity of an incident, in ascending order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Degraded: slow, or wrong in appearance only.
    Minor,
    /// A function does not work.
    Major,
    /// Plug-ins do not work at all.
    Critical,
}

impl Severity {
    /// The severity as written in files and pages: `minor`, `major`, `critical`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Minor => "minor",
            Self::Major => "major",
            Self::Critical => "critical",
        }
    }
}

/// A recipient of notices at a customer: a person or a mailing list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    /// The address that mails are sent to.
    pub email: EmailAddress,
    /// Which notices it receives, and in which language.
    #[serde(flatten)]
    pub wishes: NotificationPreferences,
}

/// Which notices a contact receives, and in which language.
///
/// The history of a contact contains these preferences only, without the address, so that a deleted
/// contact's address is not kept.
///
/// Valid combinations ([`check`](Self::check)): a primary contact receives every notice, so
/// `severity_floor` and `releases` must be unset. An additional contact must select at least one of
/// them.
///
/// ```
/// use tegata_common::customer::{NotificationPreferences, NotificationPreferencesError};
///
/// let preferences: NotificationPreferences = serde_json::from_str(
///     r#"{ "role": "additional", "language": "ja", "severity_floor": "major", "releases": false }"#,
/// )?;
/// assert!(preferences.check().is_ok());
/// let nothing = NotificationPreferences { severity_floor: None, ..preferences };
/// assert_eq!(nothing.check(), Err(NotificationPreferencesError::Nothing));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationPreferences {
    /// Primary or additional.
    pub role: Role,
    /// The language of its mails.
    pub language: Language,
    /// The lowest severity of the incidents that an additional contact receives; null for none.
    /// Must be present in stored items.
    #[serde(deserialize_with = "Option::deserialize")]
    pub severity_floor: Option<Severity>,
    /// Whether an additional contact receives notices of releases and maintenance.
    pub releases: bool,
}

/// An invalid combination of [`NotificationPreferences`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotificationPreferencesError {
    /// A primary contact with a filter.
    #[error(
        "a primary contact receives every notice: severity_floor and releases are for additional contacts only"
    )]
    Primary,
    /// An additional contact that would receive nothing.
    #[error(
        "an additional contact without severity_floor and releases would receive no notice: set one of them"
    )]
    Nothing,
}

impl NotificationPreferences {
    /// Rejects invalid combinations.
    pub fn check(self) -> Result<Self, NotificationPreferencesError> {
        match self.role {
            Role::Primary if self.severity_floor.is_some() || self.releases => {
                Err(NotificationPreferencesError::Primary)
            }
            Role::Additional if self.severity_floor.is_none() && !self.releases => {
                Err(NotificationPreferencesError::Nothing)
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
    fn addresses_that_ses_cannot_send_to_are_rejected() {
        use EmailAddressError::{Dots, Form, NotAscii};
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
            (".user@example.com", Dots),
            ("us..er@example.com", Dots),
            ("abc..def@docomo.ne.jp", Dots),
            ("abc.@ezweb.ne.jp", Dots),
            ("\"abc..def\"@docomo.ne.jp", Dots),
            ("\"abc.\"@ezweb.ne.jp", Dots),
            ("..@docomo.ne.jp", Form),
            ("a b..c@docomo.ne.jp", Form),
            ("<a..b@docomo.ne.jp>", Form),
            ("a..b@docomo.ne.jp\r\nBcc: x@example.com", Form),
            ("担当@example.com", NotAscii),
            ("ｕser@example.com", NotAscii),
            ("user@例え.jp", NotAscii),
        ] {
            assert_eq!(text.parse::<EmailAddress>(), Err(reason), "{text}");
        }
    }

    #[test]
    fn stored_addresses_are_read_in_canonical_form() {
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
    fn names_are_one_line_and_not_a_formula() {
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
    fn invalid_preferences_are_rejected() {
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
        assert_eq!(picky.check(), Err(NotificationPreferencesError::Primary));
        let additional = NotificationPreferences {
            role: Role::Additional,
            ..primary
        };
        assert_eq!(
            additional.check(),
            Err(NotificationPreferencesError::Nothing)
        );
        let asked = NotificationPreferences {
            severity_floor: Some(Severity::Major),
            ..additional
        };
        assert_eq!(asked.check(), Ok(asked));
        assert!(Severity::Minor < Severity::Critical);
    }
}

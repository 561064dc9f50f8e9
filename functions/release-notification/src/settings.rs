//! What the environment says, read once at start.

use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;
use tegata_archive::objects::Objects;
use tegata_aws::{Environment, MissingVariable, RetryPolicy, TrustError};
use tegata_common::customer::{EmailAddress, EmailAddressError};
use tegata_common::xml;
use tegata_storage::customers::Customers;
use tegata_storage::licenses::Licenses;
use tegata_storage::notices::Notices;

use crate::announce::Announce;
use crate::deliver::Deliver;
use crate::feedback::Feedback;
use crate::queue::Queue;
use crate::rate_limiter::RateLimiter;
use tegata_notices::audience::Stores;
use tegata_notices::channels::status_page::{API, ApiKey, StatusPage, StatusPageError};
use tegata_notices::mailer::Mailer;
use tegata_notices::render::Sender;

/// For what may be repeated: reads, conditional writes, messages, pages.
const PATIENCE: RetryPolicy = RetryPolicy {
    attempts: 4,
    connect: Duration::from_secs(1),
    attempt: Duration::from_secs(5),
    operation: Duration::from_secs(20),
};

/// For what `deliver` does around sending: it has to come to an end in the time that is reserved.
const BRIEF: RetryPolicy = RetryPolicy {
    attempts: 3,
    connect: Duration::from_secs(1),
    attempt: Duration::from_secs(3),
    operation: Duration::from_secs(10),
};

/// For sending: one attempt, whatever happens to it.
const ONCE: RetryPolicy = RetryPolicy {
    attempts: 1,
    connect: Duration::from_secs(2),
    attempt: Duration::from_secs(15),
    operation: Duration::from_secs(15),
};

/// A setting that keeps a function from starting: which, and what is accepted.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Not set, or empty.
    #[error(transparent)]
    Missing(#[from] MissingVariable),
    /// No mail address.
    #[error("environment variable {0}: {1}")]
    Address(&'static str, EmailAddressError),
    /// A character that no feed may have.
    #[error("environment variable {0} has a character that XML 1.0 forbids")]
    Character(&'static str),
    /// No number, or one out of range.
    #[error("environment variable {name} must be {accepted}")]
    Number {
        /// Which.
        name: &'static str,
        /// What it may be.
        accepted: &'static str,
    },
    /// A certificate store that cannot be used.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// A status page that cannot be reached.
    #[error(transparent)]
    StatusPage(#[from] StatusPageError),
}

/// The environment of a function: `variable` gives the value of a name.
#[derive(Clone, Copy, Debug)]
pub struct Variables<F>(pub F);

impl<F: Fn(&str) -> Option<String>> Variables<F> {
    fn optional(&self, name: &str) -> Option<String> {
        self.0(name).filter(|value| !value.trim().is_empty())
    }

    fn required(&self, name: &'static str) -> Result<String, MissingVariable> {
        self.optional(name).ok_or(MissingVariable(name))
    }

    fn number<T: FromStr>(
        &self,
        name: &'static str,
        accepted: &'static str,
    ) -> Result<T, SettingsError> {
        let number = self.required(name)?.trim().parse();
        number.map_err(|_| SettingsError::Number { name, accepted })
    }

    fn address(&self, name: &'static str) -> Result<EmailAddress, SettingsError> {
        let address = self.required(name)?.trim().parse();
        address.map_err(|error| SettingsError::Address(name, error))
    }

    /// `STACK`: whose metrics these are.
    pub fn stack(&self) -> Result<String, MissingVariable> {
        self.required("STACK")
    }

    fn aws(&self) -> Result<Environment, MissingVariable> {
        Environment::read(&self.0)
    }

    /// `SENDER_NAME`, `MAIL_FROM`, `SECURITY_CONTACT`, `CDN_URL` (may be empty).
    fn sender(&self, from: EmailAddress) -> Result<Sender, SettingsError> {
        let cdn_url = self.optional("CDN_URL");
        let name = self.required("SENDER_NAME")?;
        if xml::first_forbidden(&name).is_some() {
            return Err(SettingsError::Character("SENDER_NAME"));
        }
        Ok(Sender {
            name,
            from,
            security_contact: self.address("SECURITY_CONTACT")?,
            cdn_url: cdn_url.map(|url| url.trim_end_matches('/').to_owned()),
        })
    }

    /// `SEND_RATE`: mails a second.
    fn rate(&self) -> Result<f64, SettingsError> {
        let accepted = "mails a second, from 1 to 500";
        let rate: f64 = self.number("SEND_RATE", accepted)?;
        match (1.0..=500.0).contains(&rate) {
            true => Ok(rate),
            false => Err(SettingsError::Number {
                name: "SEND_RATE",
                accepted,
            }),
        }
    }

    /// `announce`: beside the above `NOTICES_TABLE`, `CUSTOMERS_TABLE`, `LICENSES_TABLE`,
    /// `DELIVERY_QUEUE_URL`, `CDN_BUCKET`, `EVIDENCE_WINDOW_MINUTES`, `ROLE_ARN`, and for the
    /// status page, if there is one, `STATUS_PAGE` (its subdomain), `STATUS_PAGE_SERVICES`
    /// (numbers separated by commas), `STATUS_PAGE_SECRET` (an ARN) and `STATUS_PAGE_API`.
    pub fn announce(&self) -> Result<Announce, SettingsError> {
        let aws = self.aws()?;
        let http = aws.https_client()?;
        let config = |service| aws.sdk_config(service, http.clone(), PATIENCE);
        let dynamodb = aws_sdk_dynamodb::Client::new(&config("DYNAMODB"));
        let minutes: u32 = self.number("EVIDENCE_WINDOW_MINUTES", "minutes, from 1")?;
        let secrets = config("SECRETS_MANAGER");
        Ok(Announce {
            stores: Stores {
                licenses: Licenses::new(dynamodb.clone(), self.required("LICENSES_TABLE")?),
                customers: Customers::new(dynamodb.clone(), self.required("CUSTOMERS_TABLE")?),
                notices: Notices::new(dynamodb, self.required("NOTICES_TABLE")?),
            },
            queue: Queue::Sqs {
                client: aws_sdk_sqs::Client::new(&config("SQS")),
                url: self.required("DELIVERY_QUEUE_URL")?,
            },
            cdn: Objects::bucket(&config("S3"), self.required("CDN_BUCKET")?),
            status_page: match self.optional("STATUS_PAGE") {
                None => None,
                Some(subdomain) => {
                    let key = ApiKey::Secret {
                        client: aws_sdk_secretsmanager::Client::new(&secrets),
                        arn: self.required("STATUS_PAGE_SECRET")?,
                    };
                    let api = self.optional("STATUS_PAGE_API");
                    let api = api.unwrap_or_else(|| API.to_owned());
                    Some(StatusPage::new(api, subdomain, self.services()?, key)?)
                }
            },
            ses: Some(aws_sdk_sesv2::Client::new(&config("SESV2"))),
            // It signs pages, and sends nothing: where mails come from is none of its business.
            sender: self.sender(self.address("SECURITY_CONTACT")?)?,
            rate: self.rate()?,
            window: SignedDuration::from_mins(i64::from(minutes.max(1))),
            by: self.required("ROLE_ARN")?,
        })
    }

    fn services(&self) -> Result<Vec<u64>, SettingsError> {
        let services = self.optional("STATUS_PAGE_SERVICES").unwrap_or_default();
        let services = services.split(',').map(str::trim);
        services
            .filter(|service| !service.is_empty())
            .map(|service| {
                service.parse().map_err(|_| SettingsError::Number {
                    name: "STATUS_PAGE_SERVICES",
                    accepted: "numbers separated by commas",
                })
            })
            .collect()
    }

    /// `deliver`: beside the above `NOTICES_TABLE`, `CONFIGURATION_SET`, `SENDERS` (how many of this
    /// function run at a time, which share the rate), `ROLE_ARN`.
    pub fn deliver(&self) -> Result<Deliver, SettingsError> {
        let aws = self.aws()?;
        let http = aws.https_client()?;
        let config = |service, patience| aws.sdk_config(service, http.clone(), patience);
        let dynamodb = aws_sdk_dynamodb::Client::new(&config("DYNAMODB", BRIEF));
        let senders: NonZeroU32 = self.number("SENDERS", "a number from 1")?;
        Ok(Deliver::new(
            Notices::new(dynamodb, self.required("NOTICES_TABLE")?),
            Mailer::Ses {
                client: aws_sdk_sesv2::Client::new(&config("SESV2", ONCE)),
                configuration_set: self.required("CONFIGURATION_SET")?,
            },
            self.sender(self.address("MAIL_FROM")?)?,
            RateLimiter::per_second(self.rate()? / f64::from(senders.get())),
            self.required("ROLE_ARN")?,
        ))
    }

    /// `feedback`: `NOTICES_TABLE`, `ROLE_ARN`.
    pub fn feedback(&self) -> Result<Feedback, SettingsError> {
        let aws = self.aws()?;
        let config = aws.sdk_config("DYNAMODB", aws.https_client()?, PATIENCE);
        let dynamodb = aws_sdk_dynamodb::Client::new(&config);
        let notices = Notices::new(dynamodb, self.required("NOTICES_TABLE")?);
        Ok(Feedback::new(notices, self.required("ROLE_ARN")?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(
        changed: &'static str,
        value: &'static str,
    ) -> Variables<impl Fn(&str) -> Option<String>> {
        Variables(move |name: &str| {
            let value = match name {
                name if name == changed => value,
                "MAIL_FROM" | "SECURITY_CONTACT" => "a@example.com",
                "SEND_RATE" | "SENDERS" | "EVIDENCE_WINDOW_MINUTES" | "STATUS_PAGE_SERVICES" => "2",
                "AWS_CA_BUNDLE" | "AWS_ENDPOINT_URL" => "",
                _ => "x",
            };
            Some(value.to_owned())
        })
    }

    #[test]
    fn a_wrong_setting_says_which_and_what_is_accepted() {
        assert!(with("", "").announce().is_ok());
        assert!(with("", "").deliver().is_ok());
        assert!(with("", "").feedback().is_ok());
        assert!(
            with("STATUS_PAGE", "")
                .announce()
                .unwrap()
                .status_page
                .is_none()
        );
        for missing in [
            "CDN_BUCKET",
            "DELIVERY_QUEUE_URL",
            "STATUS_PAGE_SECRET",
            "SENDER_NAME",
        ] {
            let error = with(missing, " ").announce().unwrap_err().to_string();
            assert_eq!(error, format!("environment variable {missing} is not set"));
        }
        for (name, value, expected) in [
            (
                "SENDERS",
                "0",
                "environment variable SENDERS must be a number from 1",
            ),
            (
                "SEND_RATE",
                "0",
                "environment variable SEND_RATE must be mails a second, from 1 to 500",
            ),
            (
                "MAIL_FROM",
                "a",
                "environment variable MAIL_FROM: the mail address is not of the form name@example.com",
            ),
        ] {
            let error = with(name, value).deliver().unwrap_err().to_string();
            assert_eq!(error, expected);
        }
    }
}

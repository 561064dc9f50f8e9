//! What the environment says, read once at start.

use std::num::NonZeroU32;
use std::time::Duration;

use jiff::SignedDuration;
use tegata_archive::objects::Objects;
use tegata_aws::TrustError;
use tegata_common::customer::EmailAddress;
use tegata_common::xml;
use tegata_lambda::{Environment, RetryPolicy, SettingError, Variables};
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
const RETRIES: RetryPolicy = RetryPolicy {
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

/// Why a function cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A setting that is missing or not accepted.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// A certificate store that cannot be used.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// A status page that cannot be reached.
    #[error(transparent)]
    StatusPage(#[from] StatusPageError),
}

/// The environment variables of the three functions.
#[derive(Clone, Copy, Debug)]
pub struct Settings<'a, F>(pub &'a Variables<F>);

impl<F: Fn(&str) -> Option<String>> Settings<'_, F> {
    fn address(&self, name: &'static str) -> Result<EmailAddress, SettingError> {
        self.0.read(name, str::parse)
    }

    /// `STACK`: the dimension of the metrics.
    pub fn stack(&self) -> Result<String, SettingError> {
        self.0.required("STACK")
    }

    /// `SENDER_NAME`, `MAIL_FROM`, `SECURITY_CONTACT`, `CDN_URL` (may be empty).
    fn sender(&self, from: EmailAddress) -> Result<Sender, SettingError> {
        let cdn_url = self.0.optional("CDN_URL");
        let name = self.0.required("SENDER_NAME")?;
        if xml::first_forbidden(&name).is_some() {
            return Err(SettingError::invalid(
                "SENDER_NAME",
                "it has a character that XML 1.0 forbids",
            ));
        }
        Ok(Sender {
            name,
            from,
            security_contact: self.address("SECURITY_CONTACT")?,
            cdn_url: cdn_url.map(|url| url.trim_end_matches('/').to_owned()),
        })
    }

    /// `SEND_RATE`: mails a second.
    fn rate(&self) -> Result<f64, SettingError> {
        let accepted = "mails a second, from 1 to 500";
        let rate: f64 = self.0.number("SEND_RATE", accepted)?;
        match (1.0..=500.0).contains(&rate) {
            true => Ok(rate),
            false => Err(SettingError::invalid(
                "SEND_RATE",
                format!("expected {accepted}"),
            )),
        }
    }

    /// `announce`: beside the above `NOTICES_TABLE`, `CUSTOMERS_TABLE`, `LICENSES_TABLE`,
    /// `DELIVERY_QUEUE_URL`, `CDN_BUCKET`, `EVIDENCE_WINDOW_MINUTES`, `RETENTION_DAYS` (of
    /// addresses in deliveries; at least 400), `ROLE_ARN`, and for the
    /// status page, if there is one, `STATUS_PAGE` (its subdomain), `STATUS_PAGE_SERVICES`
    /// (numbers separated by commas), `STATUS_PAGE_SECRET` (an ARN) and `STATUS_PAGE_API`.
    pub fn announce(&self) -> Result<Announce, StartError> {
        let aws = Environment::read(self.0)?;
        let http = aws.https_client()?;
        let config = |service| aws.sdk_config(service, http.clone(), RETRIES);
        let dynamodb = aws_sdk_dynamodb::Client::new(&config("DYNAMODB"));
        let minutes: u32 = self
            .0
            .number("EVIDENCE_WINDOW_MINUTES", "minutes, from 1")?;
        let retention: u32 = self.0.number("RETENTION_DAYS", "days, from 400")?;
        if retention < 400 {
            return Err(SettingError::invalid("RETENTION_DAYS", "expected days, from 400").into());
        }
        let secrets = config("SECRETS_MANAGER");
        Ok(Announce {
            stores: Stores {
                licenses: Licenses::new(dynamodb.clone(), self.0.required("LICENSES_TABLE")?),
                customers: Customers::new(dynamodb.clone(), self.0.required("CUSTOMERS_TABLE")?),
                notices: Notices::new(dynamodb, self.0.required("NOTICES_TABLE")?),
            },
            queue: Queue::Sqs {
                client: aws_sdk_sqs::Client::new(&config("SQS")),
                url: self.0.required("DELIVERY_QUEUE_URL")?,
            },
            cdn: Objects::bucket(&config("S3"), self.0.required("CDN_BUCKET")?),
            status_page: match self.0.optional("STATUS_PAGE") {
                None => None,
                Some(subdomain) => {
                    let key = ApiKey::Secret {
                        client: aws_sdk_secretsmanager::Client::new(&secrets),
                        arn: self.0.required("STATUS_PAGE_SECRET")?,
                    };
                    let api = self.0.optional("STATUS_PAGE_API");
                    let api = api.unwrap_or_else(|| API.to_owned());
                    Some(StatusPage::new(api, subdomain, self.services()?, key)?)
                }
            },
            ses: Some(aws_sdk_sesv2::Client::new(&config("SESV2"))),
            // It signs pages, and sends nothing: where mails come from is none of its business.
            sender: self.sender(self.address("SECURITY_CONTACT")?)?,
            rate: self.rate()?,
            window: SignedDuration::from_mins(i64::from(minutes.max(1))),
            retention: SignedDuration::from_hours(i64::from(retention) * 24),
            by: self.0.required("ROLE_ARN")?,
        })
    }

    fn services(&self) -> Result<Vec<u64>, SettingError> {
        let name = "STATUS_PAGE_SERVICES";
        let expected = |_| SettingError::invalid(name, "expected numbers separated by commas");
        let services = self.0.list(name).into_iter();
        services
            .map(|service| service.parse().map_err(expected))
            .collect()
    }

    /// `deliver`: beside the above `NOTICES_TABLE`, `CONFIGURATION_SET`, `SENDERS` (how many of this
    /// function run at a time, which share the rate), `ROLE_ARN`.
    pub fn deliver(&self) -> Result<Deliver, StartError> {
        let aws = Environment::read(self.0)?;
        let http = aws.https_client()?;
        let config = |service, retries| aws.sdk_config(service, http.clone(), retries);
        let dynamodb = aws_sdk_dynamodb::Client::new(&config("DYNAMODB", BRIEF));
        let senders: NonZeroU32 = self.0.number("SENDERS", "a number from 1")?;
        Ok(Deliver::new(
            Notices::new(dynamodb, self.0.required("NOTICES_TABLE")?),
            Mailer::Ses {
                client: aws_sdk_sesv2::Client::new(&config("SESV2", ONCE)),
                configuration_set: self.0.required("CONFIGURATION_SET")?,
            },
            self.sender(self.address("MAIL_FROM")?)?,
            RateLimiter::per_second(self.rate()? / f64::from(senders.get())),
            self.0.required("ROLE_ARN")?,
        ))
    }

    /// `feedback`: `NOTICES_TABLE`, `ROLE_ARN`.
    pub fn feedback(&self) -> Result<Feedback, StartError> {
        let aws = Environment::read(self.0)?;
        let config = aws.sdk_config("DYNAMODB", aws.https_client()?, RETRIES);
        let dynamodb = aws_sdk_dynamodb::Client::new(&config);
        let notices = Notices::new(dynamodb, self.0.required("NOTICES_TABLE")?);
        Ok(Feedback::new(notices, self.0.required("ROLE_ARN")?))
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
                "RETENTION_DAYS" => "400",
                "AWS_CA_BUNDLE" | "AWS_ENDPOINT_URL" => "",
                _ => "x",
            };
            Some(value.to_owned())
        })
    }

    #[test]
    fn a_wrong_setting_says_which_and_what_is_accepted() {
        assert!(Settings(&with("", "")).announce().is_ok());
        assert!(Settings(&with("", "")).deliver().is_ok());
        assert!(Settings(&with("", "")).feedback().is_ok());
        assert!(
            Settings(&with("STATUS_PAGE", ""))
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
            let error = Settings(&with(missing, " "))
                .announce()
                .unwrap_err()
                .to_string();
            assert_eq!(error, format!("environment variable {missing} is not set"));
        }
        for (name, value, expected) in [
            (
                "SENDERS",
                "0",
                "environment variable SENDERS: expected a number from 1",
            ),
            (
                "RETENTION_DAYS",
                "399",
                "environment variable RETENTION_DAYS: expected days, from 400",
            ),
            (
                "SEND_RATE",
                "0",
                "environment variable SEND_RATE: expected mails a second, from 1 to 500",
            ),
            (
                "MAIL_FROM",
                "a",
                "environment variable MAIL_FROM: the mail address does not have the form name@example.com",
            ),
        ] {
            let variables = with(name, value);
            let settings = Settings(&variables);
            let announced = settings.announce().map(|_| ());
            let error = announced.and(settings.deliver().map(|_| ())).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
    }
}

//! Sending mails through SES, or into a directory on one machine.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_sesv2::operation::send_email::SendEmailError;
use aws_sdk_sesv2::primitives::Blob;
use aws_sdk_sesv2::types::{Destination, EmailContent, MessageTag, RawMessage};
use tegata_common::customer::EmailAddress;
use tegata_common::notice::{ContactHash, DeliveryId, NoticeId};
use tegata_common::redact::without_addresses;

/// The wait after SES has throttled because of the sending rate.
const TOO_FAST: Duration = Duration::from_secs(5);

/// The wait after SES has throttled because of the daily quota.
const QUOTA_USED: Duration = Duration::from_secs(900);

/// The delivery that a mail belongs to. SES returns these tags with every event.
#[derive(Clone, Debug)]
pub struct Tags {
    pub notice: NoticeId,
    pub delivery: DeliveryId,
    /// The number of the attempt, from 1.
    pub attempt: u16,
}

/// The result of an attempt to send a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendResult {
    /// SES has accepted the mail.
    Accepted {
        /// SES's message id, or the file name in the outbox.
        message_id: String,
    },
    /// The mail was rejected because of its content or recipient. A retry does not help.
    Refused {
        /// The error, without an address.
        reason: String,
    },
    /// The mail was not sent because of a rate limit. A later retry helps.
    Throttled {
        /// The time to wait before a retry.
        wait: Duration,
        /// The error, without an address.
        reason: String,
    },
    /// The mail was not sent, and no other mail can be sent either: the account, its configuration
    /// or a permission is the cause.
    Stopped {
        /// The error, without an address.
        reason: String,
    },
    /// There was no clear answer. The mail may have been sent, so it must not be retried
    /// automatically.
    Lost {
        /// The error, such as a time-out.
        reason: String,
    },
}

/// The transport of mails.
#[derive(Clone, Debug)]
pub enum Mailer {
    /// Amazon SES. The client must make one attempt only: SES has no idempotency key, so that a
    /// retry of the SDK could send a mail twice.
    Ses {
        /// The SES client.
        client: Client,
        /// The configuration set that publishes the events of these mails.
        configuration_set: String,
    },
    /// Files in this directory, on one machine.
    Outbox(PathBuf),
}

impl Mailer {
    /// Sends one mail to one address.
    pub async fn send(
        &self,
        from: &EmailAddress,
        to: &EmailAddress,
        message: Vec<u8>,
        tags: &Tags,
    ) -> SendResult {
        match self {
            Self::Ses {
                client,
                configuration_set,
            } => {
                send(
                    client,
                    Some(configuration_set),
                    from,
                    to,
                    message,
                    Some(tags),
                )
                .await
            }
            Self::Outbox(directory) => put_file(directory, message, tags),
        }
    }
}

/// The transport of mails that belong to no delivery: an operator's test mails.
#[derive(Clone, Debug)]
pub enum MailTransport {
    /// Amazon SES. The client must make one attempt only.
    Ses(Client),
    /// Files in this directory, on one machine.
    Outbox(PathBuf),
}

/// The addresses that SES sends nothing to.
#[derive(Clone, Debug, Default)]
pub struct SuppressedAddresses {
    /// The addresses, hashed.
    pub addresses: BTreeSet<ContactHash>,
    /// Why the list is not complete, if it is not.
    pub error: Option<String>,
}

impl MailTransport {
    /// Sends one mail to one address. In the outbox it gets a name.
    ///
    /// # Errors
    ///
    /// A text for operators.
    pub async fn send(
        &self,
        name: &str,
        from: &EmailAddress,
        to: &EmailAddress,
        message: Vec<u8>,
    ) -> Result<(), String> {
        let client = match self {
            Self::Ses(client) => client,
            Self::Outbox(directory) => {
                let path = directory.join(name);
                let created = std::fs::create_dir_all(directory);
                let written = created.and_then(|()| std::fs::write(&path, message));
                return written.map_err(|error| format!("{}: {error}", path.display()));
            }
        };
        match send(client, None, from, to, message, None).await {
            SendResult::Accepted { .. } => Ok(()),
            SendResult::Refused { reason }
            | SendResult::Throttled { reason, .. }
            | SendResult::Stopped { reason } => Err(format!("SES did not send the test: {reason}")),
            SendResult::Lost { reason } => {
                Err(format!("nobody knows whether SES sent the test: {reason}"))
            }
        }
    }

    /// Reads the addresses that SES sends nothing to. On one machine there are none.
    pub async fn suppressed(&self) -> SuppressedAddresses {
        let mut suppressed = SuppressedAddresses::default();
        let Self::Ses(client) = self else {
            return suppressed;
        };
        let pages = client.list_suppressed_destinations().into_paginator();
        let mut pages = pages.send();
        while let Some(page) = pages.next().await {
            let page = match page {
                Ok(page) => page,
                Err(error) => {
                    suppressed.error = Some(tegata_aws::causes(&error));
                    break;
                }
            };
            for destination in page.suppressed_destination_summaries() {
                if let Ok(email) = destination.email_address().parse() {
                    suppressed.addresses.insert(ContactHash::of(&email));
                }
            }
        }
        suppressed
    }
}

/// Sends one mail through SES.
pub async fn send(
    client: &Client,
    configuration_set: Option<&str>,
    from: &EmailAddress,
    to: &EmailAddress,
    message: Vec<u8>,
    tags: Option<&Tags>,
) -> SendResult {
    let refused = |reason: String| SendResult::Refused { reason };
    let tag = |name: &str, value: String| MessageTag::builder().name(name).value(value).build();
    let mut email_tags = Vec::new();
    if let Some(tags) = tags {
        for (name, value) in [
            ("notice", tags.notice.tag()),
            ("delivery", tags.delivery.to_string()),
            ("attempt", tags.attempt.to_string()),
        ] {
            match tag(name, value) {
                Ok(tag) => email_tags.push(tag),
                Err(error) => return refused(error.to_string()),
            }
        }
    }
    let raw = match RawMessage::builder().data(Blob::new(message)).build() {
        Ok(raw) => raw,
        Err(error) => return refused(error.to_string()),
    };
    let sent = client
        .send_email()
        .from_email_address(from.as_str())
        .destination(Destination::builder().to_addresses(to.as_str()).build())
        .content(EmailContent::builder().raw(raw).build())
        .set_configuration_set_name(configuration_set.map(str::to_owned))
        .set_email_tags((!email_tags.is_empty()).then_some(email_tags))
        .send()
        .await;
    match sent {
        Ok(output) => SendResult::Accepted {
            message_id: output.message_id.unwrap_or_default(),
        },
        Err(error) => classify(&error),
    }
}

/// Converts an error into a result. Only an error answer of SES proves that the mail was not sent.
fn classify(error: &SdkError<SendEmailError>) -> SendResult {
    let SdkError::ServiceError(service) = error else {
        let SdkError::ConstructionFailure(_) = error else {
            // A time-out, a broken connection, or an invalid answer.
            let reason = tegata_aws::causes(error);
            return SendResult::Lost { reason };
        };
        let reason = tegata_aws::causes(error);
        return SendResult::Refused { reason };
    };
    let status = service.raw().status().as_u16();
    let code = service.err().code().unwrap_or("no code");
    let message = without_addresses(service.err().message().unwrap_or_default());
    let reason = format!("{code} ({status}): {message}");
    let is_throttled = status == 429
        || matches!(code, "TooManyRequestsException" | "LimitExceededException")
        || code.starts_with("Throttling");
    let is_stopped = matches!(
        code,
        "SendingPausedException"
            | "AccountSuspendedException"
            | "MailFromDomainNotVerifiedException"
            | "NotFoundException"
    ) || matches!(status, 401 | 403)
        // The sender's identity is not verified, or the account is in the sandbox. The next mail
        // would fail too.
        || message.contains("not verified");
    if is_throttled {
        let is_quota = message.to_ascii_lowercase().contains("daily");
        let wait = if is_quota { QUOTA_USED } else { TOO_FAST };
        SendResult::Throttled { wait, reason }
    } else if status >= 500 {
        SendResult::Lost { reason }
    } else if is_stopped {
        SendResult::Stopped { reason }
    } else {
        SendResult::Refused { reason }
    }
}

/// Writes `<notice>.<delivery>.<attempt>.eml`.
fn put_file(directory: &Path, message: Vec<u8>, tags: &Tags) -> SendResult {
    let name = format!("{}.{}.{}.eml", tags.notice, tags.delivery, tags.attempt);
    let write = || {
        std::fs::create_dir_all(directory)?;
        let draft = tempfile::NamedTempFile::new_in(directory)?;
        std::fs::write(draft.path(), message)?;
        draft.persist(directory.join(&name))?;
        Ok(())
    };
    let written: Result<(), Box<dyn std::error::Error>> = write();
    match written {
        Ok(()) => SendResult::Accepted { message_id: name },
        Err(error) => SendResult::Stopped {
            reason: format!("{}: {error}", directory.display()),
        },
    }
}

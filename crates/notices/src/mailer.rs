//! What sends mails: SES, or a directory on one machine.

use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::error::{ProvideErrorMetadata as _, SdkError};
use aws_sdk_sesv2::operation::send_email::SendEmailError;
use aws_sdk_sesv2::primitives::Blob;
use aws_sdk_sesv2::types::{Destination, EmailContent, MessageTag, RawMessage};
use tegata_common::customer::EmailAddress;
use tegata_common::notice::{DeliveryId, NoticeId};

/// How long to wait after SES said that mails came too fast.
const TOO_FAST: Duration = Duration::from_secs(5);

/// And after the day's quota was used up.
const QUOTA_USED: Duration = Duration::from_secs(900);

/// Which delivery a mail belongs to: SES gives it back with every event.
#[derive(Clone, Debug)]
pub struct Tags {
    /// Of which notice.
    pub notice: NoticeId,
    /// Which delivery.
    pub delivery: DeliveryId,
    /// Which attempt at it.
    pub attempt: u16,
}

/// What came of sending a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is on its way.
    Accepted {
        /// SES's name of it.
        message_id: String,
    },
    /// It was refused for what it is: this mail will not be sent.
    Refused {
        /// Why, without an address.
        reason: String,
    },
    /// It was not sent, and can be later.
    Throttled {
        /// After how long.
        wait: Duration,
        /// Why.
        reason: String,
    },
    /// It was not sent, and no other will be.
    Stopped {
        /// Why, without an address.
        reason: String,
    },
    /// Nobody knows: it may have been sent.
    Lost {
        /// What was seen instead of an answer.
        reason: String,
    },
}

/// Where mails go.
#[derive(Clone, Debug)]
pub enum Mailer {
    /// To SES. The client makes one attempt: SES cannot tell a repeated mail from a second one.
    Ses {
        /// How it is reached.
        client: Client,
        /// What tells its events apart.
        configuration_set: String,
    },
    /// Into files, on one machine.
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
    ) -> Sent {
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

/// Sends one mail through SES.
pub async fn send(
    client: &Client,
    configuration_set: Option<&str>,
    from: &EmailAddress,
    to: &EmailAddress,
    message: Vec<u8>,
    tags: Option<&Tags>,
) -> Sent {
    let refused = |reason: String| Sent::Refused { reason };
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
        Ok(output) => Sent::Accepted {
            message_id: output.message_id.unwrap_or_default(),
        },
        Err(error) => classify(&error),
    }
}

/// What an error means for the mail. Only what SES itself said before it took the mail is certain.
fn classify(error: &SdkError<SendEmailError>) -> Sent {
    let SdkError::ServiceError(service) = error else {
        let SdkError::ConstructionFailure(_) = error else {
            // A time-out, a connection that broke, an answer that cannot be read.
            let reason = tegata_aws::causes(error);
            return Sent::Lost { reason };
        };
        let reason = tegata_aws::causes(error);
        return Sent::Refused { reason };
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
        // The sender's identity, or the account is in the sandbox: it will be so for the next.
        || message.contains("not verified");
    if is_throttled {
        let is_quota = message.to_ascii_lowercase().contains("daily");
        let wait = if is_quota { QUOTA_USED } else { TOO_FAST };
        Sent::Throttled { wait, reason }
    } else if status >= 500 {
        Sent::Lost { reason }
    } else if is_stopped {
        Sent::Stopped { reason }
    } else {
        Sent::Refused { reason }
    }
}

/// SES names the addresses that it does not like; records must not.
pub fn without_addresses(text: &str) -> String {
    let words = text.split(' ');
    let words = words.map(|word| if word.contains('@') { "…" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

/// Writes `<notice>.<delivery>.<attempt>.eml`.
fn put_file(directory: &Path, message: Vec<u8>, tags: &Tags) -> Sent {
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
        Ok(()) => Sent::Accepted { message_id: name },
        Err(error) => Sent::Stopped {
            reason: format!("{}: {error}", directory.display()),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_address_gets_into_a_record() {
        let text = "Email address is not verified: a@example.com, \"B\" <b@example.com>";
        assert_eq!(
            without_addresses(text),
            "Email address is not verified: … \"B\" …"
        );
    }
}

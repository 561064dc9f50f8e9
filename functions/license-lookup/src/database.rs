//! The database read: one item of the `Licenses` table by its primary key.

use std::time::Duration;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, StalledStreamProtectionConfig};
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::get_item::GetItemError;
use aws_sdk_dynamodb::{Client, Config};
use tegata_aws::TrustError;
use tegata_lambda::Environment;
use tegata_storage::{Item, Key};

/// The number of attempts. Two attempts of [`ATTEMPT`] with a pause leave time to answer within two
/// seconds.
const ATTEMPTS: u32 = 2;
const CONNECT: Duration = Duration::from_millis(500);
const ATTEMPT: Duration = Duration::from_millis(800);
const OPERATION: Duration = Duration::from_millis(1700);
const PAUSE: Duration = Duration::from_millis(50);

/// Creates the client.
pub fn client(aws: &Environment) -> Result<Client, TrustError> {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(OPERATION)
        .build();
    let mut config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws.https_client()?)
        .region(aws.region())
        .credentials_provider(aws.credentials())
        .timeout_config(timeouts)
        .retry_config(
            RetryConfig::standard()
                .with_max_attempts(ATTEMPTS)
                .with_initial_backoff(PAUSE),
        )
        // That protection is for large bodies. A response here has a few kilobytes and is covered
        // by the time-outs.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    config.set_endpoint_url(aws.endpoint_url("DYNAMODB"));
    Ok(Client::from_conf(config.build()))
}

/// The attributes that are read. Others, such as the revision, are not needed for an answer.
const PROJECTION: &str = "license, lease";

/// A failed read.
#[derive(Debug)]
pub struct ReadFailed {
    /// The kind for the access line: `timeout`, `connection`, or DynamoDB's error code.
    pub kind: String,
    /// The error with all causes, for the operators' log.
    pub detail: String,
}

impl ReadFailed {
    /// The failure that the service names with an error code. Error codes are names such as
    /// `ThrottlingException`; nothing else that a response has in their place is logged.
    pub fn of_service(code: Option<&str>, detail: String) -> Self {
        let is_name =
            |code: &&str| !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let kind = code.filter(is_name).unwrap_or("unknown service error");
        Self {
            kind: kind.to_owned(),
            detail,
        }
    }
}

/// Reads an item by its primary key.
pub async fn read(client: &Client, table: &str, key: &Key) -> Result<Option<Item>, ReadFailed> {
    let output = client
        .get_item()
        .table_name(table)
        .projection_expression(PROJECTION)
        // Strongly consistent, so that an operator's change is effective at the next request.
        .consistent_read(true)
        .set_key(Some(key.attributes()))
        .send()
        .await
        .map_err(failed)?;
    Ok(output.item)
}

fn failed(error: SdkError<GetItemError>) -> ReadFailed {
    let detail = tegata_aws::causes(&error);
    let kind = match &error {
        SdkError::TimeoutError(_) => "timeout",
        SdkError::DispatchFailure(dispatch) if dispatch.is_timeout() => "timeout",
        SdkError::DispatchFailure(_) => "connection",
        SdkError::ServiceError(service) => {
            return ReadFailed::of_service(service.err().meta().code(), detail);
        }
        _ => "unreadable response",
    };
    ReadFailed {
        kind: kind.to_owned(),
        detail,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_is_logged_as_an_error_code() {
        let kind = |code| ReadFailed::of_service(code, String::new()).kind;
        assert_eq!(kind(Some("ThrottlingException")), "ThrottlingException");
        for other in [
            Some("ABCD-EFGH-IJKL-MNOP"),
            Some("two\nlines"),
            Some(""),
            None,
        ] {
            assert_eq!(kind(other), "unknown service error", "{other:?}");
        }
    }
}

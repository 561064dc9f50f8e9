//! The clients: DynamoDB and KMS, with time-outs that leave room for the next item.

use std::time::Duration;

use aws_sdk_dynamodb::config::BehaviorVersion;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use tegata_common::aws::{Environment, TrustError};
use tegata_common::signing::Keeper;
use tegata_common::table::licenses::Licenses;

use crate::settings::Settings;

/// Reads, conditional writes and signatures may all be repeated: the SDK's three attempts.
const ATTEMPTS: u32 = 3;
const CONNECT: Duration = Duration::from_secs(1);
const ATTEMPT: Duration = Duration::from_secs(3);
const OPERATION: Duration = Duration::from_secs(10);

/// The table, and what opens the signing key.
pub fn open(settings: &Settings) -> Result<(Licenses, Keeper), TrustError> {
    let aws = &settings.aws;
    let http = aws.https_client()?;
    let mut config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http.clone())
        .region(aws.region())
        .credentials_provider(aws.credentials())
        .timeout_config(timeouts())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS));
    config.set_endpoint_url(aws.endpoint_url("DYNAMODB"));
    let dynamodb = aws_sdk_dynamodb::Client::from_conf(config.build());
    let keeper = Keeper::Kms(kms(aws, http));
    Ok((Licenses::new(dynamodb, &settings.table), keeper))
}

fn kms(aws: &Environment, http: aws_sdk_dynamodb::config::SharedHttpClient) -> aws_sdk_kms::Client {
    let mut config = aws_sdk_kms::Config::builder()
        .behavior_version(aws_sdk_kms::config::BehaviorVersion::latest())
        .http_client(http)
        .region(aws.region())
        .credentials_provider(aws.credentials())
        .timeout_config(timeouts())
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS));
    config.set_endpoint_url(aws.endpoint_url("KMS"));
    aws_sdk_kms::Client::from_conf(config.build())
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT)
        .operation_attempt_timeout(ATTEMPT)
        .operation_timeout(OPERATION)
        .build()
}

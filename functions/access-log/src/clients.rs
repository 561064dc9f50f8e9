//! The clients of S3 and DynamoDB. All calls are idempotent, so that they can be retried.

use std::time::Duration;

use tegata_archive::objects::Objects;
use tegata_aws::TrustError;
use tegata_lambda::RetryPolicy;
use tegata_storage::usage::UsageTable;

use crate::settings::AccessLogSettings;

/// The retries, with time-outs for objects of a few megabytes and batch writes of 25 rows.
const RETRIES: RetryPolicy = RetryPolicy {
    attempts: 4,
    connect: Duration::from_secs(1),
    attempt: Duration::from_secs(10),
    operation: Duration::from_secs(30),
};

/// Opens the table, and returns how to open a bucket by its name.
pub fn open(
    settings: &AccessLogSettings,
) -> Result<(impl Fn(&str) -> Objects + use<>, UsageTable), TrustError> {
    let aws = &settings.aws;
    let http = aws.https_client()?;
    let s3 = aws.sdk_config("S3", http.clone(), RETRIES);
    let dynamodb = aws.sdk_config("DYNAMODB", http, RETRIES);
    let dynamodb = aws_sdk_dynamodb::Client::new(&dynamodb);
    let usage = UsageTable::new(dynamodb, &settings.usage_table);
    Ok((move |bucket: &str| Objects::bucket(&s3, bucket), usage))
}

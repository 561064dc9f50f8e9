//! The clients: DynamoDB and KMS, with time-outs that leave room for the next item.

use std::time::Duration;

use tegata_aws::TrustError;
use tegata_lambda::RetryPolicy;
use tegata_signing::KeyStore;
use tegata_storage::licenses::Licenses;

use crate::settings::RenewalSettings;

/// Reads, conditional writes and signatures may all be repeated: the SDK's three attempts.
const RETRIES: RetryPolicy = RetryPolicy {
    attempts: 3,
    connect: Duration::from_secs(1),
    attempt: Duration::from_secs(3),
    operation: Duration::from_secs(10),
};

/// The table, and what opens the signing key.
pub fn open(settings: &RenewalSettings) -> Result<(Licenses, KeyStore), TrustError> {
    let aws = &settings.aws;
    let http = aws.https_client()?;
    let dynamodb = aws.sdk_config("DYNAMODB", http.clone(), RETRIES);
    let dynamodb = aws_sdk_dynamodb::Client::new(&dynamodb);
    let kms = aws_sdk_kms::Client::new(&aws.sdk_config("KMS", http, RETRIES));
    Ok((Licenses::new(dynamodb, &settings.table), KeyStore::Kms(kms)))
}

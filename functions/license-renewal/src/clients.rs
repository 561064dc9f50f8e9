//! The clients of DynamoDB and KMS. Their time-outs are short, so that one slow item does not use
//! up the run's time.

use std::time::Duration;

use tegata_aws::TrustError;
use tegata_lambda::RetryPolicy;
use tegata_signing::KeyStore;
use tegata_storage::licenses::Licenses;

use crate::settings::RenewalSettings;

/// The retries. Reads, conditional writes and signatures can all be repeated.
const RETRIES: RetryPolicy = RetryPolicy {
    attempts: 3,
    connect: Duration::from_secs(1),
    attempt: Duration::from_secs(3),
    operation: Duration::from_secs(10),
};

/// Opens the table and the key store.
pub fn open(settings: &RenewalSettings) -> Result<(Licenses, KeyStore), TrustError> {
    let aws = &settings.aws;
    let http = aws.https_client()?;
    let dynamodb = aws.sdk_config("DYNAMODB", http.clone(), RETRIES);
    let dynamodb = aws_sdk_dynamodb::Client::new(&dynamodb);
    let kms = aws_sdk_kms::Client::new(&aws.sdk_config("KMS", http, RETRIES));
    Ok((Licenses::new(dynamodb, &settings.table), KeyStore::Kms(kms)))
}

//! What Lambda sets in a function's environment: the region, the role's credentials, and endpoints.

use std::path::PathBuf;
use std::time::Duration;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{
    BehaviorVersion, Credentials, Region, SharedCredentialsProvider, SharedHttpClient,
};
use aws_types::SdkConfig;
use tegata_aws::{Trust, TrustError, https_client};

use crate::variables::{SettingError, Variables};

/// The variables that Lambda sets, and those that name other endpoints on one machine.
///
/// Region and credentials are read here and not by the SDK's provider chain, which costs start-up time
/// and would find nothing else.
#[derive(Clone)]
pub struct Environment {
    region: String,
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    endpoint_urls: Vec<(&'static str, String)>,
    ca_bundle: Option<PathBuf>,
}

/// The variables that name another endpoint than AWS's, for one service or for all.
const ENDPOINT_URLS: [(&str, &str); 7] = [
    ("DYNAMODB", "AWS_ENDPOINT_URL_DYNAMODB"),
    ("KMS", "AWS_ENDPOINT_URL_KMS"),
    ("S3", "AWS_ENDPOINT_URL_S3"),
    ("SECRETS_MANAGER", "AWS_ENDPOINT_URL_SECRETS_MANAGER"),
    ("SESV2", "AWS_ENDPOINT_URL_SESV2"),
    ("SQS", "AWS_ENDPOINT_URL_SQS"),
    ("", "AWS_ENDPOINT_URL"),
];

impl Environment {
    /// Reads `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`,
    /// `AWS_ENDPOINT_URL_<SERVICE>`, `AWS_ENDPOINT_URL` and `AWS_CA_BUNDLE` (a PEM file to trust
    /// instead of Amazon's roots).
    pub fn read(
        variables: &Variables<impl Fn(&str) -> Option<String>>,
    ) -> Result<Self, SettingError> {
        let endpoint_urls = ENDPOINT_URLS
            .into_iter()
            .filter_map(|(service, name)| Some((service, variables.optional(name)?)));
        Ok(Self {
            region: variables.required("AWS_REGION")?,
            access_key_id: variables.required("AWS_ACCESS_KEY_ID")?,
            secret_access_key: variables.required("AWS_SECRET_ACCESS_KEY")?,
            session_token: variables.optional("AWS_SESSION_TOKEN"),
            endpoint_urls: endpoint_urls.collect(),
            ca_bundle: variables.optional("AWS_CA_BUNDLE").map(PathBuf::from),
        })
    }

    pub fn region(&self) -> Region {
        Region::new(self.region.clone())
    }

    /// The credentials of the function's role.
    pub fn credentials(&self) -> Credentials {
        Credentials::new(
            &self.access_key_id,
            &self.secret_access_key,
            self.session_token.clone(),
            None,
            "environment",
        )
    }

    /// The endpoint of a service (`DYNAMODB`, `KMS`, `S3`, …), if it is not AWS's own.
    pub fn endpoint_url(&self, service: &str) -> Option<String> {
        let mut urls = self.endpoint_urls.iter();
        let (_, url) = urls.find(|(of, _)| *of == service || of.is_empty())?;
        Some(url.clone())
    }

    /// The HTTPS client of a function.
    pub fn https_client(&self) -> Result<SharedHttpClient, TrustError> {
        let bundle = self.ca_bundle.as_deref();
        https_client(bundle.map_or(Trust::Amazon, Trust::Bundle))
    }
}

/// Attempts and time-outs of calls to AWS that may be repeated.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// Attempts of a call, the first one included.
    pub attempts: u32,
    /// Time-out of connecting.
    pub connect: Duration,
    /// Time-out of one attempt.
    pub attempt: Duration,
    /// Time-out of a call with all its attempts and the pauses between them.
    pub operation: Duration,
}

impl Environment {
    /// The configuration of a service's client: `Client::new(&config)`.
    pub fn sdk_config(
        &self,
        service: &str,
        http: SharedHttpClient,
        retries: RetryPolicy,
    ) -> SdkConfig {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(retries.connect)
            .operation_attempt_timeout(retries.attempt)
            .operation_timeout(retries.operation)
            .build();
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(http)
            .region(self.region())
            .credentials_provider(SharedCredentialsProvider::new(self.credentials()))
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(retries.attempts));
        config.set_endpoint_url(self.endpoint_url(service));
        config.build()
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Environment({}, …)", self.region)
    }
}

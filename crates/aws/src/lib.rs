//! How this system reaches AWS: one HTTPS client for every SDK crate.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{
    BehaviorVersion, Credentials, Region, SharedCredentialsProvider, SharedHttpClient,
};
use aws_smithy_http_client::tls::{self, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_types::SdkConfig;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

/// The roots that AWS's endpoints chain to: Amazon Root CA 1 to 4 and Starfield Services Root G2.
///
/// Trusting these and no others is narrower than the system's store, and spares a function the
/// parsing of that store, which takes three quarters of an untuned cold start.
const AMAZON_TRUST_SERVICES: &[u8] = include_bytes!("../certs/amazon-trust-services.pem");

/// Whose certificates are believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust<'a> {
    /// Amazon's own roots: for functions, which talk to AWS only.
    Amazon,
    /// The machine's store: for the CLI, which may sit behind a company's proxy.
    System,
    /// The PEM file that `AWS_CA_BUNDLE` names, as in every AWS SDK.
    Bundle(&'a Path),
}

/// An SDK error and its causes in one sentence.
///
/// The SDK's own `DisplayErrorContext` adds the raw response, which may hold an item: it must not
/// reach a log.
pub fn causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Why no HTTPS client can be made.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// The bundle cannot be read.
    #[error("AWS_CA_BUNDLE: {path}: {error}")]
    Bundle {
        /// Which file.
        path: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// The bundle holds nothing to trust.
    #[error("AWS_CA_BUNDLE: {path}: {reason}; expected certificates in PEM")]
    NoCertificate {
        /// Which file.
        path: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The trust store is unusable.
    #[error("TLS: {0}")]
    Tls(String),
}

/// What Lambda itself puts into a function's environment, and what redirects it on one machine.
///
/// Credentials and region come straight from there: the SDK's chain of other places costs
/// start-up time, and a function has no other place.
#[derive(Clone)]
pub struct Environment {
    region: String,
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    endpoint_urls: Vec<(&'static str, String)>,
    ca_bundle: Option<PathBuf>,
}

/// A variable that a function cannot do without.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("environment variable {0} is not set")]
pub struct MissingVariable(pub &'static str);

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
    /// instead of Amazon's roots). What is blank is not set.
    pub fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Self, MissingVariable> {
        let optional = |name: &str| variable(name).filter(|value| !value.trim().is_empty());
        let required = |name| optional(name).ok_or(MissingVariable(name));
        let endpoint_urls = ENDPOINT_URLS
            .into_iter()
            .filter_map(|(service, name)| Some((service, optional(name)?)));
        Ok(Self {
            region: required("AWS_REGION")?,
            access_key_id: required("AWS_ACCESS_KEY_ID")?,
            secret_access_key: required("AWS_SECRET_ACCESS_KEY")?,
            session_token: optional("AWS_SESSION_TOKEN"),
            endpoint_urls: endpoint_urls.collect(),
            ca_bundle: optional("AWS_CA_BUNDLE").map(PathBuf::from),
        })
    }

    /// The region.
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

    /// Where a service (`DYNAMODB`, `KMS`, `S3`, …) is, if not at AWS's own endpoint.
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

/// How long calls to AWS may take, and how often the SDK makes them: for what may be repeated.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// Attempts of a call.
    pub attempts: u32,
    /// For a connection.
    pub connect: Duration,
    /// For an attempt.
    pub attempt: Duration,
    /// For a call with all its attempts.
    pub operation: Duration,
}

impl Environment {
    /// What a service's client is made from: `Client::new(&config)`.
    pub fn sdk_config(
        &self,
        service: &str,
        http: SharedHttpClient,
        patience: RetryPolicy,
    ) -> SdkConfig {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(patience.connect)
            .operation_attempt_timeout(patience.attempt)
            .operation_timeout(patience.operation)
            .build();
        let mut config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(http)
            .region(self.region())
            .credentials_provider(SharedCredentialsProvider::new(self.credentials()))
            .timeout_config(timeouts)
            .retry_config(RetryConfig::standard().with_max_attempts(patience.attempts));
        config.set_endpoint_url(self.endpoint_url(service));
        config.build()
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Environment({}, …)", self.region)
    }
}

/// The HTTPS client for an SDK configuration. It also speaks plain HTTP to `http://` endpoints.
pub fn https_client(trust: Trust<'_>) -> Result<SharedHttpClient, TrustError> {
    Ok(aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
        .tls_context(tls_context(trust)?)
        .build_https())
}

/// The certificates of an HTTPS client.
pub fn tls_context(trust: Trust<'_>) -> Result<TlsContext, TrustError> {
    let store = match trust {
        Trust::Amazon => TrustStore::empty().with_pem_certificate(AMAZON_TRUST_SERVICES),
        Trust::System => TrustStore::default(),
        Trust::Bundle(path) => {
            let pem = std::fs::read(path).map_err(|error| TrustError::Bundle {
                path: path.display().to_string(),
                error,
            })?;
            check_bundle(&pem).map_err(|reason| TrustError::NoCertificate {
                path: path.display().to_string(),
                reason,
            })?;
            TrustStore::empty().with_pem_certificate(pem)
        }
    };
    TlsContext::builder()
        .with_trust_store(store)
        .build()
        .map_err(|error| TrustError::Tls(error.to_string()))
}

/// The SDK panics on a certificate that it cannot read, and trusts nothing if there is none.
fn check_bundle(pem: &[u8]) -> Result<(), &'static str> {
    let mut certificates = 0;
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|_| "not PEM")?;
        webpki::anchor_from_trusted_cert(&certificate).map_err(|_| "not an X.509 certificate")?;
        certificates += 1;
    }
    if certificates == 0 {
        return Err("no certificate in it");
    }
    Ok(())
}

/// A client that speaks plain HTTP only: for the embedded database on loopback.
pub fn http_client() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().build_http()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amazons_roots_can_be_read() {
        assert_eq!(check_bundle(AMAZON_TRUST_SERVICES), Ok(()));
        https_client(Trust::Amazon).unwrap();
    }

    #[test]
    fn a_bundle_without_a_certificate_is_refused() {
        let nonsense = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(check_bundle(b""), Err("no certificate in it"));
        assert_eq!(check_bundle(b"hello"), Err("no certificate in it"));
        assert_eq!(check_bundle(nonsense), Err("not an X.509 certificate"));
    }
}

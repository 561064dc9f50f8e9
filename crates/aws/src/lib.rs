//! Access to AWS: one HTTPS client for all SDK crates.

use std::error::Error;
use std::path::Path;

use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedHttpClient};
use aws_smithy_http_client::tls::{self, TlsContext, TrustStore, rustls_provider::CryptoMode};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

/// The roots that AWS's endpoints chain to: Amazon Root CA 1 to 4 and Starfield Services Root G2.
///
/// Functions trust only these. That is stricter than the system's store, and a function need not parse
/// that store, which takes three quarters of a cold start.
const AMAZON_TRUST_SERVICES: &[u8] = include_bytes!("../certs/amazon-trust-services.pem");

/// Root certificates to trust.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust<'a> {
    /// Amazon's own roots: for functions, which call AWS only.
    Amazon,
    /// The system's store: for the CLI, which may run behind a company's proxy.
    System,
    /// A PEM file, named by `AWS_CA_BUNDLE` as in every AWS SDK.
    Bundle(&'a Path),
}

/// An SDK error with all its causes, separated by colons.
///
/// The SDK's `DisplayErrorContext` is not used, because it prints the raw response, which may contain
/// an item that must not be logged.
pub fn causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Why the HTTPS client could not be built.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    #[error("AWS_CA_BUNDLE: {path}: {error}")]
    Bundle { path: String, error: std::io::Error },
    #[error("AWS_CA_BUNDLE: {path}: {reason}; expected certificates in PEM")]
    NoCertificate { path: String, reason: &'static str },
    #[error("TLS: {0}")]
    Tls(String),
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

/// Checks a bundle before the SDK gets it: the SDK panics on an invalid certificate, and accepts a
/// bundle without any.
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

/// A client that speaks plain HTTP only: for a service on loopback.
pub fn http_client() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().build_http()
}

/// The client of a DynamoDB on this machine, such as the database that `tegata dev` embeds.
pub fn local_dynamodb(
    endpoint: &str,
    access_key: &str,
    secret_key: &str,
) -> aws_sdk_dynamodb::Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(http_client())
        .endpoint_url(endpoint)
        .region(Region::new("local"))
        .credentials_provider(Credentials::new(
            access_key, secret_key, None, None, "local",
        ))
        .build();
    aws_sdk_dynamodb::Client::from_conf(config)
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

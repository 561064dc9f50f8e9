//! How this system reaches AWS: one HTTPS client for every SDK crate.

use std::path::Path;

use aws_sdk_dynamodb::config::SharedHttpClient;
use aws_smithy_http_client::tls::{self, TlsContext, TrustStore, rustls_provider::CryptoMode};

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
    /// The trust store is unusable.
    #[error("TLS: {0}")]
    Tls(String),
}

/// The HTTPS client for an SDK configuration. It also speaks plain HTTP to `http://` endpoints.
pub fn https_client(trust: Trust<'_>) -> Result<SharedHttpClient, TrustError> {
    let store = match trust {
        Trust::Amazon => TrustStore::empty().with_pem_certificate(AMAZON_TRUST_SERVICES),
        Trust::System => TrustStore::default(),
        Trust::Bundle(path) => {
            let pem = std::fs::read(path).map_err(|error| TrustError::Bundle {
                path: path.display().to_string(),
                error,
            })?;
            TrustStore::empty().with_pem_certificate(pem)
        }
    };
    let context = TlsContext::builder()
        .with_trust_store(store)
        .build()
        .map_err(|error| TrustError::Tls(error.to_string()))?;
    Ok(aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
        .tls_context(context)
        .build_https())
}

/// A client that speaks plain HTTP only: for the embedded database on loopback.
pub fn http_client() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().build_http()
}

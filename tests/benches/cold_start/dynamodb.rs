//! A DynamoDB endpoint behind TLS that answers every request with one recorded answer, so that
//! what is measured does not share its core with a database at work.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;

use aws_sdk_dynamodb::types::AttributeValue;
use axum::Router;
use axum::http::header::CONTENT_TYPE;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Map, Value, json};
use tegata_storage::Key;
use tegata_tests::{Database, SigningKey, license, product, put};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{CipherSuite, ServerConfig};
use tokio_rustls::server::TlsStream;

/// The endpoint, and the variables under which a function reaches it.
pub(crate) struct Endpoint {
    pub(crate) variables: Vec<(String, String)>,
    _bundle: tempfile::TempDir,
}

struct TlsListener {
    tcp: TcpListener,
    tls: TlsAcceptor,
}

impl axum::serve::Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let Ok((stream, peer)) = self.tcp.accept().await else {
                continue;
            };
            let _ = stream.set_nodelay(true);
            // A process that was killed breaks its handshake off.
            if let Ok(stream) = self.tls.accept(stream).await {
                return (stream, peer);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.tcp.local_addr()
    }
}

/// Starts the endpoint with the answer that the embedded database gives for a sample licence.
pub(crate) async fn start() -> Endpoint {
    let answer = recorded_answer().await;
    let directory = tempfile::tempdir().unwrap();
    let (config, root) = certificates();
    let bundle = directory.path().join("root.pem");
    std::fs::write(&bundle, root).unwrap();

    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = tcp.local_addr().unwrap().port();
    let listener = TlsListener {
        tcp,
        tls: TlsAcceptor::from(Arc::new(config)),
    };
    let content_type = [(CONTENT_TYPE, "application/x-amz-json-1.0")];
    let router = Router::new().fallback(move |request: String| {
        // What init reads has none of the attributes that an answer needs.
        let is_init = request.contains("#signing-keys");
        let answer = if is_init {
            r#"{"Item":{}}"#.to_owned()
        } else {
            answer.clone()
        };
        async move { (content_type, answer) }
    });
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });

    let variables = [
        ("LICENSES_TABLE", "Licenses".to_owned()),
        ("AWS_REGION", "ap-northeast-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE".to_owned()),
        (
            "AWS_SECRET_ACCESS_KEY",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
        ),
        ("AWS_SESSION_TOKEN", "IQoJb3JpZ2luX2VjEXAMPLE".repeat(30)),
        (
            "AWS_ENDPOINT_URL_DYNAMODB",
            format!("https://localhost:{port}"),
        ),
        ("AWS_CA_BUNDLE", bundle.display().to_string()),
    ];
    let variables = variables.map(|(name, value)| (name.to_owned(), value));
    Endpoint {
        variables: variables.to_vec(),
        _bundle: directory,
    }
}

/// What DynamoDB answers to `GetItem` for the licence that the sample event asks for.
async fn recorded_answer() -> String {
    let database = Database::start().await;
    let key = SigningKey::create();
    let license = license("example.cybozu.com", &product(), "2026-10-03T01:00:00Z");
    let signed = put(&database.licenses, &key, license).await;
    let at = Key::license(&signed.license.domain, &signed.license.product);
    let output = database.client.get_item().table_name("Licenses");
    let output = output.projection_expression("license, lease");
    let output = output.set_key(Some(at.attributes())).send().await.unwrap();
    let item = output.item.unwrap();
    let item: Map<String, Value> = item.into_iter().map(|(name, v)| (name, wire(v))).collect();
    json!({ "Item": item }).to_string()
}

/// A value as it is on the wire.
fn wire(value: AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::Bool(truth) => json!({ "BOOL": truth }),
        AttributeValue::Null(is_null) => json!({ "NULL": is_null }),
        AttributeValue::M(members) => {
            let members = members.into_iter().map(|(name, value)| (name, wire(value)));
            json!({ "M": members.collect::<Map<_, _>>() })
        }
        AttributeValue::L(values) => {
            json!({ "L": values.into_iter().map(wire).collect::<Vec<_>>() })
        }
        other => unreachable!("no sample licence has {other:?}"),
    }
}

/// A root, an intermediate and a server certificate with RSA keys of 2048 bits, as DynamoDB's
/// chain has.
fn certificates() -> (ServerConfig, String) {
    let authority = |constraint| {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(constraint);
        parameters
    };
    let root = authority(BasicConstraints::Unconstrained);
    let root_key = rsa_key();
    let root_certificate = root.self_signed(&root_key).unwrap();
    let root = Issuer::new(root, root_key);
    let intermediate = authority(BasicConstraints::Constrained(0));
    let intermediate_key = rsa_key();
    let intermediate_certificate = intermediate.signed_by(&intermediate_key, &root).unwrap();
    let intermediate = Issuer::new(intermediate, intermediate_key);
    let server = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let server_key = rsa_key();
    let server = server.signed_by(&server_key, &intermediate).unwrap();

    let chain = vec![server.der().clone(), intermediate_certificate.der().clone()];
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(server_key.serialize_der()));
    // DynamoDB picks AES-128 where rustls would pick AES-256.
    let mut provider = default_provider();
    provider
        .cipher_suites
        .sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .unwrap();
    config.ignore_client_order = true;
    (config, root_certificate.pem())
}

/// rcgen signs with RSA keys but cannot make them.
fn rsa_key() -> KeyPair {
    let openssl = Command::new("openssl")
        .args(["genpkey", "-quiet", "-algorithm", "RSA"])
        .args(["-pkeyopt", "rsa_keygen_bits:2048"])
        .output();
    let pem = openssl.expect("the openssl command makes RSA keys").stdout;
    KeyPair::from_pem(&String::from_utf8(pem).unwrap()).unwrap()
}

//! A DynamoDB endpoint behind TLS that answers from recorded answers, so that what is measured does
//! not share its core with a database at work. It can be slow, silent or broken.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use axum::Router;
use axum::body::Body;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::{Map, Value, json};
use tegata_common::keys::KeyPurpose;
use tegata_storage::Key;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{CipherSuite, ServerConfig};
use tokio_rustls::server::TlsStream;

use crate::Database;

/// The endpoint, and the variables under which a function reaches it.
pub struct Endpoint {
    /// The function's variables.
    pub variables: Vec<(String, String)>,
    /// How the endpoint is.
    pub condition: watch::Sender<Condition>,
    directory: tempfile::TempDir,
}

impl Endpoint {
    /// The file with the root of the endpoint's certificate.
    pub fn root(&self) -> String {
        self.directory.path().join(ROOT).display().to_string()
    }

    /// A file with the system's roots and that one.
    pub fn all_roots(&self) -> String {
        let system = std::fs::read_to_string("/etc/ssl/certs/ca-certificates.crt");
        let mut roots = system.expect("the system's certificates are where Debian has them");
        roots.push_str(&std::fs::read_to_string(self.root()).unwrap());
        let file = self.directory.path().join("all.pem");
        std::fs::write(&file, roots).unwrap();
        file.display().to_string()
    }
}

/// The name of the root's file.
const ROOT: &str = "root.pem";

/// How the endpoint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// It answers at once.
    Up,
    /// It answers after this time.
    Slow(Duration),
    /// It accepts requests and answers none.
    Silent,
    /// It closes connections.
    Broken,
}

struct TlsListener {
    tcp: TcpListener,
    tls: TlsAcceptor,
    condition: watch::Receiver<Condition>,
}

impl axum::serve::Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let Ok((stream, peer)) = self.tcp.accept().await else {
                continue;
            };
            if *self.condition.borrow() == Condition::Broken {
                continue;
            }
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

/// Starts the endpoint.
pub async fn start(answers: Answers) -> Endpoint {
    let answers = Arc::new(answers);
    let directory = tempfile::tempdir().unwrap();
    let (config, root) = certificates();
    let bundle = directory.path().join(ROOT);
    std::fs::write(&bundle, root).unwrap();

    let (condition, watched) = watch::channel(Condition::Up);
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = tcp.local_addr().unwrap().port();
    let listener = TlsListener {
        tcp,
        tls: TlsAcceptor::from(Arc::new(config)),
        condition: watched.clone(),
    };
    let router =
        Router::new().fallback(move |body: String| answer(body, answers.clone(), watched.clone()));
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
        condition,
        directory,
    }
}

/// What DynamoDB answers, by the key attributes' values.
#[derive(Debug, Default)]
pub struct Answers(HashMap<String, String>);

impl Answers {
    /// The answers that a database gives to the lookup's reads of these licences.
    pub async fn recorded(database: &Database, licenses: &[Key]) -> Self {
        let mut answers = Self::default();
        // What init reads has none of the attributes that an answer needs.
        let register = wire_map(Key::key_register(KeyPurpose::Lease).attributes());
        answers.add(&register.into(), &json!({}));
        for key in licenses {
            let output = database.client.get_item().table_name("Licenses");
            let output = output.projection_expression("license, lease");
            let output = output.set_key(Some(key.attributes())).send().await.unwrap();
            let item = wire_map(output.item.expect("the licence is there"));
            answers.add(&wire_map(key.attributes()).into(), &item.into());
        }
        answers
    }

    /// Adds an item with its key, both as they are on the wire.
    pub fn add(&mut self, key: &Value, item: &Value) {
        self.0
            .insert(values(key), json!({ "Item": item }).to_string());
    }
}

/// A key's values, by the names of its attributes.
fn values(key: &Value) -> String {
    let members: BTreeMap<_, _> = key.as_object().into_iter().flatten().collect();
    let values = members.into_values().map(Value::to_string);
    values.collect()
}

async fn answer(
    body: String,
    answers: Arc<Answers>,
    mut condition: watch::Receiver<Condition>,
) -> Response {
    let request: Value = serde_json::from_str(&body).unwrap_or_default();
    let now = *condition.borrow_and_update();
    match now {
        Condition::Up => {}
        Condition::Slow(time) => tokio::time::sleep(time).await,
        Condition::Silent => {
            let _ = condition.changed().await;
        }
        Condition::Broken => {
            // A body that fails ends the connection.
            let broken = std::io::Error::other("broken");
            let broken = futures_util::stream::once(async { Err::<String, _>(broken) });
            return Body::from_stream(broken).into_response();
        }
    }
    let answer = answers.0.get(&values(&request["Key"]));
    let answer = answer.map_or("{}", String::as_str).to_owned();
    ([(CONTENT_TYPE, "application/x-amz-json-1.0")], answer).into_response()
}

fn wire_map(members: HashMap<String, AttributeValue>) -> Map<String, Value> {
    let members = members.into_iter().map(|(name, value)| (name, wire(value)));
    members.collect()
}

/// A value as it is on the wire.
fn wire(value: AttributeValue) -> Value {
    match value {
        AttributeValue::S(text) => json!({ "S": text }),
        AttributeValue::N(number) => json!({ "N": number }),
        AttributeValue::Bool(truth) => json!({ "BOOL": truth }),
        AttributeValue::Null(is_null) => json!({ "NULL": is_null }),
        AttributeValue::M(members) => json!({ "M": wire_map(members) }),
        AttributeValue::L(values) => {
            json!({ "L": values.into_iter().map(wire).collect::<Vec<_>>() })
        }
        other => unreachable!("no sample licence has {other:?}"),
    }
}

/// A root, an intermediate and a server certificate with RSA keys of 2048 bits, as DynamoDB's
/// chain has.
fn certificates() -> (ServerConfig, String) {
    // Node.js takes a certificate for self-signed if it has its issuer's name.
    let named = |names: &[&str], name: &str| {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut parameters = CertificateParams::new(names).unwrap();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters
    };
    let authority = |constraint, name| {
        let mut parameters = named(&[], name);
        parameters.is_ca = IsCa::Ca(constraint);
        parameters
    };
    let root = authority(BasicConstraints::Unconstrained, "root");
    let root_key = rsa_key();
    let root_certificate = root.self_signed(&root_key).unwrap();
    let root = Issuer::new(root, root_key);
    let intermediate = authority(BasicConstraints::Constrained(0), "intermediate");
    let intermediate_key = rsa_key();
    let intermediate_certificate = intermediate.signed_by(&intermediate_key, &root).unwrap();
    let intermediate = Issuer::new(intermediate, intermediate_key);
    let server = named(&["localhost"], "server");
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

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use aws_sdk_kms::config::http::{HttpRequest, HttpResponse};
use aws_sdk_kms::config::retry::RetryConfig;
use aws_sdk_kms::config::timeout::TimeoutConfig;
use aws_sdk_kms::config::{BehaviorVersion, Credentials, Region, StalledStreamProtectionConfig};

use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn,
};
use aws_smithy_types::body::SdkBody;
use data_encoding::BASE64;
use p256::ecdsa::signature::hazmat::PrehashSigner as _;
use p256::ecdsa::{Signature, SigningKey};
use p256::pkcs8::EncodePublicKey as _;
use serde_json::{Value, json};

use tegata_common::domain::BaseDomains;
use tegata_common::license::{License, Order, Plan};
use tegata_common::product::Catalogue;
use tegata_common::serial::Serial;

/// A licence for 50 users that can be used from 2017-10-03.
pub(crate) fn license(plan: Plan) -> License {
    let catalogue = serde_json::json!({
        "issuer": "https://license.example.com",
        "products": { "sheet": { "name": { "ja": "シート", "en": "Sheet" } } },
    });
    let catalogue: Catalogue = serde_json::from_value(catalogue).unwrap();
    let order = Order {
        domain: BaseDomains::default()
            .canonicalize("example.cybozu.com")
            .unwrap(),
        customer: None,
        plan,
        edition: "standard".into(),
        users: 50,
        quotas: BTreeMap::new(),
        usable_from: "2017-10-03T10:00:00+09:00".parse().unwrap(),
    };
    let serial = Serial::parse("ABCD-EFGH-IJKL-MNOP").unwrap();
    License::issue(order, &catalogue.products[0], serial.hash()).unwrap()
}

/// KMS with one key, which it makes itself. It takes only requests of the form that tegata needs,
/// and notes them.
#[derive(Clone, Debug, Default)]
pub(crate) struct FakeKms(Arc<Mutex<Vec<(String, Value)>>>);

impl FakeKms {
    pub(crate) const ARN: &str = "arn:aws:kms:ap-northeast-1:123456789012:key/1234abcd";

    pub(crate) fn client(&self) -> aws_sdk_kms::Client {
        let connector = SharedHttpConnector::new(self.clone());
        let config = aws_sdk_kms::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::from_static("ap-northeast-1"))
            .credentials_provider(Credentials::new("id", "secret", None, None, "test"))
            .retry_config(RetryConfig::disabled())
            .timeout_config(TimeoutConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .http_client(http_client_fn(move |_, _| connector.clone()))
            .build();
        aws_sdk_kms::Client::from_conf(config)
    }

    /// The requests so far: operation and body.
    pub(crate) fn requests(&self) -> Vec<(String, Value)> {
        self.0.lock().unwrap().clone()
    }

    fn answer(operation: &str, body: &Value) -> Result<Value, &'static str> {
        let key = SigningKey::from_slice(&[7; 32]).unwrap();
        if operation != "CreateKey" && body["KeyId"] != Self::ARN {
            return Err("NotFoundException");
        }
        Ok(match operation {
            "CreateKey" => {
                let is_for_leases =
                    body["KeySpec"] == "ECC_NIST_P256" && body["KeyUsage"] == "SIGN_VERIFY";
                if !is_for_leases {
                    return Err("UnsupportedOperationException");
                }
                json!({ "KeyMetadata": { "KeyId": "1234abcd", "Arn": Self::ARN } })
            }
            "GetPublicKey" => {
                let der = key.verifying_key().to_public_key_der().unwrap();
                json!({ "KeyId": Self::ARN, "PublicKey": BASE64.encode(der.as_bytes()) })
            }
            "Sign" => {
                let is_digest =
                    body["MessageType"] == "DIGEST" && body["SigningAlgorithm"] == "ECDSA_SHA_256";
                let message = body["Message"].as_str().unwrap_or_default();
                let digest = BASE64.decode(message.as_bytes()).unwrap_or_default();
                if !is_digest || digest.len() != 32 {
                    return Err("ValidationException");
                }
                let signature: Signature = key.sign_prehash(&digest).unwrap();
                json!({ "Signature": BASE64.encode(signature.to_der().as_bytes()) })
            }
            _ => return Err("UnknownOperationException"),
        })
    }
}

impl HttpConnector for FakeKms {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.strip_prefix("TrentService.").unwrap().to_owned();
        let body: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        let (status, answer) = match Self::answer(&operation, &body) {
            Ok(answer) => (200, answer),
            Err(kind) => (400, json!({ "__type": kind, "message": "refused" })),
        };
        self.0.lock().unwrap().push((operation, body));
        let status = u16::try_from(status).unwrap().try_into().unwrap();
        let answer = SdkBody::from(answer.to_string());
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, answer)))
    }
}

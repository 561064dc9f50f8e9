//! The tenants with their licences, what they and strangers ask, and what has to be answered.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tegata_common::keys::Jwks;
use tegata_common::license::License;
use tegata_operations::contract;
use tegata_signing::verify;
use tegata_storage::{ChangeContext, Key};
use tegata_tests::{Database, SERIAL, SigningKey, license, product};

const EVENT: &str = include_str!("../../../events/get-license.json");

/// A serial of nobody's.
const WRONG_SERIAL: &str = "QQQQ-QQQQ-QQQQ-QQQQ";

pub(crate) struct Tenants {
    tenants: Vec<Tenant>,
    jwks: Jwks,
    event: Value,
}

struct Tenant {
    license: License,
    code: &'static str,
    lease: String,
}

/// A request and its only right answer, beside 503 while the database is in trouble.
pub(crate) struct Request {
    pub(crate) event: String,
    pub(crate) id: String,
    expected: Expected,
}

enum Expected {
    /// What is known of the tenant of this number.
    License(usize),
    Problem(u16, &'static str),
}

impl Tenants {
    pub(crate) async fn sign_up(database: &Database, key: &SigningKey, number: usize) -> Self {
        let now = Timestamp::now();
        let act = ChangeContext {
            at: now,
            by: "load",
            change: "issue",
        };
        let product = product();
        let mut tenants = Vec::new();
        for number in 0..number {
            let usable_from = now - SignedDuration::from_hours(24 * 60);
            let host = format!("tenant{number}.cybozu.com");
            let license = license(&host, &product, &usable_from.to_string());
            let (license, code) = match number % 10 {
                0 => (license.suspended(now).unwrap(), "SUSPENDED"),
                _ => (license, "VALID"),
            };
            let signer = &key.signer;
            let written = contract::write(&database.licenses, None, &license, signer, &act).await;
            let lease = written.unwrap().signed.lease.jws;
            tenants.push(Tenant {
                license,
                code,
                lease,
            });
        }
        Self {
            tenants,
            jwks: key.jwks.clone(),
            event: serde_json::from_str(EVENT).unwrap(),
        }
    }

    pub(crate) fn number(&self) -> usize {
        self.tenants.len()
    }

    pub(crate) fn keys(&self) -> Vec<Key> {
        let licenses = self.tenants.iter().map(|tenant| &tenant.license);
        let key = |license: &License| Key::license(&license.domain, &license.product);
        licenses.map(key).collect()
    }

    /// A request: of a stranger in so many cases of a hundred.
    pub(crate) fn request(
        &self,
        number: u64,
        strangers: u8,
        random: &mut fastrand::Rng,
    ) -> Request {
        let tenant = random.usize(..self.tenants.len());
        let mut domain = self.tenants[tenant].license.domain.to_string();
        let mut headers = Vec::new();
        let mut expected = Expected::License(tenant);
        if random.u8(..100) >= strangers {
            if random.bool() {
                headers.push(("x-license-serial", SERIAL));
            }
        } else {
            expected = match random.u8(..4) {
                0 => {
                    domain = format!("stranger{}.cybozu.com", random.u32(..));
                    Expected::Problem(404, "NOT_FOUND")
                }
                1 => {
                    headers.push(("x-license-serial", WRONG_SERIAL));
                    Expected::Problem(404, "NOT_FOUND")
                }
                2 => {
                    domain = format!("{}/../{domain}", random.u32(..));
                    Expected::Problem(400, "MALFORMED")
                }
                _ => {
                    headers.push(("origin", "https://stranger.cybozu.com"));
                    Expected::Problem(403, "ORIGIN_NOT_ALLOWED")
                }
            };
        }
        let id = format!("{number:014x}=");
        let mut event = self.event.clone();
        for (name, value) in headers {
            event["headers"][name] = json!(value);
        }
        event["pathParameters"]["domain"] = json!(domain);
        event["requestContext"]["requestId"] = json!(id);
        event["requestContext"]["timeEpoch"] = json!(Timestamp::now().as_millisecond());
        Request {
            event: event.to_string(),
            id,
            expected,
        }
    }

    /// What is wrong with an answer, if anything is. `verifies`: whether to verify the lease.
    pub(crate) fn wrong(
        &self,
        request: &Request,
        status: u16,
        body: &Value,
        verifies: bool,
    ) -> Option<String> {
        let code = body["code"].as_str().unwrap_or_default();
        let tenant = match request.expected {
            Expected::Problem(expected, name) => {
                let is_right = (status, code) == (expected, name);
                return (!is_right)
                    .then(|| format!("{status} {code} instead of {expected} {name}"));
            }
            Expected::License(tenant) => &self.tenants[tenant],
        };
        let domain = tenant.license.domain.to_string();
        if (status, code) != (200, tenant.code) {
            return Some(format!("{status} {code} instead of 200 {}", tenant.code));
        }
        if body["domain"] != domain || body["lease"] != tenant.lease {
            return Some("the licence of another tenant".to_owned());
        }
        if !verifies {
            return None;
        }
        match verify(&self.jwks, &tenant.lease) {
            Ok(claims) if claims.sub == tenant.license.domain => None,
            Ok(_) => Some("the lease of another tenant".to_owned()),
            Err(error) => Some(format!("the lease is not authentic: {error}")),
        }
    }
}

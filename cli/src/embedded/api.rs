//! The DynamoDB API of the embedded database over HTTP, for those who know its access key.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, ORIGIN};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use subtle::ConstantTimeEq as _;

use crate::loopback::{Loopback, Refusal};

/// DynamoDB accepts bodies up to 16 MB.
const LONGEST_BODY: usize = 16 * 1024 * 1024;

/// What a client of the database has to know. It is sent as the access key id of the AWS signature.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct AccessKey(String);

impl AccessKey {
    /// Makes one of 256 random bits.
    pub(super) fn create() -> anyhow::Result<Self> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).context("the system gives no random numbers")?;
        Ok(Self(HEXLOWER.encode(&bytes)))
    }

    /// Reads one as it was written. `None` for anything else.
    pub(super) fn read(text: &str) -> Option<Self> {
        let bytes = HEXLOWER.decode(text.as_bytes()).ok()?;
        (bytes.len() == 32).then(|| Self(text.to_owned()))
    }

    /// The text that clients send.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether an `Authorization` names it:
    /// `AWS4-HMAC-SHA256 Credential=ID/20261127/REGION/dynamodb/aws4_request, …`.
    fn is_in(&self, authorization: &str) -> bool {
        let named = authorization.split_once("Credential=");
        let id = named.and_then(|(_, scope)| scope.split('/').next());
        id.is_some_and(|id| bool::from(id.as_bytes().ct_eq(self.0.as_bytes())))
    }
}

/// It is a secret: what is logged has nothing of it.
impl std::fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AccessKey")
    }
}

struct Api {
    database: Database,
    key: AccessKey,
    loopback: Loopback,
}

/// The API of a database at the listener's address.
pub(super) fn router(database: Database, key: AccessKey, address: SocketAddr) -> Router {
    let api = Api {
        database,
        key,
        loopback: Loopback::new(address),
    };
    Router::new()
        .fallback(serve)
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .with_state(Arc::new(api))
}

async fn serve(State(api): State<Arc<Api>>, headers: HeaderMap, body: String) -> Response {
    if let Err(refusal) = api.loopback.check_host(&headers) {
        return api.loopback.refuse(refusal);
    }
    // No page uses the database, and this origin has none.
    if headers.contains_key(ORIGIN) || headers.contains_key("sec-fetch-site") {
        return api.loopback.refuse(Refusal::Origin);
    }
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let authorization = header(AUTHORIZATION.as_str()).unwrap_or_default();
    if !api.key.is_in(authorization) {
        let message = "the access key id is in the file `endpoint` of the directory that is served";
        return failure(
            StatusCode::BAD_REQUEST,
            "com.amazon.coral.service#UnrecognizedClientException",
            message,
        );
    }
    let target = header("x-amz-target").unwrap_or_default();
    let operation = target.strip_prefix("DynamoDB_20120810.");
    match run(&api.database, operation.unwrap_or_default(), &body) {
        Ok(Some(answer)) => json_response(StatusCode::OK, answer),
        Ok(None) => failure(
            StatusCode::BAD_REQUEST,
            "com.amazon.coral.service#UnknownOperationException",
            "tegata does not use this operation",
        ),
        Err(error) => {
            let status = StatusCode::from_u16(error.status_code());
            let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            json_response(status, error.to_json())
        }
    }
}

/// Runs one of the operations that tegata uses. `None` for any other.
fn run(database: &Database, operation: &str, body: &str) -> Result<Option<String>, DynoxideError> {
    let done = match operation {
        "BatchGetItem" => with(body, |request| database.batch_get_item(request)),
        "BatchWriteItem" => with(body, |request| database.batch_write_item(request)),
        "CreateTable" => with(body, |request| database.create_table(request)),
        "DeleteItem" => with(body, |request| database.delete_item(request)),
        "DescribeTable" => with(body, |request| database.describe_table(request)),
        "GetItem" => with(body, |request| database.get_item(request)),
        "PutItem" => with(body, |request| database.put_item(request)),
        "Query" => with(body, |request| database.query(request)),
        "Scan" => with(body, |request| database.scan(request)),
        "TransactGetItems" => with(body, |request| database.transact_get_items(request)),
        "TransactWriteItems" => with(body, |request| database.transact_write_items(request)),
        "UpdateItem" => with(body, |request| database.update_item(request)),
        "UpdateTable" => with(body, |request| database.update_table(request)),
        _ => return Ok(None),
    };
    done.map(Some)
}

fn with<Request: DeserializeOwned, Answer: Serialize>(
    body: &str,
    act: impl FnOnce(Request) -> dynoxide::Result<Answer>,
) -> dynoxide::Result<String> {
    let request = serde_json::from_str(body)
        .map_err(|error| DynoxideError::SerializationException(error.to_string()))?;
    serde_json::to_string(&act(request)?)
        .map_err(|error| DynoxideError::InternalServerError(error.to_string()))
}

fn failure(status: StatusCode, kind: &str, message: &str) -> Response {
    json_response(
        status,
        json!({ "__type": kind, "message": message }).to_string(),
    )
}

fn json_response(status: StatusCode, body: String) -> Response {
    (status, [(CONTENT_TYPE, "application/x-amz-json-1.0")], body).into_response()
}

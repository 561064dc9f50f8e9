//! Lambda's Runtime API for one function: hands out one event at a time and takes the answer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinHandle;

/// The maximum wait for a start or an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server for one process.
pub struct RuntimeApi {
    /// What `AWS_LAMBDA_RUNTIME_API` has to be.
    pub address: String,
    invoke: mpsc::Sender<String>,
    asked: mpsc::Receiver<Instant>,
    answered: mpsc::Receiver<Answered>,
    server: JoinHandle<()>,
}

/// The function's answer.
pub struct Answered {
    /// When it came.
    pub at: Instant,
    /// Its JSON, or the error that the function reported.
    pub body: Result<Bytes, Bytes>,
}

struct Shared {
    invocations: Mutex<mpsc::Receiver<String>>,
    asked: mpsc::Sender<Instant>,
    answered: mpsc::Sender<Answered>,
}

impl RuntimeApi {
    /// Starts one on a free port.
    pub async fn start() -> Self {
        let (invoke, invocations) = mpsc::channel(1);
        let (asked_sender, asked) = mpsc::channel(4);
        let (answered_sender, answered) = mpsc::channel(4);
        let shared = Arc::new(Shared {
            invocations: Mutex::new(invocations),
            asked: asked_sender,
            answered: answered_sender,
        });
        let router = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route(
                "/2018-06-01/runtime/invocation/{id}/response",
                post(response),
            )
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .with_state(shared);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self {
            address,
            invoke,
            asked,
            answered,
            server,
        }
    }

    /// Waits until the function asks for its first event: its init is over.
    pub async fn ready(&mut self) -> Instant {
        let asked = tokio::time::timeout(PATIENCE, self.asked.recv()).await;
        asked.expect("the function starts within a minute").unwrap()
    }

    /// Hands out an event and waits for the answer.
    pub async fn invoke(&mut self, event: String) -> Answered {
        self.invoke.send(event).await.unwrap();
        let answered = tokio::time::timeout(PATIENCE, self.answered.recv()).await;
        let answered = answered.expect("an answer within a minute").unwrap();
        while self.asked.try_recv().is_ok() {}
        answered
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn next(State(shared): State<Arc<Shared>>) -> Response {
    let _ = shared.asked.send(Instant::now()).await;
    let Some(event) = shared.invocations.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let headers = [
        ("Content-Type", "application/json"),
        (
            "Lambda-Runtime-Aws-Request-Id",
            "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
        ),
        ("Lambda-Runtime-Deadline-Ms", "4102444800000"),
        (
            "Lambda-Runtime-Invoked-Function-Arn",
            "arn:aws:lambda:ap-northeast-1:123456789012:function:bench",
        ),
    ];
    (headers, event).into_response()
}

async fn response(State(shared): State<Arc<Shared>>, body: Bytes) -> StatusCode {
    answer(&shared, Ok(body)).await
}

async fn error(State(shared): State<Arc<Shared>>, body: Bytes) -> StatusCode {
    answer(&shared, Err(body)).await
}

async fn answer(shared: &Shared, body: Result<Bytes, Bytes>) -> StatusCode {
    let at = Instant::now();
    let _ = shared.answered.send(Answered { at, body }).await;
    StatusCode::ACCEPTED
}

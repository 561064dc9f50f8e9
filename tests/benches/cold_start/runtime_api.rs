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

/// A server for one process.
pub(crate) struct RuntimeApi {
    pub(crate) address: String,
    invoke: mpsc::Sender<()>,
    asked: mpsc::Receiver<Instant>,
    answered: mpsc::Receiver<(Instant, bool)>,
    server: JoinHandle<()>,
}

struct Shared {
    event: String,
    invocations: Mutex<mpsc::Receiver<()>>,
    asked: mpsc::Sender<Instant>,
    answered: mpsc::Sender<(Instant, bool)>,
}

impl RuntimeApi {
    pub(crate) async fn start(event: &str) -> Self {
        let (invoke, invocations) = mpsc::channel(1);
        let (asked_sender, asked) = mpsc::channel(4);
        let (answered_sender, answered) = mpsc::channel(4);
        let shared = Arc::new(Shared {
            event: event.to_owned(),
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
    pub(crate) async fn ready(&mut self) -> Instant {
        let asked = tokio::time::timeout(Duration::from_secs(60), self.asked.recv());
        asked
            .await
            .expect("the function starts within a minute")
            .unwrap()
    }

    /// Hands out the event and waits for the answer; the time between the two.
    pub(crate) async fn invoke(&mut self) -> Duration {
        let started = Instant::now();
        self.invoke.send(()).await.unwrap();
        let answered = tokio::time::timeout(Duration::from_secs(60), self.answered.recv());
        let (at, is_good) = answered.await.expect("an answer within a minute").unwrap();
        assert!(is_good, "the function did not answer 200");
        while self.asked.try_recv().is_ok() {}
        at.duration_since(started)
    }
}

impl Drop for RuntimeApi {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn next(State(shared): State<Arc<Shared>>) -> Response {
    let _ = shared.asked.send(Instant::now()).await;
    if shared.invocations.lock().await.recv().await.is_none() {
        return StatusCode::GONE.into_response();
    }
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
    (headers, shared.event.clone()).into_response()
}

async fn response(State(shared): State<Arc<Shared>>, body: Bytes) -> StatusCode {
    let at = Instant::now();
    let answer: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    let _ = shared
        .answered
        .send((at, answer["statusCode"] == 200))
        .await;
    StatusCode::ACCEPTED
}

async fn error(State(shared): State<Arc<Shared>>, body: Bytes) -> StatusCode {
    eprintln!("{}", String::from_utf8_lossy(&body));
    let _ = shared.answered.send((Instant::now(), false)).await;
    StatusCode::ACCEPTED
}

//! A process that dies at a chosen request to the database: before the request is sent, or after
//! it was carried out and before the process knows. Nothing that it would have sent later arrives.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use aws_sdk_dynamodb::config::interceptors::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;

/// When a process dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Death {
    /// At which of its requests, counted from 0.
    pub request: u32,
    /// Whether that request is carried out.
    pub is_carried_out: bool,
}

/// The requests of one process.
#[derive(Clone, Debug, Default)]
pub struct Process(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    death: Option<Death>,
    requests: u32,
    is_dead: bool,
}

impl Process {
    /// A client whose requests are this process's.
    pub fn client(&self, client: &aws_sdk_dynamodb::Client) -> aws_sdk_dynamodb::Client {
        let config = client.config().to_builder().interceptor(self.clone());
        aws_sdk_dynamodb::Client::from_conf(config.build())
    }

    /// Runs a new process; `None` if it died.
    pub async fn run<F: Future>(&self, death: Option<Death>, future: F) -> Option<F::Output> {
        *self.state() = State {
            death,
            ..State::default()
        };
        let mut future = pin!(future);
        poll_fn(|context| {
            let polled = future.as_mut().poll(context);
            if self.state().is_dead {
                return Poll::Ready(None);
            }
            polled.map(Some)
        })
        .await
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Intercept for Process {
    fn name(&self) -> &'static str {
        "Process"
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let mut state = self.state();
        let number = state.requests;
        state.requests += 1;
        let dies = |death: Death| death.request == number && !death.is_carried_out;
        if state.is_dead || state.death.is_some_and(dies) {
            state.is_dead = true;
            return Err("the process has died".into());
        }
        Ok(())
    }

    fn read_after_transmit(
        &self,
        _: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let mut state = self.state();
        let dies = |death: Death| death.request < state.requests && death.is_carried_out;
        if state.death.is_some_and(dies) {
            state.is_dead = true;
            return Err("the process has died".into());
        }
        Ok(())
    }
}

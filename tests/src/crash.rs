//! A process that is killed: a future that is dropped in the middle of what it does. Requests
//! that it has sent may or may not have arrived.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Runs a future until it has been polled so many times; `None` if it was not done by then.
pub fn after_polls<F: Future>(polls: u32, future: F) -> impl Future<Output = Option<F::Output>> {
    AfterPolls {
        future: Box::pin(future),
        polls,
    }
}

struct AfterPolls<F> {
    future: Pin<Box<F>>,
    polls: u32,
}

impl<F: Future> Future for AfterPolls<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls == 0 {
            return Poll::Ready(None);
        }
        self.polls -= 1;
        match self.future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => Poll::Pending,
        }
    }
}

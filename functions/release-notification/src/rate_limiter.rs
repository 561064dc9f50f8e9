//! The rate at which mails are sent.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// How far the pace may fall behind and still be made up for: more would be a burst that SES turns
/// away.
const MADE_UP_FOR: Duration = Duration::from_millis(250);

/// Lets so many through a second, one after the other.
#[derive(Debug)]
pub struct RateLimiter {
    interval: Duration,
    next: Mutex<Option<Instant>>,
}

impl RateLimiter {
    /// So many a second.
    pub fn per_second(rate: f64) -> Self {
        Self {
            interval: Duration::from_secs_f64(1.0 / rate.clamp(0.01, 10_000.0)),
            next: Mutex::new(None),
        }
    }

    /// Waits for one's turn.
    pub async fn turn(&self) {
        let now = Instant::now();
        let slot = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let earliest = now.checked_sub(MADE_UP_FOR).unwrap_or(now);
            let slot = next.map_or(now, |next| next.max(earliest));
            *next = Some(slot + self.interval);
            slot
        };
        if slot > now {
            sleep_until(slot).await;
        }
    }

    /// Lets nobody through for a while: SES has said that it was too fast.
    pub fn hold(&self, pause: Duration) {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        let until = Instant::now() + pause;
        *next = Some(next.map_or(until, |next| next.max(until)));
    }
}

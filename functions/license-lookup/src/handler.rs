//! Answers an event.

use std::time::{Duration, Instant};

use aws_sdk_dynamodb::Client;
use jiff::Timestamp;
use tegata_aws::TrustError;
use tegata_common::keys::KeyPurpose;
use tegata_storage::{Item, Key};

use crate::access_line::SerialCheck;
use crate::database::{self, ReadFailed};
use crate::exchange::{Answered, Exchange};
use crate::problem::Problem;
use crate::route::Answer;
use crate::settings::LookupSettings;

/// The maximum wait for the connection that is opened at start. Together with the first request's
/// time-out it stays below two seconds.
const WARM_UP: Duration = Duration::from_millis(250);

/// The function with its settings and its client.
#[derive(Clone, Debug)]
pub struct Lookup {
    client: Client,
    settings: LookupSettings,
}

/// The result of the database read.
pub type Read = Result<Option<Item>, ReadFailed>;

impl Lookup {
    /// Creates the function with its client.
    pub fn new(settings: &LookupSettings) -> Result<Self, TrustError> {
        Ok(Self {
            client: database::client(&settings.aws)?,
            settings: settings.clone(),
        })
    }

    /// Opens the connection to the database before the first request, because Lambda provides a
    /// full core during start. Reads a key that no tenant can have. An error is only logged; the
    /// first request tries again.
    pub async fn warm_up(&self) {
        let key = Key::key_register(KeyPurpose::Lease);
        let read = database::read(&self.client, &self.settings.table, &key);
        if !matches!(tokio::time::timeout(WARM_UP, read).await, Ok(Ok(_))) {
            tracing::warn!("the database did not answer at start");
        }
    }

    /// Answers one event (HTTP API, payload format 2.0) at an instant.
    pub async fn answer(&self, event: &str, now: Timestamp) -> Answered {
        let read = async |key: &Key| {
            let table = &self.settings.table;
            database::read(&self.client, table, key).await
        };
        answer(event, &self.settings, now, read).await
    }
}

/// Answers an event from what `read` returns for the licence's key. `read` is called once, and only
/// for a valid request.
pub async fn answer(
    event: &str,
    settings: &LookupSettings,
    now: Timestamp,
    read: impl AsyncFnOnce(&Key) -> Read,
) -> Answered {
    let mut exchange = Exchange::new(now);
    match evaluate(&mut exchange, event, settings, now, read).await {
        Ok(Some(answer)) => exchange.answer(answer),
        Ok(None) => exchange.allow_request(),
        Err(problem) => exchange.refuse(problem),
    }
}

/// Evaluates a request. `None` for a preflight.
async fn evaluate(
    exchange: &mut Exchange,
    event: &str,
    settings: &LookupSettings,
    now: Timestamp,
    read: impl AsyncFnOnce(&Key) -> Read,
) -> Result<Option<Answer>, Problem> {
    let event = exchange.read_event(event)?;
    let source = event.request_context.http.source_ip.as_deref();
    if !settings.sources.allow(source.unwrap_or("")) {
        return Err(Problem::SourceNotAllowed);
    }
    let Some(request) = (exchange.route.read)(&event, settings, exchange)? else {
        return Ok(None);
    };
    let line = &mut exchange.line;
    line.version = request.recorded_version();
    line.serial = Some(match request.serial {
        Some(_) => SerialCheck::Unchecked,
        None => SerialCheck::Absent,
    });
    let started = Instant::now();
    let read = read(&request.key()).await;
    line.database_ms = Some(milliseconds(started.elapsed()));
    let item = match read {
        Ok(Some(item)) => item,
        Ok(None) => return Err(line.not_found("no_license")),
        Err(failed) => {
            tracing::error!(error = failed.detail, "the database did not answer");
            line.reason = Some(failed.kind);
            return Err(Problem::DATABASE_UNAVAILABLE);
        }
    };
    (exchange.route.answer)(&request, item, now, line).map(Some)
}

/// Milliseconds, rounded to microseconds.
fn milliseconds(time: Duration) -> f64 {
    f64::from(u32::try_from(time.as_micros()).unwrap_or(u32::MAX)) / 1000.0
}

//! What the doors log on one machine, on its way to the archive: the same lines, in the same
//! events, to the same handler, and then the roll-up.

use std::io;
use std::time::Duration;

use access_log::handler::{AccessLog, BatchError};
use access_log::roll_up::RollUp;
use aws_lambda_events::cloudwatch_logs::{LogData, LogEntry};
use data_encoding::BASE64;
use flate2::Compression;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// How long lines are collected before they are delivered.
const COLLECT: Duration = Duration::from_millis(500);

/// The most lines of one delivery, as CloudWatch Logs has it.
const MOST: usize = 10_000;

/// Lines that may wait. More are left out, with a warning: logging never slows an answer.
const WAITING: usize = 100_000;

/// Where a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LogSource {
    /// The gateway's log group.
    Gateway,
    /// The lookup function's log group.
    Lookup,
    /// A file of the CDN's log.
    Cdn,
}

/// A line that a door has written.
#[derive(Clone, Debug)]
pub(super) struct LoggedLine {
    pub(super) door: LogSource,
    pub(super) at: Timestamp,
    pub(super) text: String,
}

enum Message {
    Line(LoggedLine),
    Stop,
}

/// Takes lines, and never waits.
#[derive(Clone, Debug)]
pub(super) struct LogSink {
    sender: mpsc::Sender<Message>,
}

/// The archive's and the usage's handlers.
#[derive(Clone, Debug)]
pub(super) struct Handlers {
    pub(super) access_log: AccessLog,
    pub(super) roll_up: RollUp,
}

impl LogSink {
    /// Starts the task, which ends after [`LogSink::close`].
    pub(super) fn open(handlers: Handlers) -> (Self, JoinHandle<()>) {
        let (sender, receiver) = mpsc::channel(WAITING);
        let task = tokio::spawn(handlers.follow(receiver));
        (Self { sender }, task)
    }

    /// Writes a line.
    pub(super) fn write(&self, door: LogSource, at: Timestamp, text: String) {
        let line = Message::Line(LoggedLine { door, at, text });
        if self.sender.try_send(line).is_err() {
            tracing::warn!("a log line was left out: too many are waiting");
        }
    }

    /// Delivers what is waiting, and ends the task.
    pub(super) async fn close(&self) {
        let _ = self.sender.send(Message::Stop).await;
    }
}

impl Handlers {
    async fn follow(self, mut receiver: mpsc::Receiver<Message>) {
        let mut is_open = true;
        // What an earlier run had no time for.
        self.roll_up().await;
        while is_open {
            let mut lines = Vec::new();
            let mut until = None;
            loop {
                let message = match until {
                    None => receiver.recv().await,
                    Some(until) => match tokio::time::timeout_at(until, receiver.recv()).await {
                        Ok(message) => message,
                        Err(_) => break,
                    },
                };
                match message {
                    Some(Message::Line(line)) => lines.push(line),
                    Some(Message::Stop) | None => is_open = false,
                }
                if !is_open || lines.len() >= MOST {
                    break;
                }
                until.get_or_insert_with(|| Instant::now() + COLLECT);
            }
            if lines.is_empty() {
                continue;
            }
            if let Err(error) = self.deliver(&lines).await {
                tracing::error!("access records were not archived: {error}");
            }
            self.roll_up().await;
        }
    }

    /// Delivers lines as log groups and the CDN do.
    pub(super) async fn deliver(&self, lines: &[LoggedLine]) -> Result<(), BatchError> {
        let now = Timestamp::now();
        for (door, group) in [
            (LogSource::Gateway, "gateway"),
            (LogSource::Lookup, "lookup"),
        ] {
            let of_it: Vec<&LoggedLine> = lines.iter().filter(|line| line.door == door).collect();
            for lines in of_it.chunks(MOST) {
                let event = subscription(group, lines)?;
                self.access_log.handle(&event, now).await?;
            }
        }
        let mut file = String::new();
        let mut stored_at = Timestamp::MIN;
        for line in lines.iter().filter(|line| line.door == LogSource::Cdn) {
            file.push_str(&line.text);
            file.push('\n');
            stored_at = stored_at.max(line.at);
        }
        if !file.is_empty() {
            let file = file.as_bytes();
            self.access_log.file("cdn.json", file, stored_at).await?;
        }
        Ok(())
    }

    /// Rolls up what has changed.
    pub(super) async fn roll_up(&self) {
        if let Err(error) = self.roll_up.run(Timestamp::now(), || false).await {
            tracing::error!("the roll-up did not run: {error}");
        }
    }
}

/// A batch as a subscription delivers it. The crate's own `LogsEvent` leaves out the padding of
/// base64 when it is written, and asks for it when it is read.
fn subscription(group: &str, lines: &[&LoggedLine]) -> io::Result<String> {
    let mut data = LogData::default();
    data.message_type = "DATA_MESSAGE".to_owned();
    data.owner = "000000000000".to_owned();
    data.log_group = group.to_owned();
    data.log_stream = "local".to_owned();
    data.subscription_filters = vec!["access-log".to_owned()];
    for (number, line) in lines.iter().enumerate() {
        let mut entry = LogEntry::default();
        entry.id = format!("{:038}{number:018}", line.at.as_nanosecond());
        entry.timestamp = line.at.as_millisecond();
        entry.message.clone_from(&line.text);
        data.log_events.push(entry);
    }
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    serde_json::to_writer(&mut gzip, &data)?;
    let data = BASE64.encode(&gzip.finish()?);
    Ok(json!({ "awslogs": { "data": data } }).to_string())
}

/// A time in the common log format, as `$context.requestTime` has it.
pub(super) fn common_log_time(at: Timestamp) -> String {
    at.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string()
}

/// What the gateway knows of a request.
pub(super) struct GatewayLine<'a> {
    pub(super) request_id: &'a str,
    pub(super) at: Timestamp,
    pub(super) route_key: &'a str,
    pub(super) status: u16,
    pub(super) latency_ms: u128,
    pub(super) was_integrated: bool,
}

impl GatewayLine<'_> {
    /// The line in the template's format.
    pub(super) fn text(&self) -> String {
        let integration = if self.was_integrated { "200" } else { "-" };
        // The template's format has its own order, which begins with the type.
        format!(
            r#"{{"type":"gateway","requestId":{},"time":"{}","routeKey":{},"status":"{}","responseLatency":"{}","integrationStatus":"{integration}"}}"#,
            json!(self.request_id),
            common_log_time(self.at),
            json!(self.route_key),
            self.status,
            self.latency_ms,
        )
    }
}

/// What the CDN knows of a request for a file.
pub(super) struct CdnLine<'a> {
    pub(super) request_id: &'a str,
    pub(super) at: Timestamp,
    pub(super) path: &'a str,
    pub(super) status: u16,
    pub(super) bytes: u64,
    pub(super) latency_ms: u128,
    pub(super) address: &'a str,
    pub(super) user_agent: &'a str,
    pub(super) referer: &'a str,
}

impl CdnLine<'_> {
    /// The line in the JSON of the standard log, v2.
    pub(super) fn text(&self) -> String {
        json!({
            "timestamp(ms)": self.at.as_millisecond().to_string(),
            "x-edge-request-id": self.request_id,
            "cs-method": "GET",
            "cs-uri-stem": self.path,
            "sc-status": self.status.to_string(),
            "sc-bytes": self.bytes.to_string(),
            "time-taken": format!("{}.{:03}", self.latency_ms / 1000, self.latency_ms % 1000),
            "x-edge-result-type": if self.status < 400 { "Hit" } else { "Error" },
            "c-ip": self.address,
            "cs(User-Agent)": self.user_agent,
            "cs(Referer)": self.referer,
        })
        .to_string()
    }
}

//! What the functions did: counts for people, and the same as CloudWatch metrics.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value, json};
use tegata_common::metrics::{metadata, metric};

use crate::deliver::Done;

/// What a run of announcing did and saw.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct AnnounceReport {
    /// Updates whose deliveries were written.
    pub announced: usize,
    /// Deliveries that were queued.
    pub queued: usize,
    /// Deliveries that are sent once more because their outcome stayed unknown.
    pub resent: usize,
    /// Deliveries that have still to be sent or found out about.
    pub open: usize,
    /// Mails whose outcome has been unknown for longer than evidence takes.
    pub unknown_overdue: usize,
    /// Notices that are not announced at their time, or whose mails have not all left by their
    /// planned instant.
    pub behind: usize,
    /// Notices that are stopped; all of them, if sending is.
    pub paused: usize,
    /// Notices that are not on the news page or the status page.
    pub channels_failing: usize,
    /// Notices that could not be worked on.
    pub failed: usize,
    /// How much of the day's quota is, or will be, used up, in percent; while there is something
    /// to send.
    pub daily_quota_percent: Option<f64>,
}

impl AnnounceReport {
    /// The report as one line in CloudWatch's embedded metric format.
    pub fn line(&self, now: Timestamp, stack: &str) -> Value {
        let mut metrics = vec![
            ("Announced", json!(self.announced)),
            ("DeliveriesOpen", json!(self.open)),
            ("UnknownResent", json!(self.resent)),
            ("UnknownOverdue", json!(self.unknown_overdue)),
            ("NoticesBehind", json!(self.behind + self.failed)),
            ("NoticesPaused", json!(self.paused)),
            ("ChannelsFailing", json!(self.channels_failing)),
        ];
        if let Some(percent) = self.daily_quota_percent {
            metrics.push(("DailyQuotaPercent", json!(percent)));
        }
        line("announce", now, stack, metrics)
    }
}

/// What became of a batch of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DeliverReport {
    /// Mails that SES has.
    pub accepted: u32,
    /// Mails that SES refused.
    pub refused: u32,
    /// Mails of which nobody knows.
    pub lost: u32,
    /// Messages that went back into the queue because SES was asked too fast.
    pub throttled: u32,
    /// Messages that were passed over because sending is stopped.
    pub paused: u32,
    /// Messages that had been worked on before.
    pub already: u32,
    /// Messages of nothing that is there.
    pub no_delivery: u32,
    /// Messages that could not be worked on, and come again.
    pub failed: u32,
}

impl DeliverReport {
    /// Counts a message.
    pub fn add(&mut self, done: Done) {
        let count = match done {
            Done::Accepted => &mut self.accepted,
            Done::Refused => &mut self.refused,
            Done::Lost => &mut self.lost,
            Done::Throttled => &mut self.throttled,
            Done::Paused => &mut self.paused,
            Done::Already => &mut self.already,
            Done::NoDelivery => &mut self.no_delivery,
        };
        *count += 1;
    }

    /// The report as one line in CloudWatch's embedded metric format.
    pub fn line(&self, now: Timestamp, stack: &str) -> Value {
        let metrics = vec![
            ("MailsAccepted", json!(self.accepted)),
            ("MailsRefused", json!(self.refused)),
            ("MailsLost", json!(self.lost)),
            ("MailsThrottled", json!(self.throttled)),
            ("MessagesPaused", json!(self.paused)),
            ("MessagesRepeated", json!(self.already)),
            ("MessagesFailed", json!(self.failed + self.no_delivery)),
        ];
        line("deliver", now, stack, metrics)
    }
}

fn line(kind: &str, now: Timestamp, stack: &str, metrics: Vec<(&str, Value)>) -> Value {
    let definitions: Vec<Value> = metrics.iter().map(|(name, _)| metric(name, None)).collect();
    let mut line = Map::new();
    let metadata = metadata(now, &["Stack"], &definitions);
    line.insert("_aws".to_owned(), metadata);
    line.insert("type".to_owned(), json!(kind));
    line.insert("time".to_owned(), json!(format!("{now:.3}")));
    line.insert("Stack".to_owned(), json!(stack));
    for (name, value) in metrics {
        line.insert(name.to_owned(), value);
    }
    Value::Object(line)
}

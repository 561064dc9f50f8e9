//! What the functions did.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use tegata_lambda::metrics::{
    CHANNELS_FAILING, CONTRACTS_NOT_TOLD, DAILY_QUOTA_PERCENT, MAILS_REFUSED, NOTICES_BEHIND,
    NOTICES_PAUSED, ReportLine, UNKNOWN_OVERDUE,
};

use crate::deliver::DeliveryOutcome;

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
    /// Customers and licences that cannot be told of a version that is signed ahead.
    pub contracts_not_told: usize,
    /// Notices that could not be worked on.
    pub failed: usize,
    /// Deliveries whose address was removed after the retention.
    pub addresses_removed: usize,
    /// How much of the day's quota is, or will be, used up, in percent; while there is something
    /// to send.
    pub daily_quota_percent: Option<f64>,
}

impl AnnounceReport {
    /// The report's line.
    pub fn line(&self, now: Timestamp, stack: &str) -> Value {
        let mut report = ReportLine::new("announce", now, stack)
            .figure("Announced", self.announced)
            .figure("DeliveriesOpen", self.open)
            .figure("UnknownResent", self.resent)
            .figure("AddressesRemoved", self.addresses_removed)
            .metric(UNKNOWN_OVERDUE, self.unknown_overdue)
            .metric(NOTICES_BEHIND, self.behind + self.failed)
            .metric(NOTICES_PAUSED, self.paused)
            .metric(CHANNELS_FAILING, self.channels_failing)
            .metric(CONTRACTS_NOT_TOLD, self.contracts_not_told);
        if let Some(percent) = self.daily_quota_percent {
            report = report.metric(DAILY_QUOTA_PERCENT, percent);
        }
        report.line()
    }
}

/// What became of a batch of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct DeliverReport {
    /// Mails that SES has.
    pub accepted: u32,
    /// Mails that SES refused, or that could not be rendered.
    pub refused: u32,
    /// Mails of which nobody knows.
    pub lost: u32,
    /// Mails that wait because SES was asked too fast.
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
    pub fn add(&mut self, done: DeliveryOutcome) {
        let count = match done {
            DeliveryOutcome::Accepted => &mut self.accepted,
            DeliveryOutcome::Refused => &mut self.refused,
            DeliveryOutcome::Lost => &mut self.lost,
            DeliveryOutcome::Throttled => &mut self.throttled,
            DeliveryOutcome::Paused => &mut self.paused,
            DeliveryOutcome::Already => &mut self.already,
            DeliveryOutcome::NoDelivery => &mut self.no_delivery,
        };
        *count += 1;
    }

    /// The report's line.
    pub fn line(&self, now: Timestamp, stack: &str) -> Value {
        ReportLine::new("deliver", now, stack)
            .figure("MailsAccepted", self.accepted)
            .metric(MAILS_REFUSED, self.refused)
            .figure("MailsLost", self.lost)
            .figure("MailsThrottled", self.throttled)
            .figure("MessagesPaused", self.paused)
            .figure("MessagesRepeated", self.already)
            .figure("MessagesFailed", self.failed + self.no_delivery)
            .line()
    }
}

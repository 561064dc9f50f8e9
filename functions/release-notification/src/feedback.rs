//! SES's events about mails that were sent: evidence, joined with what is known.

use std::collections::BTreeMap;

use aws_lambda_events::eventbridge::EventBridgeEvent;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tegata_common::notice::{Bounce, BounceKind, DeliveryId, Evidence, Facts, NoticeId, Rejected};
use tegata_common::redact::without_addresses;
use tegata_storage::notices::{Notices, Undeliverable};
use tegata_storage::{ChangeContext, TableError};

/// The function: the table.
#[derive(Clone, Debug)]
pub struct Feedback {
    notices: Notices,
    by: String,
}

/// What an event was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Seen {
    /// Evidence that was joined.
    Recorded,
    /// Evidence that was known.
    Known,
    /// Nothing to do with a delivery: a mail that was sent otherwise, an event of no consequence.
    Foreign,
    /// Of a delivery that is not in the table.
    NoDelivery,
}

/// Why an event was not recorded. Lambda delivers it again.
#[derive(Debug, thiserror::Error)]
pub enum FeedbackError {
    /// It is no event of SES's.
    #[error("an event that is none of SES's: {0}")]
    Unreadable(String),
    /// The table failed.
    #[error("the delivery: {0}")]
    Table(#[from] TableError),
}

/// An event's `detail`.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    event_type: String,
    mail: MailDetail,
    #[serde(default)]
    bounce: Option<BounceDetail>,
    #[serde(default)]
    complaint: Option<ComplaintDetail>,
    #[serde(default)]
    delivery: Option<Instant>,
    #[serde(default)]
    delivery_delay: Option<Instant>,
    #[serde(default)]
    reject: Option<RejectDetail>,
    #[serde(default)]
    failure: Option<FailureDetail>,
}

#[derive(Deserialize, Serialize)]
struct MailDetail {
    timestamp: Timestamp,
    #[serde(default)]
    tags: BTreeMap<String, Vec<String>>,
}

#[derive(Deserialize, Serialize)]
struct Instant {
    timestamp: Timestamp,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct BounceDetail {
    bounce_type: String,
    #[serde(default)]
    bounce_sub_type: String,
    timestamp: Timestamp,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct ComplaintDetail {
    timestamp: Timestamp,
    #[serde(default)]
    complaint_feedback_type: Option<String>,
}

#[derive(Deserialize, Serialize)]
struct RejectDetail {
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct FailureDetail {
    #[serde(default)]
    error_message: String,
}

impl Detail {
    /// The delivery and attempt that the mail was tagged with.
    fn tags(&self) -> Option<(NoticeId, DeliveryId, u16)> {
        let tag = |name: &str| self.mail.tags.get(name)?.first();
        Some((
            NoticeId::from_tag(tag("notice")?).ok()?,
            tag("delivery")?.parse().ok()?,
            // No event makes room for a thousand attempts.
            tag("attempt")?
                .parse()
                .ok()
                .filter(|n| (1..1000).contains(n))?,
        ))
    }

    /// What the event is evidence of, if of anything. The texts are the receiving server's as much as
    /// SES's: mail addresses in them are hashed.
    fn evidence(&self) -> Option<Evidence> {
        let sent = self.mail.timestamp;
        Some(match self.event_type.as_str() {
            "Send" => Evidence::Sent(sent),
            "Delivery" => {
                Evidence::Delivered(self.delivery.as_ref().map_or(sent, |of| of.timestamp))
            }
            "Bounce" => {
                let bounce = self.bounce.as_ref()?;
                Evidence::Bounced(Bounce {
                    kind: match bounce.bounce_type.as_str() {
                        "Permanent" => BounceKind::Permanent,
                        "Transient" => BounceKind::Transient,
                        _ => BounceKind::Undetermined,
                    },
                    at: bounce.timestamp,
                    subtype: without_addresses(&bounce.bounce_sub_type),
                })
            }
            "Complaint" => {
                let complaint = self.complaint.as_ref()?;
                // Somebody took it out of the junk again.
                if complaint.complaint_feedback_type.as_deref() == Some("not-spam") {
                    return None;
                }
                Evidence::Complained(complaint.timestamp)
            }
            "Reject" => Evidence::Rejected(Rejected {
                at: sent,
                reason: without_addresses(self.reject.as_ref().map_or("", |of| &of.reason)),
            }),
            "Rendering Failure" => Evidence::Rejected(Rejected {
                at: sent,
                reason: without_addresses(self.failure.as_ref().map_or("", |of| &of.error_message)),
            }),
            "DeliveryDelay" => {
                Evidence::Delayed(self.delivery_delay.as_ref().map_or(sent, |of| of.timestamp))
            }
            _ => return None,
        })
    }
}

impl Feedback {
    /// The function on a table, for a role.
    pub fn new(notices: Notices, by: impl Into<String>) -> Self {
        let by = by.into();
        Self { notices, by }
    }

    /// Records an event as EventBridge delivers it. Safe to repeat, in any order.
    pub async fn handle(&self, event: &str, now: Timestamp) -> Result<Seen, FeedbackError> {
        let event: EventBridgeEvent<Detail> = serde_json::from_str(event)
            .map_err(|error| FeedbackError::Unreadable(error.to_string()))?;
        let detail = event.detail;
        let (Some((notice, delivery, attempt)), Some(evidence)) =
            (detail.tags(), detail.evidence())
        else {
            return Ok(Seen::Foreign);
        };
        let seen = self.record(&notice, &delivery, attempt, &evidence).await?;
        let reason = match &evidence {
            Evidence::Bounced(bounce) if bounce.is_permanent() => {
                format!("bounced: {}", bounce.subtype)
            }
            Evidence::Complained(_) => "complained".to_owned(),
            _ => return Ok(seen),
        };
        // Also when the evidence was known: the run before may have ended in between.
        if seen != Seen::NoDelivery {
            let why = Undeliverable { at: now, reason };
            let act = ChangeContext {
                at: now,
                by: &self.by,
                change: "feedback",
            };
            let contact = &delivery.contact;
            self.notices.mark_undeliverable(contact, &why, &act).await?;
        }
        Ok(seen)
    }

    async fn record(
        &self,
        notice: &NoticeId,
        delivery: &DeliveryId,
        attempt: u16,
        evidence: &Evidence,
    ) -> Result<Seen, TableError> {
        let Some(stored) = self.notices.delivery(notice, delivery).await? else {
            tracing::error!(%notice, %delivery, "an event of a delivery that is not there");
            return Ok(Seen::NoDelivery);
        };
        let record = |facts: &mut Facts| facts.record(attempt, evidence);
        Ok(match self.notices.change_facts(stored, record).await? {
            true => Seen::Recorded,
            false => Seen::Known,
        })
    }
}

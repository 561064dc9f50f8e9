//! The way of a notice on one machine: the same three functions, woken as the cloud wakes them.
//! The queue is a channel; mails are files; and what a mail server would answer is made up.

use std::path::PathBuf;
use std::time::Duration;

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use jiff::{SignedDuration, Timestamp};
use release_notification::announce::Announce;
use release_notification::deliver::Deliver;
use release_notification::feedback::Feedback;
use release_notification::queue::{Message, Queue};
use release_notification::rate_limiter::RateLimiter;
use release_notification::report::AnnounceReport;
use serde_json::json;
use tegata_common::notice::State;
use tegata_notices::audience::Stores;
use tegata_notices::mailer::Mailer;
use tegata_notices::render::Sender;
use tegata_storage::notices::Notices;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::Instant;

use crate::target::Target;

/// How often announcing runs: here more often than in the cloud, where it is a minute.
const INTERVAL: Duration = Duration::from_secs(2);

/// Mails a second.
const RATE: f64 = 10.0;

/// How long evidence of a mail may take.
const WINDOW: SignedDuration = SignedDuration::from_mins(60);

/// How long addresses stay in deliveries: the default of the template's `LogRetentionDays`.
const RETENTION: SignedDuration = SignedDuration::from_hours(400 * 24);

/// Messages of a batch, as the template has it.
const BATCH: usize = 10;

/// The three functions on the target's stores.
pub(super) struct PostOffice {
    announce: Announce,
    deliver: Deliver,
    feedback: Feedback,
    notices: Notices,
    messages: UnboundedReceiver<Message>,
    /// What is to be delivered, and when.
    waiting: Vec<(Instant, Message)>,
}

impl PostOffice {
    /// Opens it: mails go into a directory.
    pub(super) fn open(target: &Target, sender: Sender, outbox: PathBuf) -> anyhow::Result<Self> {
        let (queue, messages) = unbounded_channel();
        let queue = Queue::Local(queue);
        let notices = target.notices()?.clone();
        Ok(Self {
            announce: Announce {
                stores: Stores {
                    licenses: target.licenses()?.clone(),
                    customers: target.customers()?.clone(),
                    notices: notices.clone(),
                },
                queue,
                cdn: target.cdn()?.clone(),
                status_page: None,
                ses: None,
                sender: sender.clone(),
                rate: RATE,
                window: WINDOW,
                retention: RETENTION,
                by: "local:announce".to_owned(),
            },
            deliver: Deliver::new(
                notices.clone(),
                Mailer::Outbox(outbox),
                sender,
                RateLimiter::per_second(RATE),
                "local:deliver",
            ),
            feedback: Feedback::new(notices.clone(), "local:feedback"),
            notices,
            messages,
            waiting: Vec::new(),
        })
    }

    /// Works for as long as it is let.
    pub(super) async fn work(mut self) {
        let mut wake = tokio::time::interval(INTERVAL);
        wake.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            wake.tick().await;
            let run = Box::pin(self.announce.run(Timestamp::now(), || false));
            match run.await {
                Ok(report) if report == AnnounceReport::default() => {}
                Ok(report) if report.failed > 0 => {
                    tracing::error!("a notice was not worked on: {report:?}");
                }
                Ok(_) => {}
                Err(error) => tracing::error!("announcing did not run: {error}"),
            }
            self.empty_queue().await;
        }
    }

    async fn empty_queue(&mut self) {
        let now = Instant::now();
        while let Ok(message) = self.messages.try_recv() {
            self.waiting.push((now, message));
        }
        let (due, waiting) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|(at, _)| *at <= now);
        self.waiting = waiting;
        let due: Vec<Message> = due.into_iter().map(|(_, message)| message).collect();
        for batch in due.chunks(BATCH) {
            let mut event = SqsEvent::default();
            for (number, message) in batch.iter().enumerate() {
                let mut record = SqsMessage::default();
                record.message_id = Some(number.to_string());
                record.body = serde_json::to_string(message).ok();
                event.records.push(record);
            }
            let handled = self.deliver.handle(event, Timestamp::now, || false);
            let (response, _) = Box::pin(handled).await;
            for failure in response.batch_item_failures {
                let number = failure.item_identifier.parse::<usize>().ok();
                if let Some(message) = number.and_then(|number| batch.get(number)) {
                    self.waiting.push((now + INTERVAL, message.clone()));
                }
            }
            for message in batch {
                if let Err(error) = self.answer(message).await {
                    tracing::error!("what became of a mail was not recorded: {error:#}");
                }
            }
        }
    }

    /// What SES would tell of a mail: as its simulator does, an address that begins with `bounce`
    /// bounces, and one that begins with `complaint` complains.
    async fn answer(&self, message: &Message) -> anyhow::Result<()> {
        let now = Timestamp::now();
        let (id, delivery) = (&message.notice_id, &message.delivery);
        let Some(stored) = self.notices.delivery(id, delivery).await? else {
            return Ok(());
        };
        let facts = &stored.delivery.facts;
        if facts.state(now) != State::Sent {
            return Ok(());
        }
        let at = format!("{now:.3}");
        let email = stored.delivery.email.as_str();
        let kinds: &[&str] = match email {
            bounces if bounces.starts_with("bounce") => &["Send", "Bounce"],
            complains if complains.starts_with("complaint") => &["Send", "Delivery", "Complaint"],
            _ => &["Send", "Delivery"],
        };
        for kind in kinds {
            let event = json!({
                "version": "0",
                "id": "local",
                "detail-type": "Email",
                "source": "aws.ses",
                "account": "000000000000",
                "time": at,
                "region": "local",
                "resources": [],
                "detail": {
                    "eventType": kind,
                    "mail": {
                        "timestamp": at,
                        "tags": {
                            "notice": [id.tag()],
                            "delivery": [delivery.to_string()],
                            "attempt": [facts.attempts.len().to_string()],
                        },
                    },
                    "delivery": { "timestamp": at },
                    "bounce": {
                        "bounceType": "Permanent",
                        "bounceSubType": "General",
                        "timestamp": at,
                    },
                    "complaint": { "timestamp": at, "complaintFeedbackType": "abuse" },
                },
            });
            self.feedback.handle(&event.to_string(), now).await?;
        }
        Ok(())
    }
}

//! One message, one mail: claimed, sent once, recorded.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent};
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use tegata_common::customer::EmailAddress;
use tegata_common::notice::{
    Claim, Delivery, Facts, Notice, NoticeId, Outcome, Pause, Sending, State, Update,
};
use tegata_common::redact::without_addresses;
use tegata_storage::notices::{Notices, VersionedDelivery};
use tegata_storage::{ChangeContext, TableError};
use tokio::sync::Mutex;

use crate::queue::Message;
use crate::rate_limiter::RateLimiter;
use crate::report::DeliverReport;
use tegata_notices::mailer::{Mailer, SendResult, Tags};
use tegata_notices::render::{self, RenderError, Sender, mail};

/// How long a claim holds: longer than this function may run. After that its outcome is unknown.
pub const LEASE: SignedDuration = SignedDuration::from_secs(180);

/// Lost outcomes in a row after which sending stops by itself.
const STREAK: u32 = 3;

/// Refused mails in a row after which it does: it is not the addresses then.
const REFUSED: u32 = 10;

/// How long the other mails wait when SES says that they come too fast.
const HOLD: Duration = Duration::from_secs(1);

/// The function: the table, and what sends.
#[derive(Debug)]
pub struct Deliver {
    notices: Notices,
    mailer: Mailer,
    sender: Sender,
    pace: RateLimiter,
    by: String,
    lost: Streak,
    refused: Streak,
}

/// Outcomes of one kind in a row.
#[derive(Debug, Default)]
struct Streak(AtomicU32);

impl Streak {
    /// Counts one more. At the most that there may be it ends, and says how many there were: the
    /// notice is stopped then, and this process may send another.
    fn count_to(&self, most: u32) -> Option<u32> {
        let in_a_row = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        (in_a_row >= most).then(|| {
            self.end();
            in_a_row
        })
    }

    fn end(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// SES has the mail.
    Accepted,
    /// SES refused the mail, or it could not be rendered.
    Refused,
    /// Nobody knows whether SES has it.
    Lost,
    /// Not sent: SES was asked too fast. Announcing queues it again when its time has come.
    Throttled,
    /// Not sent: sending is stopped. Announcing queues it again when it goes on.
    Paused,
    /// Nothing to be done: it was sent, or is being sent by another.
    Already,
    /// There is no such delivery.
    NoDelivery,
}

/// Why a message was not worked on. The queue delivers it again.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    /// It is no message of ours.
    #[error("a message that is not of this queue")]
    Unreadable,
    /// The table failed before anything was sent.
    #[error("the delivery: {0}")]
    Table(#[from] TableError),
    /// There was no time left.
    #[error("out of time")]
    OutOfTime,
}

/// What a batch's messages have in common, read once.
struct Batch {
    is_paused: AtomicBool,
    notices: Mutex<HashMap<NoticeId, Option<Arc<Notice>>>>,
}

impl Deliver {
    /// The function on given stores, at a pace.
    pub fn new(
        notices: Notices,
        mailer: Mailer,
        sender: Sender,
        pace: RateLimiter,
        by: impl Into<String>,
    ) -> Self {
        Self {
            notices,
            mailer,
            sender,
            pace,
            by: by.into(),
            lost: Streak::default(),
            refused: Streak::default(),
        }
    }

    /// Delivers a batch. Messages that could not be worked on are named, and no others.
    pub async fn handle(
        &self,
        event: SqsEvent,
        clock: impl Fn() -> Timestamp,
        time_is_up: impl Fn() -> bool,
    ) -> (SqsBatchResponse, DeliverReport) {
        let mut response = SqsBatchResponse::default();
        let mut report = DeliverReport::default();
        let sending = self.notices.sending().await;
        let batch = sending.map(|sending| Batch {
            is_paused: AtomicBool::new(sending.is_some_and(|of| of.value.paused.is_some())),
            notices: Mutex::default(),
        });
        let outcomes = event.records.iter().map(async |record| {
            let body = record.body.as_deref().unwrap_or_default();
            match &batch {
                Ok(batch) => {
                    let message = serde_json::from_str(body);
                    let message: Message = message.map_err(|_| DeliverError::Unreadable)?;
                    self.deliver(&message, batch, &clock, &time_is_up).await
                }
                Err(error) => Err(TableError::Database(error.to_string()).into()),
            }
        });
        let outcomes = join_all(outcomes).await;
        for (record, outcome) in event.records.iter().zip(outcomes) {
            match outcome {
                Ok(done) => report.add(done),
                Err(error) => {
                    tracing::error!("a message was not delivered: {error}");
                    report.failed += 1;
                    let mut failure = BatchItemFailure::default();
                    failure.item_identifier = record.message_id.clone().unwrap_or_default();
                    response.batch_item_failures.push(failure);
                }
            }
        }
        (response, report)
    }

    async fn deliver(
        &self,
        message: &Message,
        batch: &Batch,
        clock: &impl Fn() -> Timestamp,
        time_is_up: &impl Fn() -> bool,
    ) -> Result<DeliveryOutcome, DeliverError> {
        let Message {
            notice_id,
            delivery,
        } = message;
        if self.is_paused(notice_id, batch).await? {
            return Ok(DeliveryOutcome::Paused);
        }
        let Some(stored) = self.notices.delivery(notice_id, delivery).await? else {
            tracing::error!(%notice_id, %delivery, "a message of a delivery that is not there");
            return Ok(DeliveryOutcome::NoDelivery);
        };
        // Copies take no turn. What comes too early is queued again when its time has come.
        let facts = &stored.delivery.facts;
        let now = clock();
        if facts.state(now) != State::Pending || facts.not_before.is_some_and(|at| now < at) {
            return Ok(DeliveryOutcome::Already);
        }
        // Before the claim: whoever waits holds nothing.
        self.pace.turn().await;
        // A mail of this batch may have stopped the others meanwhile.
        if self.is_paused(notice_id, batch).await? {
            return Ok(DeliveryOutcome::Paused);
        }
        let Some(notice) = self.notice(notice_id, batch).await? else {
            tracing::error!(%notice_id, "a message of a notice that is not there");
            return Ok(DeliveryOutcome::NoDelivery);
        };
        let Some(update) = notice.update(delivery.update) else {
            tracing::error!(%notice_id, %delivery, "a message of an update that is not there");
            return Ok(DeliveryOutcome::NoDelivery);
        };
        let now = clock();
        let (to, raw) = match self.render(&notice, update, &stored.delivery, now) {
            Ok(rendered) => rendered,
            Err(error) => return Ok(self.fail(stored, &error, batch, now).await),
        };
        // The last moment: what is claimed from here on is sent and recorded, in the time that is
        // reserved for that.
        if time_is_up() {
            return Err(DeliverError::OutOfTime);
        }
        let attempt = stored.delivery.facts.allowed();
        let Some(claimed) = self.claim(&stored, attempt, now).await? else {
            return Ok(DeliveryOutcome::Already);
        };
        let tags = Tags {
            notice: notice_id.clone(),
            delivery: delivery.clone(),
            attempt,
        };
        let from = &self.sender.from;
        let sent = self.mailer.send(from, &to, raw, &tags).await;
        self.settle(claimed, attempt, sent, batch, clock()).await
    }

    /// The mail of a delivery, and where it goes.
    fn render(
        &self,
        notice: &Notice,
        update: &Update,
        delivery: &Delivery,
        now: Timestamp,
    ) -> Result<(EmailAddress, Vec<u8>), RenderError> {
        let to = render::recipient(delivery)?;
        let parts = mail::mail(notice, update, delivery, &self.sender)?;
        let raw = mail::message(parts, notice, delivery, &self.sender, now)?;
        Ok((to.clone(), raw))
    }

    /// Records that a mail cannot be rendered: it would not be at the next attempt either.
    async fn fail(
        &self,
        stored: VersionedDelivery,
        error: &RenderError,
        batch: &Batch,
        now: Timestamp,
    ) -> DeliveryOutcome {
        let notice_id = stored.delivery.notice_id.clone();
        let attempt = stored.delivery.facts.allowed();
        let error = without_addresses(&error.to_string());
        let reason = format!("the mail could not be rendered: {error}");
        tracing::error!(%notice_id, delivery = %stored.delivery.delivery, "{reason}");
        let refused = Outcome::Refused {
            at: now,
            reason: reason.clone(),
        };
        let fail = |facts: &mut Facts| {
            let attempt = facts.attempt_mut(attempt);
            // Another may have rendered and claimed it: a newer version of this function.
            if attempt.claim.is_none() {
                attempt.outcome.get_or_insert_with(|| refused.clone());
            }
        };
        self.record(stored, fail).await;
        self.count_refused(&notice_id, &reason, batch, now).await;
        DeliveryOutcome::Refused
    }

    /// Counts a mail that was refused. Many in a row stop the notice.
    async fn count_refused(&self, id: &NoticeId, reason: &str, batch: &Batch, now: Timestamp) {
        if let Some(in_a_row) = self.refused.count_to(REFUSED) {
            let why = format!("{in_a_row} mails in a row were refused; the last: {reason}");
            self.pause_notice(id, &why, batch, now).await;
        }
    }

    async fn is_paused(&self, id: &NoticeId, batch: &Batch) -> Result<bool, TableError> {
        let notice = self.notice(id, batch).await?;
        Ok(batch.is_paused.load(Ordering::Relaxed)
            || notice.is_some_and(|notice| notice.paused.is_some()))
    }

    async fn notice(
        &self,
        id: &NoticeId,
        batch: &Batch,
    ) -> Result<Option<Arc<Notice>>, TableError> {
        let mut known = batch.notices.lock().await;
        if let Some(notice) = known.get(id) {
            return Ok(notice.clone());
        }
        let stored = self.notices.get(id).await?;
        let notice = stored.map(|stored| Arc::new(stored.value));
        known.insert(id.clone(), notice.clone());
        Ok(notice)
    }

    /// Takes a delivery; `None` if another has it.
    async fn claim(
        &self,
        stored: &VersionedDelivery,
        attempt: u16,
        now: Timestamp,
    ) -> Result<Option<VersionedDelivery>, TableError> {
        let mut facts = stored.delivery.facts.clone();
        let claim = Claim {
            at: now,
            until: now + LEASE,
            nonce: fastrand::u32(..),
        };
        facts.attempt_mut(attempt).claim = Some(claim);
        match self.notices.write_facts(stored, facts).await {
            Ok(claimed) => Ok(Some(claimed)),
            // Another's, or this very write, whose answer was lost when the SDK made it first.
            Err(TableError::Conflict) => {
                let Delivery {
                    notice_id,
                    delivery,
                    ..
                } = &stored.delivery;
                let read = self.notices.delivery(notice_id, delivery).await?;
                Ok(read.filter(|read| {
                    let attempts = &read.delivery.facts.attempts;
                    let attempt = attempts.get(usize::from(attempt) - 1);
                    attempt.is_some_and(|attempt| attempt.claim == Some(claim))
                }))
            }
            Err(error) => Err(error),
        }
    }

    /// Records what came of sending. Whatever fails from here on, the mail is not sent again: the
    /// claim stands.
    async fn settle(
        &self,
        claimed: VersionedDelivery,
        attempt: u16,
        sent: SendResult,
        batch: &Batch,
        now: Timestamp,
    ) -> Result<DeliveryOutcome, DeliverError> {
        let notice_id = claimed.delivery.notice_id.clone();
        let claim = claimed
            .delivery
            .facts
            .attempts
            .get(usize::from(attempt) - 1)
            .and_then(|attempt| attempt.claim);
        let set = |outcome: Outcome| {
            move |facts: &mut Facts| facts.attempt_mut(attempt).outcome = Some(outcome.clone())
        };
        // Not sent for certain: the attempt has not been made. Only one's own claim is given back.
        let give_back = |not_before: Option<Timestamp>| {
            move |facts: &mut Facts| {
                let attempt = facts.attempt_mut(attempt);
                if attempt.claim == claim {
                    attempt.claim = None;
                    facts.not_before = not_before;
                }
            }
        };
        let done = match &sent {
            SendResult::Accepted { message_id } => {
                self.lost.end();
                self.refused.end();
                let message_id = message_id.clone();
                self.record(
                    claimed,
                    set(Outcome::Accepted {
                        at: now,
                        message_id,
                    }),
                )
                .await;
                DeliveryOutcome::Accepted
            }
            SendResult::Refused { reason } => {
                let refused = Outcome::Refused {
                    at: now,
                    reason: reason.clone(),
                };
                self.record(claimed, set(refused)).await;
                self.count_refused(&notice_id, reason, batch, now).await;
                DeliveryOutcome::Refused
            }
            SendResult::Lost { reason } => {
                let lost = Outcome::Lost {
                    at: now,
                    reason: reason.clone(),
                };
                self.record(claimed, set(lost)).await;
                if let Some(in_a_row) = self.lost.count_to(STREAK) {
                    let why = format!(
                        "{in_a_row} mails in a row had no certain outcome; the last: {reason}"
                    );
                    self.pause_notice(&notice_id, &why, batch, now).await;
                }
                DeliveryOutcome::Lost
            }
            SendResult::Throttled { wait, reason } => {
                tracing::warn!("SES: {reason}");
                self.pace.hold(HOLD);
                let wait = SignedDuration::try_from(*wait).unwrap_or_default();
                self.record(claimed, give_back(Some(now + wait))).await;
                DeliveryOutcome::Throttled
            }
            SendResult::Stopped { reason } => {
                batch.is_paused.store(true, Ordering::Relaxed);
                self.record(claimed, give_back(None)).await;
                self.pause_all(reason, now).await?;
                DeliveryOutcome::Paused
            }
        };
        Ok(done)
    }

    /// Writes an outcome. Nobody can do more about it if that fails: evidence, or the end of the
    /// lease, settles it.
    async fn record(&self, stored: VersionedDelivery, change: impl Fn(&mut Facts)) {
        let notice = stored.delivery.notice_id.clone();
        let delivery = stored.delivery.delivery.clone();
        if let Err(error) = self.notices.change_facts(stored, change).await {
            tracing::error!(%notice, %delivery, "an outcome was not recorded: {error}");
        }
    }

    /// Stops a notice, for this batch in any case. If it cannot be written, the next run of
    /// announcing sees the errors.
    async fn pause_notice(&self, id: &NoticeId, reason: &str, batch: &Batch, now: Timestamp) {
        let pause = Pause::new(now, &self.by, reason);
        if let Some(Some(notice)) = batch.notices.lock().await.get_mut(id) {
            Arc::make_mut(notice).paused = Some(pause.clone());
        }
        let stop = |notice: &mut Notice| stop(&mut notice.paused, &pause);
        if let Err(error) = self.notices.change(id, &self.act(now), stop).await {
            tracing::error!("a notice was not paused: {error}");
        }
    }

    /// Stops all notices: SES lets nothing through.
    async fn pause_all(&self, reason: &str, now: Timestamp) -> Result<(), TableError> {
        let pause = Pause::new(now, &self.by, reason);
        let stop = |sending: &mut Sending| stop(&mut sending.paused, &pause);
        self.notices.change_sending(&self.act(now), stop).await
    }

    fn act(&self, now: Timestamp) -> ChangeContext<'_> {
        ChangeContext {
            at: now,
            by: &self.by,
            change: "pause",
        }
    }
}

/// Sets a pause, unless there is one: the first reason stays.
fn stop(paused: &mut Option<Pause>, pause: &Pause) -> bool {
    let is_new = paused.is_none();
    paused.get_or_insert_with(|| pause.clone());
    is_new
}

//! What a notice asks for at an instant: its audience, its messages, its pages.
//!
//! A run looks at every notice that has work to be done, and does what is next for it. Each step
//! may be repeated, and each run takes up where the one before ended, wherever that was.

use std::collections::BTreeSet;

use aws_sdk_sesv2::Client as Ses;
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::{SignedDuration, Timestamp};
use tegata_archive::objects::Objects;
use tegata_common::notice::{
    AcknowledgedErrors, Announced, AudienceRecord, ContactHash, Delivery, DeliveryId, Facts,
    Notice, NoticeId, NoticeKind, Pause, Queued, Recipient, RetryReason, Sending, State, Tally,
    Unreachable, Update,
};
use tegata_common::revision::Revision;
use tegata_storage::notices::{VersionedDelivery, Work};
use tegata_storage::{ChangeContext, TableError, Versioned};

use crate::queue::{Message, Queue, QueueError};
use crate::report::AnnounceReport;
use tegata_notices::audience::{AudienceReport, Registry, Stores};
use tegata_notices::channels::news::{self, NewsError};
use tegata_notices::channels::status_page::{StatusPage, StatusPageError};
use tegata_notices::render::Sender;

/// Deliveries that are written at a time.
const AT_A_TIME: usize = 16;

/// How long messages may be in the queue, beyond the time that sending takes, before what is
/// still to be sent is queued again.
const QUEUED_AGAIN_AFTER: SignedDuration = SignedDuration::from_mins(15);

/// How far before the last look for throttled deliveries the next one begins: longer than
/// `deliver` takes to record that a delivery was throttled.
const OVERLAP: SignedDuration = SignedDuration::from_secs(30);

/// How long after its time a notice counts as behind.
const BEHIND_AFTER: SignedDuration = SignedDuration::from_mins(5);

/// Mails that must have been attempted before their errors stop a notice, and the share of errors
/// that does.
const ENOUGH: usize = 20;
const TOO_MANY: f64 = 0.1;

/// Attempts that are allowed by themselves because the one before stayed unknown. Whatever loses
/// so many in a row is for an operator to look at.
const RESENDS: usize = 2;

/// The function: where everything is, and what it is told.
#[derive(Clone, Debug)]
pub struct Announce {
    /// The tables.
    pub stores: Stores,
    /// Where messages go.
    pub queue: Queue,
    /// Where the news page goes.
    pub cdn: Objects,
    /// Where incidents and maintenance go too, if there is one.
    pub status_page: Option<StatusPage>,
    /// What knows the day's quota, if anything does.
    pub ses: Option<Ses>,
    /// Who speaks.
    pub sender: Sender,
    /// Mails a second.
    pub rate: f64,
    /// How long evidence of a mail may take.
    pub window: SignedDuration,
    /// How long addresses stay in the deliveries: [`Notice::addresses_expire_at`].
    pub retention: SignedDuration,
    /// Whom changes are recorded for.
    pub by: String,
}

/// Why a notice could not be worked on. The next run tries again.
#[derive(Debug, thiserror::Error)]
pub enum AnnounceError {
    /// A table failed.
    #[error("the table: {0}")]
    Table(#[from] TableError),
    /// The queue failed.
    #[error("the queue: {0}")]
    Queue(#[from] QueueError),
    /// There was no time left.
    #[error("out of time")]
    OutOfTime,
}

/// Why an update was not published on the status page.
#[derive(Debug, thiserror::Error)]
enum PostError {
    /// The other notices could not be read.
    #[error("{0}")]
    Table(#[from] TableError),
    /// Statuspal could not be reached, or refused.
    #[error("{0}")]
    Page(#[from] StatusPageError),
}

/// A notice that is being worked on, and the revision that it is written from.
struct Open {
    notice: Notice,
    read: Notice,
    revision: Revision,
}

impl Announce {
    /// Does what is due.
    pub async fn run(
        &self,
        now: Timestamp,
        time_is_up: impl Fn() -> bool,
    ) -> Result<AnnounceReport, AnnounceError> {
        let notices = &self.stores.notices;
        let mut report = AnnounceReport::default();
        let sending = notices.sending().await?;
        let sending = sending.map(|stored| stored.value).unwrap_or_default();
        let is_paused = sending.paused.is_some();
        report.paused += usize::from(is_paused);
        let due = notices.due(now).await?;
        let mut registry = None;
        for id in &due {
            if time_is_up() {
                tracing::error!(%id, "out of time before this notice");
                report.failed += 1;
                break;
            }
            let worked = self.work_on(id, &sending, now, &time_is_up, &mut registry, &mut report);
            match Box::pin(worked).await {
                // Somebody else wrote it: the next run takes it as it is then.
                Ok(()) | Err(AnnounceError::Table(TableError::Conflict)) => {}
                Err(error) => {
                    tracing::error!(%id, "a notice was not worked on: {error}");
                    report.failed += 1;
                }
            }
        }
        self.remove_expired_addresses(now, &time_is_up, &mut report)
            .await?;
        if report.open > 0 {
            report.daily_quota_percent = self.quota(report.open).await;
        }
        Ok(report)
    }

    async fn work_on(
        &self,
        id: &NoticeId,
        sending: &Sending,
        now: Timestamp,
        time_is_up: &impl Fn() -> bool,
        registry: &mut Option<Registry>,
        report: &mut AnnounceReport,
    ) -> Result<(), AnnounceError> {
        let is_paused = sending.paused.is_some();
        let Some(Versioned { value, revision }) = self.stores.notices.get(id).await? else {
            return Ok(());
        };
        let mut open = Open {
            read: value.clone(),
            notice: value,
            revision,
        };
        if open.notice.paused.is_none() {
            self.announce(&mut open, now, time_is_up, registry, report)
                .await?;
        }
        // Before the mails: what is wrong with those keeps nothing from the pages.
        self.channels(&mut open, now).await;
        if open.notice != open.read {
            self.write(&mut open, Work::Due(now), now).await?;
        }
        let mut deliveries = self.stores.notices.deliveries(id, None).await?;
        if let Some(at) = open.notice.addresses_expire_at(self.retention)
            && at <= now
        {
            deliveries = self
                .remove_addresses(id, deliveries, &time_is_up, report)
                .await?;
        }
        let is_watched = match open.notice.paused {
            Some(_) => true,
            None => {
                let watched = self.watch(&open.notice, &mut deliveries, now, time_is_up, registry);
                match watched.await {
                    Ok(watched) => {
                        report.contracts_not_told += watched.not_told_ahead;
                        watched.is_watched
                    }
                    // The mails that are there do not wait for this.
                    Err(error) => {
                        tracing::error!(%id, "the audience was not calculated again: {error}");
                        report.failed += 1;
                        true
                    }
                }
            }
        };
        if !is_paused {
            self.settle(&mut open, &mut deliveries, now, report).await?;
        }
        let facts = deliveries.iter().map(|stored| &stored.delivery.facts);
        let tally = Tally::of(facts, now, self.window);
        // An update's errors are its own: they do not stop the next one.
        let last = open.notice.last_announced();
        let of_the_last = deliveries
            .iter()
            .filter(|stored| stored.delivery.delivery.update == last)
            .map(|stored| &stored.delivery.facts);
        let of_the_last = Tally::of(of_the_last, now, self.window);
        stop_at_errors(&mut open.notice, &of_the_last, &self.by, now);
        match is_paused || open.notice.paused.is_some() {
            // What is in the queue is passed over: all of it is queued again afterwards.
            true => open
                .notice
                .updates
                .iter_mut()
                .for_each(|update| update.queued = None),
            false => {
                let since = sending.resumed_at;
                self.enqueue(&mut open, &deliveries, since, now, report)
                    .await?;
            }
        }
        see(&open.notice, &tally, now, report);
        if !is_watched && self.is_done(&open.notice, &tally) {
            let at = open.notice.addresses_expire_at(self.retention);
            let work = Work::Done(at.filter(|at| *at > now));
            self.write(&mut open, work, now).await
        } else {
            let waits_until = match is_watched && open.notice.last_announced() > 0 {
                true => None,
                false => waits_until(&open.notice, &tally, now),
            };
            let work = Work::Due(waits_until.unwrap_or(now));
            match open.notice == open.read && waits_until.is_none() {
                true => Ok(()),
                false => self.write(&mut open, work, now).await,
            }
        }
    }

    /// Writes the deliveries of updates whose time has come.
    async fn announce(
        &self,
        open: &mut Open,
        now: Timestamp,
        time_is_up: &impl Fn() -> bool,
        registry: &mut Option<Registry>,
        report: &mut AnnounceReport,
    ) -> Result<(), AnnounceError> {
        let due: Vec<u16> = open
            .notice
            .updates
            .iter()
            .filter(|update| update.announced.is_none() && update.send_at <= now)
            .map(|update| update.number)
            .collect();
        for number in due {
            // The promise is that it is told before. Whoever wants it told late says why.
            let is_over = open.notice.kind.has_come(now);
            let is_wanted = open
                .notice
                .update(number)
                .is_some_and(|of| of.short_notice.is_some());
            if is_over && number == 1 && !is_wanted {
                let reason = "what it announces was planned for an instant that has passed: plan \
                              it anew, or resume to send it all the same";
                open.notice.paused = Some(Pause::new(now, &self.by, reason));
                return Ok(());
            }
            let Some(update) = open.notice.update(number) else {
                return Ok(());
            };
            let registry = self.registry(registry).await?;
            let audience = self
                .tell(&open.notice, update, registry, None, now, time_is_up)
                .await?;
            let recipients = audience.audience.recipients.len();
            let unreachable = audience.unreachable();
            if open.notice.kind.planned_at().is_none() {
                self.record_unreachable(&open.notice.notice_id, unreachable.clone(), now, report)
                    .await;
            }
            let unreachable = unreachable.len();
            if let Some(update) = open
                .notice
                .updates
                .iter_mut()
                .find(|of| of.number == number)
            {
                open.notice.forgiven = AcknowledgedErrors::default();
                update.announced = Some(Announced {
                    at: now,
                    recipients,
                    unreachable,
                });
            }
            // Before anything is queued: from here on its text stays as it is.
            self.write(open, Work::Due(now), now).await?;
            report.announced += 1;
        }
        Ok(())
    }

    /// Records whom an update of a notice without a planned instant does not reach, so that
    /// `notice status` names them. The mails do not wait for this: if it fails, only the number is known.
    async fn record_unreachable(
        &self,
        id: &NoticeId,
        unreachable: Vec<Unreachable>,
        now: Timestamp,
        report: &mut AnnounceReport,
    ) {
        let record = AudienceRecord::new(now, unreachable, BTreeSet::new());
        if let Err(error) = self.stores.notices.put_audience(id, &record).await {
            tracing::error!(%id, "whom it does not reach was not recorded: {error}");
            report.failed += 1;
        }
    }

    /// Writes a delivery for each recipient of an update who has none. Safe to repeat.
    ///
    /// `not_before` is given for those who join after the update was announced, so that they are
    /// queued although it has been.
    pub(crate) async fn tell(
        &self,
        notice: &Notice,
        update: &Update,
        registry: &Registry,
        not_before: Option<Timestamp>,
        now: Timestamp,
        time_is_up: &impl Fn() -> bool,
    ) -> Result<AudienceReport, AnnounceError> {
        let (notices, id) = (&self.stores.notices, &notice.notice_id);
        let told = self.stores.told_before(notice, update).await?;
        let report = registry.audience(notice, update, &told, now);
        for item in &report.unreadable {
            tracing::error!(%id, "somebody may not be told: {}", item.error);
        }
        let known = notices.deliveries(id, Some(update.number)).await?;
        let known: BTreeSet<ContactHash> = known
            .into_iter()
            .map(|stored| stored.delivery.delivery.contact)
            .collect();
        let recipients = report.audience.recipients.iter();
        let missing = recipients.filter(|of| !known.contains(&ContactHash::of(&of.email)));
        let missing = missing.map(|of| delivery_to(of, notice, update, not_before));
        stream::iter(missing.collect::<Vec<_>>())
            .map(Ok)
            .try_for_each_concurrent(AT_A_TIME, async |delivery: Delivery| {
                if time_is_up() {
                    return Err(AnnounceError::OutOfTime);
                }
                Ok(notices.create_delivery(&delivery).await?)
            })
            .await?;
        Ok(report)
    }

    /// All contracts and contacts, read once a run.
    pub(crate) async fn registry<'r>(
        &self,
        registry: &'r mut Option<Registry>,
    ) -> Result<&'r Registry, AnnounceError> {
        let read = match registry.take() {
            Some(read) => read,
            None => self.stores.read(&BTreeSet::new()).await?,
        };
        Ok(registry.insert(read))
    }

    /// Allows another attempt where the outcome of the last stayed unknown, and this kind of
    /// notice is rather sent twice than not at all.
    async fn settle(
        &self,
        open: &mut Open,
        deliveries: &mut [VersionedDelivery],
        now: Timestamp,
        report: &mut AnnounceReport,
    ) -> Result<(), AnnounceError> {
        if !matches!(open.notice.kind, NoticeKind::Incident) || open.notice.paused.is_some() {
            return Ok(());
        }
        let last = open.notice.last_announced();
        let mut messages = Vec::new();
        for stored in deliveries {
            // Who has heard more since is not told again how it began.
            if stored.delivery.delivery.update < last {
                continue;
            }
            let facts = &stored.delivery.facts;
            if !facts.is_overdue(now, self.window) || facts.unknown_resends() >= RESENDS {
                continue;
            }
            let mut facts = stored.delivery.facts.clone();
            facts.again.push(RetryReason::Unknown { at: now });
            match self.stores.notices.write_facts(stored, facts).await {
                Ok(written) => *stored = written,
                // Evidence came in between, perhaps: the next run sees.
                Err(TableError::Conflict) => continue,
                Err(error) => return Err(error.into()),
            }
            messages.push(message(&stored.delivery));
        }
        report.resent += messages.len();
        Ok(self.queue.send(&messages).await?)
    }

    /// Queues what is to be sent: once, again when the time of a throttled delivery has come, and
    /// again if the queue has had time enough and it is still to be sent.
    async fn enqueue(
        &self,
        open: &mut Open,
        deliveries: &[VersionedDelivery],
        resumed_at: Option<Timestamp>,
        now: Timestamp,
        report: &mut AnnounceReport,
    ) -> Result<(), AnnounceError> {
        for update in &mut open.notice.updates {
            if update.announced.is_none() {
                continue;
            }
            // What was queued before all sending went on may have been passed over.
            let is_valid = |queued: &Queued| resumed_at.is_none_or(|at| queued.at > at);
            let queued = update.queued.filter(is_valid);
            let is_queued = queued.filter(|queued| {
                let sending = queued.messages as f64 / self.rate.max(0.01) * 1.5;
                let sending = SignedDuration::try_from_secs_f64(sending).unwrap_or_default();
                now < queued.at + QUEUED_AGAIN_AFTER + sending
            });
            let is_wanted = |facts: &Facts| {
                let is_due = facts.not_before.is_none_or(|at| at <= now);
                let has_come = |queued: Queued| {
                    let since = queued.throttled_at.unwrap_or(queued.at) - OVERLAP;
                    facts.not_before.is_some_and(|at| at > since)
                };
                is_due && facts.state(now) == State::Pending && is_queued.is_none_or(has_come)
            };
            let wanted = deliveries.iter().filter(|stored| {
                stored.delivery.delivery.update == update.number
                    && is_wanted(&stored.delivery.facts)
            });
            let messages: Vec<Message> = wanted.map(|stored| message(&stored.delivery)).collect();
            if messages.is_empty() && queued.is_some() {
                continue;
            }
            self.queue.send(&messages).await?;
            report.queued += messages.len();
            update.queued = Some(match is_queued {
                Some(queued) => Queued {
                    throttled_at: Some(now),
                    ..queued
                },
                None => Queued {
                    at: now,
                    messages: messages.len(),
                    throttled_at: None,
                },
            });
        }
        Ok(())
    }

    /// Brings the pages up to date. What fails is noted on the notice, shown, and tried again; it
    /// keeps no mail from being sent.
    async fn channels(&self, open: &mut Open, now: Timestamp) {
        let announced = open.notice.last_announced();
        if open.notice.news.done < announced && open.notice.news.is_due(now) {
            match self.publish_news(&open.notice).await {
                Ok(_) => open.notice.news.succeed(announced),
                Err(error) => {
                    tracing::error!("the news page was not written: {error}");
                    open.notice.news.fail(now, error.to_string());
                }
            }
        }
        let shows = StatusPage::shows(&open.notice);
        let Some(page) = self.status_page.as_ref().filter(|_| shows) else {
            return;
        };
        let next = |notice: &Notice| {
            let done = notice.status_page.done;
            notice.announced().find(|of| of.number > done).cloned()
        };
        while let Some(update) = next(&open.notice) {
            if !open.notice.status_page.is_due(now) {
                return;
            }
            match self.post(page, &open.notice, &update).await {
                Ok(id) => {
                    open.notice.status_page.external_id = Some(id);
                    open.notice.status_page.succeed(update.number);
                }
                Err(error) => {
                    tracing::error!("the status page was not written: {error}");
                    open.notice.status_page.fail(now, error.to_string());
                    return;
                }
            }
        }
    }

    /// Publishes an update on the status page. Returns the entry's id.
    async fn post(
        &self,
        page: &StatusPage,
        notice: &Notice,
        update: &Update,
    ) -> Result<String, PostError> {
        let known = notice.status_page.external_id.as_deref();
        let mut taken = BTreeSet::new();
        // The search for an entry must not find that of another notice with the same title.
        if known.is_none() {
            let others = self.stores.notices.all().await?.into_iter();
            let others = others.filter(|other| other.notice_id != notice.notice_id);
            taken.extend(others.filter_map(|other| other.status_page.external_id));
        }
        Ok(page.post(notice, update, known, &taken).await?)
    }

    /// Writes the news page, as of this notice.
    async fn publish_news(&self, changed: &Notice) -> Result<usize, NewsError> {
        let notices = self.stores.notices.all().await?.into_iter();
        let mut notices: Vec<Notice> = notices
            .filter(|notice| notice.notice_id != changed.notice_id)
            .collect();
        notices.push(changed.clone());
        let url = self.status_page.as_ref().map(StatusPage::url);
        let only = Some(&changed.notice_id);
        news::publish(&notices, &self.cdn, &self.sender, url.as_deref(), only).await
    }

    /// How much of the day's quota is used with what is still to be sent, in percent.
    async fn quota(&self, open: usize) -> Option<f64> {
        let account = match self.ses.as_ref()?.get_account().send().await {
            Ok(account) => account,
            Err(error) => {
                tracing::warn!(
                    "SES did not tell the day's quota: {}",
                    tegata_aws::causes(&error)
                );
                return None;
            }
        };
        let quota = account.send_quota?;
        #[expect(clippy::cast_precision_loss, reason = "a share of a quota")]
        let used = quota.sent_last24_hours + open as f64;
        // -1 is no limit.
        (quota.max24_hour_send > 0.0).then(|| used / quota.max24_hour_send * 100.0)
    }

    fn is_done(&self, notice: &Notice, tally: &Tally) -> bool {
        let announced = notice.last_announced();
        let is_on_status_page = self.status_page.is_none()
            || !StatusPage::shows(notice)
            || notice.status_page.done >= announced;
        notice.is_announced()
            && notice.paused.is_none()
            && notice.news.done >= announced
            && is_on_status_page
            && tally.open() == 0
    }

    async fn write(
        &self,
        open: &mut Open,
        work: Work,
        now: Timestamp,
    ) -> Result<(), AnnounceError> {
        let act = ChangeContext {
            at: now,
            by: &self.by,
            change: "announce",
        };
        let notices = &self.stores.notices;
        let before = Some(&open.revision);
        open.revision = notices.put(before, &open.notice, work, &act).await?;
        open.read = open.notice.clone();
        Ok(())
    }
}

/// The delivery of an update to a recipient.
fn delivery_to(
    recipient: &Recipient,
    notice: &Notice,
    update: &Update,
    not_before: Option<Timestamp>,
) -> Delivery {
    Delivery {
        notice_id: notice.notice_id.clone(),
        delivery: DeliveryId::of(update.number, &recipient.email),
        email: recipient.email.clone().into(),
        language: recipient.language,
        why: recipient.why,
        customers: recipient.customers.clone(),
        facts: Facts {
            not_before,
            ..Facts::default()
        },
    }
}

fn message(delivery: &Delivery) -> Message {
    Message {
        notice_id: delivery.notice_id.clone(),
        delivery: delivery.delivery.clone(),
    }
}

/// Stops a notice of which too many mails went wrong, beyond those that an operator let pass.
fn stop_at_errors(notice: &mut Notice, tally: &Tally, by: &str, now: Timestamp) {
    let (wrong, attempted) = tally.errors();
    let forgiven = notice.forgiven;
    let wrong = wrong.saturating_sub(forgiven.wrong);
    let attempted = attempted.saturating_sub(forgiven.attempted);
    #[expect(clippy::cast_precision_loss, reason = "a share of mails")]
    let share = wrong as f64 / attempted.max(1) as f64;
    if notice.paused.is_none() && tally.waiting() > 0 && attempted >= ENOUGH && share > TOO_MANY {
        let reason = format!("of {attempted} mails {wrong} went wrong ({tally})");
        notice.paused = Some(Pause::new(now, by, &reason));
    }
}

/// Counts what is not as it should be.
fn see(notice: &Notice, tally: &Tally, now: Timestamp, report: &mut AnnounceReport) {
    report.open += tally.open();
    report.unknown_overdue += tally.overdue;
    report.paused += usize::from(notice.paused.is_some());
    let is_late = notice
        .updates
        .iter()
        .any(|update| update.announced.is_none() && update.send_at + BEHIND_AFTER < now);
    let is_unsent = tally.waiting() > 0;
    report.behind += usize::from(is_late || notice.kind.has_come(now) && is_unsent);
    let is_failing = notice.news.failed.is_some() || notice.status_page.failed.is_some();
    report.channels_failing += usize::from(is_failing);
}

/// Until when a notice with nothing to be done waits for its next update's time.
fn waits_until(notice: &Notice, tally: &Tally, now: Timestamp) -> Option<Timestamp> {
    let announced = notice.last_announced();
    let is_waiting = tally.open() == 0
        && notice.paused.is_none()
        && notice.news.done >= announced
        && notice.status_page.failed.is_none();
    let next = notice
        .updates
        .iter()
        .find(|update| update.announced.is_none());
    next.map(|update| update.send_at)
        .filter(|at| is_waiting && *at > now)
}

//! How far notices are, and who was told.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tegata_common::notice::{Channel, Notice, NoticeId, Outcome, State, Tally};
use tegata_notices::operate;
use tegata_storage::Versioned;
use tegata_storage::notices::VersionedDelivery;

use crate::output::{self, Output, note, say};
use crate::spreadsheet;
use crate::target::Target;

/// How often a watched notice is looked at.
const INTERVAL: Duration = Duration::from_secs(2);

/// A notice with its deliveries.
struct NoticeSnapshot {
    notice: Notice,
    deliveries: Vec<VersionedDelivery>,
    sending_paused: Option<String>,
    now: Timestamp,
}

async fn look(target: &Target, id: &NoticeId, now: Timestamp) -> anyhow::Result<NoticeSnapshot> {
    let Versioned { value: notice, .. } = operate::notice(target.notices()?, id).await?;
    let sending_paused = sending_paused(target).await?;
    look_at(target, notice, sending_paused, now).await
}

async fn look_at(
    target: &Target,
    notice: Notice,
    sending_paused: Option<String>,
    now: Timestamp,
) -> anyhow::Result<NoticeSnapshot> {
    Ok(NoticeSnapshot {
        deliveries: target
            .notices()?
            .deliveries(&notice.notice_id, None)
            .await?,
        sending_paused,
        notice,
        now,
    })
}

/// Why all sending is paused, if so.
async fn sending_paused(target: &Target) -> anyhow::Result<Option<String>> {
    let sending = target.notices()?.sending().await?;
    let paused = sending.and_then(|stored| stored.value.paused);
    Ok(paused.map(|pause| pause.reason))
}

impl NoticeSnapshot {
    fn tally(&self, update: Option<u16>) -> Tally {
        let of_it = self
            .deliveries
            .iter()
            .filter(|stored| update.is_none_or(|update| stored.delivery.delivery.update == update));
        let facts = of_it.map(|stored| &stored.delivery.facts);
        Tally::of(facts, self.now, SignedDuration::ZERO)
    }

    /// Whether all was sent that is to be sent now.
    fn is_sent(&self) -> bool {
        self.notice.is_announced() && self.tally(None).waiting() == 0
    }

    fn state(&self) -> &'static str {
        let tally = self.tally(None);
        if self.notice.paused.is_some() || self.sending_paused.is_some() && tally.open() > 0 {
            "paused"
        } else if !self.notice.is_announced() {
            "scheduled"
        } else if tally.waiting() > 0 {
            "sending"
        } else if self.notice.updates.is_empty() {
            "cancelled"
        } else if tally.count(State::Unknown) > 0 {
            "unknown"
        } else if tally.count(State::Failed) > 0 {
            "incomplete"
        } else {
            "sent"
        }
    }
}

pub(super) async fn status(
    target: &Target,
    output: Output,
    id: &NoticeId,
    watch: bool,
) -> anyhow::Result<()> {
    let mut looked = look(target, id, target.now).await?;
    if watch {
        let is_seen = output == Output::Text && output::is_stderr_seen();
        let template = "{bar:40} {pos}/{len} {msg}";
        let bar = output::progress(0, template, output);
        while !looked.is_sent() && looked.notice.paused.is_none() && looked.sending_paused.is_none()
        {
            let tally = looked.tally(None);
            bar.set_length(u64::try_from(tally.total()).unwrap_or(u64::MAX));
            let done = tally.total() - tally.open();
            bar.set_position(u64::try_from(done).unwrap_or(u64::MAX));
            if is_seen {
                bar.set_message(tally.to_string());
            } else if output == Output::Text && tally.total() > 0 {
                note!("{done}/{} {tally}", tally.total());
            }
            tokio::time::sleep(INTERVAL).await;
            looked = look(target, id, Timestamp::now()).await?;
        }
        bar.finish_and_clear();
    }
    match output {
        Output::Json => output::json(&as_json(&looked, target)),
        Output::Text => {
            print(&looked, target);
            Ok(())
        }
    }
}

fn print(looked: &NoticeSnapshot, target: &Target) {
    let notice = &looked.notice;
    say!(
        "{} ({}): {}",
        notice.notice_id,
        notice.kind.as_str(),
        looked.state()
    );
    say!("  {}", notice.title.ja);
    say!("  {}", notice.title.en);
    if let Some(planned) = notice.kind.planned_at() {
        say!("planned for {}", target.local_time(planned));
    }
    if let Some(pause) = &notice.paused {
        let since = target.local_time(pause.at);
        say!("paused since {since} by {}: {}", pause.by, pause.reason);
    }
    if let Some(reason) = &looked.sending_paused {
        say!("all sending is paused: {reason}");
    }
    for update in &notice.updates {
        match update.announced {
            None => say!(
                "update {}: to be announced at {}",
                update.number,
                target.local_time(update.send_at)
            ),
            Some(announced) => {
                let tally = looked.tally(Some(update.number));
                say!(
                    "update {}: announced at {} to {}",
                    update.number,
                    target.local_time(announced.at),
                    super::file::count(tally.total(), "contact", "contacts"),
                );
                for (state, count) in tally.by_count() {
                    say!("  {:11} {count}", state.as_str());
                }
                if announced.unreachable > 0 {
                    say!(
                        "  contracts of which nobody could be told: {}",
                        announced.unreachable
                    );
                }
            }
        }
        if let Some(reason) = &update.short_notice {
            say!("  on short notice: {reason}");
        }
    }
    channel("news page", &notice.news, notice.last_announced());
    if notice.status_page != Channel::default() {
        channel("status page", &notice.status_page, notice.last_announced());
    }
    let resends: usize = looked
        .deliveries
        .iter()
        .map(|stored| stored.delivery.facts.unknown_resends())
        .sum();
    if resends > 0 {
        say!("sent once more because the outcome stayed unknown: {resends}");
    }
    let wrong = looked.deliveries.iter().filter_map(|stored| {
        let facts = &stored.delivery.facts;
        let state = facts.state(looked.now);
        let is_wrong = matches!(state, State::Failed | State::Unknown | State::Bounced);
        is_wrong.then(|| (state, &stored.delivery, facts.reason().unwrap_or_default()))
    });
    for (state, delivery, reason) in wrong.take(20) {
        say!("  {} {}: {reason}", state.as_str(), delivery.delivery);
    }
}

fn channel(name: &str, channel: &Channel, announced: u16) {
    match &channel.failed {
        Some(failed) => say!("{name}: failed {} times: {}", failed.times, failed.reason),
        None if channel.done >= announced => say!("{name}: up to date"),
        None => say!("{name}: update {announced} is to come"),
    }
}

fn as_json(looked: &NoticeSnapshot, target: &Target) -> Value {
    let notice = &looked.notice;
    let states = |tally: &Tally| -> Value {
        let states = State::ALL.iter();
        let states = states.map(|state| (state.as_str().to_owned(), json!(tally.count(*state))));
        Value::Object(states.collect())
    };
    json!({
        "notice_id": notice.notice_id,
        "kind": notice.kind.as_str(),
        "state": looked.state(),
        "planned_at": notice.kind.planned_at().map(|at| target.local_time(at)),
        "paused": notice.paused,
        "sending_paused": looked.sending_paused,
        "updates": notice.updates.iter().map(|update| json!({
            "number": update.number,
            "stage": update.stage,
            "severity": update.severity,
            "send_at": target.local_time(update.send_at),
            "announced_at": update.announced.map(|announced| target.local_time(announced.at)),
            "unreachable": update.announced.map(|announced| announced.unreachable),
            "short_notice": update.short_notice,
            "deliveries": states(&looked.tally(Some(update.number))),
        })).collect::<Vec<_>>(),
        "news": notice.news,
        "status_page": notice.status_page,
    })
}

/// Who was told when, as rows for an auditor.
pub(super) async fn ledger(target: &Target, id: &NoticeId, watch: bool) -> anyhow::Result<()> {
    if watch {
        let message = "--watch is for people: leave out --output csv".to_owned();
        return Err(crate::failure::UsageError(message).into());
    }
    let looked = look(target, id, target.now).await?;
    let header = [
        "notice_id",
        "delivery",
        "update",
        "email",
        "role",
        "language",
        "customers",
        "state",
        "attempts",
        "sent_at",
        "settled_at",
        "message_id",
        "reason",
    ];
    let mut rows = Vec::new();
    for stored in &looked.deliveries {
        let delivery = &stored.delivery;
        let facts = &delivery.facts;
        let sent = facts.attempts.iter().find_map(|attempt| {
            let accepted = match &attempt.outcome {
                Some(Outcome::Accepted { at, .. }) => Some(*at),
                _ => None,
            };
            let vouched = attempt.vouched.as_ref().map(|vouched| vouched.at);
            attempt.sent_at.or(accepted).or(vouched)
        });
        let state = facts.state(looked.now);
        let settled = facts.last_seen().filter(|_| !state.is_open());
        let is_wrong = matches!(
            state,
            State::Failed | State::Unknown | State::Bounced | State::Complained
        );
        let reason = facts.reason().filter(|_| is_wrong);
        let message_id = facts
            .attempts
            .iter()
            .find_map(|attempt| match &attempt.outcome {
                Some(Outcome::Accepted { message_id, .. }) => Some(message_id.clone()),
                _ => None,
            });
        let local = |at: Option<Timestamp>| at.map(|at| target.local_time(at)).unwrap_or_default();
        let customers: Vec<&str> = delivery
            .customers
            .iter()
            .map(|customer| customer.customer_id.as_str())
            .collect();
        let attempts = facts
            .attempts
            .iter()
            .filter(|attempt| attempt.claim.is_some())
            .count();
        rows.push([
            delivery.notice_id.to_string(),
            delivery.delivery.to_string(),
            delivery.delivery.update.to_string(),
            delivery.email.as_str().to_owned(),
            delivery.why.as_str().to_owned(),
            delivery.language.as_str().to_owned(),
            customers.join(" "),
            state.as_str().to_owned(),
            attempts.to_string(),
            local(sent),
            local(settled),
            message_id.unwrap_or_default(),
            reason.unwrap_or_default(),
        ]);
    }
    let text = spreadsheet::write(&header, rows, csv::Terminator::Any(b'\n'))?;
    output::rows(text.trim_end());
    Ok(())
}

pub(super) async fn list(target: &Target, output: Output) -> anyhow::Result<()> {
    let mut notices = target.notices()?.all().await?;
    let sending_paused = sending_paused(target).await?;
    let first = |notice: &Notice| notice.updates.first().map(|update| update.send_at);
    notices.sort_by_key(|notice| std::cmp::Reverse(first(notice)));
    let mut rows = Vec::new();
    let mut documents = Vec::new();
    for notice in notices {
        let looked = look_at(target, notice, sending_paused.clone(), target.now).await?;
        let notice = &looked.notice;
        let tally = looked.tally(None);
        if output == Output::Json {
            documents.push(as_json(&looked, target));
            continue;
        }
        rows.push(vec![
            notice.notice_id.to_string(),
            notice.kind.as_str().to_owned(),
            looked.state().to_owned(),
            first(notice)
                .map(|at| target.local_time(at))
                .unwrap_or_default(),
            notice
                .kind
                .planned_at()
                .map(|at| target.local_time(at))
                .unwrap_or_default(),
            tally.total().to_string(),
            tally.open().to_string(),
            notice.title.en.clone(),
        ]);
    }
    match output {
        Output::Json => output::json(&documents)?,
        Output::Text => output::table(
            &[
                "notice",
                "kind",
                "state",
                "sent at",
                "planned for",
                "contacts",
                "open",
                "title",
            ],
            rows,
        ),
    }
    Ok(())
}

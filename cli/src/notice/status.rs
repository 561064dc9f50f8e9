//! `tegata notice status`.

use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use tegata_common::customer::Language;
use tegata_common::notice::{Channel, Delivery, NotTold, NoticeId, State, ToldOtherwise};
use tegata_operations::notices::{self, LEDGER_HEADER, NoticeState, NoticeStatus};

use crate::failure::{Exit, UsageError};
use crate::messages::value;
use crate::output::{self, Output, note, say};
use crate::spreadsheet;
use crate::target::Target;

/// How often a watched notice is looked at.
const INTERVAL: Duration = Duration::from_secs(2);

#[derive(Args)]
pub(crate) struct Status {
    /// The notice.
    id: NoticeId,
    /// Look again every two seconds until all mails have been sent, or sending is paused.
    #[arg(long)]
    watch: bool,
    /// Exit with 5 if it is scheduled or being sent, and with 6 if it waits for an operator: paused,
    /// an unknown outcome, a failed mail, or a customer who has not been told.
    #[arg(long)]
    exit_code: bool,
}

pub(super) async fn run(target: &Target, output: Output, args: Status) -> anyhow::Result<()> {
    let status = match args.watch {
        true => watch(target, output, &args.id).await?,
        false => notices::status(&target.notice_context()?, &args.id, target.now).await?,
    };
    match output {
        Output::Json => output::json(&status)?,
        Output::Text => print(&status, target),
    }
    match exit_code(status.state()) {
        code if args.exit_code && code > 0 => Err(Exit(code).into()),
        _ => Ok(()),
    }
}

/// The state as it is printed for people: a notice is cancelled in another way than a contract.
pub(super) fn state_words(state: NoticeState) -> &'static str {
    match state {
        NoticeState::Cancelled => "cancelled before it was announced",
        other => other.as_str(),
    }
}

/// 0: nothing is left to do; 5: time will do it; 6: it waits for an operator.
fn exit_code(state: NoticeState) -> u8 {
    match state {
        NoticeState::Sent | NoticeState::Cancelled => 0,
        NoticeState::Scheduled | NoticeState::Sending => 5,
        NoticeState::Paused | NoticeState::Unknown | NoticeState::Incomplete => 6,
    }
}

async fn watch(target: &Target, output: Output, id: &NoticeId) -> anyhow::Result<NoticeStatus> {
    let context = target.notice_context()?;
    let is_seen = output == Output::Text && output::is_stderr_seen();
    let bar = output::progress(0, "{bar:40} {pos}/{len} {msg}", output);
    let mut status = notices::status(&context, id, target.now).await?;
    while !status.is_at_rest() {
        let tally = status.tally(None);
        bar.set_length(u64::try_from(tally.total()).unwrap_or(u64::MAX));
        let done = tally.total() - tally.open();
        bar.set_position(u64::try_from(done).unwrap_or(u64::MAX));
        if is_seen {
            bar.set_message(tally.to_string());
        } else if output == Output::Text && tally.total() > 0 {
            note!("{done}/{} {tally}", tally.total());
        }
        tokio::time::sleep(INTERVAL).await;
        status = notices::status(&context, id, Timestamp::now()).await?;
    }
    bar.finish_and_clear();
    Ok(status)
}

fn print(status: &NoticeStatus, target: &Target) {
    let notice = &status.notice;
    let (id, kind) = (&notice.notice_id, notice.kind.as_str());
    say!("{id} ({kind}): {}", state_words(status.state()));
    for language in Language::ALL {
        if notice.title.has(language) {
            say!("  {}", value(notice.title.only(language)));
        }
    }
    if let Some(planned) = notice.kind.planned_at() {
        say!("planned for {}", target.local_time(planned));
    }
    if !notice.mails {
        say!("on the pages only: its file says mails = false");
    }
    if let Some(pause) = &notice.paused {
        let since = target.local_time(pause.at);
        let reason = value(&pause.reason);
        say!("paused since {since} by {}: {reason}", pause.by);
    }
    if let Some(reason) = &status.sending_paused {
        let reason = value(reason);
        say!("all sending is paused: {reason}");
    }
    print_updates(status, target);
    print_told(status, target);
    print_channel("news page", &notice.news, notice.last_announced());
    if notice.status_page != Channel::default() {
        print_channel("status page", &notice.status_page, notice.last_announced());
    }
    let resends = status.resends();
    if resends > 0 {
        say!("sent once more because the outcome stayed unknown: {resends}");
    }
    let wrong = status.deliveries.iter().filter_map(|stored| {
        let facts = &stored.delivery.facts;
        let state = facts.state(status.now());
        let is_wrong = matches!(
            state,
            State::Failed | State::Unknown | State::Bounced | State::Complained
        );
        is_wrong.then(|| (state, &stored.delivery, facts.reason().unwrap_or_default()))
    });
    for (state, delivery, reason) in wrong.take(20) {
        let (recipient, reason) = (value(recipient(delivery)), value(reason));
        let (state, delivery) = (state.as_str(), &delivery.delivery);
        say!("  {state} {delivery} ({recipient}): {reason}");
    }
}

/// The customers of a delivery, and its address unless its retention is over.
fn recipient(delivery: &Delivery) -> String {
    let customers = delivery.customers.iter();
    let mut parts: Vec<&str> = customers.map(|of| of.customer_id.as_str()).collect();
    parts.push(delivery.email.as_str());
    parts.retain(|part| !part.is_empty());
    parts.join(", ")
}

fn print_updates(status: &NoticeStatus, target: &Target) {
    for update in &status.notice.updates {
        match update.announced {
            None => say!(
                "update {}: to be announced at {}",
                update.number,
                target.local_time(update.send_at)
            ),
            Some(announced) => {
                let tally = status.tally(Some(update.number));
                say!(
                    "update {}: announced at {}; contacts: {}",
                    update.number,
                    target.local_time(announced.at),
                    tally.total(),
                );
                for (state, count) in tally.by_count() {
                    say!("  {:11} {count}", state.as_str());
                }
                if announced.unreachable > 0 && status.audience.is_none() {
                    say!(
                        "  contracts of which nobody could be told: {}",
                        announced.unreachable
                    );
                }
            }
        }
        if let Some(reason) = &update.short_notice {
            say!("  on short notice: {}", value(reason));
        }
    }
}

/// Who was told without a mail, and who was not told.
fn print_told(status: &NoticeStatus, target: &Target) {
    if let Some(record) = &status.audience {
        let at = target.local_time(record.calculated_at);
        say!("audience calculated at {at}");
    }
    for told in status.told_otherwise.values() {
        let ToldOtherwise { who, how } = &told.value;
        let (at, by) = (target.local_time(told.revision.at), &told.revision.by);
        let (who, how) = (value(who), value(how));
        say!("told otherwise: {who}: {how} (recorded at {at} by {by})");
    }
    for NotTold { who, because } in status.not_told() {
        say!("not told: {}: {}", value(who), because.words());
    }
    let unnamed = status.unnamed();
    if unnamed > 0 {
        say!("not told, and not named here for lack of room: {unnamed}");
    }
}

fn print_channel(name: &str, channel: &Channel, announced: u16) {
    match &channel.failed {
        Some(failed) => {
            let reason = value(&failed.reason);
            say!("{name}: failed {} times: {reason}", failed.times);
        }
        None if channel.done >= announced => say!("{name}: up to date"),
        None => say!("{name}: update {announced} is to come"),
    }
}

/// Who was told when, as rows for an auditor.
pub(super) async fn ledger(target: &Target, args: Status) -> anyhow::Result<()> {
    if args.watch {
        let message = "--watch is for people: leave out --output csv".to_owned();
        return Err(UsageError(message).into());
    }
    let rows = notices::ledger(&target.notice_context()?, &args.id).await?;
    let text = spreadsheet::write(&LEDGER_HEADER, rows, csv::Terminator::Any(b'\n'))?;
    output::rows(text.trim_end());
    Ok(())
}

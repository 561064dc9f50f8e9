//! Decisions about a notice on its way.

use serde_json::json;
use tegata_common::notice::{DeliveryId, NoticeId, State};
use tegata_notices::operate::{self, OperateError, Verdict};

use super::VerdictArg;
use super::file::count;
use crate::change::DryRun;
use crate::failure::UsageError;
use crate::output::{self, Output, say};
use crate::target::Target;

/// The end of a decision.
fn conclude(
    output: Output,
    write: DryRun,
    id: Option<&NoticeId>,
    change: &str,
    deliveries: usize,
    done: &str,
) -> anyhow::Result<()> {
    match output {
        Output::Text => write.conclude(done),
        Output::Json => output::json(&json!({
            "notice_id": id,
            "change": change,
            "deliveries": deliveries,
            "dry_run": write.dry_run,
        }))?,
    }
    Ok(())
}

pub(super) async fn pause(
    target: &Target,
    output: Output,
    id: Option<&NoticeId>,
    reason: &str,
    write: DryRun,
) -> anyhow::Result<()> {
    if reason.trim().is_empty() {
        return Err(UsageError("--reason: say why".to_owned()).into());
    }
    let act = target.act("pause");
    let done = match id {
        None => {
            if !write.dry_run {
                operate::set_sending(target.notices()?, Some(reason), &act).await?;
            }
            "all sending is paused; mails on their way to SES still go out".to_owned()
        }
        Some(id) => {
            let stored = operate::notice(target.notices()?, id).await?;
            if let Some(pause) = &stored.value.paused {
                let since = target.local_time(pause.at);
                anyhow::bail!("{id} is paused since {since}: {}", pause.reason);
            }
            if !write.dry_run {
                operate::pause(target.notices()?, &stored, reason, &act).await?;
            }
            format!("{id} is paused; mails on their way to SES still go out")
        }
    };
    conclude(output, write, id, "pause", 0, &done)
}

pub(super) async fn resume(
    target: &Target,
    output: Output,
    id: Option<&NoticeId>,
    write: DryRun,
) -> anyhow::Result<()> {
    let act = target.act("resume");
    let notices = target.notices()?;
    let stored = match id {
        Some(id) => Some(operate::notice(notices, id).await?),
        None => None,
    };
    let paused = match &stored {
        Some(stored) => stored.value.paused.clone(),
        None => notices.sending().await?.and_then(|of| of.value.paused),
    };
    let what = id.map_or("sending", NoticeId::as_str);
    let Some(pause) = paused else {
        anyhow::bail!("{what} is not paused");
    };
    if output == Output::Text {
        let since = target.local_time(pause.at);
        say!("was paused since {since}: {}", pause.reason);
    }
    if !write.dry_run {
        match &stored {
            Some(stored) => operate::resume(notices, stored, &act).await?,
            None => operate::set_sending(notices, None, &act).await?,
        }
    }
    let done = format!("{what} goes on within a minute");
    conclude(output, write, id, "resume", 0, &done)
}

pub(super) async fn cancel(
    target: &Target,
    output: Output,
    id: &NoticeId,
    write: DryRun,
) -> anyhow::Result<()> {
    let stored = operate::notice(target.notices()?, id).await?;
    if stored.value.is_announced() {
        return Err(OperateError::NothingToCancel(id.clone()).into());
    }
    if !write.dry_run {
        operate::cancel(target.notices()?, &stored, &target.act("cancel")).await?;
    }
    conclude(
        output,
        write,
        Some(id),
        "cancel",
        0,
        "taken back; nobody is told of it",
    )
}

pub(super) async fn resolve(
    target: &Target,
    output: Output,
    id: &NoticeId,
    delivery: Option<&DeliveryId>,
    verdict: VerdictArg,
    write: DryRun,
) -> anyhow::Result<()> {
    operate::notice(target.notices()?, id).await?;
    let deliveries = match delivery {
        Some(delivery) => {
            let found = target.notices()?.delivery(id, delivery).await?;
            let missing = || OperateError::NoDelivery(delivery.clone());
            let found = found.ok_or_else(missing)?;
            vec![found.delivery.delivery]
        }
        None => {
            let all = target.notices()?.deliveries(id, None).await?;
            let unknown = all
                .into_iter()
                .filter(|stored| stored.delivery.facts.state(target.now) == State::Unknown);
            unknown.map(|stored| stored.delivery.delivery).collect()
        }
    };
    let (verdict, words) = match verdict {
        VerdictArg::Sent => (Verdict::Sent, "settled as sent"),
        VerdictArg::Resend => (Verdict::Resend, "to be sent once more"),
    };
    let act = target.act("resolve");
    let done = format!(
        "{}: {words}",
        count(deliveries.len(), "delivery", "deliveries")
    );
    if !write.dry_run {
        for delivery in &deliveries {
            operate::resolve(target.notices()?, id, delivery, verdict, &act).await?;
        }
    }
    conclude(output, write, Some(id), "resolve", deliveries.len(), &done)
}

pub(super) async fn retry(
    target: &Target,
    output: Output,
    id: &NoticeId,
    write: DryRun,
) -> anyhow::Result<()> {
    operate::notice(target.notices()?, id).await?;
    let all = target.notices()?.deliveries(id, None).await?;
    let failed = operate::failed(all, target.now);
    if output == Output::Text {
        for stored in &failed {
            let facts = &stored.delivery.facts;
            let state = facts.state(target.now).as_str();
            let reason = facts.reason().unwrap_or_default();
            say!("  {state} {}: {reason}", stored.delivery.delivery);
        }
    }
    if !write.dry_run && !failed.is_empty() {
        let act = target.act("retry-failed");
        operate::retry(target.notices()?, id, &failed, &act).await?;
    }
    let number = count(failed.len(), "delivery is", "deliveries are");
    let done = format!("{number} attempted once more");
    conclude(output, write, Some(id), "retry-failed", failed.len(), &done)
}

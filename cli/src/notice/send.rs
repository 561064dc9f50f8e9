//! A notice on its way: shown, asked about, and written for `announce` to take up.

use std::collections::BTreeSet;
use std::io::{BufRead as _, IsTerminal as _};
use std::path::Path;

use anyhow::bail;
use jiff::Timestamp;
use serde_json::json;
use tegata_common::notice::{ContactHash, Notice, NoticeId, Recipient};
use tegata_notices::audience::AudienceReport;
use tegata_storage::notices::Work;

use super::SendArgs;
use super::file::{self, audience, count, print_audience};
use crate::failure::UsageError;
use crate::output::{self, Output, say};
use crate::target::Target;

/// Recipients that are shown.
const SHOWN: usize = 5;

pub(super) async fn send(
    target: &Target,
    output: Output,
    path: &Path,
    at: Timestamp,
    args: &SendArgs,
) -> anyhow::Result<()> {
    if at < target.now {
        return Err(UsageError("--at: that instant is over".to_owned()).into());
    }
    let checked = file::read(target, path, &args.terms, at).await?;
    let update = checked.update()?.clone();
    let notice = &checked.notice;
    if notice.paused.is_some() {
        let id = &notice.notice_id;
        bail!("{id} is paused: tegata notice resume {id}, then send this");
    }
    let worked_out = audience(target, notice, &update).await?;
    let last = last_audience(target, notice, update.number).await?;
    let difference = last.map(|(of, told)| Difference::new(of, &told, &worked_out));
    let recipients = &worked_out.audience.recipients;
    if output == Output::Text {
        let id = &notice.notice_id;
        say!("{id} ({}), update {}:", notice.kind.as_str(), update.number);
        say!("  {}", notice.title.ja);
        say!("  {}", notice.title.en);
        print_audience(&worked_out);
        for Recipient { email, .. } in recipients.iter().take(SHOWN) {
            say!("    {}", email.as_str());
        }
        if recipients.len() > SHOWN {
            say!("    … and {} more", recipients.len() - SHOWN);
        }
        if let Some(difference) = &difference {
            difference.print();
        }
    }
    if !args.write.dry_run {
        if !args.yes && output == Output::Json {
            let message = "--output json asks nobody: look with --dry-run, then say --yes";
            return Err(UsageError(message.to_owned()).into());
        }
        if !args.yes {
            confirm(recipients.len(), at, target)?;
        }
        let act = target.act(if at > target.now { "schedule" } else { "send" });
        let before = checked.before.as_ref().map(|stored| &stored.revision);
        // What was announced before may have work left: announcing looks at once, and waits.
        let due = if before.is_some() { target.now } else { at };
        target
            .notices()?
            .put(before, notice, Work::Due(due), &act)
            .await?;
    }
    match output {
        Output::Json => output::json(&json!({
            "notice_id": notice.notice_id,
            "update": update.number,
            "send_at": target.local_time(at),
            "recipients": recipients.len(),
            "unreachable": worked_out.audience.unreachable.len(),
            "undeliverable": worked_out.audience.undeliverable,
            "since": difference.as_ref().map(|of| json!({
                "notice_id": of.notice_id,
                "update": of.update,
                "new": of.new.len(),
                "gone": of.gone,
            })),
            "dry_run": args.write.dry_run,
        }))?,
        Output::Text => {
            let id = &notice.notice_id;
            let when = match at > target.now {
                true => format!("announced at {}", target.local_time(at)),
                false => "announced within a minute".to_owned(),
            };
            args.write.conclude(&format!(
                "will be {when}; watch it: tegata notice status {id} --watch"
            ));
        }
    }
    Ok(())
}

/// Whom the notice before went to: the update before of this one, or the last of its kind and
/// products.
async fn last_audience(
    target: &Target,
    notice: &Notice,
    update: u16,
) -> anyhow::Result<Option<((NoticeId, u16), BTreeSet<ContactHash>)>> {
    let id = &notice.notice_id;
    let of = if update > 1 {
        Some((id.clone(), update - 1))
    } else {
        let all = target.notices()?.all().await?;
        let of_its_kind = all.into_iter().filter(|other| {
            other.notice_id != *id
                && other.kind.as_str() == notice.kind.as_str()
                && other
                    .products
                    .iter()
                    .map(|of| &of.slug)
                    .eq(notice.products.iter().map(|of| &of.slug))
                && other.last_announced() > 0
        });
        let at = |other: &Notice| {
            other
                .announced()
                .filter_map(|of| of.announced)
                .map(|of| of.at)
                .max()
        };
        of_its_kind
            .max_by_key(|other| at(other))
            .map(|other| (other.notice_id.clone(), other.last_announced()))
    };
    let Some((id, update)) = of else {
        return Ok(None);
    };
    let deliveries = target.notices()?.deliveries(&id, Some(update)).await?;
    let told = deliveries
        .into_iter()
        .map(|stored| stored.delivery.delivery.contact);
    Ok(Some(((id, update), told.collect())))
}

/// Who is new, and who is not told any more.
struct Difference {
    notice_id: NoticeId,
    update: u16,
    new: Vec<String>,
    gone: usize,
}

impl Difference {
    fn new(
        (notice_id, update): (NoticeId, u16),
        told: &BTreeSet<ContactHash>,
        worked_out: &AudienceReport,
    ) -> Self {
        let recipients = &worked_out.audience.recipients;
        let new = recipients
            .iter()
            .filter(|recipient| !told.contains(&ContactHash::of(&recipient.email)))
            .map(|recipient| recipient.email.as_str().to_owned());
        let now: BTreeSet<ContactHash> = recipients
            .iter()
            .map(|recipient| ContactHash::of(&recipient.email))
            .collect();
        Self {
            notice_id,
            update,
            new: new.collect(),
            gone: told.difference(&now).count(),
        }
    }

    fn print(&self) {
        say!(
            "since {} (update {}): {}, {} not told any more",
            self.notice_id,
            self.update,
            count(self.new.len(), "contact is new", "contacts are new"),
            self.gone
        );
        for email in self.new.iter().take(SHOWN) {
            say!("    + {email}");
        }
    }
}

/// Asks for the number of contacts: whoever types it has read it.
fn confirm(recipients: usize, at: Timestamp, target: &Target) -> anyhow::Result<()> {
    if !std::io::stdin().is_terminal() {
        let message = "nobody is there to ask: look with --dry-run, then say --yes".to_owned();
        return Err(UsageError(message).into());
    }
    let when = match at > target.now {
        true => format!("at {}", target.local_time(at)),
        false => "now".to_owned(),
    };
    output::ask(&format!("Type the number of contacts to send it {when}: "));
    let mut typed = String::new();
    std::io::stdin().lock().read_line(&mut typed)?;
    match typed.trim() == recipients.to_string() {
        true => Ok(()),
        false => bail!("nothing was sent"),
    }
}

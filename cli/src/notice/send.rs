//! `tegata notice send` and `schedule`: a notice shown, asked about, and written for `announce` to
//! take up.

use std::io::{BufRead as _, IsTerminal as _};
use std::path::PathBuf;

use anyhow::bail;
use clap::Args;
use jiff::Timestamp;
use tegata_common::customer::Language;
use tegata_operations::notices::{self, AudienceDifference, PlannedSend};

use super::file::{self, TermsArgs};
use super::{audience, count};
use crate::change::DryRun;
use crate::failure::UsageError;
use crate::messages::value;
use crate::output::{self, Output, say};
use crate::target::Target;
use crate::when;

/// Recipients that are shown.
const SHOWN: usize = 5;

#[derive(Args)]
pub(crate) struct Send {
    /// The file.
    file: PathBuf,
    #[command(flatten)]
    terms: TermsArgs,
    /// Do not ask: for programs.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    write: DryRun,
}

#[derive(Args)]
pub(crate) struct Schedule {
    #[command(flatten)]
    send: Send,
    /// When: 2026-11-28T10:00:00+09:00.
    #[arg(long, value_name = "INSTANT", value_parser = when::instant)]
    at: Timestamp,
}

pub(super) async fn run(target: &Target, output: Output, args: Send) -> anyhow::Result<()> {
    send(target, output, args, target.now).await
}

pub(super) async fn schedule(
    target: &Target,
    output: Output,
    args: Schedule,
) -> anyhow::Result<()> {
    send(target, output, args.send, args.at).await
}

async fn send(target: &Target, output: Output, args: Send, at: Timestamp) -> anyhow::Result<()> {
    let checked = file::read(target, &args.file, args.terms, at).await?;
    let suppressed = audience::suppressed(target).await;
    let context = target.notice_context()?;
    let planned = notices::send(&context, checked, at, &suppressed).await?;
    if output == Output::Text {
        print(&planned);
    }
    if !args.write.dry_run && !args.yes {
        if output == Output::Json {
            let message = "--output json asks nobody: look with --dry-run, then say --yes";
            return Err(UsageError(message.to_owned()).into());
        }
        confirm(&planned, target)?;
    }
    let report = planned.carry_out(&context, args.write.dry_run).await?;
    match output {
        Output::Json => output::json(&report)?,
        Output::Text => {
            let id = &report.notice_id;
            let when = match at > target.now {
                true => format!("announced at {}", report.send_at),
                false => "announced within a minute".to_owned(),
            };
            args.write.conclude(&format!(
                "will be {when}; watch it: tegata notice status {id} --watch"
            ));
        }
    }
    Ok(())
}

fn print(planned: &PlannedSend) {
    let notice = &planned.notice;
    let (id, kind) = (&notice.notice_id, notice.kind.as_str());
    say!("{id} ({kind}), update {}:", planned.update);
    for language in Language::ALL {
        if notice.title.has(language) {
            say!("  {}", value(notice.title.only(language)));
        }
    }
    audience::print_recipients(&planned.audience, SHOWN);
    audience::print_left_out(&planned.audience);
    if let Some(difference) = &planned.difference {
        print_difference(difference);
    }
}

fn print_difference(difference: &AudienceDifference) {
    say!(
        "since {} (update {}): {}, {} not told any more",
        difference.notice_id,
        difference.update,
        count(difference.new.len(), "contact is new", "contacts are new"),
        difference.gone
    );
    for email in difference.new.iter().take(SHOWN) {
        say!("    + {email}");
    }
}

/// Asks for the number of contacts: whoever types it has read it.
fn confirm(planned: &PlannedSend, target: &Target) -> anyhow::Result<()> {
    if !std::io::stdin().is_terminal() {
        let message = "nobody is there to ask: look with --dry-run, then say --yes".to_owned();
        return Err(UsageError(message).into());
    }
    let when = match planned.send_at > target.now {
        true => format!("at {}", target.local_time(planned.send_at)),
        false => "now".to_owned(),
    };
    output::ask(&format!("Type the number of contacts to send it {when}: "));
    let mut typed = String::new();
    std::io::stdin().lock().read_line(&mut typed)?;
    let recipients = planned.audience.audience.recipients.len();
    match typed.trim() == recipients.to_string() {
        true => Ok(()),
        false => bail!("nothing was sent"),
    }
}

//! `tegata notice`: releases, maintenance and incidents announced. One file a command.

mod audience;
mod cancel;
mod check;
mod file;
mod list;
mod new;
mod pause;
mod preview;
mod resolve;
mod retry_failed;
mod send;
mod status;
mod told_otherwise;

use clap::Subcommand;
use tegata_operations::notices::ActionReport;

use crate::change::DryRun;
use crate::output::{self, Output};
use crate::target::Target;
use cancel::Cancel;
use check::Check;
use new::New;
use pause::{Pause, Resume};
use preview::Preview;
use resolve::Resolve;
use retry_failed::RetryFailed;
use send::{Schedule, Send};
use status::Status;
use told_otherwise::ToldOtherwiseArgs;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Write a notice's file to start from, which passes the check.
    New(New),
    /// Check a notice's file: languages, emphasis, links, products, lead time.
    Check(Check),
    /// Write a notice's mails and news page to files, and say who would get it.
    Preview(Preview),
    /// Announce a notice, or the next update of one, at an instant.
    Schedule(Schedule),
    /// Announce a notice, or the next update of one, now.
    ///
    /// Shows how many contacts get it and the first of them, and asks. What has been announced
    /// stays as it is: to say more, add `[[updates]]` to the file and send it again.
    Send(Send),
    /// Show how far a notice is, and who has not been told; with --output csv, who was told when, and
    /// by what evidence.
    Status(Status),
    /// Stop a notice, or all sending.
    Pause(Pause),
    /// Let a notice, or all sending, go on. What went wrong so far does not stop it again.
    Resume(Resume),
    /// Take back what of a notice has not been announced yet.
    Cancel(Cancel),
    /// Settle mails of which nobody knows whether they were sent (UNKNOWN), or whose contacts have
    /// been told otherwise.
    ///
    /// `--as sent` ends a delivery that is PENDING, SENDING, UNKNOWN or FAILED: no mail of it is sent
    /// any more, and `publish current` no longer waits for it. `--as resend` is for UNKNOWN; for
    /// FAILED there is `notice retry-failed`.
    Resolve(Resolve),
    /// Try once more what SES refused, what could not be rendered, or what bounced for a time.
    RetryFailed(RetryFailed),
    /// Record that a customer whom no mail has reached was told of a notice otherwise.
    ///
    /// The customer is named by `notice status`. `publish current` no longer waits for it. The record
    /// names the caller, and is in the ledger.
    ToldOtherwise(ToldOtherwiseArgs),
    /// List the notices, the newest first.
    List,
}

pub(crate) async fn run(
    target: &Target,
    output: Output,
    is_ledger: bool,
    command: Command,
) -> anyhow::Result<()> {
    match command {
        Command::New(args) => new::run(target, output, args).await,
        Command::Check(args) => check::run(target, output, args).await,
        Command::Preview(args) => preview::run(target, output, args).await,
        Command::Schedule(args) => send::schedule(target, output, args).await,
        Command::Send(args) => send::run(target, output, args).await,
        Command::Status(args) if is_ledger => status::ledger(target, args).await,
        Command::Status(args) => status::run(target, output, args).await,
        Command::Pause(args) => pause::run(target, output, args).await,
        Command::Resume(args) => pause::resume(target, output, args).await,
        Command::Cancel(args) => cancel::run(target, output, args).await,
        Command::Resolve(args) => resolve::run(target, output, args).await,
        Command::RetryFailed(args) => retry_failed::run(target, output, args).await,
        Command::ToldOtherwise(args) => told_otherwise::run(target, output, args).await,
        Command::List => list::run(target, output).await,
    }
}

/// Prints what became of an action.
fn conclude(
    output: Output,
    write: DryRun,
    report: &ActionReport,
    done: &str,
) -> anyhow::Result<()> {
    match output {
        Output::Text => write.conclude(done),
        Output::Json => output::json(report)?,
    }
    Ok(())
}

/// `1 contact`, `2 contacts`.
fn count(number: usize, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}

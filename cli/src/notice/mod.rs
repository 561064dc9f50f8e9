//! `tegata notice`: releases, maintenance and incidents announced.

mod file;
mod operate;
mod preview;
mod send;
mod status;

use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use jiff::Timestamp;
use tegata_common::customer::EmailAddress;
use tegata_common::notice::{DeliveryId, NoticeId};

use crate::change::DryRun;
use crate::output::Output;
use crate::target::Target;
use crate::when;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Check a notice's file: both languages, links, products, lead time.
    Check {
        /// The file. Its name is the notice's: 2026-12-05-sheet-1.9.0.toml.
        file: PathBuf,
        #[command(flatten)]
        terms: TermsArgs,
    },
    /// Write a notice's mails and news page to files, and say who would get it.
    Preview {
        /// The file.
        file: PathBuf,
        /// Where to [default: beside the file, its name with .preview].
        #[arg(long, value_name = "DIR")]
        to: Option<PathBuf>,
        /// Send both languages' mail to this address too, as a test.
        #[arg(long, value_name = "ADDRESS")]
        test_to: Option<EmailAddress>,
        #[command(flatten)]
        terms: TermsArgs,
    },
    /// Announce a notice, or the next update of one, at an instant.
    Schedule {
        /// The file.
        file: PathBuf,
        /// When: 2026-11-28T10:00:00+09:00.
        #[arg(long, value_name = "INSTANT", value_parser = when::instant)]
        at: Timestamp,
        #[command(flatten)]
        send: SendArgs,
    },
    /// Announce a notice, or the next update of one, now.
    ///
    /// Shows how many contacts get it and the first of them, and asks. What has been announced
    /// stays as it is: to say more, add `[[updates]]` to the file and send it again.
    Send {
        /// The file.
        file: PathBuf,
        #[command(flatten)]
        send: SendArgs,
    },
    /// Show how far a notice is; with --output csv, who was told when.
    Status {
        /// The notice.
        id: NoticeId,
        /// Look again every two seconds until all mails have been sent, or sending is paused.
        #[arg(long)]
        watch: bool,
    },
    /// Stop a notice, or all sending.
    Pause {
        /// The notice.
        #[arg(required_unless_present = "all")]
        id: Option<NoticeId>,
        /// All notices.
        #[arg(long, conflicts_with = "id")]
        all: bool,
        /// Why.
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        write: DryRun,
    },
    /// Let a notice, or all sending, go on. What went wrong so far does not stop it again.
    Resume {
        /// The notice.
        #[arg(required_unless_present = "all")]
        id: Option<NoticeId>,
        /// All sending, after SES had stopped it.
        #[arg(long, conflicts_with = "id")]
        all: bool,
        #[command(flatten)]
        write: DryRun,
    },
    /// Take back what of a notice has not been announced yet.
    Cancel {
        /// The notice.
        id: NoticeId,
        #[command(flatten)]
        write: DryRun,
    },
    /// Settle mails of which nobody knows whether they were sent (UNKNOWN), or whose contacts have
    /// been told otherwise.
    ///
    /// `--as sent` ends a delivery that is PENDING, SENDING, UNKNOWN or FAILED: no mail of it is sent
    /// any more, and `publish current` no longer waits for it. `--as resend` is for UNKNOWN; for
    /// FAILED there is `notice retry-failed`.
    Resolve {
        /// The notice.
        id: NoticeId,
        /// The delivery, as `notice status --output csv` names it.
        #[arg(required_unless_present = "all")]
        delivery: Option<DeliveryId>,
        /// All whose outcome is unknown.
        #[arg(long, conflicts_with = "delivery")]
        all: bool,
        /// What is known: that it was sent, or that it is to be sent once more.
        #[arg(long = "as", value_enum)]
        verdict: VerdictArg,
        #[command(flatten)]
        write: DryRun,
    },
    /// Try once more what SES refused, what could not be rendered, or what bounced for a time.
    RetryFailed {
        /// The notice.
        id: NoticeId,
        #[command(flatten)]
        write: DryRun,
    },
    /// List the notices, the newest first.
    List,
}

/// What a check needs to know.
#[derive(clap::Args, Clone)]
pub(crate) struct TermsArgs {
    /// Why it is announced later than the product's lead time asks for. It is recorded.
    #[arg(long, value_name = "REASON")]
    short_notice: Option<String>,
}

#[derive(clap::Args, Clone)]
pub(crate) struct SendArgs {
    #[command(flatten)]
    terms: TermsArgs,
    /// Do not ask: for programs.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    write: DryRun,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum VerdictArg {
    /// It was sent; or the contact was told otherwise.
    Sent,
    /// It is to be sent once more.
    Resend,
}

pub(crate) async fn run(
    target: &Target,
    output: Output,
    is_ledger: bool,
    command: Command,
) -> anyhow::Result<()> {
    match command {
        Command::Check { file, terms } => preview::check(target, output, &file, &terms).await,
        Command::Preview {
            file,
            to,
            test_to,
            terms,
        } => preview::preview(target, output, &file, to, test_to, &terms).await,
        Command::Schedule { file, at, send } => send::send(target, output, &file, at, &send).await,
        Command::Send { file, send } => send::send(target, output, &file, target.now, &send).await,
        Command::Status { id, watch } if is_ledger => status::ledger(target, &id, watch).await,
        Command::Status { id, watch } => status::status(target, output, &id, watch).await,
        Command::Pause {
            id,
            all: _,
            reason,
            write,
        } => operate::pause(target, output, id.as_ref(), &reason, write).await,
        Command::Resume { id, all: _, write } => {
            operate::resume(target, output, id.as_ref(), write).await
        }
        Command::Cancel { id, write } => operate::cancel(target, output, &id, write).await,
        Command::Resolve {
            id,
            delivery,
            all: _,
            verdict,
            write,
        } => operate::resolve(target, output, &id, delivery.as_ref(), verdict, write).await,
        Command::RetryFailed { id, write } => operate::retry(target, output, &id, write).await,
        Command::List => status::list(target, output).await,
    }
}

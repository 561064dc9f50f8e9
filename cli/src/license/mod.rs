//! `tegata license`: from an order to its end. One file a command.

mod cancel;
mod change;
mod convert;
mod domains;
mod expiring;
mod explain;
mod given_serial;
mod history;
mod issue;
mod list;
mod move_to;
mod re_sign;
mod reissue_serial;
mod restore;
mod show;
mod suspend;
mod update_plugin_ids;
mod write;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand, ValueEnum};
use tegata_common::calendar::Billing;
use tegata_common::domain::Domain;
use tegata_common::product::ProductSlug;
use tegata_operations::Error;
use tegata_operations::licenses::{LicenseId, quota};
use tegata_storage::TableError;

use crate::failure::UsageError;
use crate::output::{Output, note};
use crate::target::Target;
use cancel::Cancel;
use change::Change;
use convert::Convert;
use domains::Domains;
use expiring::Expiring;
use explain::Explain;
use history::History;
use issue::Issue;
use list::List;
use move_to::Move;
use re_sign::ReSign;
use reissue_serial::ReissueSerial;
use restore::Restore;
use show::Show;
use suspend::{Resume, Suspend};
use update_plugin_ids::UpdatePluginIds;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Issue a licence, bought or for trial, and show its serial once.
    Issue(Issue),
    /// Make a trial a paid licence, or order an ended contract again. The serial stays.
    Convert(Convert),
    /// Show a licence, and the code it is answered with now.
    Show(Show),
    /// List the licences of a domain, or all.
    List(List),
    /// List the contracts that end soon: trials, and those that were cancelled.
    Expiring(Expiring),
    /// Explain the answer that a domain got, or would get, at an instant.
    ///
    /// Replays the decision from history: the item as it was then, who had changed it last, what
    /// time had made of it, and each rule up to the one that decided.
    Explain(Explain),
    /// Change edition, users, quotas or customer, effective at once; or the billing interval,
    /// effective at the next term.
    Change(Change),
    /// Move a contract to another domain, with an overlap in which both work.
    ///
    /// The old domain is in quarantine for 90 days after the overlap: no other contract gets it.
    Move(Move),
    /// List the domains of a contract; or add, give up or keep one.
    Domains(Domains),
    /// Replace a licence's serial by a new one, which is shown once.
    ReissueSerial(ReissueSerial),
    /// Suspend a licence: its plug-in is told at its next request.
    Suspend(Suspend),
    /// End a suspension, or call off one to come. The contract's dates have not moved meanwhile.
    Resume(Resume),
    /// Cancel a contract: it ends with this term, or one term on if the deadline has passed.
    Cancel(Cancel),
    /// Sign leases anew, with the active key and from now on: of one licence, or of all.
    ///
    /// The licences stay as they are. A licence whose grace is over is left alone, unless its
    /// lease is signed with the key that --signed-with names. `license-renewal` does this every
    /// hour for leases that near their end.
    #[command(alias = "resign")]
    ReSign(ReSign),
    /// Give licences the kintone plug-in ids and the `without_serial` that the catalogue has now.
    ///
    /// A licence has those that its product had when it was issued. By its ids the plug-ins of
    /// Cybozu's official sample find it at POST /license; by `without_serial` a request without a
    /// serial is told more or less of it. What else the catalogue fixes for a licence stays as it
    /// was.
    UpdatePluginIds(UpdatePluginIds),
    /// Bring back a licence as it was at an earlier version, signed anew.
    ///
    /// Serials and suspension stay as they are now: one may have been replaced because it leaked.
    /// So do domains and kintone plug-in ids. It reads nothing of the current item but its
    /// version, so that it also repairs an item that can no longer be read.
    Restore(Restore),
    /// Show every change of a licence: when, by whom, which fields.
    History(History),
}

pub(crate) async fn run(target: &Target, output: Output, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Issue(args) => issue::run(target, output, args).await,
        Command::Convert(args) => convert::run(target, output, args).await,
        Command::Show(args) => show::run(target, output, args).await,
        Command::List(args) => list::run(target, output, args).await,
        Command::Expiring(args) => expiring::run(target, output, args).await,
        Command::Explain(args) => explain::run(target, output, args).await,
        Command::Change(args) => change::run(target, output, args).await,
        Command::Move(args) => move_to::run(target, output, args).await,
        Command::Domains(args) => domains::run(target, output, args).await,
        Command::ReissueSerial(args) => reissue_serial::run(target, output, args).await,
        Command::Suspend(args) => suspend::run(target, output, args).await,
        Command::Resume(args) => suspend::resume(target, output, args).await,
        Command::Cancel(args) => cancel::run(target, output, args).await,
        Command::ReSign(args) => re_sign::run(target, output, args).await,
        Command::UpdatePluginIds(args) => update_plugin_ids::run(target, output, args).await,
        Command::Restore(args) => restore::run(target, output, args).await,
        Command::History(args) => history::run(target, output, args).await,
    }
}

/// Which licence.
#[derive(Args)]
pub(crate) struct LicenseSelector {
    /// The tenant's host name, such as example.cybozu.com.
    domain: String,
    /// The product's slug, such as sheet.
    product: ProductSlug,
}

/// How long terms are, as it is typed.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum BillingArg {
    Monthly,
    Yearly,
}

impl From<BillingArg> for Billing {
    fn from(argument: BillingArg) -> Self {
        match argument {
            BillingArg::Monthly => Self::Monthly,
            BillingArg::Yearly => Self::Yearly,
        }
    }
}

impl LicenseSelector {
    fn id(&self, target: &Target) -> anyhow::Result<LicenseId> {
        Ok(LicenseId {
            domain: canonical(target, &self.domain)?,
            product: self.product.clone(),
        })
    }
}

fn canonical(target: &Target, domain: &str) -> anyhow::Result<Domain> {
    if domain.contains('/') {
        let reason = format!("domain {domain:?}: only the host name, such as example.cybozu.com");
        return Err(UsageError(reason).into());
    }
    let read = target.bases.canonicalize(domain);
    read.with_context(|| format!("domain {domain:?}"))
}

/// Names the option that gave a day or an instant, if that is what the operation rejects.
fn naming(option: &'static str) -> impl FnOnce(Error) -> anyhow::Error {
    move |error| match error {
        Error::Past { .. } | Error::Future { .. } => UsageError(format!("{option} {error}")).into(),
        error => error.into(),
    }
}

/// Items that could not be read are named, and fail the command after it did the rest.
fn complain(unreadable: &[TableError]) -> anyhow::Result<()> {
    for error in unreadable {
        note!("warning: {error}");
    }
    match unreadable.len() {
        0 => Ok(()),
        n => bail!("{n} licences could not be read; `tegata license restore` brings them back"),
    }
}

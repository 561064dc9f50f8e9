//! `tegata license`: one file per command.

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
mod resume;
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
use resume::Resume;
use show::Show;
use suspend::Suspend;
use update_plugin_ids::UpdatePluginIds;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Issue a paid licence or a trial, and show its serial once.
    Issue(Issue),
    /// Convert a trial to a paid licence, or order an ended contract again. The serial stays the
    /// same.
    Convert(Convert),
    /// Show a licence and its current code.
    Show(Show),
    /// List the licences of one domain or of all.
    List(List),
    /// List the contracts that end soon: trials and cancelled contracts.
    Expiring(Expiring),
    /// Explain the answer that a domain got, or will get, at an instant.
    ///
    /// Replays the decision from the history: the item at that instant, its last change, the
    /// changes with time since, and each rule up to the deciding one.
    Explain(Explain),
    /// Change edition, users, quotas or customer, effective at once; or the billing interval,
    /// effective at the next term.
    Change(Change),
    /// Move a contract to another domain, with an overlap in which both can be used.
    ///
    /// After the overlap, the old domain is in quarantine for 90 days: no other contract can have
    /// it.
    Move(Move),
    /// List the domains of a contract; or add, remove or keep one.
    Domains(Domains),
    /// Replace a licence's serial by a new one, which is shown once.
    ReissueSerial(ReissueSerial),
    /// Suspend a licence, effective at the plug-in's next request.
    Suspend(Suspend),
    /// End a suspension, or cancel a scheduled one. A suspension does not extend the contract.
    Resume(Resume),
    /// Cancel a contract: it ends with this term, or one term later if the deadline has passed.
    Cancel(Cancel),
    /// Sign the lease of one licence, or of all, again with the active key.
    ///
    /// The licences do not change. A licence whose grace has ended is skipped, unless its lease is
    /// signed with the key of --signed-with. `license-renewal` does this every hour for leases that
    /// have less than half of their lifetime left.
    #[command(alias = "resign")]
    ReSign(ReSign),
    /// Update licences with the catalogue's current plug-in ids, `without_serial` and links.
    ///
    /// A licence keeps the values that its product had when it was issued. The plug-ins of Cybozu's
    /// official sample find a licence by its plug-in ids at POST /license; `without_serial` decides
    /// how much a request without a serial is told; `support` and `purchase_url` are shown to
    /// administrators. Other values of the catalogue are not updated.
    UpdatePluginIds(UpdatePluginIds),
    /// Restore a licence from an earlier version, with a new lease.
    ///
    /// The current serials and suspension are kept, because a serial may have been replaced after a
    /// leak. The current domains and kintone plug-in ids are kept too. Only the version of the
    /// current item is read, so that this also repairs an unreadable item.
    Restore(Restore),
    /// Show all changes of a licence: when, by whom, which fields.
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
        Command::Resume(args) => resume::run(target, output, args).await,
        Command::Cancel(args) => cancel::run(target, output, args).await,
        Command::ReSign(args) => re_sign::run(target, output, args).await,
        Command::UpdatePluginIds(args) => update_plugin_ids::run(target, output, args).await,
        Command::Restore(args) => restore::run(target, output, args).await,
        Command::History(args) => history::run(target, output, args).await,
    }
}

/// The arguments that identify a licence.
#[derive(Args)]
pub(crate) struct LicenseSelector {
    /// The tenant's host name, such as example.cybozu.com.
    domain: String,
    /// The product's slug, such as sheet.
    product: ProductSlug,
}

/// The billing interval as an argument.
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
        let reason =
            format!("domain {domain:?}: expected only the host name, such as example.cybozu.com");
        return Err(UsageError(reason).into());
    }
    let read = target.bases.canonicalize(domain);
    read.with_context(|| format!("domain {domain:?}"))
}

/// Adds the name of an option to the error if the operation rejects its day or instant.
fn naming(option: &'static str) -> impl FnOnce(Error) -> anyhow::Error {
    move |error| match error {
        Error::Past { .. } | Error::Future { .. } => UsageError(format!("{option} {error}")).into(),
        error => error.into(),
    }
}

/// Prints a warning for each licence that could not be read. Fails the command if there are any.
fn fail_if_unreadable(unreadable: &[TableError]) -> anyhow::Result<()> {
    for error in unreadable {
        note!("warning: {error}");
    }
    match unreadable.len() {
        0 => Ok(()),
        n => bail!("{n} licences could not be read; `tegata license restore` restores them"),
    }
}

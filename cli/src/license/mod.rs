//! `tegata license`: from an order to its end.

mod domains;
mod edit;
mod expiring;
mod explain;
mod issue;
mod plugin_ids;
mod resign;
mod restore;
mod serial;
mod show;

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use jiff::ToSpan as _;
use jiff::civil::Date;
use tegata_common::calendar;
use tegata_common::customer::CustomerId;
use tegata_common::domain::Domain;
use tegata_common::license::Amendment;
use tegata_common::product::ProductSlug;
use tegata_storage::TableError;

use crate::change::DryRun;
use crate::customer;
use crate::failure::{NotFound, UsageError};
use crate::output::{Output, note, say};
use crate::target::Target;
use crate::when::{self, When};
use domains::{Domains, Move};
use edit::Editor;
use expiring::Expiring;
use explain::Explain;
pub(crate) use issue::BillingArg;
use issue::{Convert, Issue};
use plugin_ids::UpdatePluginIds;
use resign::Resign;
use restore::Wanted;
use show::List;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Issue a licence, bought or for trial, and show its serial once.
    Issue(Issue),
    /// Make a trial a paid licence, or order an ended contract again. The serial stays.
    Convert(Convert),
    /// Show a licence, and the code it is answered with now.
    Show {
        #[command(flatten)]
        which: LicenseSelector,
        /// Show the signed lease too.
        #[arg(long)]
        lease: bool,
    },
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
    ReissueSerial {
        #[command(flatten)]
        which: LicenseSelector,
        /// Days for which the old serial is accepted too. With 0, for one that leaked, no serial
        /// but the new one is.
        #[arg(long, value_name = "DAYS", default_value = "14", value_parser = when::days)]
        overlap: u16,
        #[command(flatten)]
        write: DryRun,
    },
    /// Suspend a licence: its plug-in is told at its next request.
    Suspend {
        #[command(flatten)]
        which: LicenseSelector,
        /// The date or instant from which it is suspended [default: now].
        #[arg(long, value_name = "WHEN")]
        from: Option<When>,
        #[command(flatten)]
        write: DryRun,
    },
    /// End a suspension, or call off one to come. The contract's dates have not moved meanwhile.
    Resume {
        #[command(flatten)]
        which: LicenseSelector,
        #[command(flatten)]
        write: DryRun,
    },
    /// Cancel a contract: it ends with this term, or one term on if the deadline has passed.
    Cancel {
        #[command(flatten)]
        which: LicenseSelector,
        /// Take the cancellation back: the contract renews by itself again.
        #[arg(long, conflicts_with = "on")]
        withdraw: bool,
        /// The day on which the customer cancelled [default: today].
        #[arg(long, value_name = "DATE", value_parser = when::date)]
        on: Option<Date>,
        #[command(flatten)]
        write: DryRun,
    },
    /// Sign leases anew, with the active key and from now on: of one licence, or of all.
    ///
    /// The licences stay as they are. A licence whose grace is over is left alone, unless its
    /// lease is signed with the key that --signed-with names. `license-renewal` does this every
    /// hour for leases that near their end.
    Resign(Resign),
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
    Restore {
        #[command(flatten)]
        which: LicenseSelector,
        /// The version, as `history` lists it.
        #[arg(long)]
        version: u64,
        /// Bring back that version's serial too. Those that replaced it are no longer accepted.
        #[arg(long)]
        with_serial: bool,
        /// Bring back that version's suspension, or its absence.
        #[arg(long)]
        with_suspension: bool,
        #[command(flatten)]
        write: DryRun,
    },
    /// Show every change of a licence: when, by whom, which fields.
    History {
        #[command(flatten)]
        which: LicenseSelector,
    },
}

/// Which licence.
#[derive(Args)]
pub(crate) struct LicenseSelector {
    /// The tenant's host name, such as example.cybozu.com.
    domain: String,
    /// The product's slug, such as sheet.
    product: ProductSlug,
}

/// A limit as it is typed: `NAME=NUMBER`.
pub(crate) fn quota(text: &str) -> Result<(String, u64), String> {
    let parsed = text
        .split_once('=')
        .and_then(|(name, value)| Some((name.to_owned(), value.parse().ok()?)));
    parsed.ok_or_else(|| "expected NAME=NUMBER, such as records_per_day=1000".to_owned())
}

pub(crate) async fn run(target: &Target, output: Output, command: Command) -> anyhow::Result<()> {
    let now = target.now;
    match command {
        Command::Issue(args) => issue::issue(target, output, args).await,
        Command::Convert(args) => issue::convert(target, output, args).await,
        Command::Show { which, lease } => show::show(target, output, &which, lease).await,
        Command::List(args) => show::list(target, output, args).await,
        Command::Expiring(args) => expiring::expiring(target, output, args).await,
        Command::Explain(args) => explain::explain(target, output, args).await,
        Command::Move(args) => domains::move_to(target, output, args).await,
        Command::Domains(args) => domains::domains(target, output, args).await,
        Command::ReissueSerial {
            which,
            overlap,
            write,
        } => {
            let (editor, license) = Editor::open(target, output, &which, write).await?;
            let serial = tegata_operations::new_serial()?;
            let until = now.checked_add((i64::from(overlap) * 24).hours())?;
            let shown = (!write.dry_run).then(|| serial.reveal());
            let reissued = license.reissued(serial.hash(), until, now);
            editor.write_with("reissue-serial", reissued, shown).await
        }
        Command::Change(args) => {
            if let Some(id) = &args.customer {
                customer::check_known(target, id).await?;
            }
            let set = args
                .quotas
                .into_iter()
                .map(|(name, value)| (name, Some(value)));
            let unset = args.no_quotas.into_iter().map(|name| (name, None));
            let mut quotas = BTreeMap::new();
            for (name, value) in set.chain(unset) {
                if quotas.insert(name.clone(), value).is_some() {
                    return Err(UsageError(format!("quota {name} is named twice")).into());
                }
            }
            let amendment = Amendment {
                customer: args.customer,
                edition: args.edition,
                users: args.users,
                quotas,
                billing: args.billing.map(Into::into),
            };
            let (editor, license) = Editor::open(target, output, &args.which, args.write).await?;
            let amended = license.amended(amendment, now)?;
            editor.write("change", amended).await
        }
        Command::Suspend { which, from, write } => {
            let (editor, license) = Editor::open(target, output, &which, write).await?;
            let from = match from {
                Some(when) => {
                    let from = when.instant(&license.policy)?;
                    domains::not_past("--from", from, &license, now)?
                }
                None => now,
            };
            editor.write("suspend", license.suspended(from)?).await
        }
        Command::Resume { which, write } => {
            let (editor, license) = Editor::open(target, output, &which, write).await?;
            editor.write("resume", license.resumed()?).await
        }
        Command::Cancel {
            which,
            withdraw: true,
            write,
            ..
        } => {
            let (editor, license) = Editor::open(target, output, &which, write).await?;
            let continued = license.continued(now)?;
            editor.write("withdraw-cancellation", continued).await
        }
        Command::Cancel {
            which, on, write, ..
        } => {
            let (editor, license) = Editor::open(target, output, &which, write).await?;
            let today = calendar::date_of(now, &license.policy);
            let on = on.unwrap_or(today);
            if on > today {
                return Err(
                    UsageError(format!("--on {on} is in the future; today is {today}")).into(),
                );
            }
            let cancelled = license.cancelled(on, now)?;
            let deadline = calendar::cancellation_deadline(license.term, &license.policy)?;
            if let (Output::Text, Some(last_day)) = (output, cancelled.ends_on) {
                match last_day == license.term.ends_on {
                    true => say!("the contract ends with this term, on {last_day}"),
                    false => say!("not by {deadline}, so it ends one term on, on {last_day}"),
                }
            }
            editor.write("cancel", cancelled).await
        }
        Command::Resign(args) => resign::resign(target, output, args).await,
        Command::UpdatePluginIds(args) => plugin_ids::update(target, output, args).await,
        Command::Restore {
            which,
            version,
            with_serial,
            with_suspension,
            write,
        } => {
            let wanted = Wanted {
                version,
                with_serial,
                with_suspension,
            };
            restore::restore(target, output, &which, wanted, write).await
        }
        Command::History { which } => show::history(target, output, &which).await,
    }
}

impl LicenseSelector {
    fn domain(&self, target: &Target) -> anyhow::Result<Domain> {
        canonical(target, &self.domain)
    }

    fn missing(&self, domain: &Domain) -> NotFound {
        NotFound(format!("{domain} has no licence of {}", self.product))
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

#[derive(Args)]
#[command(group = clap::ArgGroup::new("values").required(true).multiple(true))]
pub(crate) struct Change {
    #[command(flatten)]
    which: LicenseSelector,
    /// The customer whose contract it is.
    #[arg(long, value_name = "ID", group = "values")]
    customer: Option<CustomerId>,
    /// The length of its terms from the next one on.
    #[arg(long, value_enum, group = "values")]
    billing: Option<BillingArg>,
    /// The new edition.
    #[arg(long, group = "values")]
    edition: Option<String>,
    /// The new number of users.
    #[arg(long, group = "values")]
    users: Option<u32>,
    /// Set a limit; may be repeated.
    #[arg(long = "quota", value_name = "NAME=NUMBER", value_parser = quota, group = "values")]
    quotas: Vec<(String, u64)>,
    /// Remove a limit; may be repeated.
    #[arg(long = "no-quota", value_name = "NAME", group = "values")]
    no_quotas: Vec<String>,
    #[command(flatten)]
    write: DryRun,
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

//! `tegata license`: from an order to its end.

mod edit;
mod issue;
mod resign;
mod restore;
mod show;

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use jiff::Timestamp;
use jiff::civil::Date;
use tegata_common::calendar;
use tegata_common::domain::Domain;
use tegata_common::license::Amendment;
use tegata_common::product::ProductSlug;
use tegata_common::table::TableError;

use crate::change::DryRun;
use crate::failure::{NotFound, Usage};
use crate::output::Output;
use crate::place::Place;
use crate::when;
use edit::Editor;
use issue::Issue;
use resign::Resign;
use show::List;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Issue a licence, bought or for trial, and show its serial once.
    Issue(Issue),
    /// Show a licence, and the code it is answered with now.
    Show {
        #[command(flatten)]
        which: Which,
        /// Show the signed lease too.
        #[arg(long)]
        lease: bool,
    },
    /// List the licences of a domain, or all.
    List(List),
    /// Change edition, users or quotas, effective at once.
    Change(Change),
    /// Suspend a licence: its plug-in is told at its next request.
    Suspend {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        write: DryRun,
    },
    /// End a suspension. The contract's dates have not moved meanwhile.
    Resume {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        write: DryRun,
    },
    /// Cancel a contract: it ends with this term, or one term on if the deadline has passed.
    Cancel {
        #[command(flatten)]
        which: Which,
        /// The day on which the customer cancelled [default: today].
        #[arg(long, value_name = "DATE", value_parser = when::date)]
        on: Option<Date>,
        #[command(flatten)]
        write: DryRun,
    },
    /// Sign leases anew, with the active key and from now on: of one licence, or of all.
    ///
    /// The licences stay as they are. A licence whose grace is over is left alone.
    Resign(Resign),
    /// Bring back a licence as it was at an earlier version, signed anew.
    ///
    /// It reads nothing of the current item but its version, so that it also mends an item that
    /// can no longer be read.
    Restore {
        #[command(flatten)]
        which: Which,
        /// The version, as `history` lists it.
        #[arg(long)]
        version: u64,
        #[command(flatten)]
        write: DryRun,
    },
    /// Show every change of a licence: when, by whom, which fields.
    History {
        #[command(flatten)]
        which: Which,
    },
}

/// Which licence.
#[derive(Args)]
pub(crate) struct Which {
    /// The tenant's host name, such as example.cybozu.com.
    domain: String,
    /// The product's slug, such as sheet.
    product: ProductSlug,
}

fn quota(text: &str) -> Result<(String, u64), String> {
    let parsed = text
        .split_once('=')
        .and_then(|(name, value)| Some((name.to_owned(), value.parse().ok()?)));
    parsed.ok_or_else(|| "expected NAME=NUMBER, such as records_per_day=1000".to_owned())
}

pub(crate) async fn run(place: &Place, output: Output, command: Command) -> anyhow::Result<()> {
    let now = Timestamp::now();
    match command {
        Command::Issue(args) => issue::issue(place, output, args, now).await,
        Command::Show { which, lease } => show::show(place, output, &which, lease, now).await,
        Command::List(args) => show::list(place, output, args, now).await,
        Command::Change(args) => {
            let set = args
                .quotas
                .into_iter()
                .map(|(name, value)| (name, Some(value)));
            let unset = args.no_quotas.into_iter().map(|name| (name, None));
            let mut quotas = BTreeMap::new();
            for (name, value) in set.chain(unset) {
                if quotas.insert(name.clone(), value).is_some() {
                    return Err(Usage(format!("quota {name} is named twice")).into());
                }
            }
            let amendment = Amendment {
                edition: args.edition,
                users: args.users,
                quotas,
            };
            let (editor, license) =
                Editor::open(place, output, &args.which, &args.write, now).await?;
            editor.write("change", license.amended(amendment)?).await
        }
        Command::Suspend { which, write } => {
            let (editor, license) = Editor::open(place, output, &which, &write, now).await?;
            editor.write("suspend", license.suspended(now)?).await
        }
        Command::Resume { which, write } => {
            let (editor, license) = Editor::open(place, output, &which, &write, now).await?;
            editor.write("resume", license.resumed()?).await
        }
        Command::Cancel { which, on, write } => {
            let (editor, license) = Editor::open(place, output, &which, &write, now).await?;
            let today = calendar::date_of(now, &license.policy);
            let on = on.unwrap_or(today);
            if on > today {
                return Err(Usage(format!("--on {on} is in the future; today is {today}")).into());
            }
            editor.write("cancel", license.cancelled(on)?).await
        }
        Command::Resign(args) => resign::resign(place, output, args, now).await,
        Command::Restore {
            which,
            version,
            write,
        } => restore::restore(place, output, &which, version, &write, now).await,
        Command::History { which } => show::history(place, output, &which).await,
    }
}

impl Which {
    fn domain(&self, place: &Place) -> anyhow::Result<Domain> {
        canonical(place, &self.domain)
    }

    fn missing(&self, domain: &Domain) -> NotFound {
        NotFound(format!("{domain} has no licence of {}", self.product))
    }
}

fn canonical(place: &Place, domain: &str) -> anyhow::Result<Domain> {
    let read = place.bases.canonicalize(domain);
    read.with_context(|| format!("domain {domain:?}"))
}

#[derive(Args)]
#[command(group = clap::ArgGroup::new("values").required(true).multiple(true))]
pub(crate) struct Change {
    #[command(flatten)]
    which: Which,
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
        eprintln!("warning: {error}");
    }
    match unreadable.len() {
        0 => Ok(()),
        n => bail!("{n} licences could not be read; `tegata license restore` brings them back"),
    }
}

//! `tegata customer`: the parties of contracts.

mod add;
mod change;
mod list;
mod show;

use clap::Subcommand;
use tegata_operations::customers::PlannedCustomer;
use tegata_storage::TableError;

use crate::change::{DryRun, print};
use crate::output::{self, Output, note, say};
use crate::target::Target;

#[derive(Subcommand)]
pub(crate) enum Command {
    Add(add::Args),
    Show(show::Args),
    /// List the customers, and which of them notices do not reach.
    List,
    Change(change::Args),
}

pub(crate) async fn run(target: &Target, output: Output, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Add(args) => add::run(target, output, args).await,
        Command::Show(args) => show::run(target, output, args).await,
        Command::List => list::run(target, output).await,
        Command::Change(args) => change::run(target, output, args).await,
    }
}

/// Prints a change, carries it out unless this is a dry run, and prints the result.
async fn carry_out(
    target: &Target,
    output: Output,
    planned: PlannedCustomer,
    write: DryRun,
) -> anyhow::Result<()> {
    if output == Output::Text {
        let id = &planned.customer.customer_id;
        say!("{} customer {id}:", planned.change);
        print(&planned.differences, None);
    }
    let carried_out = planned.carry_out(target.customers()?, target.caller(), write.dry_run);
    let report = carried_out.await?;
    match output {
        Output::Json => output::json(&report)?,
        Output::Text if report.differences.is_empty() => say!("nothing to change"),
        Output::Text => write.conclude("written"),
    }
    Ok(())
}

/// Prints a warning for each item that could not be read. Fails the command if there are any.
pub(crate) fn fail_if_unreadable(unreadable: &[TableError]) -> anyhow::Result<()> {
    for error in unreadable {
        note!("warning: {error}");
    }
    match unreadable.len() {
        0 => Ok(()),
        n => anyhow::bail!("{n} items could not be read"),
    }
}

//! `tegata usage`: reports on usage.

mod domain;
mod html;
mod report;

use clap::Subcommand;

use crate::output::Output;
use crate::target::Target;

#[derive(Subcommand)]
pub(crate) enum Command {
    Report(report::Args),
    Domain(domain::Args),
}

pub(crate) async fn run(target: &Target, output: Output, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Report(args) => report::run(target, output, args).await,
        Command::Domain(args) => domain::run(target, output, args).await,
    }
}

fn join_counts(numbers: Vec<(&str, u64)>) -> String {
    let counts: Vec<String> = numbers
        .into_iter()
        .map(|(name, number)| format!("{name} {number}"))
        .collect();
    counts.join(", ")
}

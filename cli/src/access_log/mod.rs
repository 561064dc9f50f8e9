//! `tegata access-log`: search and verify the archive of access records.

mod search;
mod verify;

use clap::Subcommand;

use crate::output::Output;
use crate::target::Target;

#[derive(Subcommand)]
pub(crate) enum Command {
    Search(search::Args),
    Verify(verify::Args),
}

pub(crate) async fn run(target: &Target, output: Output, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Search(args) => search::run(target, output, args).await,
        Command::Verify(args) => verify::run(target, output, args).await,
    }
}

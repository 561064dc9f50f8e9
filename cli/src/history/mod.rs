//! `tegata history`: whether what was recorded is what was done.

mod callers;
mod changes;
mod compare;
mod findings;
mod items;
mod verify;

use clap::Subcommand;

use crate::output::Output;
use crate::target::Target;

pub(crate) use callers::Trail;

#[derive(Subcommand)]
pub(crate) enum Command {
    Verify(verify::Args),
}

pub(crate) async fn run(target: &Target, output: Output, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Verify(args) => verify::run(target, output, args).await,
    }
}

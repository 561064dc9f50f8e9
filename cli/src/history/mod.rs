//! `tegata history`: verification of the recorded history.

mod verify;

use clap::Subcommand;

use crate::output::Output;
use crate::target::Target;

#[derive(Subcommand)]
pub(crate) enum Command {
    Verify(verify::Args),
}

pub(crate) async fn run(target: &Target, output: Output, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Verify(args) => verify::run(target, output, args).await,
    }
}

//! `tegata access-log`: the archive of access records, searched and verified.

mod search;
mod verify;

use clap::Subcommand;
use indicatif::ProgressBar;

use crate::output::{self, Output};
use crate::target::Target;

/// Objects that are fetched at a time.
const AHEAD: usize = 16;

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

/// A bar over objects of the archive.
fn progress(output: Output) -> ProgressBar {
    output::progress(0, "{msg} {wide_bar} {pos} of {len} objects", output)
}

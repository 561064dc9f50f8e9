//! `tegata access-log`: the archive of access records, searched and verified.

mod search;
mod verify;

use std::io::IsTerminal as _;

use clap::Subcommand;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::output::Output;
use crate::place::Place;

/// Objects that are fetched at a time.
const AHEAD: usize = 16;

#[derive(Subcommand)]
pub(crate) enum Command {
    Search(search::Args),
    Verify(verify::Args),
}

pub(crate) async fn run(place: &Place, output: Output, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Search(args) => search::run(place, output, args).await,
        Command::Verify(args) => verify::run(place, output, args).await,
    }
}

/// A bar over objects of the archive, on a terminal only.
fn progress(output: Output) -> ProgressBar {
    let is_seen = output == Output::Text && std::io::stderr().is_terminal();
    let target = match is_seen {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    let bar = ProgressBar::with_draw_target(Some(0), target);
    match ProgressStyle::with_template("{msg} {wide_bar} {pos} of {len} objects") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

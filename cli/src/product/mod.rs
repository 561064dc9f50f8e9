//! `tegata product`: the catalogue, from `products.toml`.

mod apply;
mod list;

use clap::Subcommand;
use tegata_common::product::Catalogue;

use crate::output::Output;
use crate::target::Target;

#[derive(Subcommand)]
pub(crate) enum Command {
    Apply(apply::Args),
    /// List the catalogue.
    List,
}

pub(crate) async fn run(target: &Target, output: Output, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Apply(args) => apply::run(target, output, args).await,
        Command::List => list::run(target, output).await,
    }
}

/// Parses a catalogue. The error has the line and the column.
pub(crate) fn parse(text: &str) -> anyhow::Result<Catalogue> {
    Ok(toml::from_str(text)?)
}

//! `tegata publish`: a plug-in's files on the CDN, and which version is current.

mod current;
mod directory;
mod files;
mod news;
mod stage;
mod status;

use clap::Subcommand;
use tegata_common::product::ProductSlug;

use crate::output::Output;
use crate::target::Target;

use current::Current;
use files::Files;
use news::News;
use status::Status;

pub(crate) use tegata_operations::publish::content_type;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Put the files of a version under /PRODUCT/VERSION/ on the CDN. They never change there.
    ///
    /// A browser takes a file for what its ending says, so that only known endings are accepted.
    /// Files that operating systems add, such as Thumbs.db and .DS_Store, are left out and listed.
    /// A manifest with the integrity (SRI) of each file is put beside the files. The version does not
    /// become current by that: plug-ins go on with the one they have.
    Files(Files),
    /// Make a version current: sign the document that plug-ins follow, for all tenants or gradually.
    ///
    /// It prints what will change first. Refused before the version's release notice has gone out and
    /// its planned instant has come; with --from, that instant may come later. An older version is a
    /// rollback. Repeating a command writes its document again.
    #[command(after_help = "Examples:\n  \
        tegata publish current sheet 1.9.0 --stage 10%           gradually\n  \
        tegata publish current sheet 1.9.0 --stage pilots.txt\n  \
        tegata publish current sheet 1.9.0 --stage all\n  \
        tegata publish current sheet 1.9.0 --from 2026-12-05T10:00:00+09:00\n  \
        tegata publish current sheet 1.8.0                       back again")]
    Current(Current),
    /// Show what is current: the version and its tenants, the notice that announced it, whether the
    /// CDN serves its document, and what tenants ran.
    ///
    /// Exits with 1 if the CDN's document does not verify or is not the recorded one, and with 3 if no
    /// version is current.
    Status(Status),
    /// Write the whole news page anew: after its design or the address of the CDN has changed.
    ///
    /// What is announced appears on it by itself.
    News(News),
    /// List the versions of a product that were current, and what announced them.
    List {
        /// The product.
        product: ProductSlug,
    },
}

pub(crate) async fn run(target: &Target, output: Output, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Files(args) => files::run(target, output, args).await,
        Command::Current(args) => current::run(target, output, args).await,
        Command::Status(args) => status::run(target, output, args).await,
        Command::News(args) => news::run(target, output, args).await,
        Command::List { product } => current::list(target, output, &product).await,
    }
}

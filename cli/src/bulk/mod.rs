//! `tegata import` and `tegata export`: customers and contracts as CSV files.

mod export;
mod import;
mod official_sample;
mod serials;
mod sheet;

pub(crate) use export::Export;
pub(crate) use import::Import;

use crate::output::Output;
use crate::target::Target;

pub(crate) async fn import(target: &Target, output: Output, args: Import) -> anyhow::Result<()> {
    import::import(target, output, args).await
}

pub(crate) async fn export(target: &Target, output: Output, args: Export) -> anyhow::Result<()> {
    export::export(target, output, args).await
}

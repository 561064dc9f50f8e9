//! `tegata import` and `tegata export`: customers and contracts as spreadsheets.

mod customers;
mod export;
mod import;
mod licenses;
mod official_sample;
mod serials;
mod sheet;

pub(crate) use export::Export;
pub(crate) use import::Import;

use crate::output::Output;
use crate::place::Place;

pub(crate) async fn import(place: &Place, output: Output, args: Import) -> anyhow::Result<()> {
    import::import(place, output, args).await
}

pub(crate) async fn export(place: &Place, output: Output, args: Export) -> anyhow::Result<()> {
    export::export(place, output, args).await
}

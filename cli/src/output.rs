//! Printing: tables for people, JSON for programs.

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;
use tegata_common::license::Code;

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    #[default]
    Text,
    /// One JSON document on stdout.
    Json,
}

/// Prints a JSON document.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Prints rows under a header; says so if there are none.
pub(crate) fn table(header: &[&str], rows: Vec<Vec<String>>) {
    if rows.is_empty() {
        println!("none");
        return;
    }
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header.iter().map(|name| name.to_uppercase()));
    table.add_rows(rows);
    for line in table.lines() {
        println!("{}", line.trim());
    }
}

/// The colour of a code.
pub(crate) fn style(code: Code) -> Style {
    let colour = match code {
        Code::Valid => AnsiColor::Green,
        Code::Grace | Code::NotStarted => AnsiColor::Yellow,
        Code::Expired | Code::Suspended | Code::NotFound => AnsiColor::Red,
    };
    colour.on_default()
}

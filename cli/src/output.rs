//! Printing: tables for people, JSON for programs.

use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use tegata_common::license::Code;

/// How results are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// For people.
    Text,
    /// One JSON document on stdout.
    Json,
}

/// How results are to be printed, as it is typed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputArg {
    /// For people.
    #[default]
    Text,
    /// One JSON document on stdout.
    Json,
    /// Rows on stdout: of `notice status` only, which has a ledger.
    Csv,
}

/// Prints a line to stdout, with colours on a terminal only. If the reader has gone, as `head`
/// does, the command goes on without it: what it was to write, it writes. If the line cannot be
/// written otherwise, the command fails.
macro_rules! say {
    ($($part:tt)*) => { $crate::output::line(format_args!($($part)*)) };
}
pub(crate) use say;

pub(crate) fn line(line: fmt::Arguments<'_>) {
    if let Err(error) = writeln!(anstream::stdout().lock(), "{line}") {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return;
        }
        let _ = writeln!(io::stderr(), "error: cannot write to stdout: {error}");
        std::process::exit(1);
    }
}

/// Prints a JSON document.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    say!("{}", serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Prints rows under a header; says so if there are none.
pub(crate) fn table(header: &[&str], rows: Vec<Vec<String>>) {
    if rows.is_empty() {
        say!("none");
        return;
    }
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header.iter().map(|name| name.to_uppercase()));
    table.add_rows(rows);
    for line in table.lines() {
        say!("{}", line.trim());
    }
}

/// A progress bar on stderr, on a terminal only, drawn by indicatif's template.
pub(crate) fn progress(total: usize, template: &str, output: Output) -> ProgressBar {
    let is_seen = output == Output::Text && io::stderr().is_terminal();
    let target = match is_seen {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    };
    let total = u64::try_from(total).unwrap_or(u64::MAX);
    let bar = ProgressBar::with_draw_target(Some(total), target);
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
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

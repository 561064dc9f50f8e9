//! Printing: text and tables for people, JSON for programs.
//!
//! Output may contain text from other sources: a stored name, a line of a file, an error of a
//! service. A terminal interprets control characters in it as commands, so such a text could set
//! the clipboard or hide a line. Therefore everything is printed by this module, which makes those
//! characters visible; clippy rejects any other write to stdout or stderr.
#![allow(clippy::disallowed_methods)]

use std::borrow::Cow;
use std::fmt;
use std::io::{self, IsTerminal as _, Write as _};

use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use tegata_common::license::Code;
use tegata_operations::Progress;

use crate::instants::localized;
use crate::messages;

/// The output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// For people.
    Text,
    /// One JSON document on stdout.
    Json,
}

/// The output format as an argument.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputArg {
    /// For people.
    #[default]
    Text,
    /// One JSON document on stdout.
    Json,
    /// CSV on stdout. Only for `notice status`.
    Csv,
}

/// A text made from a template, in the chosen language.
macro_rules! text {
    ($template:literal $($values:tt)*) => {
        $crate::output::filled($template, &format!($template $($values)*))
    };
}
pub(crate) use text;

/// Prints a line to stdout. If the reader has closed the pipe, as `head` does, the command
/// continues without output, so that its writes are completed. Any other error of stdout makes the
/// command fail.
macro_rules! say {
    ($template:literal $($values:tt)*) => {
        $crate::output::filled_line($template, &format!($template $($values)*))
    };
}
pub(crate) use say;

/// Prints a line to stderr: a warning, a note or progress.
macro_rules! note {
    ($template:literal $($values:tt)*) => {
        $crate::output::filled_note($template, &format!($template $($values)*))
    };
}
pub(crate) use note;

/// A message or a word as it is printed: with the target's offset, in the chosen language.
pub(crate) fn translated(text: &str) -> String {
    shown(text, messages::translated)
}

/// A text as it is printed: with the target's offset, and changed, except its marked values.
fn shown(text: &str, change: impl FnOnce(&str) -> String) -> String {
    messages::around_values(text, |text| change(&localized(text)))
}

/// Prints a message to stdout that was put together elsewhere.
pub(crate) fn line(text: &str) {
    write_line(&visible(&translated(text), LINES));
}

/// Prints a text to stdout that has no translation.
pub(crate) fn untranslated(text: &str) {
    write_line(&visible(text, LINES));
}

pub(crate) fn filled(template: &str, text: &str) -> String {
    shown(text, |text| messages::filled(template, text))
}

pub(crate) fn filled_line(template: &str, text: &str) {
    write_line(&visible(&filled(template, text), LINES));
}

pub(crate) fn filled_note(template: &str, text: &str) {
    let text = filled(template, text);
    let _ = writeln!(anstream::stderr().lock(), "{}", visible(&text, LINES));
}

/// A part of a line with a style, which is used on a terminal only.
#[derive(Debug)]
pub(crate) struct Part {
    style: Style,
    text: String,
}

/// A part of a line in a style, in the chosen language.
pub(crate) fn part(style: Style, text: impl fmt::Display) -> Part {
    let text = translated(&text.to_string());
    Part { style, text }
}

/// A part of a line in a style, which is the same in each language: a value.
pub(crate) fn verbatim(style: Style, text: impl fmt::Display) -> Part {
    let text = shown(&text.to_string(), str::to_owned);
    Part { style, text }
}

/// The columns of a terminal that a text takes: a Japanese character takes two.
pub(crate) fn columns(text: &str) -> usize {
    text.chars()
        .map(|c| if c > '\u{2e7f}' { 2 } else { 1 })
        .sum()
}

/// A part of a line without a style, made from a template, in the chosen language.
macro_rules! plain {
    ($template:literal $($values:tt)*) => {
        $crate::output::filled_part($template, &format!($template $($values)*))
    };
}
pub(crate) use plain;

pub(crate) fn filled_part(template: &str, text: &str) -> Part {
    Part {
        style: Style::new(),
        text: filled(template, text),
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let style = self.style;
        write!(f, "{style}{}{style:#}", visible(&self.text, LINES))
    }
}

/// Prints a line to stdout, with colours on a terminal only.
pub(crate) fn parts(parts: &[Part]) {
    let line: String = parts.iter().map(Part::to_string).collect();
    write_line(&line);
}

/// Prints the error of a failed command.
pub(crate) fn failure(error: &anyhow::Error) {
    let title = part(AnsiColor::Red.on_default().bold(), "error:");
    let reason = format!("{error:#}");
    let shown = shown(&reason, messages::translated_error);
    let mut stderr = anstream::stderr().lock();
    let blank = match messages::language() {
        messages::Language::En => " ",
        messages::Language::Ja => "",
    };
    let _ = writeln!(stderr, "{title}{blank}{}", visible(&shown, LINES));
    // IAM's error code contains this text in all services.
    if reason.contains("AccessDenied") {
        let hint = "which role may run which command: docs/operations/operators.md, \"Who may run which command\"";
        let _ = writeln!(stderr, "{}", translated(hint));
    }
}

/// Prints a question. The answer is typed on the same line.
pub(crate) fn ask(question: &str) {
    let mut stderr = anstream::stderr().lock();
    let _ = write!(stderr, "{}", visible(&translated(question), LINES));
    let _ = stderr.flush();
}

fn write_line(line: &str) {
    if let Err(error) = try_line(line) {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return;
        }
        note!("error: cannot write to stdout: {error}");
        std::process::exit(1);
    }
}

fn try_line(line: &str) -> io::Result<()> {
    writeln!(anstream::stdout().lock(), "{line}")
}

/// Prints a value as a JSON document.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    json_text(&serde_json::to_string_pretty(value)?);
    Ok(())
}

/// Prints a JSON document.
pub(crate) fn json_text(document: &str) {
    write_line(&visible_json(document));
}

/// Prints a JSON document. An error of stdout is ignored.
pub(crate) fn try_json_text(document: &str) {
    let _ = try_line(&visible_json(document));
}

/// A writer for log lines in JSON, which prints them to stderr.
#[derive(Debug)]
pub(crate) struct JsonLog;

impl io::Write for JsonLog {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let line_text = String::from_utf8_lossy(line);
        let mut stderr = io::stderr().lock();
        stderr.write_all(visible_json(&line_text).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// Whether stderr is a terminal.
pub(crate) fn is_stderr_seen() -> bool {
    io::stderr().is_terminal()
}

/// Prints rows of CSV. On a terminal, control characters are made visible; elsewhere the rows begin with a
/// byte order mark, without which Excel in Japan does not read them as UTF-8.
pub(crate) fn rows(text: &str) {
    match io::stdout().is_terminal() {
        true => untranslated(text),
        false => write_line(&format!("\u{feff}{text}")),
    }
}

/// Prints rows under a header, or `none`. `messages` are the columns whose cells are messages or words of the
/// program. Cells of other columns are values, and are printed as they are.
pub(crate) fn table(header: &[&str], messages: &[&str], rows: Vec<Vec<String>>) {
    if rows.is_empty() {
        say!("none");
        return;
    }
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header.iter().map(|name| translated(name).to_uppercase()));
    table.add_rows(rows.iter().map(|row| {
        let cells = row.iter().zip(header).map(|(cell, name)| {
            let cell = match messages.contains(name) {
                true => translated(cell),
                false => shown(cell, str::to_owned),
            };
            visible(&cell, &[]).into_owned()
        });
        cells.collect::<Vec<_>>()
    }));
    for line in table.lines() {
        // The control characters of the cells are visible already.
        write_line(line.trim());
    }
}

/// The control characters that are allowed in a line of text.
const LINES: &[char] = &['\n', '\t'];

/// Replaces control characters by escapes such as `\u{1b}`, except the allowed ones.
pub(crate) fn visible<'t>(text: &'t str, allowed: &[char]) -> Cow<'t, str> {
    replace(text, |c| {
        (is_control(c) && !allowed.contains(&c)).then(|| c.escape_unicode().to_string())
    })
}

/// Escapes the control characters in the strings of a JSON document. Outside of strings, a document
/// has only line feeds.
fn visible_json(document: &str) -> Cow<'_, str> {
    // All of these characters are in the Basic Multilingual Plane.
    replace(document, |c| {
        (is_control(c) && c != '\n').then(|| format!("\\u{:04x}", u32::from(c)))
    })
}

fn replace(text: &str, with: impl Fn(char) -> Option<String>) -> Cow<'_, str> {
    if !text.contains(is_control) {
        return Cow::Borrowed(text);
    }
    let mut replaced = String::with_capacity(text.len());
    for c in text.chars() {
        match with(c) {
            Some(escaped) => replaced += &escaped,
            None => replaced.push(c),
        }
    }
    Cow::Owned(replaced)
}

/// Whether a terminal interprets a character as a command, or shows text in another order because
/// of it: C0, DEL, C1, the Unicode marks of bidirectional text and line separators.
fn is_control(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2066}'..='\u{2069}'
        )
}

/// A progress bar on stderr, on a terminal only. `template` is indicatif's.
pub(crate) fn progress(total: usize, template: &str, output: Output) -> ProgressBar {
    let is_seen = output == Output::Text && is_stderr_seen();
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

/// A bar that shows the progress of an operation.
pub(crate) struct Bar(pub(crate) ProgressBar);

/// A progress bar for objects, whose number is not known yet.
pub(crate) fn object_bar(output: Output) -> Bar {
    Bar(progress(
        0,
        "{msg} {wide_bar} {pos} of {len} objects",
        output,
    ))
}

impl Progress for Bar {
    fn set_message(&self, message: &str) {
        self.0.set_message(message.to_owned());
    }

    fn add_total(&self, objects: usize) {
        self.0
            .inc_length(u64::try_from(objects).unwrap_or(u64::MAX));
    }

    fn advance(&self) {
        self.0.inc(1);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_made_visible() {
        // OSC 52 sets the clipboard; U+009B is CSI in one character; U+202E turns text around.
        let hostile = "a\x1b]52;c;ZWNobw==\x07b\u{9b}31mc\u{202e}d\x7fe\u{2028}f";
        assert_eq!(
            visible(hostile, &[]),
            r"a\u{1b}]52;c;ZWNobw==\u{7}b\u{9b}31mc\u{202e}d\u{7f}e\u{2028}f"
        );
        assert_eq!(visible("シート\u{3000}髙①\n", LINES), "シート\u{3000}髙①\n");
        assert_eq!(visible("a\nb\tc", &[]), r"a\u{a}b\u{9}c");
        let json = serde_json::to_string_pretty(&[hostile]).unwrap();
        let shown = visible_json(&json);
        assert!(!shown.replace('\n', "").contains(is_control), "{shown}");
        let read: Vec<String> = serde_json::from_str(&shown).unwrap();
        assert_eq!(read, [hostile]);
    }
}

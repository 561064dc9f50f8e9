//! Parses log lines and log files. An invalid line never affects the lines after it.

use std::io::{self, BufRead, Read as _};

use flate2::bufread::MultiGzDecoder;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::cdn::{self, Columns};
use super::gateway::{self, InvalidReason};
use super::lookup;
use super::moment::Window;
use super::record::{AccessRecord, Source};
use super::text::Text;
use super::unreadable::Unreadable;
use crate::domain::BaseDomains;

/// The maximum length of a line in bytes, which is CloudWatch's maximum for an event.
const LONGEST: usize = 256 * 1024;

/// The result of parsing a line.
#[derive(Clone, Debug, PartialEq)]
#[allow(clippy::large_enum_variant)] // Nearly every item is the large one.
pub enum ReadLine<'a> {
    /// An access.
    Record(Source, AccessRecord<'a>),
    /// A line that should be an access, and is invalid.
    Unreadable(Unreadable),
    /// Another line of the log group, such as the runtime's own lines or a function's errors.
    Foreign,
}

/// Parses a line of the gateway's access log or of the lookup function's log.
///
/// `logged_at` is the timestamp of the log event. A line whose time differs from it by more than a
/// day is invalid.
pub fn read_line<'a>(line: &'a [u8], logged_at: Timestamp, bases: &BaseDomains) -> ReadLine<'a> {
    let line = line.trim_ascii();
    let window = Window::of_log_event(logged_at);
    match kind(line) {
        LineKind::Gateway => finish(line, Source::Gateway, gateway::read(line, window, bases)),
        LineKind::Lookup => finish(line, Source::Lookup, lookup::read(line, window)),
        LineKind::Foreign => ReadLine::Foreign,
        LineKind::Unknown(reason) => ReadLine::Unreadable(reason),
    }
}

/// Parses all lines from a reader, with the same `logged_at`.
///
/// # Errors
///
/// Only errors of the reader. The lines before the error have been passed to `sink`.
pub fn read_lines(
    reader: impl BufRead,
    logged_at: Timestamp,
    bases: &BaseDomains,
    mut sink: impl FnMut(ReadLine<'_>),
) -> io::Result<()> {
    each_line(reader, |line| match line {
        Ok(line) if line.trim_ascii().is_empty() => {}
        Ok(line) => sink(read_line(line, logged_at, bases)),
        Err(unreadable) => sink(ReadLine::Unreadable(unreadable)),
    })
}

/// Parses a file of CloudFront's standard log: JSON or W3C, gzip or uncompressed.
///
/// A file that is truncated, or cannot be decompressed from some point on, gives one
/// [`ReadLine::Unreadable`] at that point. A line whose time is more than two days before or one
/// day after `stored_at` is invalid: CloudFront delivers up to a day late.
pub fn read_cdn(
    file: &[u8],
    stored_at: Timestamp,
    bases: &BaseDomains,
    mut sink: impl FnMut(ReadLine<'_>),
) {
    let window = Window::of_file(stored_at);
    const GZIP: [u8; 2] = [0x1f, 0x8b];
    let lines = &mut |line: Result<&[u8], Unreadable>, columns: &mut Columns| match line {
        Ok(line) => {
            if let Some(item) = cdn_line(line, columns, window, bases) {
                sink(item);
            }
        }
        Err(unreadable) => sink(ReadLine::Unreadable(unreadable)),
    };
    let mut columns = Columns::default();
    let read = if file.starts_with(&GZIP) {
        let reader = io::BufReader::with_capacity(64 * 1024, MultiGzDecoder::new(file));
        each_line(reader, |line| lines(line, &mut columns))
    } else {
        each_line(file, |line| lines(line, &mut columns))
    };
    if read.is_err() {
        let broken = Unreadable::new(file, "the compressed file is damaged or truncated");
        lines(Err(broken), &mut columns);
    }
}

fn cdn_line<'a>(
    line: &'a [u8],
    columns: &mut Columns,
    window: Window,
    bases: &BaseDomains,
) -> Option<ReadLine<'a>> {
    let line = line.trim_ascii_end();
    let parsed = match line.first()? {
        b'#' => {
            if let Some(names) = line.strip_prefix(b"#Fields:") {
                *columns = Columns::read(&String::from_utf8_lossy(names));
            }
            return None;
        }
        b'{' => cdn::read(line).map(Ok),
        _ => Ok(std::str::from_utf8(line)
            .map_err(|_| "not UTF-8")
            .and_then(|line| columns.line(line))),
    };
    let record = parsed.map(|line| line.and_then(|line| cdn::normalise(line, window, bases)));
    Some(finish(line, Source::Cdn, record))
}

fn finish<'a>(
    line: &[u8],
    source: Source,
    read: Result<Result<AccessRecord<'a>, InvalidReason>, serde_json::Error>,
) -> ReadLine<'a> {
    match read {
        Ok(Ok(record)) => ReadLine::Record(source, record),
        Ok(Err(wrong)) => ReadLine::Unreadable(Unreadable::new(line, wrong)),
        Err(error) => ReadLine::Unreadable(Unreadable::json(line, &error)),
    }
}

enum LineKind {
    Gateway,
    Lookup,
    Foreign,
    Unknown(Unreadable),
}

/// Determines the kind of a line. The lines of tegata begin with their type.
fn kind(line: &[u8]) -> LineKind {
    if line.starts_with(br#"{"type":"gateway""#) {
        return LineKind::Gateway;
    }
    if line.starts_with(br#"{"type":"access""#) {
        return LineKind::Lookup;
    }
    if is_of_the_runtime(line) {
        return LineKind::Foreign;
    }
    #[derive(Deserialize)]
    struct Typed<'a> {
        #[serde(borrow, default)]
        r#type: Option<Text<'a>>,
        /// Present in an error or a warning of a function.
        #[serde(default)]
        level: Option<IgnoredAny>,
        /// Present in metrics (CloudWatch embedded metric format).
        #[serde(default)]
        _aws: Option<IgnoredAny>,
    }
    match serde_json::from_slice::<Typed<'_>>(line) {
        Ok(typed) => match typed.r#type.as_deref() {
            Some("gateway") => LineKind::Gateway,
            Some("access") => LineKind::Lookup,
            Some(of_lambda) if of_lambda.starts_with("platform.") => LineKind::Foreign,
            _ if typed.level.is_some() || typed._aws.is_some() => LineKind::Foreign,
            // Such as a line of the gateway after a change of its log format.
            _ => LineKind::Unknown(Unreadable::new(line, "unknown kind of JSON line")),
        },
        Err(error) => LineKind::Unknown(Unreadable::json(line, &error)),
    }
}

/// Whether Lambda itself wrote the line, before or after an invocation.
fn is_of_the_runtime(line: &[u8]) -> bool {
    const FIRST_WORDS: [&[u8]; 6] = [
        b"START RequestId: ",
        b"END RequestId: ",
        b"REPORT RequestId: ",
        b"INIT_START ",
        b"INIT_REPORT ",
        b"EXTENSION\t",
    ];
    FIRST_WORDS.iter().any(|words| line.starts_with(words))
}

/// Calls `call` for each line, without its line end. A line that is too long is skipped.
fn each_line(
    mut reader: impl BufRead,
    mut call: impl FnMut(Result<&[u8], Unreadable>),
) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        let limit = LONGEST as u64 + 1;
        let read = reader.by_ref().take(limit).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(());
        }
        let is_whole = line.last() == Some(&b'\n');
        if !is_whole && line.len() > LONGEST {
            call(Err(Unreadable::new(&line, "longer than 256 KiB")));
            skip_line(&mut reader)?;
            continue;
        }
        let end = line.len() - usize::from(is_whole);
        call(Ok(&line[..end]));
    }
}

fn skip_line(reader: &mut impl BufRead) -> io::Result<()> {
    loop {
        let buffer = reader.fill_buf()?;
        if buffer.is_empty() {
            return Ok(());
        }
        match buffer.iter().position(|byte| *byte == b'\n') {
            Some(end) => {
                reader.consume(end + 1);
                return Ok(());
            }
            None => {
                let length = buffer.len();
                reader.consume(length);
            }
        }
    }
}

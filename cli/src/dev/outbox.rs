//! The outbox of one machine, as pages: the list of mails, and each of them in its parts.

use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context as _;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use mailparse::{MailHeaderMap as _, ParsedMail};
use minijinja::{Environment, UndefinedBehavior, Value, context};

/// Where it is.
pub(super) const PATH: &str = "/dev/outbox";

const NAME: &str = "outbox.html.jinja";
const TEMPLATE: &str = include_str!("outbox.html.jinja");

/// Mails that are listed.
const LISTED: usize = 200;

/// Answers a path below the outbox's.
pub(super) fn answer(directory: &Path, path: &str, address: &str) -> Response {
    let answered = match path.strip_prefix(PATH).unwrap_or_default() {
        "" | "/" => list(directory, address).map(|page| html(page).into_response()),
        file => part(directory, file.trim_start_matches('/')),
    };
    answered.unwrap_or_else(|error| {
        let text = format!("{error:#}\n");
        (StatusCode::NOT_FOUND, text).into_response()
    })
}

fn html(page: String) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ];
    (headers, page)
}

fn mails(directory: &Path) -> anyhow::Result<Vec<(SystemTime, PathBuf)>> {
    let mut mails = Vec::new();
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(mails),
        Err(error) => return Err(error.into()),
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_string_lossy().ends_with(".eml") {
            mails.push((entry.metadata()?.modified()?, entry.path()));
        }
    }
    mails.sort();
    mails.reverse();
    mails.truncate(LISTED);
    Ok(mails)
}

fn list(directory: &Path, address: &str) -> anyhow::Result<String> {
    let mut listed = Vec::new();
    for (_, path) in mails(directory)? {
        let raw = std::fs::read(&path)?;
        let mail = mailparse::parse_mail(&raw)?;
        let header = |name: &str| mail.headers.get_first_value(name).unwrap_or_default();
        let file = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        listed.push(context! {
            to => header("To"),
            subject => header("Subject"),
            date => header("Date"),
            html_url => format!("{PATH}/{file}.html"),
            text_url => format!("{PATH}/{file}.txt"),
            eml_url => format!("{PATH}/{file}"),
            file,
        });
    }
    let mut templates = Environment::new();
    templates.set_undefined_behavior(UndefinedBehavior::Strict);
    templates.add_template(NAME, TEMPLATE)?;
    let mails: Vec<Value> = listed;
    let page = context! { address, mails };
    Ok(templates.get_template(NAME)?.render(page)?)
}

/// A mail, or its HTML or text part.
fn part(directory: &Path, file: &str) -> anyhow::Result<Response> {
    let (name, wanted) = match file.rsplit_once(".eml") {
        Some((name, "")) => (name, None),
        Some((name, ".html")) => (name, Some("text/html")),
        Some((name, ".txt")) => (name, Some("text/plain")),
        _ => anyhow::bail!("no such mail"),
    };
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
    if !name.bytes().all(is_plain) {
        anyhow::bail!("no such mail");
    }
    let raw = std::fs::read(directory.join(format!("{name}.eml"))).context("no such mail")?;
    let Some(wanted) = wanted else {
        return Ok(([(header::CONTENT_TYPE, "message/rfc822")], raw).into_response());
    };
    let mail = mailparse::parse_mail(&raw)?;
    let part = find(&mail, wanted).context("the mail has no such part")?;
    let headers = [
        (header::CONTENT_TYPE, format!("{wanted}; charset=utf-8")),
        // What a mail holds does nothing and loads nothing here.
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'".to_owned(),
        ),
    ];
    Ok((headers, part.get_body()?).into_response())
}

fn find<'a>(mail: &'a ParsedMail<'a>, wanted: &str) -> Option<&'a ParsedMail<'a>> {
    match mail.ctype.mimetype == wanted {
        true => Some(mail),
        false => mail.subparts.iter().find_map(|part| find(part, wanted)),
    }
}

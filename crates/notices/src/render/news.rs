//! The files of the news page in both languages, and of its Atom feeds.

use jiff::Timestamp;
use minijinja::{Value, context};
use tegata_common::customer::{Language, Severity};
use tegata_common::notice::{Notice, NoticeId};

use super::{RenderError, Sender, body, render, shown};

/// The maximum number of notices in a list. Older notices keep their own pages.
const SHOWN: usize = 200;

/// The maximum number of entries in a feed.
const FEED: usize = 30;

/// A file of the news page.
#[derive(Clone, Debug)]
pub struct Page {
    /// The path on the CDN, such as `news/index.html`.
    pub path: String,
    pub content_type: &'static str,
    pub content: String,
}

/// The directory of a language's files.
fn directory(language: Language) -> &'static str {
    match language {
        Language::Ja => "news/",
        Language::En => "news/en/",
    }
}

/// The path of a notice's page.
pub fn notice_path(id: &NoticeId, language: Language) -> String {
    format!("{}{id}.html", directory(language))
}

/// Renders the pages of one announced notice, or of all, and then the lists and feeds.
///
/// A notice is on the pages of its languages. A language that no notice has gets no pages.
///
/// The lists and feeds are always rendered completely, so that the next run repairs an interrupted or
/// concurrent one. All instants are those of the announcements: the same notices give the same
/// files.
pub fn pages(
    notices: &[Notice],
    sender: &Sender,
    status_page_url: Option<&str>,
    only: Option<&NoticeId>,
) -> Result<Vec<Page>, RenderError> {
    let mut shown: Vec<&Notice> = notices
        .iter()
        .filter(|notice| notice.last_announced() > 0)
        .collect();
    shown.sort_by_key(|notice| (std::cmp::Reverse(first(notice)), notice.notice_id.clone()));
    let mut pages = Vec::new();
    for language in Language::ALL {
        let wanted = shown
            .iter()
            .filter(|notice| only.is_none_or(|only| notice.notice_id == *only))
            .filter(|notice| notice.title.has(language));
        for notice in wanted {
            pages.push(notice_page(notice, language, sender)?);
        }
    }
    let has = |language: Language| {
        shown.is_empty() || shown.iter().any(|notice| notice.title.has(language))
    };
    // The lists come last, so that they never link to a page that does not exist yet.
    for language in Language::ALL.into_iter().filter(|of| has(*of)) {
        let mut listed = shown.clone();
        listed.retain(|notice| notice.title.has(language));
        listed.truncate(SHOWN);
        let other = has(language.other()).then(|| other(language, "index.html"));
        pages.push(index(&listed, language, sender, status_page_url, other)?);
        pages.push(feed(&listed, language, sender)?);
    }
    Ok(pages)
}

/// The instant of a notice's first announcement.
fn first(notice: &Notice) -> Timestamp {
    let mut announced = notice.announced().filter_map(|update| update.announced);
    announced.next().map_or(Timestamp::UNIX_EPOCH, |at| at.at)
}

/// The instant of a notice's latest announcement.
fn last(notice: &Notice) -> Timestamp {
    let announced = notice.announced().filter_map(|update| update.announced);
    announced.last().map_or(Timestamp::UNIX_EPOCH, |at| at.at)
}

/// The values of a notice that its page and the list show.
fn facts(notice: &Notice, language: Language) -> Value {
    let kind = &notice.kind;
    let zone = &notice.time_zone;
    context! {
        url => format!("{}.html", notice.notice_id),
        kind => kind.as_str(),
        title => notice.title.get(language).to_owned(),
        products => notice.product_names(language),
        version => kind.version().map(str::to_owned),
        planned => kind.planned_at().map(|at| shown(at, zone)),
        ends => kind.ends_at().map(|at| shown(at, zone)),
        severity => notice.severity_at(notice.last_announced()).map(Severity::as_str),
        stage => notice.stage().map(|stage| stage.as_str()),
        published => shown(first(notice), zone),
    }
}

/// The relative URL from a page in a language to the same page in the other one.
fn other(language: Language, file: &str) -> String {
    match language {
        Language::Ja => format!("en/{file}"),
        Language::En => format!("../{file}"),
    }
}

fn notice_page(notice: &Notice, language: Language, sender: &Sender) -> Result<Page, RenderError> {
    // Several updates have headings of their own.
    let heading_level = if notice.announced().nth(1).is_some() {
        3
    } else {
        2
    };
    let mut updates: Vec<Value> = notice
        .announced()
        .map(|update| {
            let at = update
                .announced
                .map_or(update.send_at, |announced| announced.at);
            context! {
                number => update.number,
                stage => update.stage.map(|stage| stage.as_str()),
                severity => update.severity.map(Severity::as_str),
                at => shown(at, &notice.time_zone),
                body_html => Value::from_safe_string(body::html(update.body.get(language), heading_level)),
            }
        })
        .collect();
    updates.reverse();
    let file = format!("{}.html", notice.notice_id);
    let is_in_other = notice.title.has(language.other());
    let page = context! {
        lang => language.as_str(),
        sender => sender.name.clone(),
        security_contact => sender.security_contact.as_str().to_owned(),
        other_url => is_in_other.then(|| other(language, &file)),
        index_url => "index.html",
        feed_url => "feed.xml",
        notice => context! { updates, ..facts(notice, language) },
    };
    Ok(Page {
        path: notice_path(&notice.notice_id, language),
        content_type: "text/html; charset=utf-8",
        content: render("notice.html.jinja", page)?,
    })
}

fn index(
    notices: &[&Notice],
    language: Language,
    sender: &Sender,
    status_page_url: Option<&str>,
    other_url: Option<String>,
) -> Result<Page, RenderError> {
    let notices: Vec<Value> = notices
        .iter()
        .map(|notice| facts(notice, language))
        .collect();
    let page = context! {
        lang => language.as_str(),
        sender => sender.name.clone(),
        security_contact => sender.security_contact.as_str().to_owned(),
        other_url,
        feed_url => "feed.xml",
        status_page_url => status_page_url.map(str::to_owned),
        notices,
    };
    Ok(Page {
        path: format!("{}index.html", directory(language)),
        content_type: "text/html; charset=utf-8",
        content: render("news.html.jinja", page)?,
    })
}

fn feed(notices: &[&Notice], language: Language, sender: &Sender) -> Result<Page, RenderError> {
    // If the CDN's URL is unknown, ids stay unique and links are relative.
    let base = sender.cdn_url.as_deref().unwrap_or_default();
    let url = |file: &str| match base {
        "" => file.to_owned(),
        base => format!("{base}/{}{file}", directory(language)),
    };
    // The host of the contact address, not of the CDN: ids must not change if the CDN's URL does.
    let host = sender.security_contact.as_str().rsplit_once('@');
    let host = host.map_or("news.invalid", |(_, host)| host);
    let entries: Vec<Value> = notices
        .iter()
        .take(FEED)
        .map(|notice| {
            let file = format!("{}.html", notice.notice_id);
            let bodies: Vec<&str> = notice
                .announced()
                .map(|update| update.body.get(language))
                .collect();
            // In descending order, as on the page.
            let html: Vec<String> = bodies
                .iter()
                .rev()
                .map(|text| body::html(text, 2))
                .collect();
            let text = bodies
                .last()
                .map(|text| body::text(text))
                .unwrap_or_default();
            context! {
                id => format!(
                    "tag:{},{}:{}/{}",
                    host,
                    first(notice).strftime("%Y-%m-%d"),
                    notice.notice_id,
                    language.as_str(),
                ),
                url => url(&file),
                title => notice.title.get(language).to_owned(),
                published => format!("{:.0}", first(notice)),
                updated => format!("{:.0}", last(notice)),
                kind => notice.kind.as_str(),
                summary => text.lines().next().unwrap_or_default().to_owned(),
                body_html => html.join("<hr>\n"),
            }
        })
        .collect();
    let updated = notices.iter().map(|notice| last(notice)).max();
    let page = context! {
        lang => language.as_str(),
        sender => sender.name.clone(),
        self_url => url("feed.xml"),
        index_url => url("index.html"),
        updated => format!("{:.0}", updated.unwrap_or(Timestamp::UNIX_EPOCH)),
        entries,
    };
    Ok(Page {
        path: format!("{}feed.xml", directory(language)),
        content_type: "application/atom+xml; charset=utf-8",
        content: render("feed.xml.jinja", page)?,
    })
}

//! Text as a notice's file, and text as Markdown: pages and mails have no markup but their own, a
//! feed is XML, and what is accepted can be sent.
#![no_main]
#![allow(dead_code)] // Of the files below, what this target does not call.

use std::sync::LazyLock;

use jiff::Timestamp;
use libfuzzer_sys::fuzz_target;
use tegata_common::customer::Language;
use tegata_common::notice::{
    Announced, Delivery, DeliveryId, Facts, Notice, NoticeId, RecipientRole,
};
use tegata_common::product::{Catalogue, Product};
use tegata_common::xml;

#[path = "../../../crates/notices/src/check.rs"]
mod check;
#[path = "../../../crates/notices/src/file.rs"]
mod file;
#[path = "../../../crates/notices/src/render/mod.rs"]
mod render;

use check::Terms;
use file::{FileError, NoticeFile};
use render::{Sender, body, mail, news};

static CATALOGUE: LazyLock<Vec<Product>> = LazyLock::new(|| {
    let text = include_str!("../../../examples/products.toml");
    toml::from_str::<Catalogue>(text).expect("the example").products
});
static SENDER: LazyLock<Sender> = LazyLock::new(|| Sender {
    name: "サンプル株式会社".to_owned(),
    from: "notices@vendor.example".parse().expect("an address"),
    security_contact: "security@vendor.example".parse().expect("an address"),
    cdn_url: Some("https://cdn.vendor.example".to_owned()),
});

fuzz_target!(|text: &str| {
    markdown(text);
    let file = match NoticeFile::parse(text) {
        Ok(file) => file,
        Err(FileError::Character { line, character }) => {
            assert!(!xml::is_allowed(character));
            assert!((1..=text.matches('\n').count() + 1).contains(&line), "line {line}");
            return;
        }
        Err(FileError::Toml(_)) => return,
    };
    let now: Timestamp = "2026-11-20T00:00:00Z".parse().expect("an instant");
    let terms = Terms { now, send_at: now, short_notice: None };
    let id: NoticeId = "2026-12-05-sheet-1.9.0".parse().expect("a name");
    match check::notice(&id, &file, None, &CATALOGUE, &terms) {
        Ok(notice) => accepted(notice, now),
        Err(problems) => assert!(!problems.is_empty(), "refused without a reason"),
    }
});

/// The elements that Markdown makes of a notice's text, without attributes; a link has its own.
const ELEMENTS: [&str; 13] = [
    "p", "em", "strong", "h2", "ul", "ol", "li", "blockquote", "code", "pre", "br /", "hr /", "a",
];

fn markdown(text: &str) {
    let page = body::html(text, 2);
    // No text is both markup and harmless by luck: an element that is not ours starts with '<'.
    for tag in page.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').expect("a tag ends");
        let name = tag.strip_prefix('/').unwrap_or(tag);
        let is_link = tag.strip_prefix("a href=\"").is_some_and(is_link);
        let is_list = tag.strip_prefix("ol start=\"").is_some_and(|rest| {
            let number = rest.strip_suffix('"');
            number.is_some_and(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
        });
        let is_code = tag.strip_prefix("code class=\"language-").is_some_and(|rest| {
            rest.strip_suffix('"').is_some_and(|rest| !rest.contains('"'))
        });
        assert!(
            ELEMENTS.contains(&name) || is_link || is_list || is_code,
            "<{tag}> of {text:?}"
        );
    }
    let _ = body::text(text);
    // A carriage return alone ends a line, too (CommonMark 2.1).
    let lines = text.replace("\r\n", "\n").split(['\n', '\r']).count();
    let problems = body::problems(text);
    assert!(problems.iter().all(|of| (1..=lines).contains(&of.line) && !of.message.is_empty()));
}

/// Whether the rest of a link's tag is an address that is allowed, with or without a title.
fn is_link(rest: &str) -> bool {
    let (address, rest) = rest.split_once('"').unwrap_or((rest, ""));
    let is_titled = rest.strip_prefix(" title=\"").and_then(|rest| rest.strip_suffix('"'));
    (address.starts_with("https://") || address.starts_with("mailto:"))
        && (rest.is_empty() || is_titled.is_some_and(|title| !title.contains('"')))
}

fn accepted(mut notice: Notice, now: Timestamp) {
    let stored = serde_json::to_string(&notice).expect("an item");
    assert_eq!(serde_json::from_str::<Notice>(&stored).ok().as_ref(), Some(&notice));
    assert!(notice.kind.planned_at().is_none_or(|planned| planned > now));

    let email: tegata_common::customer::EmailAddress = "it@customer.example".parse().expect("one");
    for language in [Language::Ja, Language::En] {
        let title = notice.title.get(language);
        assert!(!title.trim().is_empty() && !title.chars().any(char::is_control), "{title:?}");
        for update in &notice.updates {
            let delivery = Delivery {
                notice_id: notice.notice_id.clone(),
                delivery: DeliveryId::of(update.number, &email),
                email: email.clone().into(),
                language,
                why: RecipientRole::Primary,
                customers: Vec::new(),
                facts: Facts::default(),
            };
            let mail = mail::mail(&notice, update, &delivery, &SENDER).expect("a mail");
            assert!(!mail.subject.contains(['\r', '\n']), "{}", mail.subject);
            let sent = mail::message(mail, &notice, &delivery, &SENDER, now).expect("a message");
            let end = sent.windows(4).position(|window| window == b"\r\n\r\n").expect("a header");
            let header = std::str::from_utf8(&sent[..end]).expect("ASCII").to_ascii_lowercase();
            assert_eq!(header.matches("\r\nto: ").count(), 1, "{header}");
            assert!(!header.contains("\r\nbcc:") && !header.contains("\r\ncc:"), "{header}");
        }
    }
    for update in &mut notice.updates {
        update.announced = Some(Announced { at: now, recipients: 1, unreachable: 0 });
    }
    for page in news::pages(&[notice], &SENDER, None, None).expect("pages") {
        if page.path.ends_with(".xml") {
            let feed = roxmltree::Document::parse(&page.content);
            assert!(feed.is_ok(), "{feed:?}: {}", page.content);
        } else {
            assert!(!page.content.to_ascii_lowercase().contains("<script>"), "{}", page.content);
        }
    }
}

//! What keeps a notice's file from being sent.

use jiff::{SignedDuration, Timestamp};
use tegata_common::notice::{Announced, Notice};
use tegata_common::version::PluginVersionError;
use tegata_notices::check::{self, Problem, Terms};
use tegata_notices::file::NoticeFile;
use tegata_tests::product;

use crate::world::{INCIDENT, RELEASE, START};

fn terms() -> Terms {
    let now: Timestamp = START.parse().unwrap();
    Terms {
        now,
        send_at: now,
        short_notice: None,
    }
}

fn check(file: &str, before: Option<&Notice>, terms: &Terms) -> Result<Notice, Vec<Problem>> {
    let id = "2026-12-05-sheet-1.9.0".parse().unwrap();
    let file = NoticeFile::parse(file).unwrap();
    check::notice(&id, &file, before, &[product()], terms)
}

fn problems(file: &str) -> Vec<String> {
    let problems = check(file, None, &terms()).unwrap_err();
    problems.iter().map(ToString::to_string).collect()
}

const MAINTENANCE: &str = r#"
kind = "maintenance"
planned_at = 2026-12-05T22:00:00+09:00
ends_at = 2026-12-06T02:00:00+09:00
title = { ja = "メンテナンス", en = "Maintenance" }
body = { ja = "停止します。", en = "It stops." }
"#;

#[test]
fn each_mistake_is_named_with_its_place() {
    let version = format!("version: {PluginVersionError}");
    for (file, from, to, expected) in [
        (
            RELEASE,
            "en = \"Sheet 1.9.0\"",
            "en = \" \"",
            "title.en: is empty: both languages are sent",
        ),
        (RELEASE, "Sheet 1.9.0", "a\\nb", "title.en: is one line"),
        (
            RELEASE,
            "[\"sheet\"]",
            "[\"sheets\"]",
            "products: there is no product sheets",
        ),
        (
            RELEASE,
            "[\"sheet\"]",
            "[]",
            "products: a release is of one product",
        ),
        (
            RELEASE,
            "version = \"1.9.0\"",
            "",
            "version: is missing: which version is released?",
        ),
        (RELEASE, "\"1.9.0\"", "\"../1\"", version.as_str()),
        (RELEASE, "\"1.9.0\"", "\"v1.9.0\"", version.as_str()),
        (RELEASE, "\"1.9.0\"", "\"1.9.0+5\"", version.as_str()),
        (
            RELEASE,
            "2026-12-05",
            "2026-11-05",
            "planned_at: 2026-11-05T01:00:00Z is over",
        ),
        (
            RELEASE,
            "2026-12-05",
            "2026-12-02",
            "planned_at: has to be announced 7 days before, by 2026-11-25 10:00 +09:00: plan it later, or say why not with --short-notice REASON",
        ),
        (
            RELEASE,
            "**faster**",
            "[faster](http://vendor.example)",
            "body.en: links to http://vendor.example: a link starts with https:// or mailto:",
        ),
        (
            RELEASE,
            "**faster**",
            "![x](https://vendor.example/x.png)",
            "body.en: has an image: mails carry no remote content",
        ),
        (
            RELEASE,
            "**速く**",
            "<b>速く</b>",
            "body.ja: has HTML in it: write Markdown",
        ),
        (
            MAINTENANCE,
            "2026-12-06",
            "2026-12-05",
            "ends_at: is not after planned_at",
        ),
        (
            MAINTENANCE,
            "kind = \"maintenance\"",
            "kind = \"maintenance\"\nversion = \"1\"",
            "version: belongs to a release only",
        ),
        (
            INCIDENT,
            "severity = \"major\"",
            "",
            "updates.1.severity: is missing: minor, major or critical",
        ),
        (
            INCIDENT,
            "stage = \"investigating\"",
            "",
            "updates.1.stage: is missing: investigating, identified, monitoring or resolved",
        ),
        (
            INCIDENT,
            "[[updates]]",
            "body = { ja = 'a', en = 'b' }\n[[updates]]",
            "body: what is said of an incident stands in [[updates]], with its stage",
        ),
    ] {
        let wrong = file.replace(from, to);
        assert_ne!(wrong, file, "{from}");
        assert!(
            problems(&wrong).contains(&expected.to_owned()),
            "{:?}",
            problems(&wrong)
        );
    }
    for file in [RELEASE, MAINTENANCE, INCIDENT] {
        check(file, None, &terms()).unwrap();
    }
}

#[test]
fn a_release_may_be_late_only_for_a_reason_and_never_after_its_instant() {
    let mut terms = terms();
    terms.send_at = "2026-11-28T10:00:00+09:00".parse().unwrap();
    check(RELEASE, None, &terms).unwrap();
    terms.send_at += SignedDuration::from_secs(1);
    assert!(check(RELEASE, None, &terms).is_err());
    terms.short_notice = Some("a security fix".to_owned());
    let notice = check(RELEASE, None, &terms).unwrap();
    assert_eq!(
        notice.updates[0].short_notice.as_deref(),
        Some("a security fix")
    );
    terms.send_at = "2026-12-05T10:00:00+09:00".parse().unwrap();
    let late = check(RELEASE, None, &terms).unwrap_err();
    assert_eq!(
        late[0].to_string(),
        "planned_at: has come before the notice would be sent"
    );
}

#[test]
fn what_was_announced_stays_and_more_is_added_at_its_end() {
    let announced = |mut notice: Notice| {
        for update in &mut notice.updates {
            update.announced = Some(Announced {
                at: START.parse().unwrap(),
                recipients: 1,
                unreachable: 0,
            });
        }
        notice
    };
    let first = announced(check(INCIDENT, None, &terms()).unwrap());
    let again = check(INCIDENT, Some(&first), &terms()).unwrap_err();
    assert_eq!(
        again[0].to_string(),
        "updates: all of it has been announced: add an update"
    );
    let more = format!(
        "{INCIDENT}\n[[updates]]\nstage = 'resolved'\nbody = {{ ja = '復旧しました。', en = 'Over.' }}\n"
    );
    let second = check(&more, Some(&first), &terms()).unwrap();
    assert_eq!(second.updates.len(), 2);
    assert!(second.updates[0].announced.is_some() && second.updates[1].announced.is_none());
    assert_eq!(second.severity_at(2), second.severity_at(1));

    // A release that was announced keeps what it is; it may move, with its lead time if it is
    // earlier, and more can be said when it is over.
    let release = announced(check(RELEASE, None, &terms()).unwrap());
    let more_of = |file: &str| {
        format!("{file}[[updates]]\nbody = {{ ja = '変更です。', en = 'A change.' }}\n")
    };
    let mut later = terms();
    later.now = "2026-12-06T00:00:00Z".parse().unwrap();
    later.send_at = later.now;
    check(&more_of(RELEASE), Some(&release), &later).unwrap();
    check(
        &more_of(&RELEASE.replace("12-05T", "12-25T")),
        Some(&release),
        &terms(),
    )
    .unwrap();
    for (from, to, expected) in [
        (
            "12-05T",
            "12-01T",
            "planned_at: has to be announced 7 days before",
        ),
        (
            "\"1.9.0\"",
            "\"1.9.1\"",
            "version: 1.9.0 was announced: begin a new notice",
        ),
    ] {
        let moved = more_of(&RELEASE.replace(from, to));
        let problems = check(&moved, Some(&release), &terms()).unwrap_err();
        assert!(
            problems[0].to_string().starts_with(expected),
            "{problems:?}"
        );
    }

    let changed = more.replace("調査しています。", "存じません。");
    let changed = check(&changed, Some(&first), &terms()).unwrap_err();
    assert_eq!(
        changed[0].to_string(),
        "updates.1: it has been announced and stays as it was: add an update instead"
    );
    let after =
        format!("{more}[[updates]]\nstage = 'monitoring'\nbody = {{ ja = 'a', en = 'b' }}\n");
    let second = announced(second);
    let after = check(&after, Some(&second), &terms()).unwrap_err();
    assert_eq!(
        after[0].to_string(),
        "updates.3.stage: comes after resolved: begin a new notice"
    );
    let two = format!("{INCIDENT}{}", more.replace(INCIDENT, "").repeat(2));
    let two = check(&two, Some(&first), &terms()).unwrap_err();
    assert!(
        two.iter()
            .any(|problem| problem.message.contains("one at a time")),
        "{two:?}"
    );
}

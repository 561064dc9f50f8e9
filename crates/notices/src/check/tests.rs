use jiff::SignedDuration;
use serde_json::json;
use tegata_common::notice::Announced;
use tegata_common::product::Catalogue;
use tegata_common::version::PluginVersionError;

use super::*;

const START: &str = "2026-11-26T01:00:00Z";

const RELEASE: &str = r#"
kind = "release"
products = ["sheet"]
version = "1.9.0"
planned_at = 2026-12-05T10:00:00+09:00
title = { ja = "シート 1.9.0 のリリース", en = "Sheet 1.9.0" }
body = { ja = "一覧が**速く**なります。", en = "Lists get **faster**." }
"#;

const INCIDENT: &str = r#"
kind = "incident"
products = ["sheet"]
title = { ja = "ライセンスを確認できない障害", en = "Licences cannot be checked" }
[[updates]]
stage = "investigating"
severity = "major"
body = { ja = "調査しています。", en = "We are investigating." }
"#;

/// Products with these lead times.
fn catalogue(lead_days: &[(&str, u16)]) -> Vec<Product> {
    let products = lead_days.iter().map(|(slug, days)| {
        let entry = json!({ "name": { "ja": "シート", "en": "Sheet" }, "notice_days": days });
        ((*slug).to_owned(), entry)
    });
    let file = json!({
        "issuer": "https://license.example.com",
        "products": products.collect::<serde_json::Map<_, _>>(),
    });
    serde_json::from_value::<Catalogue>(file).unwrap().products
}

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
    notice(&id, &file, before, &catalogue(&[("sheet", 7)]), terms)
}

fn problems_of(file: &str) -> Vec<String> {
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
            "title.en: is empty: this notice must have ja and en",
        ),
        (
            RELEASE,
            "Sheet 1.9.0",
            "a\\nb",
            "title.en: must be one line",
        ),
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
            "products: a release must have exactly one product",
        ),
        (
            RELEASE,
            "version = \"1.9.0\"",
            "",
            "version: is missing: the version to be released",
        ),
        (RELEASE, "\"1.9.0\"", "\"../1\"", version.as_str()),
        (RELEASE, "\"1.9.0\"", "\"v1.9.0\"", version.as_str()),
        (RELEASE, "\"1.9.0\"", "\"1.9.0+5\"", version.as_str()),
        (
            RELEASE,
            "2026-12-05",
            "2026-11-05",
            "planned_at: 2026-11-05T01:00:00Z is in the past",
        ),
        (
            RELEASE,
            "2026-12-05",
            "2026-12-02",
            "planned_at: must be announced 7 days before, by 2026-11-25T10:00:00+09:00: plan it later, or give a reason with --short-notice REASON",
        ),
        (
            RELEASE,
            "**faster**",
            "[faster](http://vendor.example)",
            "body.en: line 7 links to http://vendor.example: a link must start with https:// or mailto:",
        ),
        (
            RELEASE,
            "**faster**",
            "![x](https://vendor.example/x.png)",
            "body.en: line 7 has an image: mails must not have remote content",
        ),
        (
            RELEASE,
            "**速く**",
            "<b>速く</b>",
            "body.ja: line 7 has HTML: use Markdown",
        ),
        (
            MAINTENANCE,
            "2026-12-06",
            "2026-12-05",
            "ends_at: must be after planned_at",
        ),
        (
            MAINTENANCE,
            "kind = \"maintenance\"",
            "kind = \"maintenance\"\nversion = \"1\"",
            "version: is allowed for a release only",
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
            "body: is not allowed for an incident: write the text in [[updates]], with its stage",
        ),
    ] {
        let wrong = file.replace(from, to);
        assert_ne!(wrong, file, "{from}");
        assert!(
            problems_of(&wrong).contains(&expected.to_owned()),
            "{:?}",
            problems_of(&wrong)
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
        "planned_at: is before the notice would be sent"
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
        "updates: all updates have been announced: add an update"
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
            "planned_at: must be announced 7 days before",
        ),
        (
            "\"1.9.0\"",
            "\"1.9.1\"",
            "version: was announced as 1.9.0: start a new notice",
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
        "updates.1: has been announced and cannot be changed: add an update instead"
    );
    let after =
        format!("{more}[[updates]]\nstage = 'monitoring'\nbody = {{ ja = 'a', en = 'b' }}\n");
    let second = announced(second);
    let after = check(&after, Some(&second), &terms()).unwrap_err();
    assert_eq!(
        after[0].to_string(),
        "updates.3.stage: follows resolved: start a new notice"
    );
    let two = format!("{INCIDENT}{}", more.replace(INCIDENT, "").repeat(2));
    let two = check(&two, Some(&first), &terms()).unwrap_err();
    assert!(
        two.iter()
            .any(|problem| problem.message.contains("one at a time")),
        "{two:?}"
    );
}

fn announced(mut notice: Notice) -> Notice {
    for update in &mut notice.updates {
        update.announced = Some(Announced {
            at: START.parse().unwrap(),
            recipients: 1,
            unreachable: 0,
        });
    }
    notice
}

#[test]
fn a_notice_is_named_after_its_file_but_not_like_a_page_of_the_news() {
    let id = notice_id(Path::new("notices/2026-12-05-sheet-1.9.0.toml")).unwrap();
    assert_eq!(id.as_str(), "2026-12-05-sheet-1.9.0");
    for name in ["index.toml", "feed.toml", "Sheet.toml", "..", ""] {
        let problem = notice_id(Path::new(name)).unwrap_err();
        assert_eq!(problem.field, "file name", "{name}");
    }
    let problem = notice_id(Path::new("feed.toml")).unwrap_err();
    assert_eq!(problem.message, "a notice cannot be named feed");
}

#[test]
fn fields_belong_to_their_kinds() {
    for (file, from, to, expected) in [
        (
            RELEASE,
            "[\"sheet\"]",
            "[\"sheet\", \"sheet\"]",
            "products: sheet is listed twice",
        ),
        (
            RELEASE,
            "version =",
            "ends_at = 2026-12-06T00:00:00Z\nversion =",
            "ends_at: is allowed for maintenance only",
        ),
        (RELEASE, "body =", "#", "body: is missing"),
        (
            RELEASE,
            "planned_at =",
            "#",
            "planned_at: is missing: the instant at which it happens",
        ),
        (
            RELEASE,
            "2026-12-05T10:00:00+09:00",
            START,
            "planned_at: 2026-11-26T01:00:00Z is in the past",
        ),
        (
            MAINTENANCE,
            "ends_at =",
            "#",
            "ends_at: is missing: the end of the maintenance",
        ),
        (
            MAINTENANCE,
            "2026-12-06T02:00:00",
            "2026-12-05T22:00:00",
            "ends_at: must be after planned_at",
        ),
        (MAINTENANCE, "body =", "#", "body: is missing"),
        (
            INCIDENT,
            "products =",
            "planned_at = 2026-12-05T10:00:00Z\nproducts =",
            "planned_at: is not allowed for an incident",
        ),
        (
            INCIDENT,
            "products =",
            "ends_at = 2026-12-05T10:00:00Z\nproducts =",
            "ends_at: is allowed for maintenance only",
        ),
    ] {
        let wrong = file.replace(from, to);
        assert_ne!(wrong, file, "{from}");
        let problems = problems_of(&wrong);
        assert!(problems.contains(&expected.to_owned()), "{problems:?}");
    }
    let update =
        "[[updates]]\nstage = 'resolved'\nseverity = 'minor'\nbody = { ja = 'a', en = 'b' }\n";
    let problems = problems_of(&format!("{RELEASE}{update}"));
    for expected in [
        "updates.1.stage: is allowed for an incident only",
        "updates.1.severity: is allowed for an incident only",
    ] {
        assert!(problems.contains(&expected.to_owned()), "{problems:?}");
    }
    let nothing = &INCIDENT[..INCIDENT.find("[[updates]]").unwrap()];
    assert!(
        problems_of(nothing)
            .contains(&"updates: an incident must have at least one update".to_owned())
    );
    // A later update of an incident need not repeat its severity.
    let second = "[[updates]]\nstage = 'resolved'\nbody = { ja = 'a', en = 'b' }\n";
    let first = announced(check(INCIDENT, None, &terms()).unwrap());
    check(&format!("{INCIDENT}{second}"), Some(&first), &terms()).unwrap();
}

#[test]
fn texts_have_limits() {
    let with = |title: &str, body: &str| {
        RELEASE
            .replace("Sheet 1.9.0", title)
            .replace("Lists get **faster**.", body)
    };
    let tab = "a\\tb\\nc\\rd";
    for (title, body) in [
        ("t".repeat(120), "b".repeat(8_000)),
        ("あ".repeat(120), tab.into()),
    ] {
        check(&with(&title, &body), None, &terms()).unwrap();
    }
    for (title, body, expected) in [
        (
            "t".repeat(121),
            "b".into(),
            "title.en: has more than 120 characters",
        ),
        (
            "t".into(),
            "あ".repeat(8_001),
            "body.en: has more than 8000 characters",
        ),
        (
            "t".into(),
            "　".into(),
            "body.en: is empty: this notice must have ja and en",
        ),
        (
            "t".into(),
            "a\\u007F".into(),
            "body.en: has a control character",
        ),
        ("t\\tu".into(), "b".into(), "title.en: must be one line"),
    ] {
        assert_eq!(problems_of(&with(&title, &body)), [expected]);
    }

    // DynamoDB keeps 400 KB under a key. Titles and one body are 24 bytes.
    let whole = |bytes: usize| {
        let entry = |text: String| format!("[[updates]]\nbody = {{ ja = 'a', en = '{text}' }}\n");
        let mut left = bytes - 24;
        let mut file = RELEASE
            .replace("シート 1.9.0 のリリース", "12345678901")
            .replace("一覧が**速く**なります。", "a")
            .replace("Lists get **faster**.", "b");
        while left > 0 {
            let length = (left - 1).min(8_000);
            file.push_str(&entry("b".repeat(length)));
            left -= length + 1;
        }
        file
    };
    let too_long = "updates: the texts are too long in total: start a new notice".to_owned();
    assert!(!problems_of(&whole(WHOLE)).contains(&too_long));
    assert!(problems_of(&whole(WHOLE + 2)).contains(&too_long));
}

#[test]
fn a_problem_of_an_update_is_named_with_its_number_in_the_file() {
    let wrong = "[[updates]]\nbody = { ja = ' ', en = 'b' }\n";
    let after_a_body = problems_of(&format!("{RELEASE}{wrong}"));
    let expected = "updates.1.body.ja: is empty: this notice must have ja and en".to_owned();
    assert!(after_a_body.contains(&expected), "{after_a_body:?}");
    let of_an_incident = problems_of(&INCIDENT.replace("調査しています。", " "));
    assert_eq!(of_an_incident, [expected]);
}

#[test]
fn the_longest_lead_time_of_the_named_products_counts() {
    let products = catalogue(&[("gantt", 14), ("memo", 0), ("sheet", 7)]);
    assert_eq!(lead_days(&products[1..], &products), 7);
    assert_eq!(lead_days(&[], &products), 14);
    assert_eq!(lead_days(&[], &[]), 0);

    let id = "2026-12-05-sheet-1.9.0".parse().unwrap();
    let of = |products: &str| {
        let text = MAINTENANCE.replace("kind =", &format!("products = {products}\nkind ="));
        let file = NoticeFile::parse(&text).unwrap();
        notice(
            &id,
            &file,
            None,
            &catalogue(&[("gantt", 14), ("sheet", 7)]),
            &terms(),
        )
    };
    assert!(of("['sheet']").is_ok());
    for products in ["['gantt']", "['sheet', 'gantt']", "[]"] {
        let problems = of(products).unwrap_err();
        let words = "must be announced 14 days before, by 2026-11-21T22:00:00+09:00";
        assert!(problems[0].message.starts_with(words), "{problems:?}");
    }
}

#[test]
fn without_a_product_there_is_nothing_to_announce() {
    let id = "2026-12-05-sheet-1.9.0".parse().unwrap();
    let file = NoticeFile::parse(MAINTENANCE).unwrap();
    let problems = notice(&id, &file, None, &[], &terms()).unwrap_err();
    assert_eq!(
        problems[0].to_string(),
        "products: there is no product yet: tegata product apply"
    );
}

#[test]
fn a_notice_of_no_product_is_in_the_zone_of_the_first() {
    let id = "2026-12-05-sheet-1.9.0".parse().unwrap();
    let mut products = catalogue(&[("gantt", 0), ("sheet", 0)]);
    products[0].policy.time_zone = Zone::named("Europe/Berlin").unwrap();
    let of = |named: &str| {
        let text = MAINTENANCE.replace("kind =", &format!("products = {named}\nkind ="));
        let file = NoticeFile::parse(&text).unwrap();
        let notice = notice(&id, &file, None, &products, &terms()).unwrap();
        notice.time_zone.name().to_owned()
    };
    assert_eq!(of("[]"), "Europe/Berlin");
    assert_eq!(of("['sheet']"), "Asia/Tokyo");
}

#[test]
fn a_draft_may_change_and_what_was_announced_may_not() {
    // Not announced: everything may change, and what operators decided stays.
    let mut draft = check(INCIDENT, None, &terms()).unwrap();
    draft.forgiven = AcknowledgedErrors {
        wrong: 3,
        attempted: 10,
    };
    let other = check(RELEASE, Some(&draft), &terms()).unwrap();
    assert_eq!(
        (other.kind.as_str(), other.forgiven),
        ("release", draft.forgiven)
    );
    assert_eq!(other.updates.len(), 1);

    let more = "[[updates]]\nbody = { ja = 'a', en = 'b' }\n";
    let first = announced(check(RELEASE, None, &terms()).unwrap());
    let kind = check(&format!("{MAINTENANCE}{more}"), Some(&first), &terms()).unwrap_err();
    let kind: Vec<String> = kind.iter().map(ToString::to_string).collect();
    for expected in [
        "kind: was announced as release",
        "products: differs from the announced products: start a new notice",
        "body: has been announced and cannot be changed: add an update instead",
    ] {
        assert!(kind.contains(&expected.to_owned()), "{kind:?}");
    }

    // What was announced of a version that has another form today stays.
    let mut old = first.clone();
    old.kind = NoticeKind::Release {
        version: "1.9.0+5".to_owned(),
        planned_at: first.kind.planned_at().unwrap(),
    };
    let same = format!("{}{more}", RELEASE.replace("1.9.0\"\n", "1.9.0+5\"\n"));
    check(&same, Some(&old), &terms()).unwrap();

    let mut two = first.clone();
    two.updates.push(two.updates[0].clone());
    let gone = check(RELEASE, Some(&two), &terms()).unwrap_err();
    assert_eq!(
        gone[0].to_string(),
        "updates: 2 updates have been announced and cannot be removed"
    );
}

#[test]
fn emphasis_without_effect_is_reported_with_its_line_in_the_file() {
    let update = "[[updates]]\n[updates.body]\nen = 'Again.'\nja = \"\"\"\n\n本日\n\n** 重要 ** です\n\"\"\"\n";
    let file = format!("{RELEASE}{update}");
    let problems = problems_of(&file);
    let expected = "updates.1.body.ja: line 15 has ** without effect";
    let found = problems.iter().any(|problem| problem.starts_with(expected));
    // The file is one update ahead, which is reported too.
    assert!(found, "{problems:?}");
    assert!(
        problems_of(&file.replace("** 重要 **", "**「重要」**"))
            .iter()
            .all(|problem| !problem.contains("without effect"))
    );
}

#[test]
fn an_announced_text_is_not_held_against_the_rules_of_today() {
    let announced = check(RELEASE, None, &terms()).unwrap();
    let mut announced = announced;
    let body = "一覧が** 速く **なります。";
    let file = RELEASE.replace("一覧が**速く**なります。", body);
    announced.updates[0].body.ja = body.to_owned();
    announced.updates[0].announced = Some(Announced {
        at: START.parse().unwrap(),
        recipients: 1,
        unreachable: 0,
    });
    let update = "[[updates]]\nbody = { ja = \"延期します。\", en = \"It is postponed.\" }\n";
    let more = check(&format!("{file}{update}"), Some(&announced), &terms());
    assert_eq!(more.unwrap().updates.len(), 2);
}

#[test]
fn a_notice_needs_the_languages_of_its_products_and_of_its_own_texts() {
    let in_japanese = |file: &str| {
        let id = "2026-12-05-sheet-1.9.0".parse().unwrap();
        let file = NoticeFile::parse(file).unwrap();
        let mut catalogue = catalogue(&[("sheet", 7)]);
        catalogue[0].languages = vec![Language::Ja];
        notice(&id, &file, None, &catalogue, &terms())
    };
    let only_ja = INCIDENT
        .replace(", en = \"Licences cannot be checked\"", "")
        .replace(", en = \"We are investigating.\"", "");
    let notice = in_japanese(&only_ja).unwrap();
    assert!(notice.title.has(Language::Ja) && !notice.title.has(Language::En));
    assert_eq!(
        notice.title.get(Language::En),
        "ライセンスを確認できない障害"
    );
    // A language that one text has is required in all of them.
    for text in [
        only_ja.replace("障害\" }", "障害\", en = \"Incident\" }"),
        only_ja.replace("います。\" }", "います。\", en = \"We are.\" }"),
    ] {
        let problems = in_japanese(&text).unwrap_err();
        assert!(problems[0].message.contains("ja and en"), "{problems:?}");
    }
    let problems = problems_of(&only_ja);
    assert_eq!(
        problems,
        [
            "title.en: is empty: this notice must have ja and en",
            "updates.1.body.en: is empty: this notice must have ja and en",
        ]
    );
    // The second language may follow in an update: what was announced stays as it is.
    let mut before = notice;
    before.updates[0].announced = Some(Announced {
        at: START.parse().unwrap(),
        recipients: 1,
        unreachable: 0,
    });
    let more = only_ja.replace("障害\" }", "障害\", en = \"Incident\" }");
    let more = format!(
        "{more}[[updates]]\nstage = \"resolved\"\nbody = {{ ja = \"復旧\", en = \"Resolved\" }}\n"
    );
    assert_eq!(
        check(&more, Some(&before), &terms()).unwrap().updates.len(),
        2
    );
}

#[test]
fn who_is_mailed_can_be_restricted_but_not_for_a_release() {
    let with = |file: &str, line: &str| format!("{line}\n{file}");
    let audience = "audience = { editions = [\"light\"] }";
    for (file, line, expected) in [
        (
            RELEASE,
            "mails = false",
            "mails: must not be false for a release",
        ),
        (RELEASE, audience, "audience: is not allowed for a release"),
        (
            RELEASE,
            "severity_floor = \"major\"",
            "severity_floor: is allowed for an incident only",
        ),
    ] {
        let problems = problems_of(&with(file, line));
        assert!(problems[0].starts_with(expected), "{problems:?}");
    }
    let of = |line: &str| check(&with(INCIDENT, line), None, &terms()).unwrap();
    let notice = of("");
    assert_eq!(
        (notice.severity_floor, notice.mails),
        (Some(Severity::Minor), true)
    );
    let notice = of("severity_floor = \"critical\"");
    assert_eq!(notice.severity_floor, Some(Severity::Critical));
    assert!(!notice.concerns_primary(1));
    assert!(of("severity_floor = \"major\"").concerns_primary(1));
    assert!(!of("mails = false").mails);
    assert_eq!(of(audience).audience.editions, ["light"]);
    // As an earlier version has stored it.
    let mut stored = serde_json::to_value(of("")).unwrap();
    for added in ["audience", "severity_floor", "mails"] {
        stored.as_object_mut().unwrap().remove(added);
    }
    let read: Notice = serde_json::from_value(stored).unwrap();
    assert!(read.mails && read.audience.is_empty() && read.concerns_primary(1));
}

#[test]
fn an_information_has_no_lead_time_and_an_optional_instant() {
    let information = RELEASE
        .replace("kind = \"release\"", "kind = \"information\"")
        .replace("version = \"1.9.0\"\n", "");
    let soon = information.replace("2026-12-05", "2026-11-27");
    let notice = check(&soon, None, &terms()).unwrap();
    assert_eq!(notice.kind.as_str(), "information");
    assert!(notice.kind.planned_at().is_some());
    let stored = serde_json::to_value(&notice).unwrap();
    assert_eq!(serde_json::from_value::<Notice>(stored).unwrap(), notice);
    let undated = information.replace("planned_at = 2026-12-05T10:00:00+09:00\n", "");
    assert_eq!(
        check(&undated, None, &terms()).unwrap().kind.planned_at(),
        None
    );
    let problems = problems_of(&information.replace("2026-12-05", "2026-11-05"));
    assert!(problems[0].contains("is in the past"), "{problems:?}");
}

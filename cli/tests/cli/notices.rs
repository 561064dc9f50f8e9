//! Notices and published versions, as an operator types them.

use serde_json::{Value, json};

use crate::support::{Tegata, text};

const RELEASE: &str = r#"
kind = "release"
products = ["sheet"]
version = "1.9.0"
planned_at = 2026-12-05T10:00:00+09:00
title = { ja = "シート 1.9.0 のリリース", en = "Sheet 1.9.0" }
body = { ja = "一覧が**速く**なります。", en = "Lists get **faster**." }
"#;

const ID: &str = "2026-12-05-sheet-1.9.0";

/// With a customer, its contact and its licence, on a day before the lead time.
fn vendor() -> Tegata {
    let tegata = Tegata::new();
    tegata.travel("2026-11-20T10:00:00+09:00");
    tegata.text(&["customer", "add", "C-1", "--name", "Example"]);
    tegata.text(&[
        "contact",
        "add",
        "C-1",
        "info@customer.example",
        "--language",
        "en",
    ]);
    tegata.text(&[
        "license",
        "issue",
        "example.cybozu.com",
        "sheet",
        "--billing",
        "yearly",
        "--users",
        "5",
        "--customer",
        "C-1",
    ]);
    tegata
}

#[test]
fn a_file_is_checked_previewed_and_sent_after_a_word() {
    let tegata = vendor();
    let file = tegata.file(&format!("{ID}.toml"), RELEASE);
    let checked = tegata.text(&["notice", "check", &file]);
    assert_eq!(
        checked,
        "2026-12-05-sheet-1.9.0: in order (release, update 1)\n\
         to be announced by 2026-11-28T10:00:00+09:00: 7 days before\n"
    );
    let previewed = tegata.json(&["notice", "preview", &file, "--test-to", "me@vendor.example"]);
    assert_eq!(previewed["recipients"], 1);
    assert_eq!(previewed["languages"]["en"], 1);
    let files: Vec<&str> = previewed["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file.as_str().unwrap())
        .collect();
    assert_eq!(files.len(), 8);
    for path in files {
        let content = std::fs::read_to_string(path).unwrap();
        assert!(content.len() > 300, "{path}");
    }
    let outbox = tegata.place().join("outbox");
    assert_eq!(std::fs::read_dir(&outbox).unwrap().count(), 2);

    // Nobody is there to be asked.
    let (code, message) = tegata.failure(&["notice", "send", &file]);
    assert_eq!(code, 2);
    assert!(message.contains("say --yes"), "{message}");
    let dry = tegata.text(&["notice", "send", &file, "--dry-run"]);
    assert!(
        dry.contains("1 contact gets it:\n  info@customer.example\n"),
        "{dry}"
    );
    assert!(dry.ends_with("dry run: nothing was written\n"), "{dry}");
    assert_eq!(tegata.failure(&["notice", "status", ID]).0, 3);

    tegata.text(&[
        "notice",
        "schedule",
        &file,
        "--at",
        "2026-11-25T10:00:00+09:00",
        "--yes",
    ]);
    let exit_code = || {
        let output = tegata.run(&["notice", "status", ID, "--exit-code"]);
        assert_eq!(text(&output.stderr), "");
        output.status.code()
    };
    let status = tegata.json(&["notice", "status", ID]);
    assert_eq!(status["state"], "scheduled");
    assert_eq!(exit_code(), Some(5));
    assert_eq!(status["updates"][0]["send_at"], "2026-11-25T10:00:00+09:00");
    tegata.text(&["notice", "pause", ID, "--reason", "a mistake in it"]);
    assert_eq!(exit_code(), Some(6));
    let paused = tegata.text(&["notice", "status", ID]);
    assert!(
        paused.contains("by local:tester: a mistake in it"),
        "{paused}"
    );
    let (code, message) = tegata.failure(&["notice", "send", &file, "--yes"]);
    assert_eq!(code, 1);
    assert!(message.contains("is paused"), "{message}");
    tegata.text(&["notice", "resume", ID]);
    // Nobody has been told or missed yet.
    let told = ["notice", "told-otherwise", ID, "C-1", "by telephone"];
    let (code, message) = tegata.failure(&told);
    assert_eq!(code, 3);
    assert!(
        message.contains("C-1 has been told already, or"),
        "{message}"
    );
    let list = tegata.json(&["notice", "list"]);
    assert_eq!(list[0]["state"], "scheduled");
    let ledger = tegata.text(&["notice", "status", ID, "--output", "csv"]);
    assert!(
        ledger.starts_with("\u{feff}notice_id,delivery,update,email,")
            && ledger.ends_with(",evidence\n"),
        "{ledger}"
    );
    let (code, message) = tegata.failure(&["notice", "list", "--output", "csv"]);
    assert_eq!(code, 2);
    assert!(message.contains("`tegata notice status` only"), "{message}");
}

#[test]
fn a_file_that_is_not_in_order_is_refused_with_every_reason() {
    let tegata = vendor();
    let wrong = RELEASE
        .replace("en = \"Sheet 1.9.0\"", "en = \"\"")
        .replace("12-05T", "11-25T");
    let file = tegata.file(&format!("{ID}.toml"), &wrong);
    let (code, message) = tegata.failure(&["notice", "send", &file, "--yes"]);
    assert_eq!(code, 1);
    assert!(message.contains("title.en: is empty"), "{message}");
    assert!(
        message.contains("planned_at: must be announced 7 days before"),
        "{message}"
    );
    assert!(message.ends_with("2 problems\n"), "{message}");
    assert_eq!(tegata.failure(&["notice", "status", ID]).0, 3);

    let late = RELEASE.replace("12-05T", "11-25T");
    let file = tegata.file(&format!("{ID}.toml"), &late);
    tegata.text(&[
        "notice",
        "send",
        &file,
        "--yes",
        "--short-notice",
        "a security fix",
    ]);
    let status = tegata.json(&["notice", "status", ID]);
    assert_eq!(status["updates"][0]["short_notice"], "a security fix");
    let misnamed = tegata.file("Notice 1.toml", RELEASE);
    let (code, message) = tegata.failure(&["notice", "check", &misnamed]);
    assert_eq!(code, 2);
    assert!(message.contains("the id of a notice has"), "{message}");
}

#[test]
fn who_cannot_be_told_is_said_before_it_is_sent() {
    let tegata = vendor();
    tegata.text(&["customer", "add", "C-2", "--name", "Silent"]);
    tegata.text(&[
        "license",
        "issue",
        "silent.cybozu.com",
        "sheet",
        "--billing",
        "yearly",
        "--users",
        "5",
        "--customer",
        "C-2",
    ]);
    let file = tegata.file(&format!("{ID}.toml"), RELEASE);
    let dry = tegata.text(&["notice", "send", &file, "--dry-run"]);
    assert!(
        dry.contains(
            "customers who cannot be told (1):\n  C-2: the customer has no primary contact"
        ),
        "{dry}"
    );
}

#[test]
fn a_version_that_was_not_announced_does_not_become_current() {
    let tegata = vendor();
    let files = tegata.directory.path().join("dist");
    std::fs::create_dir_all(files.join("lib")).unwrap();
    std::fs::write(files.join("plugin.min.js"), "console.log(1)\n").unwrap();
    std::fs::write(files.join("lib/a.css"), "p{}\n").unwrap();
    let directory = files.display().to_string();
    let missing = tegata.failure(&["publish", "current", "sheet", "1.9.0"]);
    assert_eq!(missing.0, 3);
    for version in ["v1.9.0", "1.9.0+5", "203.0.113.7", "../1.9.0"] {
        let (code, message) = tegata.failure(&["publish", "files", "sheet", version, &directory]);
        assert_eq!(code, 2, "{version}");
        assert!(message.contains("such as 1.9.0, 2.0.0-rc.1"), "{message}");
    }
    let published = tegata.json(&["publish", "files", "sheet", "1.9.0", &directory]);
    // As `openssl dgst -sha384 -binary | base64` says.
    assert_eq!(
        published["manifest"]["files"]["lib/a.css"]["integrity"],
        "sha384-95kyA8CmVbrBYKM2affEOeDDCOAC2R6zjQiCYIFfKy+QuNkIG74q9mnTkm/QnYne"
    );
    assert_eq!(published["new"], 2);
    let again = tegata.json(&["publish", "files", "sheet", "1.9.0", &directory]);
    assert_eq!(again["new"], 0);
    std::fs::write(files.join("plugin.min.js"), "console.log(2)\n").unwrap();
    let (code, message) = tegata.failure(&["publish", "files", "sheet", "1.9.0", &directory]);
    assert_eq!(code, 1);
    assert!(message.contains("publish a new version"), "{message}");

    let (code, message) = tegata.failure(&["publish", "current", "sheet", "1.9.0"]);
    assert_eq!(code, 1);
    assert_eq!(
        message,
        "error: sheet 1.9.0 has not been announced: send its release notice first (tegata notice \
         send FILE), and publish it when its planned instant has come; in an emergency, \
         --emergency REASON, which is recorded\n"
    );
    let document = tegata.place().join("cdn/sheet/current.jwt");
    assert!(!document.exists());
    // Scheduled is not announced.
    let file = tegata.file(&format!("{ID}.toml"), RELEASE);
    tegata.text(&["notice", "send", &file, "--yes"]);
    assert_eq!(
        tegata.failure(&["publish", "current", "sheet", "1.9.0"]).0,
        1
    );

    let emergency = [
        "publish",
        "current",
        "sheet",
        "1.9.0",
        "--emergency",
        "a hole in 1.8",
    ];
    let (code, message) = tegata.failure(&emergency);
    assert_eq!(code, 1);
    assert!(
        message.contains("there is no release key yet; run `tegata key create --purpose release`"),
        "{message}"
    );
    tegata.text(&["key", "create", "--purpose", "release"]);
    tegata.text(&[&emergency[..], &["--dry-run"]].concat());
    assert!(!document.exists());
    tegata.text(&emergency);
    assert!(document.exists());
    let list = tegata.json(&["publish", "list", "sheet"]);
    assert_eq!(list[0]["current"]["emergency"], "a hole in 1.8");
    assert_eq!(list[0]["revision"]["change"], "publish-emergency");
    assert_eq!(list[0]["revision"]["by"], "local:tester");
    let output = tegata.run(&["publish", "list", "nothing"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("there is no product nothing"));
}

#[test]
fn files_of_unknown_types_are_refused_and_those_of_systems_left_out() {
    let tegata = Tegata::new();
    let directory = tegata.directory.path().join("dist");
    let put = |name: &str| {
        let path = directory.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "content").unwrap();
    };
    for name in [
        "plugin.JS",
        "lib/style.Css",
        "Thumbs.db",
        "lib/desktop.ini",
        ".DS_Store",
        "lib/._style.css",
        "__MACOSX/plugin.js",
    ] {
        put(name);
    }
    let shown = directory.display().to_string();
    let publish = ["publish", "files", "sheet", "1.9.0", &shown];
    put("plugin.exe");
    put("LICENSE");
    put("lib/data.bin");
    let (code, message) = tegata.failure(&publish);
    assert_eq!(code, 1);
    for expected in [
        "plugin.exe",
        "LICENSE",
        "lib/data.bin",
        "accepted are js, mjs",
    ] {
        assert!(message.contains(expected), "{message}");
    }
    for name in ["plugin.exe", "LICENSE", "lib/data.bin"] {
        std::fs::remove_file(directory.join(name)).unwrap();
    }
    let published = tegata.json(&publish);
    let files = published["manifest"]["files"].as_object().unwrap();
    let files: Vec<&str> = files.keys().map(String::as_str).collect();
    assert_eq!(files, ["lib/style.Css", "plugin.JS"]);
    assert_eq!(
        published["left_out"],
        serde_json::json!([
            ".DS_Store",
            "Thumbs.db",
            "__MACOSX",
            "lib/._style.css",
            "lib/desktop.ini"
        ])
    );
    assert!(
        tegata
            .text(&publish)
            .contains("left out, as it is of the operating system: Thumbs.db")
    );
}

#[test]
fn a_new_file_of_every_kind_passes_the_check_and_no_file_is_overwritten() {
    let tegata = vendor();
    for (kind, more) in [
        ("release", &["--product", "sheet", "--version", "1.9.0"][..]),
        ("maintenance", &[]),
        ("incident", &["--product", "gantt"]),
        ("information", &["--product", "sheet"]),
    ] {
        let path = tegata.place().join(format!("new-{kind}.toml"));
        let path = path.to_str().unwrap();
        let mut new = vec!["notice", "new", kind, "--to", path];
        new.extend(more);
        let written = tegata.json(&new);
        assert_eq!(written["file"], path);
        let checked = tegata.json(&["notice", "check", path]);
        assert_eq!(checked["kind"], kind);
        let before = std::fs::read_to_string(path).unwrap();
        let (code, message) = tegata.failure(&new);
        assert_eq!(code, 1, "{message}");
        assert!(message.contains(path), "{message}");
        assert_eq!(std::fs::read_to_string(path).unwrap(), before);
    }
    let (code, message) = tegata.failure(&["notice", "new", "incident", "--product", "sheets"]);
    assert_eq!(
        (code, message.contains("there is no product sheets")),
        (3, true),
        "{message}"
    );
}

#[test]
fn an_incident_in_japanese_alone_goes_out_if_all_its_recipients_read_japanese() {
    let tegata = vendor();
    let catalogue = r#"
        issuer = "https://license.example.com"
        [products.sheet]
        name = { ja = "シート", en = "Sheet" }
        languages = ["ja"]
        severity_floor = "major"
    "#;
    let catalogue = tegata.file("products.toml", catalogue);
    tegata.text(&["product", "apply", &catalogue]);
    let incident = |more: &str, severity: &str| {
        format!(
            "kind = \"incident\"\nproducts = [\"sheet\"]\n{more}\ntitle = {{ ja = \"障害\" }}\n\
             [[updates]]\nstage = \"investigating\"\nseverity = \"{severity}\"\n\
             body = {{ ja = \"調査しています。\" }}\n"
        )
    };
    let file = tegata.file("2026-11-20-incident.toml", &incident("", "major"));
    let (code, message) = tegata.failure(&["notice", "send", &file, "--dry-run"]);
    assert_eq!(code, 1);
    assert!(message.contains("1 contact gets mails in en"), "{message}");

    let recipients =
        |file: &str| tegata.json(&["notice", "send", file, "--dry-run"])["recipients"].clone();
    tegata.text(&["contact", "remove", "C-1", "info@customer.example"]);
    tegata.text(&[
        "contact",
        "add",
        "C-1",
        "info@customer.example",
        "--language",
        "ja",
    ]);
    assert_eq!(recipients(&file), 1);
    // Below the product's floor, and in a notice that is not mailed: the pages only.
    let minor = tegata.file("2026-11-20-minor.toml", &incident("", "minor"));
    assert_eq!(recipients(&minor), 0);
    let lowered = incident("severity_floor = \"minor\"", "minor");
    assert_eq!(
        recipients(&tegata.file("2026-11-20-lowered.toml", &lowered)),
        1
    );
    let pages = incident("mails = false", "critical");
    assert_eq!(recipients(&tegata.file("2026-11-20-pages.toml", &pages)), 0);
    // For the contracts that are in each list.
    for (audience, expected) in [
        (
            "domains = [\"example.cybozu.com\"], customers = [\"C-1\"]",
            1,
        ),
        ("domains = [\"other.cybozu.com\"]", 0),
        ("customers = [\"C-2\"]", 0),
        ("editions = [\"standard\"]", 1),
        ("editions = [\"light\"]", 0),
    ] {
        let restricted = incident(&format!("audience = {{ {audience} }}"), "major");
        let file = tegata.file("2026-11-20-restricted.toml", &restricted);
        assert_eq!(recipients(&file), expected, "{audience}");
    }
    let previewed = tegata.json(&["notice", "preview", &file]);
    assert_eq!(previewed["files"].as_array().unwrap().len(), 4);
    assert_eq!(previewed["contracts"], 1);
    assert_eq!(previewed["restricted_to"], Value::Null);

    let restricted = incident("audience = { customers = [\"C-1\"] }", "major");
    let file = tegata.file("2026-11-20-restricted.toml", &restricted);
    let previewed = tegata.json(&["notice", "preview", &file]);
    assert_eq!(
        previewed["restricted_to"],
        json!([{ "domain": "example.cybozu.com", "product": "sheet", "customer_id": "C-1" }])
    );
    let printed = tegata.text(&["notice", "preview", &file]);
    assert!(
        printed.contains("restricted to 1 contract:\n  example.cybozu.com sheet (C-1)"),
        "{printed}"
    );

    let file = tegata.file("2026-11-20-pages.toml", &pages);
    tegata.json(&["notice", "send", &file, "--yes"]);
    let status = tegata.json(&["notice", "status", "2026-11-20-pages"]);
    assert_eq!(status["mails"], false);
    let printed = tegata.text(&["notice", "status", "2026-11-20-pages"]);
    assert!(printed.contains("on the pages only"), "{printed}");
}

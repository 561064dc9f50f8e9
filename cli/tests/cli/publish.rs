//! Which version is current, as an operator decides it, and the document that plug-ins get.

use jiff::Timestamp;
use serde_json::{Value, json};
use tegata_common::domain::BaseDomains;
use tegata_common::keys::Jwks;
use tegata_common::release::Release;
use tegata_signing::{VerifiedRelease, verify_release};

use crate::support::{Tegata, text};

const NOW: &str = "2026-12-05T10:00:00+09:00";

/// A vendor with a release key, and three versions on the CDN.
fn publisher() -> Tegata {
    let tegata = Tegata::new();
    tegata.travel(NOW);
    tegata.json(&["key", "create", "--purpose", "release"]);
    for (version, files) in [
        (
            "1.8.0",
            vec![("plugin.min.js", "console.log(8)\n"), ("old.css", "p{}\n")],
        ),
        (
            "1.9.0",
            vec![
                ("plugin.min.js", "console.log(9)\n"),
                ("chunk/a.js", "a()\n"),
            ],
        ),
        (
            "1.9.1",
            vec![
                ("plugin.min.js", "console.log(91)\n"),
                ("chunk/a.js", "a()\n"),
            ],
        ),
    ] {
        let directory = tegata.directory.path().join(version);
        for (name, content) in files {
            let path = directory.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let directory = directory.display().to_string();
        tegata.json(&["publish", "files", "sheet", version, &directory]);
    }
    tegata
}

/// `publish current` in an emergency, so that no notice is needed.
fn current<'a>(version: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let command = [
        "publish",
        "current",
        "sheet",
        version,
        "--emergency",
        "a test",
    ];
    [&command, more].concat()
}

fn document(tegata: &Tegata) -> std::path::PathBuf {
    tegata.place().join("cdn/sheet/current.jwt")
}

/// The document, verified with the published release keys.
fn verified(tegata: &Tegata) -> VerifiedRelease {
    let keys = tegata.text(&["key", "export", "--purpose", "release"]);
    let keys: Jwks = serde_json::from_str(&keys).unwrap();
    let jws = std::fs::read_to_string(document(tegata)).unwrap();
    verify_release(&keys, &"sheet".parse().unwrap(), &jws).unwrap()
}

fn released(tegata: &Tegata) -> Release {
    verified(tegata).release
}

/// The version that a tenant runs at an instant; empty for what its package brings.
fn runs(release: &Release, host: &str, at: &str) -> String {
    let domain = BaseDomains::default().canonicalize(host).unwrap();
    let files = release.files_for(&domain, at.parse::<Timestamp>().unwrap());
    files.map_or_else(String::new, |files| files.version.to_string())
}

#[test]
fn a_version_is_released_gradually_and_taken_back() {
    let tegata = publisher();
    tegata.text(&current("1.8.0", &[]));
    let first = released(&tegata);
    assert_eq!((first.stage.clone(), first.before.clone()), (None, None));
    assert_eq!(first.iss, "https://license.example.com");

    let pilots = tegata.file("pilots.txt", "# pilots\nExample.s.cybozu.com\n");
    let shown = tegata.text(&current(
        "1.9.0",
        &["--stage", "10%", "--stage", &pilots, "--dry-run"],
    ));
    for expected in [
        "now          1.8.0 for all tenants",
        "then         1.9.0 for 10% of the tenants, and 1 named tenant, 1.8.0 for all others",
        "files        1 changed (plugin.min.js)\n  files        1 new (chunk/a.js)\n  files        1 gone (old.css)",
        "not announced; emergency: a test",
        "dry run: nothing was written",
    ] {
        assert!(shown.contains(expected), "{expected}: {shown}");
    }
    assert_eq!(released(&tegata), first);

    let made = tegata.json(&current("1.9.0", &["--stage", "10%", "--stage", &pilots]));
    assert_eq!(made["before"], "1.8.0");
    assert_eq!(made["current"]["before"], "1.8.0");
    assert_eq!(made["files"]["removed"], json!(["old.css"]));
    let gradual = released(&tegata);
    assert!(
        gradual.iat > first.iat,
        "strictly later, within the same second"
    );
    assert_eq!(runs(&gradual, "example.cybozu.com", NOW), "1.9.0");
    // Its number in 1.9.0 is a share of 55 %, by `printf 1.9.0/abc.kintone.com | sha256sum`.
    assert_eq!(runs(&gradual, "abc.kintone.com", NOW), "1.8.0");
    let jws = std::fs::read_to_string(document(&tegata)).unwrap();
    assert!(!jws.contains("example"), "no tenant's name is published");

    let (code, message) = tegata.failure(&current("1.9.0", &[]));
    assert_eq!(code, 2);
    assert!(
        message.contains("say which tenants are to run it now"),
        "{message}"
    );
    tegata.text(&current("1.9.0", &["--stage", "99%"]));
    assert_eq!(released(&tegata).before.unwrap().version.as_str(), "1.8.0");
    tegata.text(&current("1.9.0", &["--stage", "all"]));
    let all = released(&tegata);
    assert_eq!((all.stage, all.before), (None, None));

    tegata.text(&current("1.8.0", &[]));
    let back = released(&tegata);
    assert_eq!(back.current.version.as_str(), "1.8.0");
    assert!(back.iat > all.iat);
    let list = tegata.json(&["publish", "list", "sheet"]);
    let listed: Vec<&Value> = list.as_array().unwrap().iter().collect();
    assert_eq!(listed.len(), 5);
    assert_eq!(listed[0]["current"]["version"], "1.8.0");
    assert_eq!(listed[3]["current"]["stage"]["percent"], 10);
}

#[test]
fn a_version_is_signed_ahead() {
    let tegata = publisher();
    tegata.text(&current("1.8.0", &[]));
    let (before, at) = ("2026-12-05T11:59:59+09:00", "2026-12-05T12:00:00+09:00");
    let ahead = ["--from", at];
    tegata.text(&current("1.9.0", &ahead));
    let release = released(&tegata);
    assert_eq!(runs(&release, "example.cybozu.com", before), "1.8.0");
    assert_eq!(runs(&release, "example.cybozu.com", at), "1.9.0");
    // Repeated after its instant, it stays what it is.
    tegata.travel("2026-12-05T13:00:00+09:00");
    tegata.text(&current("1.9.0", &ahead));
    assert_eq!(released(&tegata), release);
    let (code, message) = tegata.failure(&current("1.9.1", &ahead));
    assert_eq!(code, 2);
    assert!(message.contains("is in the past"), "{message}");
    for (stage, reason) in [("10", "expected all, a share"), ("0%", "from 1% to 99%")] {
        let (_, message) = tegata.failure(&current("1.9.1", &["--stage", stage]));
        assert!(message.contains(reason), "{message}");
    }
}

#[test]
fn a_repeated_command_repairs_the_document_and_status_says_that_it_has_to() {
    let tegata = publisher();
    let (code, message) = tegata.failure(&["publish", "status", "sheet"]);
    assert_eq!(code, 3);
    assert!(
        message.contains("no version of sheet is current"),
        "{message}"
    );
    tegata.text(&current("1.8.0", &[]));
    let old = std::fs::read(document(&tegata)).unwrap();
    tegata.text(&current("1.9.0", &["--stage", "10%"]));
    let newest = std::fs::read(document(&tegata)).unwrap();
    let status = tegata.json(&["publish", "status", "sheet"]);
    assert_eq!(status["document"]["problem"], Value::Null);
    assert_eq!(status["document"]["version"], "1.9.0");
    assert_eq!(status["document"]["key"], "active");
    assert_eq!(status["current"]["stage"]["percent"], 10);

    let fails = |problem: &str| {
        let output = tegata.run(&["publish", "status", "sheet"]);
        assert_eq!(output.status.code(), Some(1), "{problem}");
        let message = text(&output.stderr);
        assert!(message.contains(problem), "{problem}: {message}");
    };
    // Frozen: an older document, which verifies.
    std::fs::write(document(&tegata), &old).unwrap();
    fails("it is not the recorded one: it is of 1.8.0");
    std::fs::remove_file(document(&tegata)).unwrap();
    fails("the CDN does not have it");
    let mut forged = newest.clone();
    *forged.last_mut().unwrap() ^= 1;
    std::fs::write(document(&tegata), &forged).unwrap();
    fails("it is not authentic");

    let shown = tegata.text(&current("1.9.0", &["--stage", "10%"]));
    assert!(
        shown.contains("nothing changes; its document is written again"),
        "{shown}"
    );
    assert_eq!(std::fs::read(document(&tegata)).unwrap(), newest);
    let status = tegata.text(&["publish", "status", "sheet"]);
    assert!(
        status.contains("1.9.0 for 10% of the tenants, 1.8.0 for all others"),
        "{status}"
    );
    let versions = tegata.json(&["publish", "list", "sheet"]);
    assert_eq!(
        versions.as_array().unwrap().len(),
        2,
        "a repair records nothing"
    );
}

#[test]
fn a_release_key_signs_releases_only_and_is_retired_when_it_signed_none() {
    let tegata = publisher();
    tegata.text(&current("1.8.0", &[]));
    let keys = tegata.json(&["key", "list"]);
    let of = |keys: &Value, purpose: &str, state: &str| -> String {
        let mut keys = keys.as_array().unwrap().iter();
        let key = keys.find(|key| key["purpose"] == purpose && key["state"] == state);
        key.unwrap()["jwk"]["kid"].as_str().unwrap().to_owned()
    };
    let (lease, first) = (of(&keys, "lease", "active"), of(&keys, "release", "active"));
    let published = |purpose: &str| tegata.text(&["key", "export", "--purpose", purpose]);
    assert!(published("lease").contains(&lease) && !published("lease").contains(&first));
    assert!(published("release").contains(&first) && !published("release").contains(&lease));
    assert!(
        tegata
            .place()
            .join(format!("keys/release/{first}.pem"))
            .exists()
    );
    assert!(tegata.place().join(format!("keys/{lease}.pem")).exists());
    assert_eq!(verified(&tegata).kid.as_str(), first);

    tegata.json(&["key", "create", "--purpose", "release"]);
    let (_, message) = tegata.failure(&["key", "create", "--purpose", "release"]);
    assert!(
        message.contains("two keys are published already"),
        "{message}"
    );
    tegata.json(&["key", "rotate", "--purpose", "release"]);
    let keys = tegata.json(&["key", "list"]);
    let second = of(&keys, "release", "active");
    assert_eq!(of(&keys, "release", "previous"), first);
    assert_eq!(
        of(&keys, "lease", "active"),
        lease,
        "leases are signed as before"
    );
    let status = tegata.json(&["publish", "status", "sheet"]);
    assert_eq!(status["document"]["key"], "previous");

    let (code, message) = tegata.failure(&["key", "retire", &first]);
    assert_eq!(code, 1);
    assert!(
        message.contains("the current release of sheet is signed with key")
            && message.contains("`tegata publish current sheet 1.8.0`"),
        "{message}"
    );
    let before = released(&tegata);
    tegata.text(&current("1.8.0", &[]));
    let signed = verified(&tegata);
    assert_eq!(signed.kid.as_str(), second);
    assert!(signed.release.iat > before.iat);
    tegata.json(&["key", "retire", &first]);
    assert!(!published("release").contains(&first));
    assert!(
        !tegata
            .place()
            .join(format!("keys/release/{first}.pem"))
            .exists()
    );
}

//! The basic commands.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::support::{PRODUCTS, Tegata, text};

const ISSUE: [&str; 8] = [
    "license",
    "issue",
    "example.cybozu.com",
    "gantt",
    "--billing",
    "monthly",
    "--users",
    "50",
];

#[test]
fn the_life_of_a_licence() {
    let tegata = Tegata::new();
    tegata.travel("2026-11-15T12:00:00+09:00");
    let issued = tegata.json(&[&ISSUE[..], &["--usable-from", "2026-10-03"]].concat());
    assert_eq!(issued["version"], 1);
    assert_eq!(issued["serial"].as_str().unwrap().len(), 39);

    let shown = tegata.json(&["license", "show", "Example.s.cybozu.com", "gantt"]);
    assert_eq!(shown["usable_from"], "2026-10-02T15:00:00Z");
    assert_eq!(
        shown["term"],
        json!({ "starts_on": "2026-11-01", "ends_on": "2026-11-30" })
    );
    assert_eq!(shown["valid_until"], "2026-12-01T00:00:00Z");
    assert_eq!(shown["revision"]["by"], "local:tester");
    assert_eq!(shown.get("serial_sha256"), None);

    let tenant = ["example.cybozu.com", "gantt"];
    let on = |verb, more: &[&str]| {
        let arguments = [&["license", verb], &tenant[..], more].concat();
        tegata.json(&arguments)
    };
    let differences = &on("change", &["--users", "80", "--quota", "rows=10"])["differences"];
    assert_eq!(
        *differences,
        json!([
            { "field": "quotas.rows", "before": null, "after": 10 },
            { "field": "users", "before": 50, "after": 80 },
        ])
    );
    on("suspend", &[]);
    assert_eq!(on("show", &[])["code"], "SUSPENDED");
    on("resume", &[]);
    tegata.travel("2026-11-21T12:00:00+09:00");
    on("cancel", &[]);
    assert_eq!(on("show", &[])["ends_on"], "2026-12-31");

    let history = on("history", &[]);
    let changes: Vec<&str> = history
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["revision"]["change"].as_str().unwrap())
        .collect();
    assert_eq!(changes, ["issue", "change", "suspend", "resume", "cancel"]);
    let last = history.as_array().unwrap().last().unwrap();
    assert_eq!(
        last["differences"],
        json!([
            { "field": "ends_on", "before": null, "after": "2026-12-31" },
            // From the 21st on the contract was bound to the next term anyway.
            {
                "field": "grace_until",
                "before": "2026-12-08T00:00:00Z",
                "after": "2027-01-08T00:00:00Z"
            },
            {
                "field": "valid_until",
                "before": "2026-12-01T00:00:00Z",
                "after": "2027-01-01T00:00:00Z"
            },
        ])
    );
    let listed = tegata.json(&["license", "list", "--product", "gantt"]);
    assert_eq!(listed.as_array().unwrap().len(), 1);
    assert_eq!(
        tegata.json(&["license", "list", "--product", "sheet"]),
        json!([])
    );
    assert!(
        tegata
            .text(&["license", "list"])
            .contains("example.cybozu.com")
    );
}

#[test]
fn every_change_makes_a_newer_lease() {
    let tegata = Tegata::new();
    tegata.json(&ISSUE);
    let lease = || tegata.json(&["license", "show", "example.cybozu.com", "gantt", "--lease"]);
    let first = lease();
    tegata.json(&[
        "license",
        "change",
        "example.cybozu.com",
        "gantt",
        "--users",
        "51",
    ]);
    let second = lease();
    let issued_at = |shown: &Value| shown["lease"]["issued_at"].as_str().unwrap().to_owned();
    assert!(issued_at(&second) > issued_at(&first));
    assert_ne!(second["lease"]["jws"], first["lease"]["jws"]);
}

#[test]
fn leases_are_signed_anew_on_demand() {
    let tegata = Tegata::new();
    tegata.json(&ISSUE);
    let over = [
        "license",
        "issue",
        "over.cybozu.com",
        "sheet",
        "--trial",
        "9",
        "--users",
        "5",
    ];
    tegata.json(&[&over[..], &["--usable-from", "2020-01-01"]].concat());
    let show = || tegata.json(&["license", "show", "example.cybozu.com", "gantt", "--lease"]);
    let before = show();
    let kid = before["lease"]["kid"].as_str().unwrap();

    let re_sign = |more: &[&str]| tegata.json(&[&["license", "re-sign"], more].concat());
    assert_eq!(re_sign(&["--all", "--due"])["leases"], 0);
    assert_eq!(re_sign(&["--all", "--signed-with", "another"])["leases"], 0);
    let dry = re_sign(&["--all", "--signed-with", kid, "--dry-run"]);
    // Of the licence that is over, too: its denial is still served.
    assert_eq!((&dry["leases"], &dry["signed"]), (&json!(2), &json!(0)));
    assert_eq!(show()["revision"]["version"], 1);
    assert_eq!(re_sign(&["--all"])["signed"], 1);
    assert_eq!(re_sign(&["example.cybozu.com", "gantt"])["signed"], 1);

    let after = show();
    assert_eq!(
        (&after["revision"]["version"], &after["users"]),
        (&json!(3), &json!(50))
    );
    assert_ne!(after["lease"]["jws"], before["lease"]["jws"]);
    let (status, _) = tegata.failure(&["license", "re-sign", "nobody.cybozu.com", "gantt"]);
    assert_eq!(status, 3);
    // As it was spelt before.
    let nobody = ["license", "resign", "nobody.cybozu.com", "gantt"];
    assert_eq!(tegata.failure(&nobody).0, 3);
}

#[test]
fn a_dry_run_prints_and_writes_nothing() {
    let tegata = Tegata::new();
    let printed = tegata.text(&[&ISSUE[..], &["--dry-run"]].concat());
    assert!(printed.contains("users") && printed.contains("dry run: nothing was written"));
    assert!(!printed.contains("serial, shown"));
    assert_eq!(tegata.json(&["license", "list"]), json!([]));

    tegata.json(&ISSUE);
    for arguments in [
        &[
            "license",
            "suspend",
            "example.cybozu.com",
            "gantt",
            "--dry-run",
        ][..],
        &[
            "license",
            "change",
            "example.cybozu.com",
            "gantt",
            "--users",
            "9",
            "--dry-run",
        ],
        &[
            "license",
            "cancel",
            "example.cybozu.com",
            "gantt",
            "--dry-run",
        ],
        &["key", "create", "--dry-run"],
    ] {
        assert_eq!(tegata.json(arguments)["dry_run"], true);
    }
    let shown = tegata.json(&["license", "show", "example.cybozu.com", "gantt"]);
    assert_eq!(
        (&shown["revision"]["version"], &shown["users"]),
        (&json!(1), &json!(50))
    );
    assert_eq!(tegata.json(&["key", "list"]).as_array().unwrap().len(), 1);
}

#[test]
fn errors_say_what_was_wrong_and_what_is_accepted() {
    let tegata = Tegata::new();
    tegata.json(&ISSUE);
    let issue = |change: &[&'static str]| [&ISSUE[..2], change].concat();
    for (arguments, code, said) in [
        (
            issue(&[
                "nowhere.example.com",
                "sheet",
                "--trial",
                "30",
                "--users",
                "5",
            ]),
            2,
            "not a subdomain of cybozu.com",
        ),
        (
            issue(&["abc.cybozu.com", "Sheet", "--trial", "30", "--users", "5"]),
            2,
            "a product's slug has 1 to 32 characters of a-z",
        ),
        (
            issue(&["abc.cybozu.com", "other", "--trial", "30", "--users", "5"]),
            3,
            "tegata product apply",
        ),
        (
            issue(&["abc.cybozu.com", "sheet", "--trial", "0", "--users", "5"]),
            2,
            "days of a trial must be 1 to 366",
        ),
        (
            issue(&["abc.cybozu.com", "sheet", "--trial", "30", "--users", "0"]),
            2,
            "users must be 1 to 1000000",
        ),
        (
            issue(&["abc.cybozu.com", "sheet", "--users", "5"]),
            2,
            "--billing",
        ),
        (
            issue(&[
                "abc.cybozu.com",
                "sheet",
                "--trial",
                "9",
                "--users",
                "5",
                "--usable-from",
                "soon",
            ]),
            2,
            "such as 2026-11-30",
        ),
        (
            issue(&[
                "abc.cybozu.com",
                "sheet",
                "--trial",
                "9",
                "--users",
                "5",
                "--serial",
                "x",
            ]),
            2,
            "16 to 64 letters and digits",
        ),
        (ISSUE.to_vec(), 1, "has a licence of gantt already"),
        (
            vec!["license", "show", "abc.cybozu.com", "sheet"],
            3,
            "abc.cybozu.com has no licence of sheet",
        ),
        (
            vec!["license", "history", "abc.cybozu.com", "sheet"],
            3,
            "has no licence",
        ),
        (
            vec!["license", "change", "example.cybozu.com", "gantt"],
            2,
            "--users",
        ),
        (
            vec!["license", "resume", "example.cybozu.com", "gantt"],
            1,
            "is not suspended",
        ),
        (vec!["license", "list", "--code", "GOOD"], 2, "VALID, GRACE"),
        (
            vec!["product", "apply", "/does/not/exist"],
            1,
            "cannot read /does/not/exist",
        ),
        (
            vec![
                "license",
                "cancel",
                "example.cybozu.com",
                "gantt",
                "--on",
                "2999-01-01",
            ],
            2,
            "is in the future",
        ),
        (
            vec![
                "license",
                "change",
                "example.cybozu.com",
                "gantt",
                "--quota",
                "a=1",
                "--no-quota",
                "a",
            ],
            2,
            "quota a is given twice",
        ),
        (
            vec![
                "license",
                "restore",
                "example.cybozu.com",
                "gantt",
                "--version",
                "7",
            ],
            3,
            "no version 7",
        ),
        (vec!["key", "rotate"], 1, "there is no next key"),
        (vec!["key", "retire", "nobody"], 3, "is not registered"),
    ] {
        let (status, message) = tegata.failure(&arguments);
        assert!(message.contains(said), "{arguments:?}: {message}");
        assert_eq!(status, code, "{arguments:?}: {message}");
    }
    // A serial that is typed wrongly is not repeated either.
    let (_, message) = tegata.failure(&issue(&[
        "abc.cybozu.com",
        "sheet",
        "--trial",
        "9",
        "--users",
        "5",
        "--serial",
        "S3CR3T!",
    ]));
    assert!(message.contains("16 to 64"), "{message}");
}

#[test]
fn a_wrong_catalogue_names_the_place() {
    let tegata = Tegata::new();
    for (catalogue, said) in [
        ("issuer = 5", "line 1"),
        (
            "[products.sheet]\nname = { ja = 'a', en = 'b' }",
            "missing field `issuer`",
        ),
        (
            "issuer = 'i'\n[products.sheet]\nname = { ja = 'a', en = 'b' }\ngrace = 5",
            "unknown field `grace`",
        ),
        (
            "issuer = 'i'\n[products.sheet]\nname = { ja = 'a', en = 'b' }\ngrace_days = 91",
            "products.sheet: grace_days must be 0 to 90",
        ),
        (
            "issuer = 'i'\n[products.sheet]\nname = { ja = 'a', en = 'b' }\ncut_off = '9:00'",
            "HH:MM",
        ),
        (
            "issuer = 'i'\n[products.sheet]\nname = { ja = 'a', en = 'b' }\ntime_zone = 'Tokyo'",
            "IANA name",
        ),
        (
            "issuer = 'i'\n[products.Sheet]\nname = { ja = 'a', en = 'b' }",
            "a product's slug has 1 to 32",
        ),
        (
            "issuer = 'i'\n[products.sheet]\nname = { ja = 'a', en = 'b' }\nkintone_plugin_ids = ['xyz']",
            "32 letters from a to p",
        ),
    ] {
        let file = tegata.file("wrong.toml", catalogue);
        let (status, message) = tegata.failure(&["product", "apply", &file]);
        assert_eq!(status, 1);
        assert!(message.contains(said), "{message}");
        assert!(message.contains("wrong.toml"), "{message}");
    }
}

#[test]
fn applying_a_catalogue_shows_what_changes() {
    let tegata = Tegata::new();
    let file = tegata.file(
        "again.toml",
        &PRODUCTS.replace("requires_serial = true", "grace_days = 10"),
    );
    let dry = tegata.json(&["product", "apply", &file, "--dry-run"]);
    let applied = tegata.json(&["product", "apply", &file]);
    assert_eq!(dry["products"], applied["products"]);
    assert_eq!(
        applied["products"][0]["differences"],
        json!([
            { "field": "policy.grace_days", "before": 7, "after": 10 },
            { "field": "policy.requires_serial", "before": true, "after": false },
        ])
    );
    assert_eq!(applied["products"][1]["state"], "unchanged");
    let again = tegata.json(&["product", "apply", &file]);
    assert_eq!(again["products"][0]["state"], "unchanged");
}

#[test]
fn keys_rotate_without_a_gap() {
    let tegata = Tegata::new();
    let kids = || -> Vec<(String, String)> {
        let list = tegata.json(&["key", "list"]);
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let keys = list.as_array().unwrap().iter();
        keys.map(|key| (text(&key["jwk"]["kid"]), text(&key["state"])))
            .collect()
    };
    let first = kids()[0].0.clone();
    tegata.json(&["key", "create"]);
    let second = kids()[1].0.clone();
    assert_eq!(
        kids(),
        [
            (first.clone(), "active".into()),
            (second.clone(), "next".into())
        ]
    );
    let (_, message) = tegata.failure(&["key", "create"]);
    assert!(
        message.contains("two keys are published already"),
        "{message}"
    );

    tegata.json(&ISSUE);
    let kid =
        || tegata.json(&["license", "show", "example.cybozu.com", "gantt"])["lease"]["kid"].clone();
    assert_eq!(kid(), first);
    tegata.json(&["key", "rotate"]);
    tegata.json(&[
        "license",
        "change",
        "example.cybozu.com",
        "gantt",
        "--users",
        "9",
    ]);
    assert_eq!(kid(), second);

    let jwks: Value = serde_json::from_str(&tegata.text(&["key", "export"])).unwrap();
    let exported: Vec<&Value> = jwks["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| &key["kid"])
        .collect();
    assert_eq!(exported, [&second, &first], "the active one first");
    assert!(!jwks.to_string().contains("\"d\""), "no private half");

    let (_, message) = tegata.failure(&["key", "retire", &first]);
    assert!(message.contains("may have leases"), "{message}");
    let (_, message) = tegata.failure(&["key", "retire", &second]);
    assert!(message.contains("is active; rotate first"), "{message}");
    tegata.json(&["key", "retire", &first, "--force"]);
    assert_eq!(kids(), [(second, "active".into())]);
}

#[test]
fn key_files_are_for_their_owner_only() {
    let tegata = Tegata::new();
    let keys = tegata.place().join("keys");
    let file = std::fs::read_dir(&keys)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    let mode = |path: &PathBuf| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&keys), mode(&file)), (0o700, 0o600));
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (_, message) = tegata.failure(&ISSUE);
    assert!(
        message.contains("its mode is 644; a signing key must be 600"),
        "{message}"
    );
}

#[test]
fn without_a_key_or_a_place_it_says_what_to_do() {
    let tegata = Tegata::empty();
    let products = tegata.file("products.toml", PRODUCTS);
    tegata.json(&["product", "apply", &products]);
    let (_, message) = tegata.failure(&ISSUE);
    assert!(
        message.contains("run `tegata key create --purpose lease`"),
        "{message}"
    );

    let nowhere = Command::new(env!("CARGO_BIN_EXE_tegata"))
        .args(["license", "list"])
        .env_remove("TEGATA_STACK")
        .output()
        .unwrap();
    assert_eq!(nowhere.status.code(), Some(2));
    assert!(text(&nowhere.stderr).contains("--local for this machine, or --stack NAME"));
}

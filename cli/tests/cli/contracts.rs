//! The life of contracts, as operators see it: on this machine with a clock that is set.

use serde_json::{Value, json};

use crate::support::{self, Tegata};

const TENANT: [&str; 2] = ["example.cybozu.com", "sheet"];

/// A licence command about a tenant and `sheet`.
fn on(tegata: &Tegata, verb: &str, domain: &str, more: &[&str]) -> Value {
    tegata.json(&[&["license", verb, domain, "sheet"], more].concat())
}

fn code_at(tegata: &Tegata, domain: &str, at: &str) -> String {
    let explained = on(tegata, "explain", domain, &["--at", at]);
    explained["code"].as_str().unwrap().to_owned()
}

#[test]
fn a_new_billing_interval_says_from_when_it_holds_and_nothing_to_change_is_said() {
    let tegata = Tegata::new();
    tegata.travel("2026-11-20T10:00:00+09:00");
    let paid = ["--billing", "monthly", "--users", "50"];
    on(&tegata, "issue", TENANT[0], &paid);
    tegata.travel("2026-12-10T10:00:00+09:00");
    let change = |more: &[&str]| {
        let arguments = [&["license", "change"], &TENANT[..], more].concat();
        tegata.text(&arguments)
    };
    let changed = change(&["--billing", "yearly"]);
    assert!(
        changed.contains("changes with the term that starts on 2027-01-01"),
        "{changed}"
    );
    for write in [&[][..], &["--dry-run"]] {
        let unchanged = change(&[&["--users", "50"], write].concat());
        assert!(unchanged.ends_with("nothing to change\n"), "{unchanged}");
        assert!(!unchanged.contains("term that starts"), "{unchanged}");
    }
}

/// What a plug-in's administrator copies is read, and compared with the record at its instant.
#[test]
fn a_support_code_says_what_the_plug_in_saw_and_the_record_at_that_instant() {
    let tegata = Tegata::new();
    tegata.travel("2026-11-20T10:00:00+09:00");
    on(
        &tegata,
        "issue",
        TENANT[0],
        &["--billing", "monthly", "--users", "50"],
    );
    tegata.travel("2026-11-21T10:00:00+09:00");
    on(&tegata, "suspend", TENANT[0], &[]);
    // Written by the client's tests: EXPIRED by a lease of 2026-11-21T01:00:00Z, which is the suspension's.
    let vectors = include_str!("../../../client/test/vectors/support-codes.json");
    let vectors: Value = serde_json::from_str(vectors).unwrap();
    let text = |index: usize| vectors["read"][index]["text"].as_str().unwrap();
    tegata.travel("2026-11-25T10:00:00+09:00");
    let explained = tegata.json(&["license", "explain", "--code", text(0)]);
    assert_eq!(explained["support_code"]["code"], "EXPIRED");
    assert_eq!(explained["support_code"]["at"], "2026-11-22T01:00:00Z");
    assert_eq!(
        (&explained["at"], &explained["code"]),
        (&json!("2026-11-22T10:00:00+09:00"), &json!("SUSPENDED"))
    );
    let findings = explained["findings"].to_string();
    assert!(findings.contains("its lease says so"), "{findings}");
    assert!(findings.contains("the record says SUSPENDED"), "{findings}");
    assert!(findings.contains("does not pin key"), "{findings}");

    // Moved on since that lease: the plug-in has not learnt it yet.
    tegata.travel("2026-11-25T11:00:00+09:00");
    on(&tegata, "resume", TENANT[0], &[]);
    let shown = tegata.text(&["license", "explain", "--code", text(1)]);
    for part in [
        "saw VALID (offline) at 2026-11-23T11:00:00+09:00",
        "its request got no answer",
        "SUSPENDED",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    // What the plug-in saw is told also of a tenant without a licence.
    let output = tegata.run(&["license", "explain", "--code", text(4)]);
    let (shown, error) = (support::text(&output.stdout), support::text(&output.stderr));
    assert!(shown.contains("saw UNREACHABLE (error)"), "{shown}");
    assert!(shown.contains("the record says NOT_FOUND"), "{shown}");
    assert!(
        shown.contains("a-tenant.kintone.com sheet: NOT_FOUND"),
        "{shown}"
    );
    assert_eq!(output.status.code(), Some(3));
    assert!(
        error.contains("a-tenant.kintone.com has no licence of sheet"),
        "{error}"
    );
    let mistyped = text(0).replace("EXPIRED", "EXPIREB");
    let (status, error) = tegata.failure(&["license", "explain", "--code", &mistyped]);
    assert!(status == 2 && error.contains("typing error"), "{error}");
    for more in [
        &["--code", text(0), "--at", "2026-11-22"][..],
        &["--code", text(0), TENANT[0], TENANT[1]],
        &TENANT[..1],
    ] {
        assert_eq!(
            tegata.failure(&[&["license", "explain"], more].concat()).0,
            2,
            "{more:?}"
        );
    }
}

/// The documented example, ordered on 2017-10-03: free to 10-31, then a monthly term 11-01 to
/// 11-30, or a yearly one 11-01 to 2018-10-31.
#[test]
fn the_documented_example_is_explained_at_each_boundary() {
    let tegata = Tegata::new();
    tegata.travel("2017-10-03T10:00:00+09:00");
    for (domain, billing) in [
        ("monthly.cybozu.com", "monthly"),
        ("yearly.cybozu.com", "yearly"),
    ] {
        on(
            &tegata,
            "issue",
            domain,
            &["--billing", billing, "--users", "50"],
        );
    }
    tegata.travel("2017-11-20T10:00:00+09:00");
    on(&tegata, "cancel", "monthly.cybozu.com", &[]);
    tegata.travel("2018-10-20T10:00:00+09:00");
    on(&tegata, "cancel", "yearly.cybozu.com", &[]);
    for (domain, at, code, term) in [
        (
            "monthly.cybozu.com",
            "2017-10-03T09:59:59+09:00",
            "NOT_FOUND",
            "",
        ),
        (
            "monthly.cybozu.com",
            "2017-10-03T10:00:00+09:00",
            "VALID",
            "2017-11-01 to 2017-11-30",
        ),
        (
            "monthly.cybozu.com",
            "2017-10-31T23:59:59+09:00",
            "VALID",
            "2017-11-01 to 2017-11-30",
        ),
        (
            "monthly.cybozu.com",
            "2017-11-01",
            "VALID",
            "2017-11-01 to 2017-11-30",
        ),
        (
            "monthly.cybozu.com",
            "2017-11-30T23:59:59+09:00",
            "VALID",
            "2017-11-01 to 2017-11-30",
        ),
        (
            "monthly.cybozu.com",
            "2017-12-01T08:59:59+09:00",
            "VALID",
            "2017-11-01 to 2017-11-30",
        ),
        (
            "monthly.cybozu.com",
            "2017-12-01T09:00:00+09:00",
            "GRACE",
            "2017-11-01 to 2017-11-30",
        ),
        (
            "monthly.cybozu.com",
            "2017-12-08T08:59:59+09:00",
            "GRACE",
            "2017-11-01 to 2017-11-30",
        ),
        (
            "monthly.cybozu.com",
            "2017-12-08T09:00:00+09:00",
            "EXPIRED",
            "2017-11-01 to 2017-11-30",
        ),
        (
            "yearly.cybozu.com",
            "2017-10-31T23:59:59+09:00",
            "VALID",
            "2017-11-01 to 2018-10-31",
        ),
        (
            "yearly.cybozu.com",
            "2018-10-31T23:59:59+09:00",
            "VALID",
            "2017-11-01 to 2018-10-31",
        ),
        (
            "yearly.cybozu.com",
            "2018-11-01T09:00:00+09:00",
            "GRACE",
            "2017-11-01 to 2018-10-31",
        ),
        (
            "yearly.cybozu.com",
            "2018-11-08T09:00:00+09:00",
            "EXPIRED",
            "2017-11-01 to 2018-10-31",
        ),
    ] {
        let explained = on(&tegata, "explain", domain, &["--at", at]);
        assert_eq!(explained["code"], code, "{domain} {at}");
        let says = explained["steps"][0]["says"].as_str().unwrap();
        assert!(says.contains(term), "{domain} {at}: {says}");
    }
    // Who had decided what the answer followed from.
    let explained = on(
        &tegata,
        "explain",
        "monthly.cybozu.com",
        &["--at", "2017-11-19"],
    );
    assert_eq!(explained["revision"]["change"], "issue");
    let explained = on(
        &tegata,
        "explain",
        "monthly.cybozu.com",
        &["--at", "2017-11-21"],
    );
    assert_eq!(explained["revision"]["change"], "cancel");
    assert_eq!(explained["revision"]["by"], "local:tester");
    let text = tegata.text(&[
        "license",
        "explain",
        "monthly.cybozu.com",
        "sheet",
        "--at",
        "2017-12-02",
    ]);
    assert!(
        text.contains("monthly.cybozu.com sheet at 2017-12-02T00:00:00+09:00: GRACE"),
        "{text}"
    );
    assert!(text.contains("last day 2017-11-30"), "{text}");
}

#[test]
fn a_contract_that_is_not_cancelled_renews() {
    let tegata = Tegata::new();
    tegata.travel("2017-10-03T10:00:00+09:00");
    on(
        &tegata,
        "issue",
        TENANT[0],
        &["--billing", "monthly", "--users", "5"],
    );
    tegata.travel("2026-03-05T10:00:00+09:00");
    let shown = on(&tegata, "show", TENANT[0], &[]);
    assert_eq!(
        shown["term"],
        json!({ "starts_on": "2026-03-01", "ends_on": "2026-03-31" })
    );
    assert_eq!(shown["code"], "VALID");
    on(&tegata, "change", TENANT[0], &["--billing", "yearly"]);
    tegata.travel("2026-04-01T00:00:00+09:00");
    let shown = on(&tegata, "show", TENANT[0], &[]);
    assert_eq!(
        shown["term"],
        json!({ "starts_on": "2026-04-01", "ends_on": "2027-03-31" })
    );
    on(&tegata, "cancel", TENANT[0], &[]);
    assert_eq!(on(&tegata, "show", TENANT[0], &[])["ends_on"], "2027-03-31");
    on(&tegata, "cancel", TENANT[0], &["--withdraw"]);
    assert_eq!(on(&tegata, "show", TENANT[0], &[])["ends_on"], Value::Null);
    let (status, message) =
        tegata.failure(&["license", "cancel", TENANT[0], TENANT[1], "--withdraw"]);
    assert_eq!(
        (status, message.contains("is not cancelled")),
        (1, true),
        "{message}"
    );
}

#[test]
fn a_trial_that_is_bought_keeps_its_serial() {
    let tegata = Tegata::new();
    tegata.travel("2026-11-10T10:00:00+09:00");
    let issued = on(
        &tegata,
        "issue",
        TENANT[0],
        &["--trial", "14", "--users", "5"],
    );
    let serial = issued["serial"].as_str().unwrap();
    let expiring = tegata.json(&["license", "expiring", "--within", "45d"]);
    assert_eq!(expiring[0]["domain"], TENANT[0]);
    assert_eq!(
        (&expiring[0]["kind"], &expiring[0]["days_left"]),
        (&json!("trial"), &json!(13))
    );
    assert_eq!(
        tegata.json(&["license", "expiring", "--within", "10d"]),
        json!([])
    );
    let dry = on(
        &tegata,
        "convert",
        TENANT[0],
        &["--billing", "yearly", "--dry-run"],
    );
    assert_eq!(
        (&dry["dry_run"], &dry["version"]),
        (&json!(true), &Value::Null)
    );
    on(&tegata, "convert", TENANT[0], &["--billing", "yearly"]);
    let shown = on(&tegata, "show", TENANT[0], &[]);
    assert_eq!(
        shown["term"],
        json!({ "starts_on": "2026-12-01", "ends_on": "2027-11-30" })
    );
    let code = |serial: &str, at: &str| {
        on(
            &tegata,
            "explain",
            TENANT[0],
            &["--serial", serial, "--at", at],
        )["code"]
            .clone()
    };
    assert_eq!(code(serial, "2026-12-01"), "VALID");
    assert_eq!(tegata.json(&["license", "expiring"]), json!([]));

    // A new serial, and an overlap in which the old one works too.
    let reissued = on(&tegata, "reissue-serial", TENANT[0], &["--overlap", "7"]);
    let new = reissued["serial"].as_str().unwrap();
    assert_ne!(new, serial);
    let fields = reissued["differences"].as_array().unwrap().iter();
    let hashes = fields.filter(|d| d["field"].as_str().unwrap().ends_with("sha256"));
    let hashes: Vec<&Value> = hashes.map(|d| &d["after"]).collect();
    assert_eq!(hashes, [&json!("(set)"), &json!("(changed)")]);
    for (at, old_code) in [
        ("2026-11-17T09:59:59+09:00", "VALID"),
        ("2026-11-17T10:00:00+09:00", "NOT_FOUND"),
    ] {
        assert_eq!(code(new, at), "VALID");
        assert_eq!(code(serial, at), old_code, "{at}");
    }
    let shown = on(&tegata, "show", TENANT[0], &[]).to_string();
    assert!(
        shown.contains("previous_serial") && !shown.contains("sha256"),
        "{shown}"
    );
}

#[test]
fn a_contract_moves_and_its_old_name_is_quarantined() {
    let tegata = Tegata::new();
    tegata.travel("2026-11-10T10:00:00+09:00");
    on(
        &tegata,
        "issue",
        TENANT[0],
        &["--billing", "yearly", "--users", "5"],
    );
    on(
        &tegata,
        "domains",
        TENANT[0],
        &["--add", "example-dev.cybozu.com", "--development"],
    );
    let to = "renamed.cybozu.com";
    on(
        &tegata,
        "move",
        TENANT[0],
        &[to, "--on", "2026-12-01", "--overlap", "7"],
    );
    for (domain, at, code) in [
        (TENANT[0], "2026-11-30T23:59:59+09:00", "VALID"),
        (to, "2026-11-30T23:59:59+09:00", "NOT_STARTED"),
        (to, "2026-12-01", "VALID"),
        (TENANT[0], "2026-12-08T08:59:59+09:00", "VALID"),
        (TENANT[0], "2026-12-08T09:00:00+09:00", "NOT_FOUND"),
        (to, "2026-12-08T09:00:00+09:00", "VALID"),
        (
            "example-dev.cybozu.com",
            "2026-12-08T09:00:00+09:00",
            "VALID",
        ),
    ] {
        assert_eq!(code_at(&tegata, domain, at), code, "{domain} {at}");
    }
    // A change reaches every domain, in one write.
    on(&tegata, "change", to, &["--users", "80"]);
    for domain in [TENANT[0], to, "example-dev.cybozu.com"] {
        assert_eq!(on(&tegata, "show", domain, &[])["users"], 80, "{domain}");
    }
    tegata.travel("2026-12-09T10:00:00+09:00");
    let names = on(&tegata, "domains", to, &[]);
    let quarantined = |name: &Value| name["quarantined_until"].clone();
    let until = names
        .as_array()
        .unwrap()
        .iter()
        .find(|name| name["domain"] == TENANT[0])
        .map(quarantined);
    assert_eq!(until, Some(json!("2027-03-08T00:00:00Z")));
    // The old name is nobody's to change, and nobody else's to have.
    let (status, message) = tegata.failure(&["license", "suspend", TENANT[0], TENANT[1]]);
    assert_eq!(
        (status, message.contains("it is at")),
        (3, true),
        "{message}"
    );
    let issue = [
        "license", "issue", TENANT[0], TENANT[1], "--trial", "9", "--users", "5",
    ];
    for dry_run in [&["--dry-run"][..], &[]] {
        let (status, message) = tegata.failure(&[&issue[..], dry_run].concat());
        assert_eq!(
            (status, message.contains("is in quarantine until")),
            (1, true),
            "{message}"
        );
    }
    tegata.travel("2027-03-08T09:00:00+09:00");
    tegata.json(&issue);
    assert_eq!(on(&tegata, "show", TENANT[0], &[])["kind"], "trial");
    assert_eq!(on(&tegata, "show", to, &[])["kind"], "paid");
    on(
        &tegata,
        "domains",
        to,
        &["--remove", "example-dev.cybozu.com"],
    );
    let (status, message) = tegata.failure(&["license", "domains", to, TENANT[1], "--remove", to]);
    assert_eq!(
        (status, message.contains("only production domain")),
        (1, true),
        "{message}"
    );
    let (status, _) = tegata.failure(&[
        "license",
        "domains",
        to,
        TENANT[1],
        "--keep",
        "nobody.cybozu.com",
    ]);
    assert_eq!(status, 3);
}

#[test]
fn a_suspension_can_be_scheduled_and_called_off() {
    let tegata = Tegata::new();
    tegata.travel("2026-11-10T10:00:00+09:00");
    on(
        &tegata,
        "issue",
        TENANT[0],
        &["--billing", "yearly", "--users", "5"],
    );
    on(&tegata, "suspend", TENANT[0], &["--from", "2026-12-01"]);
    assert_eq!(
        code_at(&tegata, TENANT[0], "2026-11-30T23:59:59+09:00"),
        "VALID"
    );
    assert_eq!(code_at(&tegata, TENANT[0], "2026-12-01"), "SUSPENDED");
    on(&tegata, "resume", TENANT[0], &[]);
    assert_eq!(code_at(&tegata, TENANT[0], "2026-12-01"), "VALID");
}

#[test]
fn customers_and_their_contacts() {
    let tegata = Tegata::new();
    tegata.json(&["customer", "add", "C-0042", "--name", "株式会社サンプル"]);
    let (status, _) = tegata.failure(&["customer", "add", "C-0042", "--name", "A"]);
    assert_eq!(status, 1);
    let listed = tegata.text(&["customer", "list"]);
    assert!(listed.contains("no primary contact"), "{listed}");
    let add = |email: &str, more: &[&str]| {
        [&["contact", "add", "C-0042", email], more]
            .concat()
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let run = |arguments: &[String]| {
        tegata.json(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    };
    run(&add("Primary@Example.com", &[]));
    let additional = [
        "--role",
        "additional",
        "--severity-floor",
        "major",
        "--language",
        "en",
    ];
    run(&add("ops@example.com", &additional));
    // The same address in another spelling is the same contact.
    let again = run(&add("primary@example.com", &["--language", "en"]));
    assert_eq!(again["change"], "change");
    let shown = tegata.json(&["customer", "show", "C-0042"]);
    assert_eq!(shown["contacts"].as_array().unwrap().len(), 2);
    assert!(!tegata.text(&["customer", "list"]).contains("no primary"));

    on(
        &tegata,
        "issue",
        TENANT[0],
        &[
            "--billing",
            "yearly",
            "--users",
            "5",
            "--customer",
            "C-0042",
        ],
    );
    let shown = tegata.json(&["customer", "show", "C-0042"]);
    assert_eq!(shown["licenses"][0]["domain"], TENANT[0]);
    let unknown = [
        "license",
        "change",
        TENANT[0],
        TENANT[1],
        "--customer",
        "C-9",
    ];
    assert_eq!(tegata.failure(&unknown).0, 3);

    tegata.json(&["contact", "remove", "C-0042", "OPS@example.com"]);
    assert_eq!(
        tegata.json(&["contact", "list"]).as_array().unwrap().len(),
        1
    );
    assert_eq!(
        tegata
            .failure(&["contact", "remove", "C-0042", "ops@example.com"])
            .0,
        3
    );
    // It may come back.
    run(&add("ops@example.com", &additional));
    for (arguments, said) in [
        (add("担当@example.com", &[]), "non-ASCII"),
        (add("nobody", &[]), "name@example.com"),
        (
            add("a@example.com", &["--releases"]),
            "are for additional contacts only",
        ),
        (
            add("a@example.com", &["--role", "additional"]),
            "would receive no notice",
        ),
    ] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (status, message) = tegata.failure(&arguments);
        assert_eq!((status, message.contains(said)), (2, true), "{message}");
    }
    assert_eq!(
        tegata
            .failure(&["contact", "add", "C-9", "a@example.com"])
            .0,
        3
    );
}

#[test]
fn a_restore_brings_back_no_serial_that_leaked() {
    let tegata = Tegata::new();
    tegata.travel("2026-11-15T12:00:00+09:00");
    let which = ["example.cybozu.com", "gantt"];
    let on =
        |verb: &str, more: &[&str]| tegata.json(&[&["license", verb], &which[..], more].concat());
    let code = |serial: &str| on("explain", &["--serial", serial])["code"].clone();
    let leaked = on("issue", &["--billing", "monthly", "--users", "5"])["serial"].clone();
    let leaked = leaked.as_str().unwrap();
    on("change", &["--users", "80"]);
    let new = on("reissue-serial", &["--overlap", "0"])["serial"].clone();
    let new = new.as_str().unwrap();
    on("suspend", &[]);

    let restored = on("restore", &["--version", "1"]);
    let remarks = restored["remarks"].to_string();
    assert!(remarks.contains("serial: stays as it is now"), "{restored}");
    assert!(
        remarks.contains("suspension: stays suspended from"),
        "{restored}"
    );
    let shown = on("show", &[]);
    assert_eq!(
        (&shown["users"], &shown["code"]),
        (&json!(5), &json!("SUSPENDED"))
    );
    on("resume", &[]);
    tegata.travel("2026-11-15T12:01:00+09:00");
    assert_eq!(code(leaked), "NOT_FOUND");
    assert_eq!(code(new), "VALID");

    // Version 4 was suspended, and it is not suspended now.
    let dry = ["--version", "4", "--dry-run"];
    let kept = tegata.text(&[&["license", "restore"], &which[..], &dry].concat());
    assert!(kept.contains("suspension: stays not suspended"), "{kept}");
    let restored = on("restore", &["--version", "4", "--with-suspension"]);
    let remarks = restored["remarks"].to_string();
    assert!(remarks.contains("as in version 4"), "{restored}");
    assert_eq!(on("show", &[])["code"], "SUSPENDED");
    on("resume", &[]);

    // What is so already is not written again.
    let versions = || on("history", &[]).as_array().unwrap().len();
    on("restore", &["--version", "1"]);
    let before = versions();
    let again = on("restore", &["--version", "1"]);
    assert_eq!(again["version"], json!(null), "{again}");
    assert_eq!(versions(), before);
    let rewritten = on("restore", &["--version", "1", "--rewrite"]);
    assert!(rewritten["version"].is_number(), "{rewritten}");

    // Asked for, it comes back: for a serial that was replaced by mistake.
    let restored = on("restore", &["--version", "1", "--with-serial"]);
    let remarks = restored["remarks"].to_string();
    assert!(
        remarks.contains("that of version 1 is accepted again"),
        "{restored}"
    );
    tegata.travel("2026-11-15T12:02:00+09:00");
    assert_eq!(code(leaked), "VALID");
    assert_eq!(code(new), "NOT_FOUND");
}

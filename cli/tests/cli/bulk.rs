//! Spreadsheets in and out.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::Tegata;

const CUSTOMERS: &str = "customer_id,name,email,role,language,severity_floor,releases\r\n\
    C-0001,株式会社髙橋商事㈱,taro@example.com,primary,ja,,\r\n\
    C-0001,株式会社髙橋商事㈱,ops@example.com,additional,en,major,yes\r\n\
    C-0002,\"Example, Ltd.\",,,,,\r\n";

const LICENSES: &str = "domain,product,kind,users,usable_from,billing,customer_id,ends_on,serial,development_domains,note\r\n\
    one.cybozu.com,sheet,paid,50,2017/10/3,monthly,C-0001,,AAAA-BBBB-CCCC-DDD1,one-dev.cybozu.com,継続\r\n\
    two.s.cybozu.com,sheet,paid,10,2025-04-10T10:00:00+09:00,yearly,C-0001,2027-04-30,AAAA-BBBB-CCCC-DDD2,,\r\n\
    three.cybozu.com,gantt,trial,5,2026-11-01,,C-0002,2026-11-30,AAAA-BBBB-CCCC-DDD3,,\r\n";

fn cp932(text: &str) -> Vec<u8> {
    let (bytes, _, had_errors) = encoding_rs::SHIFT_JIS.encode(text);
    assert!(!had_errors);
    bytes.into_owned()
}

fn place() -> Tegata {
    let tegata = Tegata::new();
    tegata.travel("2026-11-24T12:00:00+09:00");
    tegata
}

fn bytes(tegata: &Tegata, name: &str, content: &[u8]) -> String {
    let path = tegata.directory.path().join(name);
    std::fs::write(&path, content).unwrap();
    path.display().to_string()
}

/// The facts of every licence and customer, and nothing about when they were written.
fn facts(tegata: &Tegata) -> Value {
    json!([
        tegata.json(&["license", "list"]),
        tegata.json(&["contact", "list"]),
        tegata.json(&["customer", "list"]),
    ])
}

#[test]
fn a_spreadsheet_from_japan_is_imported() {
    let tegata = place();
    let customers = bytes(&tegata, "customers.csv", &cp932(CUSTOMERS));
    let licenses = bytes(&tegata, "licenses.csv", &cp932(LICENSES));
    let import = ["import", &customers, &licenses];
    let dry = tegata.json(&[&import[..], &["--dry-run"]].concat());
    assert_eq!(
        dry["licenses"],
        json!({ "added": 3, "changed": 0, "unchanged": 0, "refused": 0 })
    );
    assert_eq!(tegata.json(&["license", "list"]), json!([]));
    let done = tegata.json(&import);
    assert_eq!(done["customers"]["added"], 2);
    assert_eq!((&done["written"], &done["failed"]), (&json!(5), &json!(0)));

    let customer = tegata.json(&["customer", "show", "C-0001"]);
    assert_eq!(customer["name"], "株式会社髙橋商事㈱");
    assert_eq!(customer["contacts"].as_array().unwrap().len(), 2);
    let show = |domain: &str, product: &str| tegata.json(&["license", "show", domain, product]);
    let one = show("one.cybozu.com", "sheet");
    assert_eq!(
        one["term"],
        json!({ "starts_on": "2026-11-01", "ends_on": "2026-11-30" })
    );
    assert_eq!(
        (&one["code"], &one["revision"]["change"]),
        (&json!("VALID"), &json!("import"))
    );
    assert_eq!(show("one-dev.cybozu.com", "sheet")["users"], 50);
    let two = show("two.cybozu.com", "sheet");
    assert_eq!(
        (&two["ends_on"], &two["term"]["ends_on"]),
        (&json!("2027-04-30"), &json!("2027-04-30"))
    );
    assert_eq!(show("three.cybozu.com", "gantt")["kind"], "trial");

    // Again: nothing. Changed in the spreadsheet: that, and only that.
    let again = tegata.json(&import);
    assert_eq!(
        (&again["written"], &again["licenses"]["unchanged"]),
        (&json!(0), &json!(3))
    );
    let more = LICENSES.replace("paid,50,", "paid,80,").replace(
        "one-dev.cybozu.com",
        "one-dev.cybozu.com one-dev2.cybozu.com",
    );
    let licenses = bytes(&tegata, "licenses.csv", &cp932(&more));
    let changed = tegata.json(&["import", &licenses]);
    assert_eq!(
        changed["licenses"],
        json!({ "added": 0, "changed": 1, "unchanged": 2, "refused": 0 })
    );
    assert_eq!(show("one-dev2.cybozu.com", "sheet")["users"], 80);
    let text = tegata.text(&["import", &licenses, "--dry-run"]);
    assert!(
        text.contains("0 to add, 0 to change, 3 unchanged"),
        "{text}"
    );
}

#[test]
fn bad_rows_are_all_named_and_nothing_is_changed() {
    let tegata = place();
    let customers = bytes(&tegata, "customers.csv", &cp932(CUSTOMERS));
    let licenses = bytes(&tegata, "licenses.csv", &cp932(LICENSES));
    tegata.json(&["import", &customers, &licenses]);
    let before = facts(&tegata);
    // Two changes and a new row that are in order, between three that are not.
    let bad = LICENSES.replace("paid,50,2017/10/3", "paid,55,2017/10/3")
        + "four.cybozu.com,sheet,paid,many,2026-11-01,monthly,,,AAAA-BBBB-CCCC-DDD4,,\r\n\
           five.cybozu.com,sheet,paid,5,2026-11-01,monthly,,,AAAA-BBBB-CCCC-DDD5,,\r\n\
           six.example.com,sheet,paid,5,2026-11-01,monthly,,,AAAA-BBBB-CCCC-DDD6,,\r\n\
           seven.cybozu.com,sheet,paid,5,2026/13/1,monthly,,,AAAA-BBBB-CCCC-DDD7,,\r\n";
    let licenses = bytes(&tegata, "bad.csv", &cp932(&bad));
    let output = tegata.run(&["import", &licenses]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    for refusal in [
        "bad.csv line 5, column 4 (users): expected a number",
        "bad.csv line 7, column 1 (domain): the domain is not a subdomain of cybozu.com",
        "bad.csv line 8, column 5 (usable_from): expected a date",
    ] {
        assert!(text.contains(refusal), "{refusal}\n{text}");
    }
    assert!(
        text.contains("1 to add, 1 to change, 2 unchanged; rows refused: 3"),
        "{text}"
    );
    assert_eq!(facts(&tegata), before);
    // The rest, if the operator says so.
    let (status, message) = tegata.failure(&["import", &licenses, "--skip-refused"]);
    assert_eq!(
        (status, message.contains("the others are written")),
        (1, true),
        "{message}"
    );
    let show = |domain: &str| tegata.json(&["license", "show", domain, "sheet"]);
    assert_eq!(
        (
            &show("one.cybozu.com")["users"],
            &show("five.cybozu.com")["users"]
        ),
        (&json!(55), &json!(5))
    );
}

#[test]
fn every_kind_of_mistake_is_told_with_its_place() {
    let tegata = place();
    let customers = bytes(&tegata, "customers.csv", CUSTOMERS.as_bytes());
    let licenses = bytes(&tegata, "licenses.csv", LICENSES.as_bytes());
    tegata.json(&["import", &customers, &licenses]);
    let header =
        "domain,product,kind,users,usable_from,billing,customer_id,ends_on,serial,next_billing\n";
    for (row, refusal) in [
        (
            "a,b",
            "column 2 (product): the product is not in the catalogue",
        ),
        (
            "abc.cybozu.com,sheet,paid,5,2026-11-01,,,,AAAA-BBBB-CCCC-DDDD,",
            "(billing): a paid licence is",
        ),
        (
            "abc.cybozu.com,sheet,free,5,2026-11-01,,,,AAAA-BBBB-CCCC-DDDD,",
            "(kind): expected trial or paid",
        ),
        (
            "abc.cybozu.com,sheet,trial,5,2026-11-01,,,,AAAA-BBBB-CCCC-DDDD,",
            "(ends_on): is required for a trial",
        ),
        (
            "abc.cybozu.com,sheet,trial,5,2026-11-05,,,2026-11-01,AAAA-BBBB-CCCC-DDDD,",
            "(ends_on): days of a trial",
        ),
        (
            "abc.cybozu.com,sheet,paid,5,2026-11-01,monthly,,2026-12-15,AAAA-BBBB-CCCC-DDDD,",
            "(ends_on): must be the last day of a term",
        ),
        (
            "abc.cybozu.com,sheet,paid,5,2026-11-01,monthly,C-9,,AAAA-BBBB-CCCC-DDDD,",
            "(customer_id): there is no customer C-9",
        ),
        (
            "abc.cybozu.com,sheet,paid,5,2026-11-01,monthly,,,short,",
            "(serial): a serial has",
        ),
        (
            "abc.cybozu.com,sheet,paid,5,2026-11-01,monthly,,,,",
            "(serial): a new licence needs one",
        ),
        (
            "abc.cybozu.com,sheet,paid,0,2026-11-01,monthly,,,AAAA-BBBB-CCCC-DDDD,",
            "(users): users must be",
        ),
        (
            "abc.cybozu.com,sheet,paid,5,2026-11-01,monthly,,,AAAA-BBBB-CCCC-DDDD,,stray",
            "the row has 11 cells, but the header has 10",
        ),
        (
            "one.cybozu.com,sheet,trial,50,2017-10-03,,,2017-10-05,,",
            "(kind): differs from the contract",
        ),
        (
            "one.cybozu.com,sheet,paid,50,2017-10-04,monthly,,,,",
            "(usable_from): differs from the contract",
        ),
        (
            "one.cybozu.com,sheet,paid,50,2017-10-03,yearly,,,,",
            "(billing): differs from the contract",
        ),
        (
            "one.cybozu.com,sheet,paid,50,2017-10-03,monthly,,,AAAA-BBBB-CCCC-DDD9,",
            "(serial): differs from the contract",
        ),
        (
            "one-dev.cybozu.com,sheet,paid,50,2017-10-03,monthly,,,,\none-dev.s.cybozu.com,sheet,paid,50,2017-10-03,monthly,,,,",
            "line 3, column 1 (domain): one-dev.cybozu.com is on line 2 too",
        ),
    ] {
        let file = bytes(&tegata, "l.csv", format!("{header}{row}\n").as_bytes());
        let refused = tegata.run(&["import", &file, "--dry-run"]);
        let text = String::from_utf8(refused.stdout).unwrap();
        assert_eq!(refused.status.code(), Some(1), "{row}: {text}");
        assert!(text.contains(refusal), "{refusal}\n{text}");
        // A serial is never repeated.
        assert!(!text.contains("short") && !text.contains("DDD9"), "{text}");
    }
    let header = "customer_id,name,email,role,language,severity_floor,releases\n";
    for (row, refusal) in [
        ("C 1,A,,,,,", "(customer_id): a customer id has"),
        ("C-1,=A,,,,,", "(name): a customer's name cannot start"),
        (
            "C-1,A,担当@example.com,,,,",
            "(email): the mail address has a non-ASCII character",
        ),
        (
            "C-1,A,a@example.com,boss,,,",
            "(role): expected primary or additional",
        ),
        ("C-1,A,a@example.com,,fr,,", "(language): expected ja or en"),
        (
            "C-1,A,a@example.com,,,bad,",
            "(severity_floor): expected minor, major or critical",
        ),
        (
            "C-1,A,a@example.com,,,,maybe",
            "(releases): expected yes or no",
        ),
        (
            "C-1,A,a@example.com,additional,,,",
            "(role): an additional contact",
        ),
        (
            "C-1,A,,primary,,,",
            "(role): must be empty in a row without an email",
        ),
        (
            "C-1,A,,,,,\nC-1,B,,,,,",
            "line 3, column 2 (name): line 2 has another name for C-1",
        ),
        (
            "C-1,A,a@example.com,,,,\nC-1,A,A@example.com,,,,",
            "line 3, column 3 (email): line 2 has the same address",
        ),
    ] {
        let file = bytes(&tegata, "c.csv", format!("{header}{row}\n").as_bytes());
        let refused = tegata.run(&["import", &file]);
        let text = String::from_utf8(refused.stdout).unwrap();
        assert_eq!(refused.status.code(), Some(1), "{row}: {text}");
        assert!(text.contains(refusal), "{refusal}\n{text}");
    }
    for (content, said) in [
        (&b"domain,kind\n"[..], "column product is missing"),
        (b"customer_id,name,phone\n", "unknown column \"phone\""),
        (b"", "is empty"),
        (
            b"customer_id,name\nC-1,\xff\n",
            "line 2: neither UTF-8 nor CP932",
        ),
    ] {
        let file = bytes(&tegata, "x.csv", content);
        let (_, message) = tegata.failure(&["import", &file]);
        assert!(message.contains(said), "{said}: {message}");
    }
}

#[test]
fn exporting_then_importing_changes_nothing() {
    let tegata = place();
    let customers = bytes(&tegata, "customers.csv", CUSTOMERS.as_bytes());
    let licenses = bytes(&tegata, "licenses.csv", LICENSES.as_bytes());
    tegata.json(&["import", &customers, &licenses]);
    let on = |verb: &str, domain: &str, more: &[&str]| {
        tegata.json(&[&["license", verb, domain, "sheet"], more].concat())
    };
    // One of each state that a contract can be in.
    on(
        "change",
        "one.cybozu.com",
        &[
            "--billing",
            "yearly",
            "--quota",
            "rows=10",
            "--quota",
            "files=2",
        ],
    );
    on(
        "domains",
        "one.cybozu.com",
        &["--add", "one-second.cybozu.com"],
    );
    let issue = |domain: &str| on("issue", domain, &["--billing", "monthly", "--users", "5"]);
    issue("moving.cybozu.com");
    on(
        "move",
        "moving.cybozu.com",
        &["moved.cybozu.com", "--on", "2026-11-30"],
    );
    issue("suspended.cybozu.com");
    on("suspend", "suspended.cybozu.com", &["--from", "2026-12-01"]);
    issue("cancelled.cybozu.com");
    on("cancel", "cancelled.cybozu.com", &[]);
    issue("serial.cybozu.com");
    on("reissue-serial", "serial.cybozu.com", &[]);
    let before = facts(&tegata);
    for encoding in ["utf-8", "utf-8-bom", "cp932"] {
        // Today, and when the terms have renewed since.
        for now in ["2026-11-24T12:00:00+09:00", "2027-02-03T12:00:00+09:00"] {
            tegata.travel("2026-11-24T12:00:00+09:00");
            let (customers, licenses) = (
                tegata.directory.path().join("c.csv").display().to_string(),
                tegata.directory.path().join("l.csv").display().to_string(),
            );
            tegata.json(&[
                "export",
                &customers,
                &licenses,
                "--encoding",
                encoding,
                "--force",
            ]);
            tegata.travel(now);
            let imported = tegata.json(&["import", &licenses, &customers]);
            assert_eq!(imported["changes"], json!([]), "{encoding} {now}");
            assert_eq!(imported["written"], 0);
            assert_eq!(imported["licenses"]["unchanged"], 7);
        }
    }
    tegata.travel("2026-11-24T12:00:00+09:00");
    assert_eq!(facts(&tegata), before);
    // Into an empty place it brings the contracts with their serials.
    let (customers, licenses) = (
        tegata.directory.path().join("c.csv").display().to_string(),
        tegata.directory.path().join("l.csv").display().to_string(),
    );
    let other = place();
    other.json(&["import", &customers, &licenses]);
    let explain = [
        "license",
        "explain",
        "one.cybozu.com",
        "sheet",
        "--serial",
        "AAAA-BBBB-CCCC-DDD1",
    ];
    assert_eq!(other.json(&explain)["code"], "VALID");
    let (_, message) = tegata.failure(&["export", &customers, &licenses]);
    assert!(message.contains("--force writes over it"), "{message}");
}

#[test]
fn an_import_that_is_killed_is_continued_with_the_same_serials() {
    let tegata = place();
    let mut licenses = "domain,product,kind,users,usable_from,billing\n".to_owned();
    for number in 0..300 {
        licenses += &format!("tenant-{number}.cybozu.com,sheet,paid,5,2026-11-01,monthly\n");
    }
    let licenses = bytes(&tegata, "licenses.csv", licenses.as_bytes());
    let serials = tegata
        .directory
        .path()
        .join("serials.csv")
        .display()
        .to_string();
    let import = ["import", &licenses, "--serials", &serials];
    let mut killed = tegata
        .command(&import)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    // As soon as the serials are on the disk, rows are being written.
    while !std::fs::exists(&serials).unwrap() {
        std::thread::sleep(Duration::from_millis(5));
    }
    std::thread::sleep(Duration::from_millis(60));
    killed.kill().unwrap();
    killed.wait().unwrap();
    let written = tegata.json(&["license", "list"]).as_array().unwrap().len();
    let done = tegata.json(&import);
    assert_eq!(done["licenses"]["unchanged"], written);
    assert_eq!(done["written"], 300 - written);
    assert_eq!(
        tegata.json(&["license", "list"]).as_array().unwrap().len(),
        300
    );
    let text = std::fs::read_to_string(&serials).unwrap();
    assert_eq!(text.lines().count(), 301, "no serial was made twice");
    for number in [0, 150, 299] {
        let domain = format!("tenant-{number}.cybozu.com");
        let line = text
            .lines()
            .find(|line| line.starts_with(&format!("{domain},")))
            .unwrap();
        let serial = line.rsplit(',').next().unwrap();
        let explain = ["license", "explain", &domain, "sheet", "--serial", serial];
        assert_eq!(tegata.json(&explain)["code"], "VALID");
    }
}

#[test]
fn serials_are_made_for_rows_that_are_written_and_no_others() {
    let tegata = place();
    let rows = "domain,product,kind,users,usable_from,billing\n\
        good.cybozu.com,sheet,paid,5,2026-11-01,monthly\n\
        bad.cybozu.com,sheet,paid,0,2026-11-01,monthly\n\
        twice.cybozu.com,sheet,paid,5,2026-11-01,monthly\n\
        twice.cybozu.com,sheet,paid,6,2026-11-01,monthly\n";
    let licenses = bytes(&tegata, "licenses.csv", rows.as_bytes());
    let serials = tegata.directory.path().join("serials.csv");
    let shown = serials.display().to_string();
    let import = ["import", &licenses, "--serials", &shown, "--skip-refused"];
    tegata.failure(&[&import[..], &["--dry-run"]].concat());
    assert!(!serials.exists());
    tegata.failure(&import);
    let text = std::fs::read_to_string(&serials).unwrap();
    let domains: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split(',').next())
        .collect();
    assert_eq!(domains, ["domain", "good.cybozu.com"]);
    // Of two rows that contradict each other, nobody knows which is right.
    let listed = tegata.json(&["license", "list"]);
    assert_eq!(listed.as_array().unwrap().len(), 1);
}

/// A spreadsheet as Excel saves it as "Unicode Text", and as PowerShell's `>` writes it.
fn utf16(text: &str) -> Vec<u8> {
    let units = "\u{feff}".encode_utf16().chain(text.encode_utf16());
    units.flat_map(u16::to_le_bytes).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, bytes).unwrap();
    packed.finish().unwrap()
}

#[test]
fn files_are_read_as_excel_and_powershell_write_them() {
    let tegata = place();
    let tabs = CUSTOMERS
        .replace("\"Example, Ltd.\"", "Example Ltd.")
        .replace(',', "\t");
    let customers = bytes(&tegata, "customers.txt", &utf16(&tabs));
    let licenses = bytes(&tegata, "licenses.csv.gz", &gzip(&utf16(LICENSES)));
    let done = tegata.json(&["import", &customers, &licenses]);
    assert_eq!((&done["written"], &done["failed"]), (&json!(5), &json!(0)));
    let customer = tegata.json(&["customer", "show", "C-0001"]);
    assert_eq!(customer["name"], "株式会社髙橋商事㈱");
    // Lines are counted where they end with a carriage return alone.
    let cr = LICENSES
        .replace("\r\n", "\r")
        .replace("trial,5,", "trial,many,");
    let licenses = bytes(&tegata, "cr.csv", cr.as_bytes());
    let refused = tegata.run(&["import", &licenses]);
    let text = String::from_utf8(refused.stdout).unwrap();
    assert!(
        text.contains("cr.csv line 4, column 4 (users): expected a number"),
        "{text}"
    );
    let workbook = bytes(&tegata, "licenses.xlsx", b"PK\x03\x04rest");
    let (code, error) = tegata.failure(&["import", &workbook]);
    assert_eq!(code, 2);
    assert!(error.contains("save the sheet as CSV (UTF-8)"), "{error}");
}

#[test]
fn far_dates_mean_no_end_and_what_is_no_value_is_refused_with_its_tenant() {
    let tegata = place();
    let header = "domain,product,kind,users,usable_from,billing,ends_on,serial\n";
    let rows = ["9999-12-31", "9999/12/31", "2999-12-31", "2099-12-31"];
    let rows = rows.iter().enumerate().map(|(number, day)| {
        format!("far-{number}.cybozu.com,sheet,paid,5,2026-11-01,monthly,{day},AAAA-BBBB-CCCC-DD0{number}\n")
    });
    let file = format!("{header}{}", rows.collect::<String>());
    let file = bytes(&tegata, "far.csv", file.as_bytes());
    assert_eq!(tegata.json(&["import", &file])["written"], 4);
    for number in 0..4 {
        let domain = format!("far-{number}.cybozu.com");
        let shown = tegata.json(&["license", "show", &domain, "sheet"]);
        assert_eq!(
            (&shown["ends_on"], &shown["code"]),
            (&Value::Null, &json!("VALID"))
        );
    }
    assert_eq!(tegata.json(&["import", &file])["licenses"]["unchanged"], 4);
    for (row, refusal) in [
        (
            "abc.cybozu.com,sheet,trial,5,2026-11-01,,9999-12-31,AAAA-BBBB-CCCC-DDDD",
            "(ends_on): a trial must have a last day; 9999-12-31 means no end (abc.cybozu.com)",
        ),
        (
            "https://abc.cybozu.com/k/,sheet,paid,5,2026-11-01,monthly,,AAAA-BBBB-CCCC-DDDD",
            "column 1 (domain): the domain is a URL; expected the host name only, such as example.cybozu.com (https://abc.cybozu.com/k/)",
        ),
        (
            "abc.cybozu.com,sheet,paid,#REF!,2026-11-01,monthly,,AAAA-BBBB-CCCC-DDDD",
            "column 4 (users): #REF! is a spreadsheet error, not a value (abc.cybozu.com)",
        ),
        (
            "abc.cybozu.com,sheet,paid,many,2026-11-01,monthly,,AAAA-BBBB-CCCC-DDDD",
            "(users): expected a number such as 50 (abc.cybozu.com)",
        ),
        (
            "abc.cybozu.com,sheet,paid,5,2026-11-01,monthly,,",
            "generated and written to FILE (abc.cybozu.com)",
        ),
        (
            "abc.cybozu.com,gone,paid,5,2026-11-01,monthly,,",
            "see `tegata product apply` (abc.cybozu.com)",
        ),
    ] {
        let file = bytes(&tegata, "l.csv", format!("{header}{row}\n").as_bytes());
        let refused = tegata.run(&["import", &file, "--dry-run"]);
        let text = String::from_utf8(refused.stdout).unwrap();
        assert_eq!(refused.status.code(), Some(1), "{row}: {text}");
        assert!(text.contains(refusal), "{refusal}\n{text}");
    }
    let customers = bytes(&tegata, "c.csv", b"customer_id,name\nC-1,#N/A\n");
    let refused = tegata.run(&["import", &customers]);
    let text = String::from_utf8(refused.stdout).unwrap();
    assert!(
        text.contains("(name): #N/A is a spreadsheet error"),
        "{text}"
    );
    assert_eq!(tegata.json(&["customer", "list"]), json!([]));
}

#[test]
fn a_file_of_serials_that_excel_has_saved_goes_on_being_one() {
    let tegata = place();
    let serials = tegata.directory.path().join("serials.csv");
    let shown = serials.display().to_string();
    let import = |tenants: &[&str]| {
        let rows = tenants
            .iter()
            .map(|tenant| format!("{tenant}.cybozu.com,sheet,paid,5,2026-11-01,monthly\n"));
        let rows = format!(
            "domain,product,kind,users,usable_from,billing\n{}",
            rows.collect::<String>()
        );
        let licenses = bytes(&tegata, "licenses.csv", rows.as_bytes());
        tegata.json(&["import", &licenses, "--serials", &shown])
    };
    import(&["one"]);
    let text = std::fs::read_to_string(&serials).unwrap();
    // Without a line end at its end, as an editor may leave it.
    let saved = format!("\u{feff}{}", text.trim_end().replace('\n', "\r\n"));
    std::fs::write(&serials, saved).unwrap();
    assert_eq!(import(&["one", "two"])["written"], 1);
    let text = std::fs::read_to_string(&serials).unwrap();
    assert_eq!(text.lines().count(), 3, "{text}");
    for tenant in ["one", "two"] {
        let domain = format!("{tenant}.cybozu.com");
        let line = text.lines().find(|line| line.starts_with(&domain)).unwrap();
        let serial = line.rsplit(',').next().unwrap();
        let explain = ["license", "explain", &domain, "sheet", "--serial", serial];
        assert_eq!(tegata.json(&explain)["code"], "VALID");
    }
    assert_eq!(import(&["one", "two", "three"])["licenses"]["unchanged"], 2);
    let line = text.lines().nth(1).unwrap();
    let broken = text.replace(line, "one.cybozu.com,sheet,short");
    std::fs::write(&serials, broken).unwrap();
    let licenses = tegata
        .directory
        .path()
        .join("licenses.csv")
        .display()
        .to_string();
    let (_, error) = tegata.failure(&["import", &licenses, "--serials", &shown]);
    assert!(
        error.contains("serials.csv line 2, column 3 (serial): a serial has")
            && error.contains("(one.cybozu.com)"),
        "{error}"
    );
}

#[test]
fn a_catalogue_or_notice_in_cp932_is_told_what_it_is() {
    let tegata = place();
    let products = bytes(&tegata, "products.toml", &cp932("issuer = 'x'\n# 製品\n"));
    let (_, error) = tegata.failure(&["product", "apply", &products]);
    assert!(
        error.contains(
            "products.toml line 2: not UTF-8; it looks like CP932 (Shift_JIS): save it as UTF-8"
        ),
        "{error}"
    );
    let notice = bytes(
        &tegata,
        "maintenance.toml",
        &cp932("kind = 'maintenance'\ntitle = 'メンテナンス'\n"),
    );
    let (_, error) = tegata.failure(&["notice", "check", &notice]);
    assert!(
        error.contains(
            "maintenance.toml line 2: not UTF-8; it looks like CP932 (Shift_JIS): save it as UTF-8"
        ),
        "{error}"
    );
}

#[test]
fn a_contact_has_one_form_or_is_refused() {
    let tegata = place();
    tegata.json(&["customer", "add", "C-1", "--name", "A"]);
    for address in [
        " <user@customer.example>",
        "\r\n <user@customer.example>",
        " user@customer.example",
        "user@customer.example\n",
        "User <user@customer.example>",
    ] {
        let (code, error) = tegata.failure(&["contact", "add", "C-1", address]);
        assert_eq!(code, 2, "{address:?}");
        assert!(
            error.contains("not have the form name@example.com"),
            "{error}"
        );
    }
    let row = "customer_id,name,email\nC-1,A,<user@customer.example>\n";
    let file = bytes(&tegata, "c.csv", row.as_bytes());
    let refused = tegata.run(&["import", &file]);
    let text = String::from_utf8(refused.stdout).unwrap();
    assert!(
        text.contains("(email): the mail address does not have the form name@example.com (C-1)"),
        "{text}"
    );
    tegata.json(&["contact", "add", "C-1", "User@Customer.Example"]);
    let contacts = tegata.json(&["contact", "list"]);
    assert_eq!(contacts[0]["email"], "User@customer.example");
    assert_eq!(contacts[1], Value::Null);
    // Another spelling is the same contact.
    tegata.json(&["contact", "add", "C-1", "user@CUSTOMER.example"]);
    let contacts = tegata.json(&["contact", "list"]);
    assert_eq!(contacts[0]["email"], "user@customer.example");
    assert_eq!(contacts[1], Value::Null);
}

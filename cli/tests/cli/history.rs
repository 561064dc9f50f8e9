//! `tegata history verify`: what is written past the tool is named.

use dynoxide::Database;
use dynoxide::actions::delete_item::DeleteItemRequest;
use dynoxide::actions::get_item::GetItemRequest;
use dynoxide::actions::put_item::PutItemRequest;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::{Tegata, text};

const TENANT: [&str; 2] = ["example.cybozu.com", "sheet"];

/// The database, as any program with the right to write its items finds it.
struct PastTheTool(Database);

impl PastTheTool {
    fn open(tegata: &Tegata) -> Self {
        let file = tegata.place().join("dynamodb.sqlite");
        Self(Database::new(&file.display().to_string()).unwrap())
    }

    fn get(&self, table: &str, key: &Value) -> Value {
        let request = json!({ "TableName": table, "Key": key });
        let request: GetItemRequest = serde_json::from_value(request).unwrap();
        serde_json::to_value(self.0.get_item(request).unwrap().item).unwrap()
    }

    fn put(&self, table: &str, item: &Value) {
        let request = json!({ "TableName": table, "Item": item });
        let request: PutItemRequest = serde_json::from_value(request).unwrap();
        self.0.put_item(request).unwrap();
    }

    fn delete(&self, table: &str, key: &Value) {
        let request = json!({ "TableName": table, "Key": key });
        let request: DeleteItemRequest = serde_json::from_value(request).unwrap();
        self.0.delete_item(request).unwrap();
    }
}

fn license(sort: &str) -> Value {
    json!({ "domain": { "S": TENANT[0] }, "product": { "S": sort } })
}

/// The findings as `kind partition sort`, and the whole answer.
fn verify(tegata: &Tegata) -> (Vec<String>, Value) {
    let output = tegata.run(&["history", "verify", "--output", "json"]);
    let answer: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
    let found = answer["findings"].as_array().unwrap().iter().map(|found| {
        let word = |name: &str| found[name].as_str().unwrap_or("-").to_owned();
        format!("{} {} {}", word("kind"), word("partition"), word("sort"))
    });
    let found: Vec<String> = found.collect();
    let code = output.status.code();
    assert_eq!(
        (answer["ok"].as_bool(), code),
        match found.is_empty() {
            true => (Some(true), Some(0)),
            false => (Some(false), Some(1)),
        }
    );
    (found, answer)
}

/// With a licence that has been changed once, and a customer with a contact.
fn with_a_licence() -> (Tegata, Vec<String>) {
    let tegata = Tegata::new();
    tegata.json(&["customer", "add", "C-0001", "--name", "Example Inc."]);
    tegata.json(&[
        "contact",
        "add",
        "C-0001",
        "it@customer.example",
        "--language",
        "en",
    ]);
    let issue = [
        "--billing",
        "yearly",
        "--users",
        "5",
        "--customer",
        "C-0001",
    ];
    tegata.json(&[&["license", "issue", TENANT[0], TENANT[1]], &issue[..]].concat());
    tegata.json(&["license", "change", TENANT[0], TENANT[1], "--users", "6"]);
    let history = tegata.json(&["license", "history", TENANT[0], TENANT[1]]);
    let instants = history.as_array().unwrap().iter().map(|of| {
        let at: Timestamp = of["revision"]["at"].as_str().unwrap().parse().unwrap();
        format!("{at:.3}")
    });
    (tegata, instants.collect())
}

#[test]
fn what_the_tool_does_is_what_its_history_says() {
    let (tegata, _) = with_a_licence();
    tegata.json(&["license", "suspend", TENANT[0], TENANT[1]]);
    tegata.json(&["license", "resume", TENANT[0], TENANT[1]]);
    tegata.json(&["license", "re-sign", "--all"]);
    tegata.json(&[
        "license",
        "domains",
        TENANT[0],
        TENANT[1],
        "--add",
        "second.cybozu.com",
    ]);
    tegata.json(&[
        "license",
        "move",
        TENANT[0],
        TENANT[1],
        "third.cybozu.com",
        "--overlap",
        "0",
    ]);
    tegata.json(&["key", "create"]);
    tegata.json(&["key", "rotate"]);
    tegata.json(&["license", "re-sign", "--all"]);
    tegata.json(&[
        "license",
        "issue",
        "trial.cybozu.com",
        "gantt",
        "--trial",
        "30",
        "--users",
        "5",
    ]);
    tegata.json(&[
        "contact",
        "add",
        "C-0001",
        "it@customer.example",
        "--language",
        "ja",
    ]);
    tegata.json(&["contact", "remove", "C-0001", "it@customer.example"]);
    tegata.json(&[
        "contact",
        "add",
        "C-0001",
        "it@customer.example",
        "--language",
        "ja",
    ]);
    let (found, answer) = verify(&tegata);
    assert_eq!(found, Vec::<String>::new(), "{answer}");
    assert!(
        answer["archived_changes"].as_u64().unwrap() > 20,
        "{answer}"
    );
    // Who did it, nothing proves on one machine.
    assert!(
        answer["unproven"][0]
            .as_str()
            .unwrap()
            .starts_with("who made the changes"),
        "{answer}"
    );
    assert_eq!(answer["callers"], Value::Null);
    let printed = tegata.text(&["history", "verify"]);
    assert!(printed.contains("no findings"), "{printed}");

    // The archive has no address, no serial's hash as the table has it, and no usable lease.
    let source = tegata.place().join("archive/source=change");
    let mut lines = String::new();
    for day in std::fs::read_dir(source).unwrap() {
        for object in std::fs::read_dir(day.unwrap().path()).unwrap() {
            let object = std::fs::read(object.unwrap().path()).unwrap();
            let mut text = flate2::read::MultiGzDecoder::new(object.as_slice());
            std::io::Read::read_to_string(&mut text, &mut lines).unwrap();
        }
    }
    let past = PastTheTool::open(&tegata);
    let key = json!({ "domain": { "S": "second.cybozu.com" }, "product": { "S": "sheet" } });
    let item = past.get("Licenses", &key);
    let hash = item["license"]["M"]["serial_sha256"]["S"].as_str().unwrap();
    for never in ["customer.example", hash, "eyJ"] {
        assert!(!lines.contains(never), "{never}");
    }
    assert!(
        lines.contains(r#""by":"local:tester","change":"suspend""#),
        "{lines}"
    );
}

/// The reproduction: `aws dynamodb put-item` for both, as an operator's role allows it.
#[test]
fn a_licence_that_was_suspended_past_the_tool_is_named_though_its_history_was_forged_too() {
    let (tegata, _) = with_a_licence();
    assert_eq!(verify(&tegata).0, Vec::<String>::new());
    let past = PastTheTool::open(&tegata);
    let mut item = past.get("Licenses", &license("sheet"));
    let at = format!("{:.3}", Timestamp::now());
    item["license"]["M"]["suspended_from"] = json!({ "S": at[..19].to_owned() + "Z" });
    item["revision"] = json!({ "M": {
        "version": { "N": "3" },
        "at": { "S": at },
        "by": { "S": "arn:aws:sts::123456789012:assumed-role/contracts/somebody.else" },
        "change": { "S": "suspend" },
    } });
    let mut history = item.clone();
    history["product"] = json!({ "S": format!("sheet@{at}") });
    for of_the_index in ["renewal_shard", "due_at"] {
        history.as_object_mut().unwrap().remove(of_the_index);
    }
    past.put("Licenses", &item);
    past.put("Licenses", &history);
    drop(past);

    let (found, answer) = verify(&tegata);
    let expected = [
        format!("contradiction {} sheet", TENANT[0]),
        format!("contradiction {} sheet@{at}", TENANT[0]),
    ];
    assert_eq!(found, expected, "{answer}");
    let finding = &answer["findings"][1];
    assert_eq!(
        finding["what"],
        "its lease says something else: the suspension"
    );
    let by = "arn:aws:sts::123456789012:assumed-role/contracts/somebody.else";
    assert_eq!(
        (&finding["claimed_by"], &finding["version"]),
        (&json!(by), &json!(3))
    );
    let printed = text(&tegata.run(&["history", "verify"]).stdout);
    assert!(
        printed.contains(&format!("sheet@{at}")) && printed.contains(by),
        "{printed}"
    );
}

/// One thing done past the tool.
type Tampering = fn(&PastTheTool, instants: &[String]);

#[test]
fn each_way_past_the_tool_is_named_as_what_it_is() {
    let cases: [(&str, &[&str], Tampering); 9] = [
        (
            "a history item is written over",
            &["altered example.cybozu.com sheet@FIRST"],
            |past, at| {
                let key = license(&format!("sheet@{}", at[0]));
                let mut item = past.get("Licenses", &key);
                item["revision"]["M"]["by"] = json!({ "S": "local:somebody-else" });
                past.put("Licenses", &item);
            },
        ),
        (
            "a history item is deleted",
            &[
                "deleted example.cybozu.com sheet",
                "deleted example.cybozu.com sheet@FIRST",
            ],
            |past, at| past.delete("Licenses", &license(&format!("sheet@{}", at[0]))),
        ),
        (
            "a history item is written where nothing was done",
            &[
                "contradiction example.cybozu.com sheet@2026-01-01T00:00:00.000Z",
                "forged example.cybozu.com sheet@2026-01-01T00:00:00.000Z",
                // Which is version 1 too.
                "forged example.cybozu.com sheet@FIRST",
            ],
            |past, at| {
                let mut item = past.get("Licenses", &license(&format!("sheet@{}", at[0])));
                item["product"] = json!({ "S": "sheet@2026-01-01T00:00:00.000Z" });
                item["revision"]["M"]["at"] = json!({ "S": "2026-01-01T00:00:00Z" });
                item["license"]["M"]["users"] = json!({ "N": "500" });
                past.put("Licenses", &item);
            },
        ),
        (
            "the licence is changed, and nothing says so",
            &[
                "contradiction example.cybozu.com sheet",
                "unrecorded example.cybozu.com sheet",
            ],
            |past, _| {
                let mut item = past.get("Licenses", &license("sheet"));
                item["license"]["M"]["users"] = json!({ "N": "500" });
                past.put("Licenses", &item);
            },
        ),
        (
            "the licence is deleted",
            &["unrecorded example.cybozu.com sheet"],
            |past, _| {
                past.delete("Licenses", &license("sheet"));
            },
        ),
        (
            "only its place in the index is changed",
            &["unrecorded example.cybozu.com sheet"],
            |past, _| {
                let mut item = past.get("Licenses", &license("sheet"));
                item["due_at"] = json!({ "S": "never" });
                item["revision"]["M"]["version"] = json!({ "N": "3" });
                past.put("Licenses", &item);
            },
        ),
        (
            "a contact gets another address",
            &["unrecorded C-0001 contact#HASH"],
            |past, _| {
                let key = json!({ "customer_id": { "S": "C-0001" }, "item": { "S": "contact#it@customer.example" } });
                let mut item = past.get("Customers", &key);
                item["email"] = json!({ "S": "it@another.example" });
                past.put("Customers", &item);
            },
        ),
        (
            "a signing key is registered",
            &["unrecorded #signing-keys keys"],
            |past, _| {
                let key = json!({ "domain": { "S": "#signing-keys" }, "product": { "S": "keys" } });
                let mut item = past.get("Licenses", &key);
                item["keys"]["L"][0]["M"]["jwk"]["M"]["kid"] = json!({ "S": "A".repeat(43) });
                past.put("Licenses", &item);
            },
        ),
        (
            "another customer appears",
            &["unrecorded C-0002 customer"],
            |past, _| {
                let key = json!({ "customer_id": { "S": "C-0001" }, "item": { "S": "customer" } });
                let mut item = past.get("Customers", &key);
                item["customer_id"] = json!({ "S": "C-0002" });
                past.put("Customers", &item);
            },
        ),
    ];
    for (what, expected, tamper) in cases {
        let (tegata, instants) = with_a_licence();
        let past = PastTheTool::open(&tegata);
        tamper(&past, &instants);
        drop(past);
        let (found, answer) = verify(&tegata);
        let mut found: Vec<String> = found
            .into_iter()
            .map(|found| hash_left_out(&found))
            .collect();
        found.sort();
        found.dedup();
        let expected: Vec<String> = expected
            .iter()
            .map(|of| of.replace("FIRST", &instants[0]))
            .collect();
        for of in &expected {
            assert!(
                found.contains(of),
                "{what}: {of} is not in {found:?}: {answer:#}"
            );
        }
        // The item whose key was replaced has a lease of no registered key: no news.
        found
            .retain(|of| what != "a signing key is registered" || !of.starts_with("contradiction"));
        assert_eq!(found, expected, "{what}: {answer:#}");
    }
}

fn hash_left_out(found: &str) -> String {
    match found.split_once("contact#") {
        Some((before, _)) => format!("{before}contact#HASH"),
        None => found.to_owned(),
    }
}

#[test]
fn what_was_done_and_undone_again_is_named_too() {
    let (tegata, instants) = with_a_licence();
    let past = PastTheTool::open(&tegata);
    let key = license(&format!("sheet@{}", instants[0]));
    let as_it_was = past.get("Licenses", &key);
    let mut item = as_it_was.clone();
    item["revision"]["M"]["change"] = json!({ "S": "trial" });
    past.put("Licenses", &item);
    past.put("Licenses", &as_it_was);
    drop(past);
    let (found, answer) = verify(&tegata);
    let altered = format!("altered {} sheet@{}", TENANT[0], instants[0]);
    assert!(
        !found.is_empty() && found.iter().all(|found| *found == altered),
        "{answer:#}"
    );
}

#[test]
fn an_archive_that_lost_or_changed_an_object_is_no_proof() {
    let (tegata, _) = with_a_licence();
    assert_eq!(verify(&tegata).0, Vec::<String>::new());
    let source = tegata.place().join("archive/source=change");
    let day = std::fs::read_dir(&source).unwrap().next().unwrap().unwrap();
    let objects = || {
        let listed = std::fs::read_dir(day.path()).unwrap();
        let mut paths: Vec<_> = listed.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    };
    let object = &objects()[0];
    let content = std::fs::read(object).unwrap();
    std::fs::write(object, &content[..content.len() / 2]).unwrap();
    let (found, answer) = verify(&tegata);
    assert!(found.contains(&"archive - -".to_owned()), "{answer:#}");
    std::fs::write(object, &content).unwrap();
    assert_eq!(verify(&tegata).0, Vec::<String>::new());
}

#[test]
fn a_history_from_before_the_archive_is_compared_and_said_to_be_unproven() {
    let (tegata, _) = with_a_licence();
    std::fs::remove_dir_all(tegata.place().join("archive")).unwrap();
    // When nothing can be on its way into the archive any more.
    let later = Timestamp::now() + jiff::SignedDuration::from_hours(1);
    tegata.travel(&later.to_string());
    let (found, answer) = verify(&tegata);
    assert_eq!(found, Vec::<String>::new(), "{answer:#}");
    let unproven = answer["unproven"].to_string();
    assert!(
        unproven.contains("it contains no changes yet"),
        "{unproven}"
    );
    assert!(
        unproven.contains("history items from before the archive"),
        "{unproven}"
    );
    // And what contradicts itself is named without an archive.
    let past = PastTheTool::open(&tegata);
    let mut item = past.get("Licenses", &license("sheet"));
    item["license"]["M"]["users"] = json!({ "N": "500" });
    past.put("Licenses", &item);
    std::fs::remove_dir_all(tegata.place().join("streams")).unwrap();
    drop(past);
    let (found, answer) = verify(&tegata);
    assert!(
        found.contains(&format!("contradiction {} sheet", TENANT[0])),
        "{answer:#}"
    );
}

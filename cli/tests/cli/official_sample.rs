//! Moving from Cybozu's official licence sample: its table in, its licences found by plug-in id.

use serde_json::{Value, json};

use crate::support::Tegata;

const ID: &str = "abcdefghijklmnopabcdefghijklmnop";
const TEST_BUILD: &str = "aaaabbbbccccddddeeeeffffgggghhhh";
const STRICT: &str = "ponmlkjihgfedcbaponmlkjihgfedcba";

const PRODUCTS: &str = r#"
issuer = "https://license.example.com"
[products.sheet]
name = { ja = "シート", en = "Sheet" }
kintone_plugin_ids = ["abcdefghijklmnopabcdefghijklmnop", "aaaabbbbccccddddeeeeffffgggghhhh"]
[products.gantt]
name = { ja = "ガント", en = "Gantt" }
kintone_plugin_ids = ["ponmlkjihgfedcbaponmlkjihgfedcba"]
requires_serial = true
"#;

/// On 2026-11-24: running, ended today, in grace, ended long ago, for ever; one tenant in both of
/// its spellings and with both builds.
fn table() -> String {
    format!(
        "\"domain\",\"pluginId\",\"expirationDate\",\"memo\"\n\
         \"running.cybozu.com\",\"{ID}\",\"2027-03-15\",\"営業\"\n\
         \"today.cybozu.com\",\"{ID}\",\"2026-11-24\",\"\"\n\
         \"yesterday.cybozu.com\",\"{ID}\",\"2026-11-23\",\"\"\n\
         \"ended.cybozu.com\",\"{ID}\",\"2025-01-31\",\"\"\n\
         \"forever.cybozu.com\",\"{ID}\",\"2099-12-31\",\"\"\n\
         \"running.s.cybozu.com\",\"{TEST_BUILD}\",\"2027-03-15\",\"\"\n"
    )
}

fn place() -> Tegata {
    let tegata = Tegata::new();
    tegata.travel("2026-11-24T12:00:00+09:00");
    let products = tegata.file("products.toml", PRODUCTS);
    tegata.json(&["product", "apply", &products]);
    tegata
}

fn show(tegata: &Tegata, domain: &str) -> Value {
    tegata.json(&["license", "show", domain, "sheet"])
}

#[test]
fn the_samples_table_is_imported_once() {
    let tegata = place();
    let file = tegata.file("table.csv", &table());
    let import = ["import", "--from-kintone-sample", &file, "--users", "50"];
    let dry = tegata.text(&[&import[..], &["--dry-run"]].concat());
    assert_eq!(
        dry,
        "add running.cybozu.com sheet (line 2): VALID, last day 2027-03-15\n\
         add today.cybozu.com sheet (line 3): VALID, last day 2026-11-24\n\
         add yesterday.cybozu.com sheet (line 4): GRACE, last day 2026-11-23\n\
         add ended.cybozu.com sheet (line 5): EXPIRED, last day 2025-01-31\n\
         add forever.cybozu.com sheet (line 6): VALID, renews after 2027-10-31\n\
         customers: 0 to add, 0 to change, 0 unchanged; rows refused: 0\n\
         contracts: 5 to add, 0 to change, 1 unchanged; rows refused: 0\n\
         dry run: nothing was written\n"
    );
    assert_eq!(tegata.json(&["license", "list"]), json!([]));
    let done = tegata.json(&import);
    assert_eq!((&done["written"], &done["failed"]), (&json!(5), &json!(0)));
    let running = show(&tegata, "running.cybozu.com");
    for (field, value) in [
        ("code", json!("VALID")),
        ("kind", json!("paid")),
        ("billing", json!("yearly")),
        ("users", json!(50)),
        ("ends_on", json!("2027-03-15")),
        ("kintone_plugin_ids", json!([ID, TEST_BUILD])),
    ] {
        assert_eq!(running[field], value, "{field}: {running}");
    }
    assert_eq!(running["revision"]["change"], "import");

    // Again: nothing. The same as a scan prints it: nothing either.
    let again = tegata.json(&import);
    let counts = json!({ "added": 0, "changed": 0, "unchanged": 6, "refused": 0 });
    assert_eq!(
        (&again["licenses"], &again["written"]),
        (&counts, &json!(0))
    );
    let items: Vec<Value> = table()
        .replace('"', "")
        .lines()
        .skip(1)
        .map(|line| {
            let cells: Vec<&str> = line.split(',').collect();
            json!({
                "domain": { "S": cells[0] },
                "pluginId": { "S": cells[1] },
                "expirationDate": { "S": cells[2] },
            })
        })
        .collect();
    let scan = json!({ "Items": items, "Count": 6, "ScannedCount": 6, "ConsumedCapacity": null });
    let scan = tegata.file("table.json", &serde_json::to_string_pretty(&scan).unwrap());
    let again = tegata.json(&["import", "--from-kintone-sample", &scan, "--users", "50"]);
    assert_eq!(again["licenses"], counts);

    // The vendor has prolonged one in the old table meanwhile.
    let longer = table().replace("2026-11-23", "2027-11-30");
    let longer = tegata.file("table.csv", &longer);
    let changed = tegata.text(&["import", "--from-kintone-sample", &longer]);
    assert!(
        changed.contains("change yesterday.cybozu.com sheet (line 4): VALID, last day 2027-11-30")
            && changed.contains("2026-11-23 → 2027-11-30")
            && changed.contains("1 to change, 5 unchanged"),
        "{changed}"
    );
    assert_eq!(show(&tegata, "yesterday.cybozu.com")["users"], 50);
}

#[test]
fn contracts_can_be_imported_to_go_on() {
    let tegata = place();
    let file = tegata.file("table.csv", &table());
    let import = [
        "import",
        "--from-kintone-sample",
        &file,
        "--renews",
        "--billing",
        "monthly",
    ];
    tegata.json(&import);
    for (domain, code, ends_on) in [
        ("running.cybozu.com", "VALID", Value::Null),
        ("today.cybozu.com", "VALID", Value::Null),
        ("yesterday.cybozu.com", "GRACE", json!("2026-11-23")),
        ("ended.cybozu.com", "EXPIRED", json!("2025-01-31")),
    ] {
        let shown = show(&tegata, domain);
        assert_eq!(
            (&shown["code"], &shown["ends_on"]),
            (&json!(code), &ends_on)
        );
        assert_eq!(
            (&shown["billing"], &shown["users"]),
            (&json!("monthly"), &json!(1_000_000))
        );
    }
    assert_eq!(tegata.json(&import)["written"], 0);
    // Without saying so, the two would contradict each other.
    let (code, error) = tegata.failure(&["import", "--from-kintone-sample", &file]);
    assert_eq!(code, 1);
    assert!(
        error.contains("rows refused: 2; nothing was written"),
        "{error}"
    );
    // Months later they have gone on, and the file still says the same.
    tegata.travel("2027-06-01T12:00:00+09:00");
    assert_eq!(tegata.json(&import)["written"], 0);
    assert_eq!(show(&tegata, "today.cybozu.com")["code"], "VALID");
}

#[test]
fn a_row_that_was_deleted_is_named() {
    let tegata = place();
    let file = tegata.file("table.csv", &table());
    tegata.json(&["import", "--from-kintone-sample", &file]);
    let rows: Vec<String> = table()
        .lines()
        .filter(|row| !row.contains("yesterday.") && !row.contains("ended."))
        .map(str::to_owned)
        .collect();
    let fewer = tegata.file("fewer.csv", &rows.join("\n"));
    let again = tegata.text(&["import", "--from-kintone-sample", &fewer, "--dry-run"]);
    assert!(
        again.contains(
            "not in the file yesterday.cybozu.com sheet: GRACE here; if its row was deleted: \
             tegata license suspend yesterday.cybozu.com sheet\n"
        ),
        "{again}"
    );
    let again = tegata.json(&["import", "--from-kintone-sample", &fewer]);
    assert_eq!(
        again["missing"],
        json!([{ "domain": "yesterday.cybozu.com", "product": "sheet", "code": "GRACE" }])
    );
    tegata.json(&["license", "suspend", "yesterday.cybozu.com", "sheet"]);
    let again = tegata.json(&["import", "--from-kintone-sample", &fewer]);
    assert_eq!(again["missing"], json!([]));
}

#[test]
fn a_later_table_is_followed_unless_it_contradicts_what_was_done_here() {
    let tegata = place();
    let import = |day: &str, renews: bool| {
        let table = format!("domain,pluginId,expirationDate\none.cybozu.com,{ID},{day}\n");
        let file = tegata.file("one.csv", &table);
        let mut import = vec!["import", "--from-kintone-sample", &file];
        import.extend(renews.then_some("--renews"));
        tegata.run(&import)
    };
    let ends_on = || show(&tegata, "one.cybozu.com")["ends_on"].clone();
    assert!(import("2026-11-01", true).status.success());
    assert_eq!(ends_on(), "2026-11-01");
    // Prolonged, it goes on by itself, as it was wished.
    assert!(import("2027-10-10", true).status.success());
    assert_eq!(ends_on(), Value::Null);
    // An operator's cancellation is not undone by an older table.
    tegata.json(&["license", "cancel", "one.cybozu.com", "sheet"]);
    let cancelled = ends_on();
    assert_eq!(cancelled, "2027-10-31");
    for renews in [true, false] {
        let refused = import("2027-10-10", renews);
        assert_eq!(refused.status.code(), Some(1));
        let text = String::from_utf8(refused.stdout).unwrap();
        assert!(
            text.contains("the contract was changed here (cancel, "),
            "{text}"
        );
    }
    assert_eq!(ends_on(), cancelled);
}

#[test]
fn what_has_ended_in_the_old_table_does_not_go_on_here_without_a_word() {
    let tegata = place();
    let table = |day: &str| {
        let table = format!("domain,pluginId,expirationDate\none.cybozu.com,{ID},{day}\n");
        tegata.file("one.csv", &table)
    };
    tegata.json(&[
        "import",
        "--from-kintone-sample",
        &table("2027-03-15"),
        "--renews",
    ]);
    let again = [
        "import",
        "--from-kintone-sample",
        &table("2026-11-01"),
        "--renews",
    ];
    let refused = tegata.run(&again);
    assert_eq!(refused.status.code(), Some(1));
    let text = String::from_utf8(refused.stdout).unwrap();
    assert!(
        text.contains("that day has passed") && text.contains("(one.cybozu.com)"),
        "{text}"
    );
}

#[test]
fn what_is_wrong_is_refused_with_line_and_column_and_nothing_is_written() {
    let tegata = place();
    let rows = format!(
        "domain,pluginId,expirationDate\n\
         good.cybozu.com,{ID},2027-03-31\n\
         bad.example.com,{ID},2027-03-31\n\
         aaa.cybozu.com,sheet,2027-03-31\n\
         bbb.cybozu.com,{},2027-03-31\n\
         ccc.cybozu.com,{STRICT},2027-03-31\n\
         ddd.cybozu.com,{ID},31.3.2027\n\
         eee.cybozu.com,{ID},\n\
         good.cybozu.com,{TEST_BUILD},2027-04-30\n\
         fff.cybozu.com,{ID},2027-03-31,x\n",
        "a".repeat(32)
    );
    let file = tegata.file("table.csv", &rows);
    let output = tegata.run(&["import", "--from-kintone-sample", &file]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    let refused: Vec<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("refused "))
        .map(|line| line.replace(&file, "table.csv"))
        .collect();
    assert_eq!(
        refused,
        [
            "table.csv line 3, column 1 (domain): the domain is not a subdomain of cybozu.com, kintone.com, cybozu.cn or a configured development domain (bad.example.com)",
            "table.csv line 4, column 2 (pluginId): a kintone plug-in id has 32 letters from a to p (aaa.cybozu.com)",
            "table.csv line 5, column 2 (pluginId): no product of the catalogue has it: put it into kintone_plugin_ids in products.toml, then `tegata product apply` (bbb.cybozu.com)",
            "table.csv line 6, column 2 (pluginId): gantt requires a serial, which the sample's plug-ins do not send: they would be told that there is no licence (ccc.cybozu.com)",
            "table.csv line 7, column 3 (expirationDate): expected a date such as 2026-11-30, not \"31.3.2027\" (ddd.cybozu.com)",
            "table.csv line 8, column 3 (expirationDate): expected a date such as 2026-11-30, not \"\" (eee.cybozu.com)",
            "table.csv line 9, column 3 (expirationDate): good.cybozu.com, sheet ends on 2027-03-31 by line 2",
            "table.csv line 10: the row has 4 cells, but the header has 3; put a cell with a comma in quotes (fff.cybozu.com)",
        ]
    );
    assert_eq!(tegata.json(&["license", "list"]), json!([]));
    // In JSON a place has a line and a name.
    let scan = "{\"Items\": [\n  {\"domain\": {\"S\": \"aaa.cybozu.com\"},\n   \"pluginId\": {\"S\": \"x\"}}\n]}";
    let scan = tegata.file("table.json", scan);
    let output = tegata.run(&["import", "--from-kintone-sample", &scan]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains(
            "table.json line 2: pluginId: a kintone plug-in id has 32 letters from a to p (aaa.cybozu.com)"
        ),
        "{text}"
    );
    for (content, message) in [
        (
            "domain,pluginId\na.cybozu.com,x\n",
            "column expirationDate is missing",
        ),
        ("", "is empty"),
        (
            "{}",
            "expected the JSON of a scan, or the lines of an export",
        ),
    ] {
        let file = tegata.file("other", content);
        let (_, error) = tegata.failure(&["import", "--from-kintone-sample", &file]);
        assert!(error.contains(message), "{error}");
    }
    let (code, _) = tegata.failure(&["import", "--from-kintone-sample", &file, &file]);
    assert_eq!(code, 2);
    let (code, _) = tegata.failure(&["import", &file, "--renews"]);
    assert_eq!(code, 2);
    let (code, _) = tegata.failure(&["import"]);
    assert_eq!(code, 2);
}

#[test]
fn other_contracts_are_left_alone() {
    let tegata = place();
    let issue = [
        "license",
        "issue",
        "today.cybozu.com",
        "sheet",
        "--users",
        "5",
    ];
    tegata.json(&[&issue[..], &["--trial", "30"]].concat());
    let file = tegata.file("table.csv", &table());
    let (code, error) = tegata.failure(&["import", "--from-kintone-sample", &file]);
    assert_eq!(code, 1);
    assert!(error.contains("rows refused: 1"), "{error}");
    let done = tegata.run(&["import", "--from-kintone-sample", &file, "--skip-refused"]);
    let text = String::from_utf8(done.stdout).unwrap();
    assert!(
        text.contains("the tenant has a trial that ends on another day"),
        "{text}"
    );
    assert!(text.contains("4 written"), "{text}");
    assert_eq!(show(&tegata, "today.cybozu.com")["kind"], "trial");
}

#[test]
fn serials_are_generated_and_kept_if_a_file_is_named_for_them() {
    let tegata = place();
    let file = tegata.file("table.csv", &table());
    let serials = tegata.directory.path().join("serials.csv");
    let serials = serials.display().to_string();
    tegata.json(&[
        "import",
        "--from-kintone-sample",
        &file,
        "--serials",
        &serials,
    ]);
    let kept = std::fs::read_to_string(&serials).unwrap();
    assert_eq!(kept.lines().count(), 6, "{kept}");
    assert!(kept.contains("\nrunning.cybozu.com,sheet,"), "{kept}");
}

#[test]
fn imported_contracts_survive_an_export() {
    let tegata = place();
    let file = tegata.file("table.csv", &table());
    tegata.json(&["import", "--from-kintone-sample", &file]);
    let licenses = tegata.directory.path().join("licenses.csv");
    let licenses = licenses.display().to_string();
    let customers = tegata.directory.path().join("customers.csv");
    tegata.text(&["export", &customers.display().to_string(), &licenses]);
    let other = place();
    other.json(&["import", &licenses]);
    let facts = |tegata: &Tegata| {
        let mut list = tegata.json(&["license", "list"]);
        for license in list.as_array_mut().unwrap() {
            let members = license.as_object_mut().unwrap();
            members.remove("revision");
            members.remove("lease");
        }
        list
    };
    assert_eq!(facts(&other), facts(&tegata));
}

#[test]
fn licences_get_the_ids_that_the_catalogue_has_now() {
    let tegata = Tegata::new();
    tegata.travel("2026-11-24T12:00:00+09:00");
    let issue = [
        "license",
        "issue",
        "one.cybozu.com",
        "sheet",
        "--users",
        "5",
    ];
    tegata.json(&[&issue[..], &["--billing", "yearly"]].concat());
    tegata.json(&[
        "license",
        "domains",
        "one.cybozu.com",
        "sheet",
        "--add",
        "dev.cybozu.com",
        "--development",
    ]);
    assert_eq!(
        show(&tegata, "one.cybozu.com")["kintone_plugin_ids"],
        Value::Null
    );
    let products = tegata.file("products.toml", PRODUCTS);
    let applied = tegata.text(&["product", "apply", &products]);
    assert!(
        applied.contains("`tegata license update-plugin-ids --product sheet`"),
        "{applied}"
    );
    let update = ["license", "update-plugin-ids"];
    let dry = tegata.json(&[&update[..], &["--dry-run"]].concat());
    assert_eq!((&dry["licenses"], &dry["written"]), (&json!(2), &json!(0)));
    let gantt = tegata.json(&[&update[..], &["--product", "gantt"]].concat());
    assert_eq!(gantt["licenses"], 0);
    let done = tegata.json(&update);
    assert_eq!((&done["written"], &done["failed"]), (&json!(2), &json!(0)));
    for domain in ["one.cybozu.com", "dev.cybozu.com"] {
        let shown = show(&tegata, domain);
        assert_eq!(shown["kintone_plugin_ids"], json!([ID, TEST_BUILD]));
        assert_eq!(shown["revision"]["change"], "update-plugin-ids");
    }
    assert_eq!(tegata.json(&update)["licenses"], 0);
    // History has the change; an older version comes back with the ids of now.
    tegata.json(&[
        "license",
        "restore",
        "one.cybozu.com",
        "sheet",
        "--version",
        "1",
    ]);
    let restored = show(&tegata, "one.cybozu.com");
    assert_eq!(restored["kintone_plugin_ids"], json!([ID, TEST_BUILD]));
}

#[test]
fn an_id_is_one_products() {
    let tegata = place();
    let other = PRODUCTS.replace("products.gantt", "products.other");
    let other = other.replace("products.sheet", "products.another");
    let file = tegata.file("other.toml", &other);
    let (code, error) = tegata.failure(&["product", "apply", &file]);
    assert_eq!(code, 1);
    assert!(
        error.contains("which is in the catalogue, has one of its kintone plug-in ids"),
        "{error}"
    );
    assert_eq!(
        tegata.json(&["product", "list"]).as_array().unwrap().len(),
        2
    );
}

#[test]
fn a_product_has_four_plug_in_ids_at_most() {
    let tegata = Tegata::new();
    let id = |letter: &str| format!("{:?}", letter.repeat(32));
    let ids = ["a", "b", "c", "d", "e"].map(id).join(", ");
    let products = PRODUCTS.replace(&format!("{ID:?}, {TEST_BUILD:?}"), &ids);
    let products = tegata.file("products.toml", &products);
    let (_, error) = tegata.failure(&["product", "apply", &products]);
    assert!(
        error.contains("products.sheet: kintone_plugin_ids must have at most 4 ids"),
        "{error}"
    );
}

#[test]
fn a_date_that_never_comes_is_a_contract_without_an_end() {
    let tegata = place();
    let row = |domain: &str, day: &str| format!("{domain},{ID},{day}\n");
    let table = |rows: &[String]| {
        let table = format!("domain,pluginId,expirationDate\n{}", rows.concat());
        tegata.file("far.csv", &table)
    };
    let far = [
        row("one.cybozu.com", "9999-12-31"),
        row("two.cybozu.com", "2099-12-31"),
        row("one.cybozu.com", "2999/12/31"),
        row("end.cybozu.com", "2027-03-15"),
    ];
    let import = |file: &str| tegata.json(&["import", "--from-kintone-sample", file]);
    assert_eq!(import(&table(&far))["written"], 3);
    for domain in ["one.cybozu.com", "two.cybozu.com"] {
        let shown = show(&tegata, domain);
        assert_eq!(
            (&shown["ends_on"], &shown["code"]),
            (&Value::Null, &json!("VALID"))
        );
    }
    // The same again changes nothing, with or without --renews.
    for more in [&[][..], &["--renews"]] {
        let file = table(&far[..3]);
        let import = [&["import", "--from-kintone-sample", &file], more].concat();
        let again = tegata.json(&import);
        assert_eq!(
            (&again["written"], &again["licenses"]["refused"]),
            (&json!(0), &json!(0))
        );
    }
    // An end that is taken back.
    import(&table(&[row("end.cybozu.com", "9999-12-31")]));
    assert_eq!(show(&tegata, "end.cybozu.com")["ends_on"], Value::Null);
    // Two rows that say otherwise.
    let file = table(&[
        row("one.cybozu.com", "9999-12-31"),
        row("one.cybozu.com", "2027-03-15"),
    ]);
    let output = tegata.run(&["import", "--from-kintone-sample", &file]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("one.cybozu.com, sheet has no end by line 2"),
        "{text}"
    );
}

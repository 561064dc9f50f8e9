//! The Big List of Naughty Strings as what an operator types and imports: no panic.

use naughty_strings::BLNS;

use crate::support::{Tegata, text};

/// The columns of a sheet of licences and of customers that are taken as text, and a right row.
const SHEETS: [(&[&str], &[&str]); 2] = [
    (
        &[
            "domain",
            "product",
            "kind",
            "users",
            "usable_from",
            "billing",
            "customer_id",
            "ends_on",
            "serial",
            "development_domains",
            "note",
        ],
        &[
            "one.cybozu.com",
            "sheet",
            "paid",
            "50",
            "2026-10-03",
            "monthly",
            "",
            "",
            "",
            "",
            "",
        ],
    ),
    (
        &[
            "customer_id",
            "name",
            "email",
            "role",
            "language",
            "severity_floor",
            "releases",
        ],
        &[
            "C-0001",
            "Example, Ltd.",
            "a@customer.example",
            "primary",
            "ja",
            "",
            "",
        ],
    ),
];

/// A run that ends by itself, however it ends.
fn assert_no_panic(tegata: &Tegata, arguments: &[&str]) -> i32 {
    let output = tegata.run(arguments);
    let error = text(&output.stderr);
    assert!(!error.contains("panicked"), "{arguments:?}: {error}");
    let code = output.status.code();
    assert!(code.is_some_and(|code| code < 5), "{arguments:?}: {error}");
    code.unwrap()
}

#[test]
fn sheets_are_imported_or_refused() {
    let tegata = Tegata::new();
    for (columns, right) in SHEETS {
        for (column, name) in columns.iter().enumerate() {
            let mut writer = csv::Writer::from_writer(Vec::new());
            writer.write_record(columns).unwrap();
            for naughty in BLNS {
                let mut row = right.to_vec();
                row[column] = naughty;
                writer.write_record(&row).unwrap();
            }
            let sheet = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            let file = tegata.file(&format!("{name}.csv"), &sheet);
            assert_no_panic(&tegata, &["import", &file, "--dry-run"]);
        }
        // And as the header, and as the whole file.
        for naughty in BLNS.iter().step_by(16) {
            let file = tegata.file("header.csv", &format!("{naughty},domain,{naughty}\r\n"));
            assert_no_panic(&tegata, &["import", &file, "--dry-run"]);
        }
    }
}

#[test]
fn arguments_are_taken_or_refused() {
    let tegata = Tegata::new();
    tegata.json(&["customer", "add", "C-0001", "--name", "Example, Ltd."]);
    // An argument cannot have a zero byte. What starts with a hyphen is an option.
    let naughty = BLNS
        .iter()
        .filter(|text| !text.contains('\0') && !text.starts_with('-'));
    for text in naughty.step_by(24) {
        for arguments in [
            &["license", "show", text, "sheet"][..],
            &["license", "show", "example.cybozu.com", text],
            &["license", "issue", text, text, "--users", "5"],
            &["contact", "add", "C-0001", text],
            &["customer", "add", text, "--name", text],
            &["publish", "files", "sheet", text, text],
            &["notice", "show", text],
        ] {
            assert_no_panic(&tegata, arguments);
        }
    }
}

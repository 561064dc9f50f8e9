//! Files with secrets: readable by their owner only, and not where a link leads to. And secrets
//! that do not show in the process list.
#![cfg(unix)]

use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Stdio;

use serde_json::json;

use crate::support::{Tegata, text};

const LICENSES: &str = "domain,product,kind,users,usable_from,billing\n\
    one.cybozu.com,sheet,paid,5,2026-11-01,monthly\n";

fn path(tegata: &Tegata, name: &str) -> String {
    tegata.directory.path().join(name).display().to_string()
}

fn mode(path: &str) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// A file that everybody may read.
fn open_file(tegata: &Tegata, name: &str, content: &str) -> String {
    let path = tegata.file(name, content);
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    path
}

#[test]
fn an_export_is_for_its_owner_only_whatever_was_there() {
    let tegata = Tegata::new();
    let customers = open_file(&tegata, "customers.csv", &"before\n".repeat(100));
    let licenses = open_file(&tegata, "licenses.csv", "");
    tegata.json(&["export", &customers, &licenses, "--force"]);
    assert_eq!((mode(&customers), mode(&licenses)), (0o600, 0o600));
    assert!(!fs::read_to_string(&customers).unwrap().contains("before"));
}

#[test]
fn an_export_follows_no_link() {
    let tegata = Tegata::new();
    let target = open_file(&tegata, "target", "kept");
    let (link, other) = (path(&tegata, "link.csv"), path(&tegata, "other.csv"));
    symlink(&target, &link).unwrap();
    let (_, message) = tegata.failure(&["export", &link, &other, "--force"]);
    assert!(message.contains("symbolic link"), "{message}");
    assert_eq!(fs::read_to_string(&target).unwrap(), "kept");
    assert_eq!(mode(&target), 0o644);
    // One that leads nowhere, too.
    fs::remove_file(&target).unwrap();
    tegata.failure(&["export", &link, &other]);
    assert!(!Path::new(&target).exists());
}

#[test]
fn serials_are_for_their_owner_only_and_follow_no_link() {
    let tegata = Tegata::new();
    let licenses = tegata.file("licenses.csv", LICENSES);
    let target = open_file(&tegata, "target", "domain,product,serial\n");
    let link = path(&tegata, "link.csv");
    symlink(&target, &link).unwrap();
    let (_, message) = tegata.failure(&["import", &licenses, "--serials", &link]);
    assert!(message.contains("symbolic link"), "{message}");
    assert_eq!(
        fs::read_to_string(&target).unwrap(),
        "domain,product,serial\n"
    );
    assert_eq!(tegata.json(&["license", "list"]), json!([]));

    let serials = open_file(&tegata, "serials.csv", "domain,product,serial\n");
    tegata.json(&["import", &licenses, "--serials", &serials]);
    assert_eq!(mode(&serials), 0o600);
    assert!(
        fs::read_to_string(&serials)
            .unwrap()
            .contains("one.cybozu.com")
    );
}

#[test]
fn no_cell_of_an_export_is_a_formula_and_the_import_reads_it_back() {
    let tegata = Tegata::new();
    // No name starts with a formula of ASCII letters, but an address may.
    let names = ["'=1", "＝１", "＋81", "'tis"];
    for (index, name) in names.iter().enumerate() {
        let id = format!("C-{index}");
        tegata.json(&["customer", "add", &id, &format!("--name={name}")]);
    }
    for email in [
        "+a@customer.example",
        "-b@customer.example",
        "=c@customer.example",
    ] {
        let email = ["contact", "add", "C-0", "--", email];
        assert!(tegata.run(&email).status.success());
    }
    let (customers, licenses) = (path(&tegata, "c.csv"), path(&tegata, "l.csv"));
    tegata.json(&["export", &customers, &licenses, "--encoding", "utf-8"]);
    let exported = fs::read_to_string(&customers).unwrap();
    let mut reader = csv::Reader::from_reader(exported.as_bytes());
    for record in reader.records() {
        for cell in &record.unwrap() {
            let is_formula = cell.starts_with(['=', '+', '-', '@', '＝']);
            assert!(!is_formula, "{cell}");
        }
    }
    let again = tegata.json(&["import", &customers, &licenses]);
    assert_eq!(again["changes"], json!([]), "{again}");
    let other = Tegata::new();
    other.json(&["import", &customers, &licenses]);
    let contacts = |tegata: &Tegata| tegata.json(&["contact", "list"]);
    assert_eq!(contacts(&other), contacts(&tegata));
    for (index, name) in names.iter().enumerate() {
        let shown = other.json(&["customer", "show", &format!("C-{index}")]);
        assert!(
            shown.to_string().contains(&json!(name).to_string()),
            "{shown}"
        );
    }
}

#[test]
fn a_serial_is_read_from_a_file_or_from_standard_input() {
    let tegata = Tegata::new();
    let serial = "AAAA-BBBB-CCCC-DDD1";
    // As an editor on Windows saves it.
    let file = tegata.file("serial.txt", &format!("\u{feff}{serial}\r\n"));
    let which = ["example.cybozu.com", "gantt"];
    let issue = [
        &["license", "issue"],
        &which[..],
        &[
            "--billing",
            "monthly",
            "--users",
            "5",
            "--serial-file",
            &file,
        ],
    ];
    let issued = tegata.json(&issue.concat());
    assert_eq!(issued["serial"], json!(null), "it is known already");

    let explain = [&["license", "explain"], &which[..], &["--output", "json"]].concat();
    let explained = |more: &[&str], typed: &str| {
        let mut command = tegata.command(&[&explain[..], more].concat());
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(typed.as_bytes()).unwrap();
        drop(stdin);
        child.wait_with_output().unwrap()
    };
    let output = explained(&["--serial-file", "-"], &format!("{serial}\n"));
    let said = text(&output.stdout);
    assert!(said.contains("it is the licence's"), "{said}");
    // As a Japanese keyboard and a wrapped mail give it.
    let typed = "ＡＡＡＡ－ＢＢＢＢ‐\r\n\u{3000}ＣＣＣＣーＤＤＤ１\u{a0}";
    let output = explained(&["--serial-file", "-"], typed);
    assert!(text(&output.stdout).contains("it is the licence's"));
    let output = explained(&["--serial", "ＡＡＡＡＢＢＢＢＣＣＣＣＤＤＤ１"], "");
    assert!(text(&output.stdout).contains("it is the licence's"));
    let output = explained(&["--serial-file", "-"], "AAAA-BBBB-CCCC-DDD2\n");
    assert!(text(&output.stdout).contains("it is not the licence's"));
    let output = explained(&["--serial-file", "-"], "wrong-secret\n");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("standard input: a serial has"), "{said}");
    assert!(!said.contains("wrong-secret"), "{said}");
    let (code, _) =
        tegata.failure(&[&explain[..], &["--serial", serial, "--serial-file", &file]].concat());
    assert_eq!(code, 2);
    for verb in ["issue", "explain"] {
        let help = tegata.text(&["license", verb, "--help"]);
        assert!(help.contains("process list"), "{help}");
    }
}

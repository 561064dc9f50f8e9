//! Text of somebody else on a terminal: its control characters are seen, and do nothing.

use std::process::Output;

use crate::support::{Tegata, text};

/// Sets the clipboard (OSC 52), clears the screen (C1's CSI), and turns the rest around.
const HOSTILE: &str = "x\u{1b}]52;c;ZWNobw==\u{7}\u{9b}2J\u{202e}y";

/// Refuses what a terminal takes for a command.
fn check(output: &Output) -> String {
    let said = text(&output.stdout) + &text(&output.stderr);
    let is_command = |c: char| c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c);
    let mut commands = said.chars().filter(|c| !matches!(c, '\n' | '\t'));
    let command = commands.find(|c| is_command(*c));
    assert_eq!(command, None, "{said:?}");
    said
}

#[test]
fn files_cannot_command_the_terminal() {
    let tegata = Tegata::new();
    let doubled = tegata.file("doubled.csv", &format!("{HOSTILE},{HOSTILE}\n"));
    let unknown = tegata.file("unknown.csv", &format!("customer_id,name,{HOSTILE}\n"));
    let row = tegata.file("row.csv", &format!("customer_id,name\nC-0001,{HOSTILE}\n"));
    let toml = tegata.file("broken.toml", &format!("issuer = {HOSTILE}\n"));
    let notice = tegata.file("2026-12-05-sheet.toml", &format!("kind = {HOSTILE}\n"));
    let missing = tegata.directory.path().join(HOSTILE).display().to_string();
    check(&tegata.run(&["import", &row]));
    for arguments in [
        &["import", &doubled][..],
        &["import", &unknown],
        &["import", &missing],
        &["product", "apply", &toml],
        &["notice", "check", &notice],
    ] {
        let output = tegata.run(arguments);
        let said = check(&output);
        assert!(said.contains(r"\u{1b}]52;c;"), "{arguments:?}: {said}");
    }
}

#[test]
fn names_cannot_command_the_terminal() {
    let tegata = Tegata::new();
    let products = r#"
issuer = "https://license.example.com"
[products.sheet]
name = { ja = "シート\u001b]52;c;ZWNobw==\u0007\u009b2J\u202e", en = "Sheet\u001b[8m" }
"#;
    let products = tegata.file("hostile.toml", products);
    for arguments in [
        &["product", "apply", &products][..],
        &["product", "list"],
        &["product", "list", "--output", "json"],
        &[
            "license",
            "issue",
            "example.cybozu.com",
            HOSTILE,
            "--trial",
            "5",
            "--users",
            "5",
        ],
        &["license", "show", HOSTILE, "sheet"],
        &["customer", "show", HOSTILE],
    ] {
        check(&tegata.run(arguments));
    }
    // A program reads what was written.
    let listed = tegata.json(&["product", "list"]);
    let name = listed.to_string();
    assert!(!name.contains("u{1b}"), "{name}");
}

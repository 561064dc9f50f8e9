//! The files in examples/ are accepted as they are.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::support::Tegata;

/// Before all planned instants, with the lead time of the products.
const BEFORE: &str = "2026-11-20T10:00:00+09:00";

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}

fn names(directory: &Path) -> BTreeSet<String> {
    std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// A vendor with the example's catalogue, and a customer with a contact of each language.
fn vendor() -> Tegata {
    let tegata = Tegata::empty();
    tegata.travel(BEFORE);
    tegata.json(&["key", "create"]);
    let products = examples().join("products.toml").display().to_string();
    let applied = tegata.json(&["product", "apply", &products]);
    assert_eq!(
        applied["products"].as_array().map(Vec::len),
        Some(2),
        "{applied}"
    );
    tegata.text(&["customer", "add", "C-1", "--name", "Example"]);
    for (address, language) in [("ja@customer.example", "ja"), ("en@customer.example", "en")] {
        tegata.text(&["contact", "add", "C-1", address, "--language", language]);
    }
    let licence = ["license", "issue", "example.cybozu.com", "sheet"];
    let order = ["--billing", "yearly", "--users", "5", "--customer", "C-1"];
    tegata.text(&[&licence[..], &order[..]].concat());
    tegata
}

#[test]
fn every_example_is_known_to_a_test() {
    // The plug-in is tested in a browser: tests/browser/plugin.mjs.
    let known = ["notices", "parameters.yaml", "plugin", "products.toml"];
    assert_eq!(names(&examples()), known.map(str::to_owned).into());
}

#[test]
fn every_notice_is_accepted_and_rendered_in_both_languages() {
    let tegata = vendor();
    let mut kinds = BTreeSet::new();
    for name in names(&examples().join("notices")) {
        let file = examples().join("notices").join(&name).display().to_string();
        let checked = tegata.text(&["notice", "check", &file]);
        let id = name.strip_suffix(".toml").unwrap();
        let (said, kind) = checked.split_once(": in order (").unwrap();
        assert_eq!(said, id);
        kinds.insert(kind.split_once(',').unwrap().0.to_owned());
        let to = tegata.directory.path().join(id).display().to_string();
        let previewed = tegata.json(&["notice", "preview", &file, "--to", &to]);
        assert_eq!(previewed["recipients"], 2, "{name}: {previewed}");
        for language in ["ja", "en"] {
            assert_eq!(previewed["languages"][language], 1, "{name}: {previewed}");
        }
    }
    let all = ["incident", "information", "maintenance", "release"];
    assert_eq!(kinds, all.map(str::to_owned).into());
}

#[test]
fn the_incident_is_resolved_as_its_comment_says() {
    let name = "2026-12-08-license-check.toml";
    let text = std::fs::read_to_string(examples().join("notices").join(name)).unwrap();
    let (before, comment) = text.split_once("remove the `# ` below").unwrap();
    let update: Vec<&str> = comment
        .lines()
        .skip(1)
        .map(|line| line.strip_prefix('#').unwrap_or(line).trim_start())
        .collect();
    let resolved = format!("{before}\n{}\n", update.join("\n"));

    // All that is wrong with it is that the first update has not been announced yet.
    let tegata = vendor();
    let file = tegata.file(name, &resolved);
    let (code, message) = tegata.failure(&["notice", "check", &file]);
    assert_eq!(code, 1);
    let expected = "updates: more than one update is new: announce them one at a time\n";
    assert!(message.contains(expected), "{message}");
    assert!(message.ends_with("1 problem\n"), "{message}");
}

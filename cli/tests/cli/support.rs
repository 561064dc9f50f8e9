//! A place of its own for each test, and the binary that works on it.

use std::cell::RefCell;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

pub(crate) const PRODUCTS: &str = r#"
issuer = "https://license.example.com"
[products.sheet]
name = { ja = "シート", en = "Sheet" }
[products.gantt]
name = { ja = "ガント", en = "Gantt" }
requires_serial = true
"#;

pub(crate) struct Tegata {
    pub(crate) directory: TempDir,
    /// The instant at which commands act, if not now.
    now: RefCell<Option<String>>,
}

impl Tegata {
    /// With a signing key and two products.
    pub(crate) fn new() -> Self {
        let tegata = Self::empty();
        tegata.json(&["key", "create"]);
        let products = tegata.file("products.toml", PRODUCTS);
        tegata.json(&["product", "apply", &products]);
        tegata
    }

    pub(crate) fn empty() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            now: RefCell::new(None),
        }
    }

    /// Lets the following commands act at an instant.
    pub(crate) fn travel(&self, now: &str) {
        *self.now.borrow_mut() = Some(format!("--now={now}"));
    }

    pub(crate) fn file(&self, name: &str, content: &str) -> String {
        let path = self.directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.display().to_string()
    }

    pub(crate) fn place(&self) -> PathBuf {
        self.directory.path().join("place")
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tegata"));
        command
            .arg(format!("--local={}", self.place().display()))
            .args(self.now.borrow().as_ref())
            .args(arguments)
            .env_remove("TEGATA_STACK")
            .env_remove("LC_ALL")
            .env_remove("LC_MESSAGES")
            .env("LANG", "C.UTF-8")
            .env("USER", "tester");
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// What a command prints that must succeed.
    pub(crate) fn text(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let (out, err) = (text(&output.stdout), text(&output.stderr));
        assert!(output.status.success(), "{arguments:?}: {out}{err}");
        out
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let arguments: Vec<&str> = arguments
            .iter()
            .copied()
            .chain(["--output", "json"])
            .collect();
        serde_json::from_str(&self.text(&arguments)).unwrap()
    }

    /// What a command says that must fail, and its exit code.
    pub(crate) fn failure(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments);
        assert!(
            !output.status.success(),
            "{arguments:?}: {}",
            text(&output.stdout)
        );
        (output.status.code().unwrap(), text(&output.stderr))
    }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

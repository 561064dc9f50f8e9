//! Every command that a document shows is accepted by the command line: the command and its options
//! exist, and a command in a code block is parsed as a whole.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Command, CommandFactory as _, Parser as _};

use crate::Cli;

fn known() -> Command {
    let mut command = Cli::command();
    command.build();
    command
}

fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut open = ["docs", "client", "examples"]
        .map(|name| root.join(name))
        .to_vec();
    let mut found: Vec<PathBuf> = ["README", "CHANGELOG", "CONTRIBUTING"]
        .iter()
        .flat_map(|name| [format!("{name}.md"), format!("{name}.ja.md")])
        .map(|name| root.join(name))
        .filter(|path| path.exists())
        .collect();
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("node_modules") {
                open.push(path);
            } else if path.extension().is_some_and(|ending| ending == "md") {
                found.push(path);
            }
        }
    }
    found
}

/// A command as a document shows it.
#[derive(Debug)]
struct Shown {
    text: String,
    /// In a code block, with all of its arguments.
    is_whole: bool,
}

fn commands(document: &str) -> Vec<Shown> {
    let mut found = Vec::new();
    for (number, part) in document.split("```").enumerate() {
        if number % 2 == 1 {
            let joined = part.replace("\\\n", " ");
            let lines = joined
                .lines()
                .map(str::trim)
                .filter(|line| line.starts_with("tegata "));
            found.extend(lines.map(|line| {
                Shown {
                    // Without a comment, and what the shell does with the output.
                    text: line
                        .split(" #")
                        .next()
                        .unwrap()
                        .split([';', '|', '>', '<'])
                        .next()
                        .unwrap()
                        .to_owned(),
                    is_whole: true,
                }
            }));
            continue;
        }
        let spans = part.split('`').skip(1).step_by(2);
        found.extend(spans.map(|span| Shown {
            text: span.split_whitespace().collect::<Vec<_>>().join(" "),
            is_whole: false,
        }));
    }
    found
}

/// What is wrong with a command. A span that names no command of `tegata` is none.
fn problem(shown: &Shown, command: &Command) -> Option<String> {
    let text = shown.text.strip_prefix("tegata ");
    let words: Vec<&str> = text.unwrap_or(&shown.text).split(' ').collect();
    let is_one = text.is_some()
        || words.len() > 1
            && command
                .find_subcommand(words[0])
                .is_some_and(|noun| noun.has_subcommands());
    if !is_one {
        return None;
    }
    let mut at: &Command = command;
    let mut options = Vec::new();
    let mut is_path = true;
    for word in words {
        let word = word.trim_matches(['[', ']', ',', '.', '(', ')']);
        if word.starts_with("--") {
            options.push((at, word.split('=').next().unwrap_or(word)));
        } else if is_path && at.has_subcommands() {
            let is_value = options.last().is_some() && std::ptr::eq(at, command);
            let names = word.split('|').map(|name| name.trim_end_matches('\\'));
            let names = names.filter(|name| *name != "…");
            match names
                .map(|name| at.find_subcommand(name))
                .collect::<Option<Vec<_>>>()
            {
                Some(found) if found.is_empty() => {}
                Some(found) => at = found[0],
                // The value of an option before the command, a placeholder, or an ellipsis.
                None if is_value || word == "help" => {}
                None if word.chars().all(|c| c.is_uppercase() || c == '_') => {}
                None => {
                    return Some(format!(
                        "{}: {} has no command {word}",
                        shown.text,
                        at.get_name()
                    ));
                }
            }
            is_path = at.has_subcommands();
        }
    }
    let has = |command: &Command, option: &str| {
        let mut arguments = command.get_arguments();
        let name = option.trim_start_matches('-');
        name == "help"
            || name == "version"
            || arguments.any(|argument| argument.get_long() == Some(name))
    };
    for (command, option) in options {
        if !option.trim_start_matches('-').is_empty() && !has(command, option) && !has(at, option) {
            return Some(format!(
                "{}: {} has no option {option}",
                shown.text,
                at.get_name()
            ));
        }
    }
    let is_example = shown.is_whole && !shown.text.contains('…');
    is_example.then(|| parse_error(&shown.text)).flatten()
}

/// The words of a command as a shell splits it. Text in quotation marks is one word.
fn words(text: &str) -> Vec<&str> {
    let parts = text.split('"').enumerate();
    let words = parts.map(|(number, part)| match number % 2 {
        0 => part.split_whitespace().collect(),
        _ => vec![part],
    });
    words.flat_map(|words: Vec<&str>| words).collect()
}

/// What clap says of a whole command, with values for its placeholders.
fn parse_error(text: &str) -> Option<String> {
    let words = words(text).into_iter().map(|word| match word {
        "DOMAIN" | "OLD" | "NEW" => "example.cybozu.com",
        "PRODUCT" => "sheet",
        "VERSION" => "1.9.0",
        "DATE" => "2026-11-30",
        "ID" => "2026-12-05-sheet-1.9.0",
        "N" => "1",
        other => other,
    });
    match Cli::try_parse_from(words) {
        Ok(_) => None,
        Err(error) if !error.use_stderr() => None,
        Err(error) => Some(format!("{text}: {error}")),
    }
}

#[test]
fn every_command_of_the_documents_is_accepted() {
    let mut shown = Vec::new();
    for path in documents() {
        let document = fs::read_to_string(&path).unwrap();
        shown.extend(
            commands(&document)
                .into_iter()
                .map(|command| (path.clone(), command)),
        );
    }
    let whole = shown.iter().filter(|(_, command)| command.is_whole).count();
    assert!(whole > 20, "{whole} commands in code blocks");
    let known = known();
    let wrong: Vec<_> = shown
        .iter()
        .filter_map(|(path, command)| {
            Some(format!("{}: {}", path.display(), problem(command, &known)?))
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_command_that_does_not_exist_is_found() {
    let known = known();
    for (text, is_whole) in [
        ("tegata license shwo example.cybozu.com sheet", false),
        ("license show DOMAIN PRODUCT --leese", false),
        ("tegata licence", false),
        ("tegata license suspend example.cybozu.com", true),
        (
            "tegata --local license issue example.cybozu.com sheet --trial many",
            true,
        ),
    ] {
        let text = text.to_owned();
        assert!(problem(&Shown { text, is_whole }, &known).is_some());
    }
    let right = "tegata --stack NAME license show DOMAIN PRODUCT --lease".to_owned();
    let right = Shown {
        text: right,
        is_whole: true,
    };
    assert_eq!(problem(&right, &known), None);
}

//! Each message of the source has a Japanese text, and each Japanese text belongs to a message.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use super::*;

/// Where messages stand: the commands of operators, and what they call.
const SOURCES: [&str; 37] = [
    "cli/src/access_log",
    "cli/src/bulk",
    "cli/src/change.rs",
    "cli/src/contact",
    "cli/src/customer",
    "cli/src/dev/mod.rs",
    "cli/src/dev/samples.rs",
    "cli/src/doctor",
    "cli/src/embedded/mod.rs",
    "cli/src/history",
    "cli/src/identity.rs",
    "cli/src/key.rs",
    "cli/src/license",
    "cli/src/main.rs",
    "cli/src/notice",
    "cli/src/output.rs",
    "cli/src/period.rs",
    "cli/src/private_file.rs",
    "cli/src/product",
    "cli/src/proxy.rs",
    "cli/src/publish",
    "cli/src/target",
    "cli/src/text_file.rs",
    "cli/src/usage",
    "cli/src/when.rs",
    "crates/common/src/license/row.rs",
    "crates/common/src/notice/audience.rs",
    "crates/common/src/notice/told.rs",
    "crates/common/src/product.rs",
    "crates/notices/src/check.rs",
    "crates/notices/src/gate.rs",
    "crates/notices/src/render/body/mod.rs",
    "crates/operations/src",
    "functions/license-lookup/src/exchange.rs",
    "functions/license-lookup/src/license.rs",
    "functions/license-lookup/src/request.rs",
    "functions/license-lookup/src/sample.rs",
];

/// Files of other crates whose errors are shown. Only their errors (`#[error("…")]`) are messages.
const ERRORS: [&str; 15] = [
    "crates/aws/src",
    "crates/common/src/calendar.rs",
    "crates/common/src/customer.rs",
    "crates/common/src/domain.rs",
    "crates/common/src/keys.rs",
    "crates/common/src/license",
    "crates/common/src/notice",
    "crates/common/src/release",
    "crates/common/src/serial.rs",
    "crates/common/src/support_code.rs",
    "crates/common/src/version.rs",
    "crates/notices/src",
    "crates/signing/src",
    "crates/archive/src",
    "crates/storage/src/error.rs",
];

/// Literals that look like messages, and are not printed, or are the same in each language.
const UNTRANSLATED: [&str; 16] = [
    "A mail to SES's simulator.\r",
    "An error occurred (",
    "No item found.",
    "Subject: tegata doctor\r",
    "changes were not archived: {error}",
    "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "make deploy",
    "private, max-age=300",
    "the item is about another licence",
    "the renewal did not run: {error}",
    "unreadable item",
    "{bar} {pos}/{len} files",
    "{domain} TXT \"v=spf1 include:amazonses.com ~all\"",
    "{msg} {wide_bar} {pos} of {len} objects",
    "{wide_bar} {pos} of {len} licences, {eta} left",
    "{wide_bar} {pos} of {len} rows, {eta} left",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn files(path: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().join(path)];
    while let Some(path) = open.pop() {
        if path.is_dir() {
            open.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        } else if path.extension().is_some_and(|ending| ending == "rs")
            && !path.ends_with("tests.rs")
        {
            found.push(path);
        }
    }
    assert!(!found.is_empty(), "{path}");
    found
}

/// The string literals of a source file without its tests, comments and attributes; of the attribute
/// `error` the literal is one, and the only ones if `only_errors`.
fn literals(source: &str, only_errors: bool) -> Vec<String> {
    let source = source.split("\nmod tests {").next().unwrap_or_default();
    let mut found = Vec::new();
    let mut rest = source;
    while let Some(c) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
        } else if rest.starts_with("#[") {
            let (attribute, after) = attribute(rest);
            if let Some(text) = attribute.strip_prefix("#[error(") {
                found.extend(literal(text.trim_start()).map(|(text, _)| text));
            }
            rest = after;
        } else if let Some((text, after)) = literal(rest) {
            if !only_errors {
                found.push(text);
            }
            rest = after;
        } else if c == '\'' {
            // A character, or the start of a lifetime.
            let mut characters = rest.char_indices().skip(1);
            let is_escaped = characters.next().is_some_and(|(_, c)| c == '\\');
            let end = match is_escaped {
                true => characters.skip(1).find(|(_, c)| *c == '\''),
                false => characters.next().filter(|(_, c)| *c == '\''),
            };
            rest = &rest[end.map_or(1, |(at, _)| at + 1)..];
        } else {
            rest = &rest[c.len_utf8()..];
        }
    }
    found
}

/// An attribute at the start of a text, and what follows.
fn attribute(text: &str) -> (&str, &str) {
    let (mut depth, mut at) = (0, 1);
    while at < text.len() {
        if let Some((_, after)) = literal(&text[at..]) {
            at = text.len() - after.len();
            continue;
        }
        let c = text[at..].chars().next().unwrap();
        at += c.len_utf8();
        match c {
            '[' => depth += 1,
            ']' if depth == 1 => break,
            ']' => depth -= 1,
            _ => {}
        }
    }
    text.split_at(at)
}

/// A string literal at the start of a text, without its escapes, and what follows.
fn literal(text: &str) -> Option<(String, &str)> {
    if let Some(raw) = text.strip_prefix("r#\"") {
        return raw
            .split_once("\"#")
            .map(|(text, rest)| (text.to_owned(), rest));
    }
    let mut found = String::new();
    let mut rest = text.strip_prefix('"')?;
    loop {
        let c = rest.chars().next()?;
        rest = &rest[c.len_utf8()..];
        match c {
            '"' => return Some((found, rest)),
            '\\' => {
                let escaped = rest.chars().next()?;
                rest = &rest[escaped.len_utf8()..];
                match escaped {
                    'n' => found.push('\n'),
                    'r' => found.push('\r'),
                    '\n' => rest = rest.trim_start(),
                    other => found.push(other),
                }
            }
            c => found.push(c),
        }
    }
}

/// The lines of a literal as templates: placeholders by name, or by number if they have none.
fn templates(literal: &str) -> Vec<String> {
    let mut number = 0;
    let lines = literal.split('\n').map(|line| {
        named(line, &mut number)
            .trim_matches([' ', '\t'])
            .to_owned()
    });
    lines.filter(|line| is_message(line)).collect()
}

/// Whether a text is for people: several words, of which one is in lower case; and not a command.
fn is_message(template: &str) -> bool {
    let program = template.split(' ').next().unwrap_or_default();
    if [
        "aws",
        "cargo",
        "curl",
        "export",
        "pip3",
        "pipx",
        "rustup",
        "tegata",
        "xcode-select",
    ]
    .contains(&program)
    {
        return false;
    }
    let words = template.split_whitespace();
    let is_word = |word: &str| {
        let word = word.trim_matches(|c: char| c.is_ascii_punctuation());
        word.len() > 1
            && word
                .chars()
                .all(|c| c.is_ascii_lowercase() || c == '\'' || c == '-')
    };
    let own: Vec<&str> = words.collect();
    own.len() > 1 && own.iter().any(|word| !word.contains('{') && is_word(word))
}

fn messages() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let sources = SOURCES.iter().map(|path| (path, false));
    for (path, only_errors) in sources.chain(ERRORS.iter().map(|path| (path, true))) {
        for file in files(path) {
            for literal in literals(&fs::read_to_string(&file).unwrap(), only_errors) {
                for template in templates(&literal) {
                    found.insert(template, file.display().to_string());
                }
            }
        }
    }
    found
}

fn placeholders(template: &str) -> BTreeSet<String> {
    let pieces = pieces(template);
    names(&pieces).map(str::to_owned).collect()
}

fn catalogue() -> HashMap<String, HashMap<String, String>> {
    toml::from_str(include_str!("ja.toml")).unwrap()
}

#[test]
fn every_message_has_a_japanese_text_and_every_text_a_message() {
    let messages = messages();
    let tables = catalogue();
    let untranslated: BTreeSet<&str> = UNTRANSLATED.into();
    let is_known = |template: &str| {
        untranslated.contains(template) || tables.values().any(|of| of.contains_key(template))
    };
    let missing: Vec<_> = messages
        .iter()
        .filter(|(message, _)| !is_known(message))
        .collect();
    assert!(missing.is_empty(), "without a Japanese text: {missing:#?}");
    let stale: Vec<_> = tables["messages"]
        .keys()
        .map(String::as_str)
        .chain(untranslated)
        .filter(|template| !messages.contains_key(*template))
        .collect();
    assert!(stale.is_empty(), "no message of the source: {stale:#?}");
}

#[test]
fn a_word_is_no_template() {
    for (table, texts) in catalogue() {
        for english in texts
            .keys()
            .filter(|english| !placeholders(english).is_empty())
        {
            let separator = if table == FIELDS { '.' } else { ' ' };
            let has_words = english
                .split(['{', '}'])
                .step_by(2)
                .any(|text| text.contains(char::is_alphabetic));
            assert!(!has_words || english.contains(separator), "{english}");
        }
    }
}

#[test]
fn a_japanese_text_has_the_placeholders_of_its_message() {
    for (table, texts) in catalogue() {
        for (english, japanese) in texts {
            let mut expected = placeholders(&english);
            let named = placeholders(&japanese);
            if table == "others" {
                expected.retain(|name| named.contains(name));
            }
            assert_eq!(expected, named, "{english}");
            assert!(!japanese.trim().is_empty(), "{english}");
        }
    }
}

/// A blank between Japanese and other letters, and Japanese punctuation beside Japanese letters.
#[test]
fn japanese_texts_are_punctuated_alike() {
    let is_japanese = |c: char| matches!(c, 'ぁ'..='ゖ' | 'ァ'..='ヺ' | 'ー' | '々' | '一'..='龠');
    let is_other = |c: char| c.is_ascii_alphanumeric() || c == '`';
    let is_wrong = |one: char, next: char| {
        is_japanese(one) && (is_other(next) || ":;,!?(".contains(next))
            || is_japanese(next) && (is_other(one) || ")%".contains(one))
    };
    let texts = catalogue().into_values().flatten();
    let wrong = texts.filter(|(_, japanese)| {
        // A value is often a name. Whether a message begins with a letter is not known.
        let text = pieces(japanese).into_iter().map(|piece| match piece {
            Piece::Text(text) => text,
            Piece::Value(_) => "0".to_owned(),
            Piece::Message(_) | Piece::Word(_) => " ".to_owned(),
        });
        let text: Vec<char> = text.collect::<String>().chars().collect();
        text.windows(2).any(|pair| is_wrong(pair[0], pair[1]))
    });
    let wrong: Vec<_> = wrong.collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn texts_are_translated_with_the_messages_they_contain() {
    for (english, japanese) in [
        ("none", "ありません"),
        ("  nothing to change", "  変更はありません"),
        ("sheet: nothing to change", "sheet：変更はありません"),
        ("what nobody has translated", "what nobody has translated"),
    ] {
        assert_eq!(JAPANESE.text(english), japanese);
    }
    for (english, japanese) in [
        (
            "domain \"x\": the domain is empty; expected a kintone host name such as example.cybozu.com",
            "ドメイン \"x\"：ドメインが空です。example.cybozu.com のような kintone のホスト名を指定してください",
        ),
        (
            "株式会社見本 has no licence of sheet",
            "株式会社見本 には sheet のライセンスがありません",
        ),
        (
            "incident: there is no notice incident",
            "incident：お知らせ incident はありません",
        ),
        // A word is no error.
        ("none", "none"),
    ] {
        assert_eq!(JAPANESE.error(english), japanese);
    }
    let template = "\n{id}: in order ({kind}, update {})";
    assert_eq!(
        JAPANESE.filled(template, "\nincident: in order (incident, update 1)"),
        "\nincident：問題ありません（障害、第 1 報）"
    );
}

/// Names that are messages, words, or have parts of messages in them.
const HOSTILE: [&str; 12] = [
    "none",
    "no",
    "paid",
    "incident",
    "suspended",
    "cancelled",
    "nothing to change",
    "x has no licence of y",
    "warning: nothing was written",
    "a: b (line 3), update 4",
    "there is no notice none",
    "\u{fdd0}0\u{fdd1}",
];

/// Whatever the values of a message are, they are printed as they are: each template, with names that look
/// like messages, marked and, if they have no blanks, as they are.
#[test]
fn a_value_is_never_translated() {
    for template in &JAPANESE.templates {
        for hostile in HOSTILE {
            let is_plain = !hostile.contains([' ', '\u{fdd0}']);
            for is_marked in [true, false] {
                if !is_marked && !is_plain {
                    continue;
                }
                let printed = |of: &str| match is_marked {
                    true => marked(of),
                    false => of.to_owned(),
                };
                let text = |pieces: &[Piece], value: &str, message: &str, word: &str| {
                    let pieces = pieces.iter().map(|piece| match piece {
                        Piece::Text(text) => text.as_str(),
                        Piece::Value(_) => value,
                        Piece::Message(_) => message,
                        Piece::Word(_) => word,
                    });
                    pieces.collect::<String>()
                };
                let value = printed(hostile);
                let english = text(&template.from, &value, "nothing to change", "paid");
                let clean = hostile.replace(MARKS, "\u{fffd}");
                let japanese = text(&template.to, &clean, "変更はありません", "有償");
                let filled =
                    around_values(&english, |text| JAPANESE.filled(&template.english, text));
                assert_eq!(filled, japanese, "{}: {english}", template.english);
                // As a part of an error its template has to be found first, which takes longer. Warnings are
                // no errors.
                if is_marked || hostile != "incident" || template.english.starts_with("warning: ") {
                    continue;
                }
                let values = template
                    .from
                    .iter()
                    .filter(|of| matches!(of, Piece::Value(_)) && template.to.contains(of));
                let guessed = around_values(&english, |text| JAPANESE.error(text));
                assert!(
                    guessed.matches(&clean).count() >= values.count(),
                    "{english}: {guessed}"
                );
            }
        }
    }
}

#[test]
fn what_cannot_be_split_with_certainty_stays_as_it_is() {
    let template = "{domain} has no licence of {product}";
    let text = "a has no licence of b has no licence of c";
    assert_eq!(JAPANESE.filled(template, text), text);
}

#[test]
fn the_language_is_the_options_or_the_locales() {
    let scan = |text: &str| literals(text, false);
    assert_eq!(scan(r#"f("a b", 'x', "c\n d") // "e f""#), ["a b", "c\n d"]);
    assert_eq!(
        templates("{} of {name:>5} licences"),
        ["{1} of {name} licences"]
    );
    let template = pieces("{a} has no licence of {b}");
    let found = split(&template, "x has no licence of y").unwrap();
    assert_eq!((found["a"], found["b"]), ("x", "y"));
    assert!(split(&template, "x has a licence").is_none());
}

//! The language of what is printed for people: English, or Japanese.
//!
//! The English texts stand in the source, where they are used; `ja.toml` has the Japanese text of each.
//! [`translated`] is called where text is printed (`output`), and finds the template that a text was
//! made from. So a message, an error of another crate and a chain of errors are translated alike.
//! Decision 47 has the reasons. JSON, `--help` and codes such as `VALID` stay as they are.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::HashMap;
use std::ffi::OsString;
use std::sync::{LazyLock, OnceLock};

use clap::ValueEnum;

/// A language of the operators.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Language {
    /// English.
    #[default]
    En,
    /// Japanese.
    Ja,
}

static CHOSEN: OnceLock<Language> = OnceLock::new();

/// Chooses the language once: what `--language` says before the command, or else the locale
/// (`LC_ALL`, `LC_MESSAGES`, `LANG`, the first that is set), or else English.
///
/// It reads the arguments itself, because what clap says of wrong arguments is translated too.
pub(crate) fn choose(
    mut arguments: impl Iterator<Item = OsString>,
    variable: impl Fn(&str) -> Option<String>,
) {
    let mut given = None;
    while let Some(argument) = arguments.next() {
        let Some(argument) = argument.to_str() else {
            continue;
        };
        // Behind the command, `--language` is an option of that command.
        if let Some(language) = argument.strip_prefix("--language=") {
            given = Some(language.to_owned());
        } else if argument == "--language" {
            given = arguments.next().and_then(|next| next.into_string().ok());
        } else if argument == "--stack" || argument == "--output" {
            arguments.next();
        } else if !argument.starts_with('-') {
            break;
        }
    }
    let locale = || {
        let names = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter();
        names.filter_map(variable).find(|value| !value.is_empty())
    };
    let language = match given.or_else(locale) {
        Some(name) if name.starts_with("ja") => Language::Ja,
        _ => Language::En,
    };
    let _ = CHOSEN.set(language);
}

/// The chosen language.
pub(crate) fn language() -> Language {
    CHOSEN.get().copied().unwrap_or_default()
}

/// A text as it is printed in the chosen language. Each line is translated by itself; blanks around it
/// stay. What has no translation is printed as it is.
pub(crate) fn translated(text: &str) -> Cow<'_, str> {
    match language() {
        Language::En => Cow::Borrowed(text),
        Language::Ja => Cow::Owned(JAPANESE.text(text)),
    }
}

/// The label of a field of a licence, a customer or a contact, such as `term.ends_on`. It is the field's
/// name in English.
pub(crate) fn label(field: &str) -> Cow<'_, str> {
    match language() {
        Language::En => Cow::Borrowed(field),
        Language::Ja => Cow::Owned(LABELS.text(field)),
    }
}

static JAPANESE: LazyLock<Catalogue> =
    LazyLock::new(|| Catalogue::parse(include_str!("ja.toml"), |table| table != FIELDS));

static LABELS: LazyLock<Catalogue> =
    LazyLock::new(|| Catalogue::parse(include_str!("ja.toml"), |table| table == FIELDS));

/// The table of the labels. Elsewhere the name of a field is what an operator types.
const FIELDS: &str = "fields";

/// The texts of a language by their English templates. A placeholder is `{name}`.
struct Catalogue {
    /// Texts without a placeholder.
    exact: HashMap<String, String>,
    /// Texts with placeholders, those with the most text of their own first.
    templates: Vec<Template>,
}

/// A text with placeholders.
struct Template {
    from: Vec<Piece>,
    to: Vec<Piece>,
    /// The bytes of the English text without its placeholders.
    own: usize,
}

impl Template {
    /// Whether a text that fits was made from the template, and is not only like it. A template of few
    /// letters that begins with a placeholder fits many sentences: its values have to be words.
    fn is_distinct(&self) -> bool {
        let begins = matches!(self.from.first(), Some(Piece::Text(_)));
        begins || self.from.iter().map(Piece::letters).sum::<usize>() >= 6
    }
}

/// A text in the other language, and how many bytes of the English one were known.
struct Translation {
    text: String,
    known: usize,
}

/// Placeholders of names, which stay as they are also where a name is a word, such as a notice called
/// `incident`.
const NAMES: [&str; 10] = [
    "arn",
    "domain",
    "file",
    "id",
    "kid",
    "logical",
    "notice_id",
    "path",
    "product",
    "stack",
];

/// A part of a template.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Piece {
    Text(String),
    Placeholder(String),
}

impl Piece {
    /// The letters of its text.
    fn letters(&self) -> usize {
        match self {
            Self::Text(text) => text.chars().filter(|c| c.is_alphabetic()).count(),
            Self::Placeholder(_) => 0,
        }
    }
}

/// How deep a text may be within another one: an error within an error within a warning.
const DEPTH: usize = 6;

impl Catalogue {
    /// Reads some tables of a file. It is part of the program: the tests hold that it can be read.
    fn parse(file: &str, is_wanted: impl Fn(&str) -> bool) -> Self {
        let tables: HashMap<String, HashMap<String, String>> =
            toml::from_str(file).unwrap_or_default();
        let mut exact = HashMap::new();
        let mut templates = Vec::new();
        let wanted = tables.into_iter().filter(|(table, _)| is_wanted(table));
        for (english, translation) in wanted.flat_map(|(_, texts)| texts) {
            let (from, to) = (pieces(&english), pieces(&translation));
            match from.as_slice() {
                [] | [Piece::Text(_)] => {
                    exact.insert(english, translation);
                }
                _ => {
                    let own = own(&from);
                    templates.push(Template { from, to, own });
                }
            }
        }
        templates.sort_by(|one, other| (other.own, &one.from).cmp(&(one.own, &other.from)));
        Self { exact, templates }
    }

    fn text(&self, text: &str) -> String {
        let lines = text.split('\n').map(|line| {
            let core = line.trim();
            let (before, after) = line.split_once(core).unwrap_or((line, ""));
            format!("{before}{}{after}", self.phrase(core, DEPTH).text)
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    /// A phrase, translated as a whole or part by part, whichever knows more of it.
    fn phrase(&self, text: &str, depth: usize) -> Translation {
        let mut best = self.sentence(text, depth).unwrap_or(Translation {
            text: text.to_owned(),
            known: 0,
        });
        let Some(depth) = depth.checked_sub(1) else {
            return best;
        };
        // A chain of errors, or a place and what is wrong there.
        for (at, _) in text.match_indices(": ") {
            let second = self.phrase(&text[at + 2..], depth);
            let first = self.phrase(&text[..at], 1.min(depth));
            if second.known > 0 && first.known + second.known > best.known {
                best = Translation {
                    text: format!("{}：{}", first.text, second.text),
                    known: first.known + second.known,
                };
            }
        }
        best
    }

    fn sentence(&self, text: &str, depth: usize) -> Option<Translation> {
        if let Some(translation) = self.exact.get(text) {
            return Some(Translation {
                text: translation.clone(),
                known: text.len(),
            });
        }
        let depth = depth.checked_sub(1)?;
        // A word: no template is without a blank, except of labels.
        if !text.contains(' ') && !text.contains('.') {
            return None;
        }
        self.templates.iter().find_map(|template| {
            let values = values(&template.from, text)?;
            // What stands before a name is a phrase of its own.
            if NAMES
                .iter()
                .any(|name| values.get(name).is_some_and(|value| value.contains(": ")))
            {
                return None;
            }
            let is_word = |value: &str| !value.contains(' ') || self.phrase(value, depth).known > 0;
            if !template.is_distinct() && !values.values().all(|value| is_word(value)) {
                return None;
            }
            let mut translation = Translation {
                text: String::new(),
                known: template.own,
            };
            for piece in &template.to {
                match piece {
                    Piece::Text(text) => translation.text += text,
                    Piece::Placeholder(name) => {
                        let value = values.get(name.as_str()).copied().unwrap_or_default();
                        if NAMES.contains(&name.as_str()) {
                            translation.text += value;
                            continue;
                        }
                        let value = self.phrase(value, depth);
                        translation.text += &value.text;
                        translation.known += value.known;
                    }
                }
            }
            Some(translation)
        })
    }
}

fn own(template: &[Piece]) -> usize {
    let texts = template.iter().map(|piece| match piece {
        Piece::Text(text) => text.len(),
        Piece::Placeholder(_) => 0,
    });
    texts.sum()
}

/// Splits a template at its placeholders. `{{` and `}}` are braces.
fn pieces(template: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = template.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '{' | '}' if rest.peek() == Some(&c) => {
                rest.next();
                text.push(c);
            }
            '{' => {
                if !text.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut text)));
                }
                let name = rest.by_ref().take_while(|c| *c != '}').collect();
                pieces.push(Piece::Placeholder(name));
            }
            c => text.push(c),
        }
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    pieces
}

/// The values of a template's placeholders in a text that was made from it. A placeholder that occurs
/// twice must have the same value.
fn values<'t>(template: &'t [Piece], text: &'t str) -> Option<HashMap<&'t str, &'t str>> {
    let mut values = HashMap::new();
    let mut rest = text;
    let mut open: Option<&str> = None;
    for (number, piece) in template.iter().enumerate() {
        match piece {
            Piece::Placeholder(name) => {
                if open.replace(name).is_some() {
                    return None;
                }
            }
            Piece::Text(literal) => {
                let at = match open {
                    None => rest.starts_with(literal.as_str()).then_some(0)?,
                    // The last text is at the end.
                    Some(_) if number + 1 == template.len() => {
                        rest.strip_suffix(literal.as_str())?.len()
                    }
                    Some(_) => rest.find(literal.as_str())?,
                };
                if let Some(name) = open.take() {
                    fill(&mut values, name, &rest[..at])?;
                }
                rest = &rest[at + literal.len()..];
            }
        }
    }
    match open {
        Some(name) => fill(&mut values, name, rest)?,
        None if rest.is_empty() => {}
        None => return None,
    }
    Some(values)
}

fn fill<'t>(values: &mut HashMap<&'t str, &'t str>, name: &'t str, value: &'t str) -> Option<()> {
    let before = values.insert(name, value);
    (!value.is_empty() && before.is_none_or(|before| before == value)).then_some(())
}

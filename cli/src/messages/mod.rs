//! The language of what is printed for people: English, or Japanese.
//!
//! The English texts stand in the source, where they are used; `ja.toml` has the Japanese text of each.
//! `say!` and `note!` hand over the template with the text ([`filled`]); of an error only the text is
//! known, and its template is found ([`translated_error`]). **A value in a text stays as it is**, unless
//! `ja.toml` says that its placeholder holds a message. Text from elsewhere with blanks in it, such as a
//! customer's name, is marked by [`value`], so that no part of it is taken for a message.
//! Decision 47 has the reasons. JSON, `--help` and codes such as `VALID` stay as they are.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::ffi::OsString;
use std::fmt;
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

impl From<Language> for tegata_common::customer::Language {
    fn from(language: Language) -> Self {
        match language {
            Language::En => Self::En,
            Language::Ja => Self::Ja,
        }
    }
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

/// A text that was made from a template, in the chosen language. Without a translation of the template, it
/// is the text.
pub(crate) fn filled(template: &str, text: &str) -> String {
    match language() {
        Language::En => text.to_owned(),
        Language::Ja => JAPANESE.filled(template, text),
    }
}

/// A message of the program, or a word, in the chosen language: a heading, or what was put together.
pub(crate) fn translated(text: &str) -> String {
    match language() {
        Language::En => text.to_owned(),
        Language::Ja => JAPANESE.text(text),
    }
}

/// An error in the chosen language: a chain, whose parts are separated by `: `. What has no translation
/// stays as it is.
pub(crate) fn translated_error(text: &str) -> String {
    match language() {
        Language::En => text.to_owned(),
        Language::Ja => JAPANESE.error(text),
    }
}

/// The label of a field of a licence, a customer or a contact, such as `term.ends_on`. It is the field's
/// name in English.
pub(crate) fn label(field: &str) -> String {
    match language() {
        Language::En => field.to_owned(),
        Language::Ja => LABELS.text(field),
    }
}

/// Marks text from elsewhere, such as a customer's name: it is printed as it is, wherever it stands. For
/// texts that `output` prints for people.
pub(crate) fn value<T: fmt::Display>(text: T) -> Value<T> {
    Value(text)
}

/// See [`value`].
#[derive(Debug)]
pub(crate) struct Value<T>(T);

/// Around a value. These characters belong to no text (Unicode's noncharacters).
const MARKS: [char; 2] = ['\u{fdd0}', '\u{fdd1}'];

impl<T: fmt::Display> fmt::Display for Value<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&marked(&self.0.to_string()))
    }
}

fn marked(text: &str) -> String {
    format!(
        "{}{}{}",
        MARKS[0],
        text.replace(MARKS, "\u{fffd}"),
        MARKS[1]
    )
}

/// Changes a text around its marked values, and removes the marks. `change` gets the text with the numbers of
/// the values in their place.
pub(crate) fn around_values(text: &str, change: impl FnOnce(&str) -> String) -> String {
    let mut values: Vec<String> = Vec::new();
    let numbered = map_marked(text, |value| {
        let same = values.iter().position(|of| of == value);
        let number = same.unwrap_or_else(|| {
            values.push(value.to_owned());
            values.len() - 1
        });
        marked(&number.to_string())
    });
    map_marked(&change(&numbered), |number| {
        let value = number
            .parse()
            .ok()
            .and_then(|number: usize| values.get(number));
        value.cloned().unwrap_or_default()
    })
}

/// Replaces what is marked, with its marks.
fn map_marked(text: &str, mut replace: impl FnMut(&str) -> String) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, from)) = rest.split_once(MARKS[0]) {
        let Some((marked, after)) = from.split_once(MARKS[1]) else {
            break;
        };
        replaced += before;
        replaced += &replace(marked);
        rest = after;
    }
    replaced + rest
}

static JAPANESE: LazyLock<Catalogue> =
    LazyLock::new(|| Catalogue::parse(include_str!("ja.toml"), |table| table != FIELDS));

static LABELS: LazyLock<Catalogue> =
    LazyLock::new(|| Catalogue::parse(include_str!("ja.toml"), |table| table == FIELDS));

/// The table of the labels. Elsewhere the name of a field is what an operator types.
const FIELDS: &str = "fields";

/// The table of the words. A word is a message only where one is expected, because a value may be a word.
const WORDS: &str = "words";

/// The texts of a language by their English templates.
struct Catalogue {
    /// Words, and labels without a placeholder.
    words: HashMap<String, String>,
    /// Messages without a placeholder.
    exact: HashMap<String, String>,
    /// Messages with placeholders, those with the most text of their own first.
    templates: Vec<Template>,
    /// The places in `templates` by the English text.
    by_text: HashMap<String, usize>,
}

/// A text with placeholders.
struct Template {
    english: String,
    from: Vec<Piece>,
    to: Vec<Piece>,
    /// The bytes of the English text without its placeholders.
    own: usize,
    /// Whether it ends with a message behind values in the same order: a place, and what is wrong there.
    is_chain: bool,
}

impl Template {
    /// Whether a text that fits was made from the template, and is not only like it. A template of few
    /// letters that begins with a placeholder fits many sentences: its values have to be words.
    fn is_distinct(&self) -> bool {
        let begins = matches!(self.from.first(), Some(Piece::Text(_)));
        begins || self.letters() >= 6
    }

    fn letters(&self) -> usize {
        self.from.iter().map(Piece::letters).sum()
    }

    /// The values of the placeholders in a text that was made from the template, each as short as it can be,
    /// and whether it is certain where they begin. None if the text was not made from it.
    fn values<'t>(&'t self, text: &'t str) -> Option<(HashMap<&'t str, &'t str>, bool)> {
        let values = split(&self.from, text)?;
        let is_certain =
            self.is_chain || split_from_end(&self.from, text).as_ref() == Some(&values);
        Some((values, is_certain))
    }
}

/// A text in the other language, and how many bytes of the English one were known.
struct Translation {
    text: String,
    known: usize,
}

/// A part of a template. A placeholder is `{name}`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Piece {
    Text(String),
    /// A placeholder of a value, which stays as it is.
    Value(String),
    /// A placeholder of a message of the program, `{name:message}` in the other language.
    Message(String),
    /// A placeholder of a word of the program, `{name:word}` in the other language.
    Word(String),
}

impl Piece {
    /// The letters of its text.
    fn letters(&self) -> usize {
        match self {
            Self::Text(text) => text.chars().filter(|c| c.is_alphabetic()).count(),
            Self::Value(_) | Self::Message(_) | Self::Word(_) => 0,
        }
    }

    fn placeholder(&self) -> Option<&str> {
        match self {
            Self::Text(_) => None,
            Self::Value(name) | Self::Message(name) | Self::Word(name) => Some(name),
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
        let (mut words, mut exact, mut templates) = (HashMap::new(), HashMap::new(), Vec::new());
        for (table, texts) in tables.into_iter().filter(|(table, _)| is_wanted(table)) {
            let is_of_words = [FIELDS, WORDS].contains(&table.as_str());
            for (english, translation) in texts {
                let to = pieces(&translation);
                // What a placeholder holds is said in the translation.
                let told = |piece: Piece| {
                    let mut same = to
                        .iter()
                        .filter(|of| of.placeholder() == piece.placeholder());
                    match piece {
                        Piece::Text(_) => piece,
                        _ => same.next().cloned().unwrap_or(piece),
                    }
                };
                let from: Vec<Piece> = pieces(&english).into_iter().map(told).collect();
                match from.as_slice() {
                    [] | [Piece::Text(_)] if is_of_words => {
                        words.insert(english, translation);
                    }
                    [] | [Piece::Text(_)] => {
                        exact.insert(english, translation);
                    }
                    _ => templates.push(Template {
                        own: own(&from),
                        is_chain: matches!(from.last(), Some(Piece::Message(_)))
                            && names(&from).eq(names(&to)),
                        english,
                        from,
                        to,
                    }),
                }
            }
        }
        templates.sort_by(|one, other| (other.own, &one.from).cmp(&(one.own, &other.from)));
        let numbered = templates.iter().enumerate();
        let by_text = numbered.map(|(at, of)| (of.english.clone(), at)).collect();
        Self {
            words,
            exact,
            templates,
            by_text,
        }
    }

    /// A text that was made from a template; blanks and line feeds around it stay.
    fn filled(&self, template: &str, text: &str) -> String {
        let key = template.trim();
        let known = || {
            let (before, after) = template.split_once(key)?;
            let core = text.strip_prefix(before)?.strip_suffix(after)?;
            let key = named(key, &mut 0);
            let translation = match self.by_text.get(&key) {
                Some(at) => {
                    let template = self.templates.get(*at)?;
                    let message = |text: &str| self.message(text, DEPTH);
                    self.fill(template, core, message)?.0.text
                }
                None => self
                    .exact
                    .get(&key)
                    .or_else(|| self.words.get(&key))?
                    .clone(),
            };
            // The Japanese colon is as wide as a colon and a blank.
            let after = match translation.ends_with('：') {
                true => after.trim_start_matches(' '),
                false => after,
            };
            Some(format!("{before}{translation}{after}"))
        };
        known().unwrap_or_else(|| text.to_owned())
    }

    /// A message or a word.
    fn text(&self, text: &str) -> String {
        each_line(text, |line| self.message(line, DEPTH).text)
    }

    fn error(&self, text: &str) -> String {
        each_line(text, |line| match is_excerpt(line) {
            true => line.to_owned(),
            false => self.phrase(line, DEPTH).text,
        })
    }

    fn message(&self, text: &str, depth: usize) -> Translation {
        match self.words.get(text) {
            Some(translation) => Translation {
                text: translation.clone(),
                known: text.len(),
            },
            None => self.phrase(text, depth),
        }
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
        let translations = self.templates.iter().filter_map(|template| {
            // Without a letter of its own it would fit anything.
            if template.own == 0 || (template.letters() == 0 && text.contains(' ')) {
                return None;
            }
            // What stands before a value is a phrase of its own.
            if let Some(Piece::Value(name)) = template.from.first()
                && template.values(text)?.0.get(name.as_str())?.contains(": ")
            {
                return None;
            }
            // A value that is a word could fit here, too.
            let message = |text: &str| self.phrase(text, depth);
            let (filled, is_plain) = self.fill(template, text, message)?;
            if !template.is_distinct() && !is_plain {
                return None;
            }
            let begins = matches!(template.from.first(), Some(Piece::Text(_)));
            Some((begins, filled))
        });
        // One that begins as the text does; then the one that knows most of it; then the one with the most
        // text of its own.
        let best = translations.reduce(|best, next| {
            match (next.0, next.1.known) > (best.0, best.1.known) {
                true => next,
                false => best,
            }
        });
        best.map(|(_, translation)| translation)
    }

    /// The translation of a text that was made from a template, and whether its values have no blanks and
    /// its messages are known. None if it was not made from it, or if it is not certain where its values begin.
    fn fill(
        &self,
        template: &Template,
        text: &str,
        message: impl Fn(&str) -> Translation,
    ) -> Option<(Translation, bool)> {
        let (values, is_certain) = template.values(text)?;
        let mut translation = Translation {
            text: String::new(),
            known: template.own,
        };
        let mut is_plain = true;
        for piece in &template.to {
            let name = piece.placeholder().unwrap_or_default();
            let value = values.get(name).copied().unwrap_or_default();
            match piece {
                Piece::Text(text) => translation.text += text,
                Piece::Value(_) => {
                    translation.text += value;
                    is_plain &= !value.contains(' ');
                }
                Piece::Word(_) => {
                    translation.text += self.words.get(value).map_or(value, String::as_str);
                    is_plain &= !value.contains(' ');
                }
                Piece::Message(_) => {
                    let message = message(value);
                    translation.text += &message.text;
                    translation.known += message.known;
                    is_plain &= message.known > 0 || !value.contains(' ');
                }
            }
        }
        (is_certain || is_plain).then_some((translation, is_plain))
    }
}

/// Maps each line; blanks around it stay.
fn each_line(text: &str, translate: impl Fn(&str) -> String) -> String {
    let lines = text.split('\n').map(|line| {
        let core = line.trim();
        let (before, after) = line.split_once(core).unwrap_or((line, ""));
        format!("{before}{}{after}", translate(core))
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// Whether a line of an error shows a line of a TOML file: `3 | text`, and marks below.
fn is_excerpt(line: &str) -> bool {
    line.trim_start_matches(|c: char| c.is_ascii_digit() || c == ' ')
        .starts_with('|')
}

fn own(template: &[Piece]) -> usize {
    let texts = template.iter().map(|piece| match piece {
        Piece::Text(text) => text.len(),
        Piece::Value(_) | Piece::Message(_) | Piece::Word(_) => 0,
    });
    texts.sum()
}

fn names(template: &[Piece]) -> impl Iterator<Item = &str> {
    template.iter().filter_map(Piece::placeholder)
}

/// A template of the source as `ja.toml` names it: placeholders by name, or by number if they have none.
/// `number` is the last one used.
fn named(template: &str, number: &mut usize) -> String {
    let named = pieces(template).into_iter().map(|piece| match piece {
        Piece::Text(text) => text.replace('{', "{{").replace('}', "}}"),
        Piece::Value(name) | Piece::Message(name) | Piece::Word(name) => {
            if name.is_empty() {
                *number += 1;
                format!("{{{number}}}")
            } else {
                format!("{{{name}}}")
            }
        }
    });
    named.collect()
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
                let inner: String = rest.by_ref().take_while(|c| *c != '}').collect();
                // Behind the colon a template of the source has the format.
                pieces.push(match inner.split_once(':') {
                    Some((name, "message")) => Piece::Message(name.to_owned()),
                    Some((name, "word")) => Piece::Word(name.to_owned()),
                    Some((name, _)) => Piece::Value(name.to_owned()),
                    None => Piece::Value(inner),
                });
            }
            c => text.push(c),
        }
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    pieces
}

/// The values of a template's placeholders in a text that was made from it, each as short as it can be. A
/// placeholder that occurs twice must have the same value; only a message may be empty.
fn split<'t>(template: &'t [Piece], text: &'t str) -> Option<HashMap<&'t str, &'t str>> {
    let mut values = HashMap::new();
    let mut rest = text;
    let mut open: Option<&Piece> = None;
    for (number, piece) in template.iter().enumerate() {
        let Piece::Text(literal) = piece else {
            if open.replace(piece).is_some() {
                return None;
            }
            continue;
        };
        let at = match open {
            None => rest.starts_with(literal.as_str()).then_some(0)?,
            // The last text is at the end.
            Some(_) if number + 1 == template.len() => rest.strip_suffix(literal.as_str())?.len(),
            Some(_) => rest.find(literal.as_str())?,
        };
        if let Some(open) = open.take() {
            fill(&mut values, open, &rest[..at])?;
        }
        rest = &rest[at + literal.len()..];
    }
    match open {
        Some(open) => fill(&mut values, open, rest)?,
        None if rest.is_empty() => {}
        None => return None,
    }
    Some(values)
}

/// The same from the end of the text: each value but the first as short as it can be.
fn split_from_end<'t>(template: &'t [Piece], text: &'t str) -> Option<HashMap<&'t str, &'t str>> {
    let mut values = HashMap::new();
    let mut rest = text;
    let mut open: Option<&Piece> = None;
    for (number, piece) in template.iter().enumerate().rev() {
        let Piece::Text(literal) = piece else {
            if open.replace(piece).is_some() {
                return None;
            }
            continue;
        };
        let start = match open {
            None => rest.strip_suffix(literal.as_str())?.len(),
            // The first text is at the start.
            Some(_) if number == 0 => rest.starts_with(literal.as_str()).then_some(0)?,
            Some(_) => rest.rfind(literal.as_str())?,
        };
        if let Some(open) = open.take() {
            fill(&mut values, open, &rest[start + literal.len()..])?;
        }
        rest = &rest[..start];
    }
    match open {
        Some(open) => fill(&mut values, open, rest)?,
        None if rest.is_empty() => {}
        None => return None,
    }
    Some(values)
}

fn fill<'t>(
    values: &mut HashMap<&'t str, &'t str>,
    placeholder: &'t Piece,
    value: &'t str,
) -> Option<()> {
    let before = values.insert(placeholder.placeholder()?, value);
    let may_be = !value.is_empty() || matches!(placeholder, Piece::Message(_));
    (may_be && before.is_none_or(|before| before == value)).then_some(())
}

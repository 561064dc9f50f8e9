//! The operator's TOML file of a notice. Its name is the notice's id.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, de};
use tegata_common::customer::Severity;
use tegata_common::notice::{AudienceFilter, NoticeKind, NoticeText, Stage};
use tegata_common::product::ProductSlug;
use tegata_common::xml;
use toml::de::{DeTable, DeValue};

/// The content of a notice file. [`crate::check`] checks which fields are required and allowed for
/// its kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoticeFile {
    /// Release, maintenance, incident or information.
    pub kind: KindName,
    /// The products that it is about. Empty means all products.
    #[serde(default)]
    pub products: Vec<ProductSlug>,
    /// The version of a release.
    #[serde(default)]
    pub version: Option<String>,
    /// The instant of a release, the start of a maintenance, or when an information takes effect.
    #[serde(default, deserialize_with = "instant")]
    pub planned_at: Option<Timestamp>,
    /// The end of a maintenance.
    #[serde(default, deserialize_with = "instant")]
    pub ends_at: Option<Timestamp>,
    /// The lowest severity of an incident that is mailed to primary contacts, if it differs from
    /// the products'.
    #[serde(default)]
    pub severity_floor: Option<Severity>,
    /// Whether it is mailed. If not, it is on the pages only.
    #[serde(default = "yes")]
    pub mails: bool,
    /// Whose contacts it is mailed to.
    #[serde(default)]
    pub audience: AudienceFilter,
    /// The title, one line.
    pub title: NoticeText,
    /// The text of a notice that is not an incident: the first update.
    #[serde(default)]
    pub body: Option<NoticeText>,
    /// The updates of an incident in their order, or the additions to another notice.
    #[serde(default)]
    pub updates: Vec<UpdateEntry>,
    /// The line at which each text starts, by its field: `body.ja`, `updates.2.body.en`.
    #[serde(skip)]
    pub lines: BTreeMap<String, usize>,
}

const fn yes() -> bool {
    true
}

/// An invalid notice file, with the place of the error.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Invalid TOML, or an unknown, missing or invalid field.
    #[error(transparent)]
    Toml(#[from] toml::de::Error),
    /// A character that would make the news feed unreadable.
    #[error(
        "line {line}: U+{:04X}, which XML 1.0 forbids, would make the news feed unreadable; remove it",
        u32::from(*.character)
    )]
    Character {
        /// The number of the line that contains the character or its escape sequence.
        line: usize,
        character: char,
    },
}

/// The kind of a notice, as written in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KindName {
    /// A new version of a product.
    Release,
    /// A period in which a service may be unavailable.
    Maintenance,
    /// A failure or degradation of a service.
    Incident,
    /// Prices, the end of sale, terms.
    Information,
}

impl KindName {
    /// The kind as written in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Maintenance => "maintenance",
            Self::Incident => "incident",
            Self::Information => "information",
        }
    }
}

/// An entry of `[[updates]]` in a file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateEntry {
    /// The stage of an incident.
    #[serde(default)]
    pub stage: Option<Stage>,
    /// The severity of an incident. Required in its first update; later, only if it changes.
    #[serde(default)]
    pub severity: Option<Severity>,
    /// The text, in Markdown.
    pub body: NoticeText,
}

impl NoticeFile {
    /// Parses a file.
    pub fn parse(text: &str) -> Result<Self, FileError> {
        let mut lines = BTreeMap::new();
        for (key, value) in DeTable::parse(text)?.get_ref() {
            check_characters(text, value)?;
            note_lines(text, key.get_ref(), value, &mut lines);
        }
        let file: Self = toml::from_str(text)?;
        Ok(Self { lines, ..file })
    }

    /// All updates: the body, if there is one, and then the entries of `[[updates]]`.
    pub fn updates(&self) -> Vec<UpdateEntry> {
        let first = self.body.as_ref().map(|body| UpdateEntry {
            stage: None,
            severity: None,
            body: body.clone(),
        });
        first
            .into_iter()
            .chain(self.updates.iter().cloned())
            .collect()
    }

    /// The kind with its fields. `None` if a required field is missing.
    pub fn kind(&self) -> Option<NoticeKind> {
        Some(match self.kind {
            KindName::Release => NoticeKind::Release {
                version: self.version.clone()?,
                planned_at: self.planned_at?,
            },
            KindName::Maintenance => NoticeKind::Maintenance {
                planned_at: self.planned_at?,
                ends_at: self.ends_at?,
            },
            KindName::Incident => NoticeKind::Incident,
            KindName::Information => NoticeKind::Information {
                planned_at: self.planned_at,
            },
        })
    }
}

/// Notes the line at which each string starts.
fn note_lines(
    text: &str,
    field: &str,
    value: &toml::Spanned<DeValue<'_>>,
    lines: &mut BTreeMap<String, usize>,
) {
    match value.get_ref() {
        DeValue::String(_) => {
            let span = value.span();
            let written = text.get(span.clone()).unwrap_or_default();
            // TOML drops a line break directly after the opening quotation marks.
            let opening = written
                .get(3..)
                .filter(|_| written.starts_with("\"\"\"") || written.starts_with("'''"));
            let is_below =
                opening.is_some_and(|rest| rest.starts_with('\n') || rest.starts_with("\r\n"));
            let line = line_at(text, span.start) + usize::from(is_below);
            lines.insert(field.to_owned(), line);
        }
        DeValue::Array(array) => {
            for (index, of) in array.iter().enumerate() {
                note_lines(text, &format!("{field}.{}", index + 1), of, lines);
            }
        }
        DeValue::Table(table) => {
            for (key, of) in table {
                note_lines(text, &format!("{field}.{}", key.get_ref()), of, lines);
            }
        }
        _ => {}
    }
}

/// The number of the line that contains a position.
fn line_at(text: &str, at: usize) -> usize {
    let before = text.get(..at).unwrap_or_default();
    before.matches('\n').count() + 1
}

/// Rejects a value with a character that XML forbids.
fn check_characters(text: &str, value: &toml::Spanned<DeValue<'_>>) -> Result<(), FileError> {
    match value.get_ref() {
        DeValue::String(string) => {
            let Some(character) = xml::first_forbidden(string) else {
                return Ok(());
            };
            let span = value.span();
            let written = text.get(span.clone()).unwrap_or_default();
            let line = line_at(text, span.start + position(written, character));
            Err(FileError::Character { line, character })
        }
        DeValue::Array(array) => array.iter().try_for_each(|of| check_characters(text, of)),
        DeValue::Table(table) => table
            .iter()
            .try_for_each(|(_, of)| check_characters(text, of)),
        _ => Ok(()),
    }
}

/// The position of a character or its escape sequence in a TOML string as written.
fn position(written: &str, character: char) -> usize {
    let number = u32::from(character);
    let escaped = [
        format!("\\u{number:04x}"),
        format!("\\u{number:08x}"),
        format!("\\x{number:02x}"),
    ];
    let short = match character {
        '\u{8}' => Some("\\b"),
        '\u{c}' => Some("\\f"),
        '\u{1b}' => Some("\\e"),
        _ => None,
    };
    // Compared in lower case, which also matches `\uFFFE` and `\U0000FFFE`.
    let lower = written.to_ascii_lowercase();
    let places = [
        written.find(character),
        short.and_then(|short| written.find(short)),
    ];
    let escapes = escaped.iter().map(|escape| lower.find(escape.as_str()));
    places
        .into_iter()
        .chain(escapes)
        .flatten()
        .min()
        .unwrap_or(0)
}

/// Deserializes an instant with offset, from a TOML date-time or a string.
fn instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    struct Visitor;

    impl<'de> de::Visitor<'de> for Visitor {
        type Value = Timestamp;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an instant with offset such as 2026-12-05T10:00:00+09:00")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Timestamp, E> {
            text.parse()
                .map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
        }

        fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Timestamp, A::Error> {
            let written =
                toml::value::Datetime::deserialize(de::value::MapAccessDeserializer::new(map))?;
            self.visit_str(&written.to_string())
        }
    }

    deserializer.deserialize_any(Visitor).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_dates_with_an_offset() {
        let file = |planned: &str| {
            let text = format!(
                "kind = 'release'\nplanned_at = {planned}\ntitle = {{ ja = 'a', en = 'b' }}\n"
            );
            NoticeFile::parse(&text)
        };
        let expected = "2026-12-05T01:00:00Z".parse().unwrap();
        for written in [
            "2026-12-05T10:00:00+09:00",
            "'2026-12-05T10:00:00+09:00'",
            "2026-12-05T01:00:00Z",
        ] {
            assert_eq!(
                file(written).unwrap().planned_at,
                Some(expected),
                "{written}"
            );
        }
        for wrong in ["2026-12-05", "2026-12-05T10:00:00", "'tomorrow'", "5"] {
            let error = file(wrong).unwrap_err().to_string();
            assert!(error.contains("line 2"), "{error}");
            assert!(error.contains("an instant with offset"), "{error}");
        }
    }

    #[test]
    fn characters_forbidden_by_xml_are_rejected_with_the_line() {
        let file = |title: &str, body: &str| {
            format!(
                "kind = 'incident'\ntitle = {{ ja = 'a', en = {title} }}\n[[updates]]\n\
                 stage = 'resolved'\nseverity = 'major'\n\
                 [updates.body]\nja = 'a'\nen = {body}\n"
            )
        };
        assert!(NoticeFile::parse(&file("'b'", "'c\u{fffd}'")).is_ok());
        for (title, body, expected) in [
            ("'b\u{fffe}'", "'c'", "line 2: U+FFFE"),
            ("'b'", "'c\u{ffff}'", "line 8: U+FFFF"),
            ("'b'", "'''\nc\n\nd\u{ffff}\n'''", "line 11: U+FFFF"),
            ("'b'", "\"\"\"\nc\n\\uFFFE\"\"\"", "line 10: U+FFFE"),
            ("'b'", "\"\"\"\nc\n\\U0000ffff\"\"\"", "line 10: U+FFFF"),
            ("\"\\u0000\"", "'c'", "line 2: U+0000"),
            ("\"\\u001B\"", "'c'", "line 2: U+001B"),
            ("'b'", "\"\"\"\n\\b\"\"\"", "line 9: U+0008"),
        ] {
            let error = NoticeFile::parse(&file(title, body))
                .unwrap_err()
                .to_string();
            let expected = format!("{expected}, which XML 1.0 forbids");
            assert!(error.starts_with(&expected), "{expected}: {error}");
        }
    }

    #[test]
    fn a_misspelt_field_is_reported() {
        let error = NoticeFile::parse("kind = 'incident'\nserverity = 'major'\n").unwrap_err();
        assert!(error.to_string().contains("serverity"), "{error}");
    }
}

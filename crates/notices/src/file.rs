//! A notice as an operator writes it: a TOML file named after the notice.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, de};
use tegata_common::customer::Severity;
use tegata_common::notice::{NoticeKind, Stage};
use tegata_common::product::{Bilingual, ProductSlug};
use tegata_common::xml;
use toml::de::{DeTable, DeValue};

/// The file. What belongs to its kind and what does not is checked by [`crate::check`].
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoticeFile {
    /// What is announced.
    pub kind: KindName,
    /// Of which products; of all, if none is named.
    #[serde(default)]
    pub products: Vec<ProductSlug>,
    /// Of a release: which version.
    #[serde(default)]
    pub version: Option<String>,
    /// Of a release or maintenance: when it happens.
    #[serde(default, deserialize_with = "instant")]
    pub planned_at: Option<Timestamp>,
    /// Of maintenance: until when.
    #[serde(default, deserialize_with = "instant")]
    pub ends_at: Option<Timestamp>,
    /// The title, one line.
    pub title: Bilingual,
    /// What is said first, of a release or maintenance.
    #[serde(default)]
    pub body: Option<Bilingual>,
    /// What is said of an incident, the first at first; or what is added to another notice.
    #[serde(default)]
    pub updates: Vec<UpdateEntry>,
}

/// Why a file cannot be read: what is wrong and where.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// Not TOML, or not the fields of a notice.
    #[error(transparent)]
    Toml(#[from] toml::de::Error),
    /// A character with which no feed reader could read the news.
    #[error(
        "line {line}: U+{:04X}, which XML 1.0 forbids: no feed reader could read the news; remove it",
        u32::from(*.character)
    )]
    Character {
        /// The line that it stands in, or is written in as an escape.
        line: usize,
        /// Which.
        character: char,
    },
}

/// The kinds of notices.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KindName {
    /// A version of a product.
    Release,
    /// A time in which something does not work.
    Maintenance,
    /// Something that does not work.
    Incident,
}

impl KindName {
    /// The kind as it stands in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Release => "release",
            Self::Maintenance => "maintenance",
            Self::Incident => "incident",
        }
    }
}

/// An update in a file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateEntry {
    /// Of an incident: how far it is.
    #[serde(default)]
    pub stage: Option<Stage>,
    /// Of an incident: how bad it is, if that is new.
    #[serde(default)]
    pub severity: Option<Severity>,
    /// What is said, in Markdown.
    pub body: Bilingual,
}

impl NoticeFile {
    /// Reads a file's text.
    pub fn parse(text: &str) -> Result<Self, FileError> {
        for (_, value) in DeTable::parse(text)?.get_ref() {
            check_characters(text, value)?;
        }
        Ok(toml::from_str(text)?)
    }

    /// All its updates: the body first, if there is one.
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

    /// The kind with its instants, if all that it needs is there.
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
        })
    }
}

/// Refuses a value with a character in it that must not get into a feed.
fn check_characters(text: &str, value: &toml::Spanned<DeValue<'_>>) -> Result<(), FileError> {
    match value.get_ref() {
        DeValue::String(string) => {
            let Some(character) = xml::first_forbidden(string) else {
                return Ok(());
            };
            let span = value.span();
            let written = text.get(span.clone()).unwrap_or_default();
            let at = span.start + position(written, character);
            let before = text.get(..at).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            Err(FileError::Character { line, character })
        }
        DeValue::Array(array) => array.iter().try_for_each(|of| check_characters(text, of)),
        DeValue::Table(table) => table
            .iter()
            .try_for_each(|(_, of)| check_characters(text, of)),
        _ => Ok(()),
    }
}

/// Where a character stands in a string as it is written: itself or as an escape.
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
    // Lower case has the same length as `\uFFFE` and `\U0000FFFE`.
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

/// An instant with offset, written as TOML's own date-time or as a text.
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
    fn what_xml_forbids_is_refused_with_line_and_character() {
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
    fn a_misspelt_field_is_named() {
        let error = NoticeFile::parse("kind = 'incident'\nserverity = 'major'\n").unwrap_err();
        assert!(error.to_string().contains("serverity"), "{error}");
    }
}

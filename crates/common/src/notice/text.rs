//! A text of a notice.

use serde::{Deserialize, Serialize};

use crate::customer::Language;

/// A text in Japanese, English or both. A language that it does not have is empty, and left out of
/// stored items.
///
/// ```
/// use tegata_common::customer::Language;
/// use tegata_common::notice::NoticeText;
///
/// let text: NoticeText = serde_json::from_str(r#"{ "ja": "障害" }"#)?;
/// assert!(text.has(Language::Ja) && !text.has(Language::En));
/// assert_eq!(text.get(Language::En), "障害");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoticeText {
    /// Japanese.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub ja: String,
    /// English.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub en: String,
}

impl NoticeText {
    /// Whether it has a language.
    pub fn has(&self, language: Language) -> bool {
        !self.only(language).trim().is_empty()
    }

    /// The language that is shown to a reader of a language: that one, or the other if the text
    /// does not have it.
    pub fn shown_in(&self, language: Language) -> Language {
        match self.has(language) {
            true => language,
            false => language.other(),
        }
    }

    /// The text that is shown to a reader of a language.
    pub fn get(&self, language: Language) -> &str {
        self.only(self.shown_in(language))
    }

    /// The text in a language. Empty if it does not have it.
    pub fn only(&self, language: Language) -> &str {
        match language {
            Language::Ja => &self.ja,
            Language::En => &self.en,
        }
    }
}

//! A new notice file to start from, in the wording of a Japanese business document.

use jiff::civil::{Time, Weekday};
use jiff::{Timestamp, ToSpan as _, ZonedDateTime};
use minijinja::context;
use tegata_common::customer::Language;
use tegata_common::notice::{NoticeId, NoticeIdError};
use tegata_common::product::Product;
use tegata_common::version::PluginVersion;

use crate::check::lead_days;
use crate::file::KindName;
use crate::render::{RenderError, render};

/// The days between the latest instant of the announcement and the planned one, so that there is
/// time to write the text.
const TO_WRITE: i64 = 3;

/// A new notice file.
#[derive(Clone, Debug)]
pub struct Draft {
    /// The name of the notice, and of its file.
    pub id: NoticeId,
    /// The content of the file, which passes the check.
    pub content: String,
}

/// Why there is no draft.
#[derive(Debug, thiserror::Error)]
pub enum DraftError {
    /// The catalogue is empty.
    #[error("there is no product yet: tegata product apply")]
    NoProducts,
    /// A release without a product or a version.
    #[error("a release needs --product and --version")]
    Release,
    /// A version for a notice that is not a release.
    #[error("--version is for a release only")]
    Version,
    /// A release for certain tenants.
    #[error("--running is not for a release: it is announced to every contract")]
    Running,
    /// The name would not be valid.
    #[error(transparent)]
    Name(#[from] NoticeIdError),
    /// The calendar has no such day.
    #[error("{0}")]
    Time(#[from] jiff::Error),
    /// The template failed.
    #[error(transparent)]
    Render(#[from] RenderError),
}

/// Writes a notice file for a product, or for all products.
///
/// A planned notice is planned for a weekday after the lead time: a release at 10:00, a maintenance
/// from 22:00 for four hours. `domains` are the tenants that it is for; empty for all. `comments` is the
/// language of the comments, which are for operators.
pub fn draft(
    kind: KindName,
    product: Option<&Product>,
    version: Option<&PluginVersion>,
    domains: &[String],
    catalogue: &[Product],
    comments: Language,
    now: Timestamp,
) -> Result<Draft, DraftError> {
    let first = product
        .or(catalogue.first())
        .ok_or(DraftError::NoProducts)?;
    let zone = &first.policy.time_zone;
    let today = now.to_zoned_datetime(zone.tz().clone());
    let named = product.map(std::slice::from_ref).unwrap_or_default();
    match (kind, product, version) {
        (KindName::Release, ..) if !domains.is_empty() => return Err(DraftError::Running),
        (KindName::Release, None, _) | (KindName::Release, _, None) => {
            return Err(DraftError::Release);
        }
        (KindName::Release, _, _) | (_, _, None) => {}
        _ => return Err(DraftError::Version),
    }
    let at = match kind {
        KindName::Maintenance => Time::constant(22, 0, 0, 0),
        _ => Time::constant(10, 0, 0, 0),
    };
    let planned_at = weekday_after(
        &today,
        i64::from(lead_days(named, catalogue)) + TO_WRITE,
        at,
    )?;
    let ends_at = planned_at.checked_add(4.hours())?;
    let date = match kind {
        KindName::Release | KindName::Maintenance => planned_at.date(),
        KindName::Incident | KindName::Information => today.date(),
    };
    let slug = product.map(|product| product.slug.as_str());
    let mut name = vec![date.to_string()];
    name.extend(slug.map(str::to_owned));
    name.push(match version {
        Some(version) => version.to_string(),
        None => kind.as_str().to_owned(),
    });
    let concerned = if named.is_empty() { catalogue } else { named };
    let name_in = |language: Language| {
        let is_wanted = concerned.iter().any(|of| of.languages.contains(&language));
        is_wanted.then(|| in_toml(first.name.get(language)))
    };
    let instant = |at: &ZonedDateTime| at.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string();
    let values = context! {
        comments => comments.as_str(),
        product => slug,
        version => version.map(ToString::to_string),
        ja => name_in(Language::Ja),
        en => name_in(Language::En),
        domains => domains.to_vec(),
        planned_at => instant(&planned_at),
        ends_at => instant(&ends_at),
        date => today.date().to_string(),
        date_ja => today.strftime("%-Y年%-m月%-d日").to_string(),
        time => today.strftime("%H:%M").to_string(),
        zone => zone.name(),
    };
    let content = render(&format!("{}.toml.jinja", kind.as_str()), values)?;
    Ok(Draft {
        id: name.join("-").parse()?,
        content: format!("{}\n", content.trim_end()),
    })
}

/// The first instant of a time of day, so many days later or on the next weekday after.
fn weekday_after(today: &ZonedDateTime, days: i64, at: Time) -> Result<ZonedDateTime, jiff::Error> {
    let mut date = today.date().checked_add(days.days())?;
    while matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday) {
        date = date.tomorrow()?;
    }
    date.to_datetime(at)
        .to_zoned_datetime(today.time_zone().clone())
}

/// Escapes a text for a basic string of TOML.
fn in_toml(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"")
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tegata_common::product::Catalogue;

    use super::*;
    use crate::check::{Terms, notice};
    use crate::file::NoticeFile;

    const KINDS: [KindName; 4] = [
        KindName::Release,
        KindName::Maintenance,
        KindName::Incident,
        KindName::Information,
    ];

    fn catalogue(languages: &[&str]) -> Vec<Product> {
        let file = json!({
            "issuer": "https://license.example.com",
            "products": {
                "gantt": {
                    "name": { "ja": "ガント", "en": "Gantt \"Pro\" \\" },
                    "languages": languages,
                },
                "sheet": { "name": { "ja": "シート", "en": "Sheet" }, "languages": languages },
            },
        });
        serde_json::from_value::<Catalogue>(file).unwrap().products
    }

    #[test]
    fn a_draft_of_every_kind_passes_the_check() {
        let now: Timestamp = "2026-11-27T14:30:00Z".parse().unwrap();
        let version: PluginVersion = "1.9.0".parse().unwrap();
        let mut checked = 0;
        for languages in [&["ja", "en"][..], &["ja"], &["en"]] {
            let catalogue = catalogue(languages);
            for kind in KINDS {
                for product in [None, catalogue.first(), catalogue.last()] {
                    let is_release = kind == KindName::Release;
                    let version = is_release.then_some(&version);
                    let domains = match is_release {
                        true => Vec::new(),
                        false => vec!["example.cybozu.com".to_owned()],
                    };
                    let comments = match languages {
                        ["en"] => Language::En,
                        _ => Language::Ja,
                    };
                    let draft = draft(kind, product, version, &domains, &catalogue, comments, now);
                    let Ok(draft) = draft else {
                        assert!(kind == KindName::Release && product.is_none());
                        continue;
                    };
                    let file = NoticeFile::parse(&draft.content).unwrap();
                    let is_english = draft.content.is_ascii();
                    assert_eq!(is_english, comments == Language::En, "{}", draft.content);
                    let terms = Terms {
                        now,
                        send_at: now,
                        short_notice: None,
                    };
                    let notice = notice(&draft.id, &file, None, &catalogue, &terms);
                    let notice = notice.unwrap_or_else(|of| panic!("{of:?}\n{}", draft.content));
                    assert_eq!(notice.kind.as_str(), kind.as_str());
                    assert_eq!(notice.audience.domains.len(), domains.len());
                    for language in Language::ALL {
                        let is_wanted = languages.contains(&language.as_str());
                        assert_eq!(notice.title.has(language), is_wanted);
                    }
                    checked += 1;
                }
            }
        }
        assert_eq!(checked, 3 * (4 * 3 - 1));
    }

    #[test]
    fn a_release_is_planned_for_a_weekday_after_the_lead_time() {
        // A Friday: ten days later it is Monday; a day later it would be Tuesday.
        let catalogue = catalogue(&["ja", "en"]);
        let version: PluginVersion = "1.9.0".parse().unwrap();
        for (now, id) in [
            ("2026-11-27T01:00:00Z", "2026-12-07-sheet-1.9.0"),
            ("2026-11-25T01:00:00Z", "2026-12-07-sheet-1.9.0"),
            ("2026-11-24T01:00:00Z", "2026-12-04-sheet-1.9.0"),
        ] {
            let (kind, now) = (KindName::Release, now.parse().unwrap());
            let draft = draft(
                kind,
                catalogue.last(),
                Some(&version),
                &[],
                &catalogue,
                Language::Ja,
                now,
            )
            .unwrap();
            assert_eq!(draft.id.as_str(), id);
        }
    }

    #[test]
    fn a_draft_needs_what_its_kind_needs() {
        let (catalogue, now) = (catalogue(&["ja"]), Timestamp::UNIX_EPOCH);
        let version: PluginVersion = "1.9.0".parse().unwrap();
        let of = |kind, version| {
            draft(
                kind,
                catalogue.first(),
                version,
                &[],
                &catalogue,
                Language::Ja,
                now,
            )
        };
        let release = of(KindName::Release, None);
        assert!(matches!(release, Err(DraftError::Release)));
        let incident = of(KindName::Incident, Some(&version));
        assert!(matches!(incident, Err(DraftError::Version)));
        let none = draft(KindName::Incident, None, None, &[], &[], Language::Ja, now);
        assert!(matches!(none, Err(DraftError::NoProducts)));
    }
}

//! Checks of a notice file, and the conversion of a valid file into a notice.

use std::path::Path;

use jiff::Timestamp;
use tegata_common::customer::{Language, Severity};
use tegata_common::notice::{
    AcknowledgedErrors, Channel, Notice, NoticeId, NoticeKind, NoticeProduct, NoticeText, Stage,
    Update, announce_by,
};
use tegata_common::product::{Product, Zone};
use tegata_common::version::PluginVersion;

use crate::file::{KindName, NoticeFile, UpdateEntry};
use crate::render::body;

/// The maximum lengths of a title and of a text, in characters.
const TITLE: usize = 120;
const BODY: usize = 8_000;

/// The maximum length of all texts of a notice in bytes. DynamoDB limits an item to 400 KB.
const WHOLE: usize = 200_000;

/// A problem in a notice file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The field, such as `body.ja` or `updates.2.stage`.
    pub field: String,
    /// What is wrong, and what is expected.
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// The circumstances of the next announcement.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The current instant.
    pub now: Timestamp,
    /// When the update is to be announced.
    pub send_at: Timestamp,
    /// The operator's reason for announcing it later than the lead time requires.
    pub short_notice: Option<String>,
}

/// The notice's id, from the name of its file.
pub fn notice_id(path: &Path) -> Result<NoticeId, Problem> {
    let stem = path.file_stem().and_then(|stem| stem.to_str());
    let wrong = |message: String| Problem {
        field: "file name".to_owned(),
        message,
    };
    let id: NoticeId = stem
        .unwrap_or_default()
        .parse()
        .map_err(|error| wrong(format!("{error}")))?;
    match id.as_str() {
        // The news page has files of these names.
        "index" | "feed" => Err(wrong(format!("a notice cannot be named {id}"))),
        _ => Ok(id),
    }
}

/// Converts a file into a notice whose next update is to be announced.
///
/// `before` is the notice as stored. Updates that have been announced must not change.
///
/// # Errors
///
/// All problems of the file.
pub fn notice(
    id: &NoticeId,
    file: &NoticeFile,
    before: Option<&Notice>,
    catalogue: &[Product],
    terms: &Terms,
) -> Result<Notice, Vec<Problem>> {
    let mut problems = Problems::default();
    let products = products(file, catalogue, &mut problems);
    let concerned = if products.is_empty() {
        catalogue
    } else {
        &products
    };
    let languages = languages(file, before, concerned);
    texts(file, before, &languages, &mut problems);
    mails(file, &mut problems);
    kind_fields(
        file,
        before.filter(|of| of.last_announced() > 0),
        terms,
        &mut problems,
    );
    let entries = file.updates();
    stages(file, &mut problems);

    let known = before.map_or(&[][..], |before| &before.updates[..]);
    let announced = known
        .iter()
        .filter(|update| update.announced.is_some())
        .count();
    for (index, (known, entry)) in known.iter().zip(&entries).take(announced).enumerate() {
        if !says_the_same(known, entry) {
            problems.add(
                update_field(file, index),
                "has been announced and cannot be changed: add an update instead",
            );
        }
    }
    if entries.len() < announced {
        let number = announced;
        problems.add(
            "updates",
            format!("{number} updates have been announced and cannot be removed"),
        );
    } else if entries.len() > announced + 1 {
        problems.add(
            "updates",
            "more than one update is new: announce them one at a time",
        );
    } else if entries.len() == announced {
        problems.add("updates", "all updates have been announced: add an update");
    }
    if let Some(before) = before.filter(|of| of.last_announced() > 0) {
        same_thing(file, before, &mut problems);
    }

    let zone = products
        .first()
        .map(|product| product.policy.time_zone.clone());
    let zone = zone.or_else(|| {
        catalogue
            .first()
            .map(|product| product.policy.time_zone.clone())
    });
    let zone = match zone {
        Some(zone) => zone,
        None => {
            problems.add("products", "there is no product yet: tegata product apply");
            return Err(problems.found);
        }
    };
    let lead_days = lead_days(&products, catalogue);
    // The lead time is checked again if the planned instant is earlier than announced.
    let planned_before = before.and_then(|before| before.kind.planned_at());
    let is_earlier = file.planned_at < planned_before && file.planned_at.is_some();
    if announced == 0 || is_earlier {
        lead_time(file, terms, lead_days, &zone, &mut problems);
    }
    if !problems.found.is_empty() {
        return Err(problems.found);
    }
    let Some(kind) = file.kind() else {
        return Err(problems.found);
    };
    let updates = entries.iter().enumerate().map(|(index, entry)| {
        let known = known.get(index).filter(|known| known.announced.is_some());
        known.cloned().unwrap_or_else(|| Update {
            number: u16::try_from(index + 1).unwrap_or(u16::MAX),
            stage: entry.stage,
            severity: entry.severity,
            body: entry.body.clone(),
            send_at: terms.send_at,
            short_notice: terms.short_notice.clone(),
            announced: None,
            queued: None,
        })
    });
    Ok(Notice {
        notice_id: id.clone(),
        kind,
        products: products
            .iter()
            .map(|product| NoticeProduct {
                slug: product.slug.clone(),
                name: product.name.clone(),
            })
            .collect(),
        time_zone: zone,
        title: file.title.clone(),
        audience: file.audience.clone(),
        severity_floor: severity_floor(file, concerned),
        mails: file.mails,
        updates: updates.collect(),
        paused: before.and_then(|before| before.paused.clone()),
        forgiven: before.map_or_else(AcknowledgedErrors::default, |before| before.forgiven),
        news: before.map_or_else(Channel::default, |before| before.news.clone()),
        status_page: before.map_or_else(Channel::default, |before| before.status_page.clone()),
    })
}

#[derive(Default)]
struct Problems {
    found: Vec<Problem>,
}

impl Problems {
    fn add(&mut self, field: impl Into<String>, message: impl Into<String>) {
        self.found.push(Problem {
            field: field.into(),
            message: message.into(),
        });
    }
}

fn says_the_same(known: &Update, entry: &UpdateEntry) -> bool {
    (known.stage, known.severity, &known.body) == (entry.stage, entry.severity, &entry.body)
}

/// The lead time of a notice in days: the longest one of its products, or of all products if it has
/// none.
pub fn lead_days(named: &[Product], catalogue: &[Product]) -> u16 {
    let products = if named.is_empty() { catalogue } else { named };
    let days = products.iter().map(|product| product.notice_days);
    days.max().unwrap_or_default()
}

/// The name of an update's field in the file.
fn update_field(file: &NoticeFile, index: usize) -> String {
    match (&file.body, index) {
        (Some(_), 0) => "body".to_owned(),
        (Some(_), index) => format!("updates.{index}"),
        (None, index) => format!("updates.{}", index + 1),
    }
}

fn products(file: &NoticeFile, catalogue: &[Product], problems: &mut Problems) -> Vec<Product> {
    let mut found: Vec<Product> = Vec::new();
    for slug in &file.products {
        match catalogue.iter().find(|product| product.slug == *slug) {
            None => problems.add("products", format!("there is no product {slug}")),
            Some(_) if found.iter().any(|known| known.slug == *slug) => {
                problems.add("products", format!("{slug} is listed twice"));
            }
            Some(product) => found.push(product.clone()),
        }
    }
    if file.kind == KindName::Release && file.products.len() != 1 {
        problems.add("products", "a release must have exactly one product");
    }
    found
}

/// The languages that a notice must have: those of its products, or of all products if it has none,
/// and those that its new texts have.
fn languages(file: &NoticeFile, before: Option<&Notice>, products: &[Product]) -> Vec<Language> {
    let new = file.updates().into_iter();
    let new = new.skip(before.map_or(0, |before| before.announced().count()));
    let texts: Vec<NoticeText> = new.map(|update| update.body).collect();
    let mut languages = Language::ALL.to_vec();
    languages.retain(|language| {
        products.iter().any(|of| of.languages.contains(language))
            || file.title.has(*language)
            || texts.iter().any(|text| text.has(*language))
    });
    languages
}

fn texts(
    file: &NoticeFile,
    before: Option<&Notice>,
    languages: &[Language],
    problems: &mut Problems,
) {
    let mut bytes = 0;
    let names: Vec<&str> = languages.iter().map(|of| of.as_str()).collect();
    let empty = format!("is empty: this notice must have {}", names.join(" and "));
    for language in Language::ALL {
        let field = format!("title.{}", language.as_str());
        let title = file.title.only(language);
        if title.trim().is_empty() {
            if languages.contains(&language) {
                problems.add(field, empty.clone());
            }
        } else if title.chars().any(char::is_control) {
            problems.add(field, "must be one line");
        } else if title.chars().count() > TITLE {
            problems.add(field, format!("has more than {TITLE} characters"));
        }
        bytes += title.len();
    }
    for (index, update) in file.updates().iter().enumerate() {
        // An announced text stays as it is, even if it was written before a rule of today.
        let is_announced = before
            .and_then(|before| before.announced().nth(index))
            .is_some_and(|known| says_the_same(known, update));
        for language in Language::ALL {
            let text = update.body.only(language);
            bytes += text.len();
            if is_announced {
                continue;
            }
            let field = match update_field(file, index) {
                field if field == "body" => format!("body.{}", language.as_str()),
                field => format!("{field}.body.{}", language.as_str()),
            };
            if text.trim().is_empty() {
                if languages.contains(&language) {
                    problems.add(field, empty.clone());
                }
                continue;
            }
            if text.chars().count() > BODY {
                problems.add(field.clone(), format!("has more than {BODY} characters"));
            }
            if text
                .chars()
                .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
            {
                problems.add(field.clone(), "has a control character");
            }
            let first = file.lines.get(&field).copied().unwrap_or(1);
            for of in body::problems(text) {
                let line = first + of.line - 1;
                problems.add(field.clone(), format!("line {line} {}", of.message));
            }
        }
    }
    if bytes > WHOLE {
        problems.add(
            "updates",
            "the texts are too long in total: start a new notice",
        );
    }
}

/// Checks that an update is added to the same notice: the announced kind, version and products.
fn same_thing(file: &NoticeFile, before: &Notice, problems: &mut Problems) {
    let kind = before.kind.as_str();
    if kind != file.kind.as_str() {
        problems.add("kind", format!("was announced as {kind}"));
    }
    if let NoticeKind::Release { version, .. } = &before.kind
        && file.version.as_ref() != Some(version)
    {
        problems.add(
            "version",
            format!("was announced as {version}: start a new notice"),
        );
    }
    let products = before.products.iter().map(|product| &product.slug);
    if !products.eq(&file.products) {
        problems.add(
            "products",
            "differs from the announced products: start a new notice",
        );
    }
}

/// The lowest severity of an incident that is mailed to primary contacts: the file's, or the lowest
/// one of the products.
fn severity_floor(file: &NoticeFile, products: &[Product]) -> Option<Severity> {
    if file.kind != KindName::Incident {
        return None;
    }
    let floors = products.iter().map(|product| product.severity_floor);
    file.severity_floor.or_else(|| floors.min())
}

fn mails(file: &NoticeFile, problems: &mut Problems) {
    let is_release = file.kind == KindName::Release;
    if file.severity_floor.is_some() && file.kind != KindName::Incident {
        problems.add("severity_floor", "is allowed for an incident only");
    }
    if !file.mails && is_release {
        problems.add(
            "mails",
            "must not be false for a release: it is promised to be announced by mail",
        );
    }
    if !file.audience.is_empty() && is_release {
        problems.add(
            "audience",
            "is not allowed for a release: it is promised to be announced to every contract",
        );
    }
    if !file.audience.is_empty() && !file.mails {
        problems.add("audience", "has no effect with mails = false");
    }
}

fn kind_fields(
    file: &NoticeFile,
    announced: Option<&Notice>,
    terms: &Terms,
    problems: &mut Problems,
) {
    // An update may be added after the planned instant.
    let is_known = announced.is_some_and(|notice| notice.kind.planned_at() == file.planned_at);
    let is_release = file.kind == KindName::Release;
    let is_incident = file.kind == KindName::Incident;
    match &file.version {
        Some(_) if !is_release => problems.add("version", "is allowed for a release only"),
        None if is_release => problems.add("version", "is missing: the version to be released"),
        // The announced version cannot be changed, even if it is invalid today.
        Some(version)
            if announced.is_some_and(|of| of.kind.version() == Some(version.as_str())) => {}
        Some(version) => {
            if let Err(error) = version.parse::<PluginVersion>() {
                problems.add("version", error.to_string());
            }
        }
        None => {}
    }
    match file.planned_at {
        Some(_) if is_incident => problems.add("planned_at", "is not allowed for an incident"),
        None if !is_incident && file.kind != KindName::Information => {
            problems.add("planned_at", "is missing: the instant at which it happens");
        }
        Some(planned) if planned <= terms.now && !is_known => {
            problems.add("planned_at", format!("{planned} is in the past"));
        }
        _ => {}
    }
    match (file.kind, file.planned_at, file.ends_at) {
        (KindName::Maintenance, _, None) => {
            problems.add("ends_at", "is missing: the end of the maintenance");
        }
        (KindName::Maintenance, Some(planned), Some(ends)) if ends <= planned => {
            problems.add("ends_at", "must be after planned_at");
        }
        (KindName::Release | KindName::Incident | KindName::Information, _, Some(_)) => {
            problems.add("ends_at", "is allowed for maintenance only");
        }
        _ => {}
    }
    match &file.body {
        Some(_) if is_incident => problems.add(
            "body",
            "is not allowed for an incident: write the text in [[updates]], with its stage",
        ),
        None if !is_incident => problems.add("body", "is missing"),
        _ => {}
    }
}

fn stages(file: &NoticeFile, problems: &mut Problems) {
    let is_incident = file.kind == KindName::Incident;
    if is_incident && file.updates.is_empty() {
        problems.add("updates", "an incident must have at least one update");
    }
    let mut is_resolved = false;
    for (index, update) in file.updates.iter().enumerate() {
        let field = |name: &str| format!("updates.{}.{name}", index + 1);
        match update.stage {
            Some(_) if !is_incident => {
                problems.add(field("stage"), "is allowed for an incident only");
            }
            None if is_incident => problems.add(
                field("stage"),
                "is missing: investigating, identified, monitoring or resolved",
            ),
            _ => {}
        }
        match update.severity {
            Some(_) if !is_incident => {
                problems.add(field("severity"), "is allowed for an incident only");
            }
            None if is_incident && index == 0 => {
                problems.add(field("severity"), "is missing: minor, major or critical");
            }
            _ => {}
        }
        if is_resolved && is_incident {
            problems.add(field("stage"), "follows resolved: start a new notice");
        }
        is_resolved |= update.stage == Some(Stage::Resolved);
    }
}

/// Checks the lead time (white paper: a version-up is announced before it happens).
fn lead_time(
    file: &NoticeFile,
    terms: &Terms,
    lead_days: u16,
    zone: &Zone,
    problems: &mut Problems,
) {
    let Some(planned_at) = file
        .planned_at
        .filter(|_| file.kind != KindName::Information)
    else {
        return;
    };
    if terms.send_at >= planned_at {
        problems.add("planned_at", "is before the notice would be sent");
        return;
    }
    let by = announce_by(planned_at, lead_days, zone.tz());
    if terms.send_at > by && terms.short_notice.is_none() {
        let by = by.to_zoned_datetime(zone.tz().clone());
        problems.add(
            "planned_at",
            format!(
                "must be announced {lead_days} days before, by {}: plan it later, or give a reason \
                 with --short-notice REASON",
                by.strftime("%Y-%m-%dT%H:%M:%S%:z")
            ),
        );
    }
}

#[cfg(test)]
mod tests;

//! What keeps a notice from being sent, and the notice that a file makes.

use std::path::Path;

use jiff::Timestamp;
use tegata_common::notice::{
    AcknowledgedErrors, Channel, Notice, NoticeId, NoticeKind, NoticeProduct, Stage, Update,
    announce_by,
};
use tegata_common::product::{Bilingual, Product, Zone};
use tegata_common::version::PluginVersion;

use crate::file::{KindName, NoticeFile, UpdateEntry};
use crate::render::body;

/// The longest title and text, in characters.
const TITLE: usize = 120;
const BODY: usize = 8_000;

/// All texts of a notice together, in bytes: DynamoDB keeps 400 KB under a key.
const WHOLE: usize = 200_000;

/// Something in a file that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where: `body.ja`, `updates.2.stage`.
    pub field: String,
    /// What is wrong, and what is expected.
    pub message: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

/// When the next update is to be announced, and on which terms.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Now.
    pub now: Timestamp,
    /// When it is to be announced.
    pub send_at: Timestamp,
    /// Why it may be later than the lead time asks for.
    pub short_notice: Option<String>,
}

/// The name of the notice in a file.
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
        // Files of the news page.
        "index" | "feed" => Err(wrong(format!("a notice cannot be named {id}"))),
        _ => Ok(id),
    }
}

/// Makes the notice of a file, to be announced with its next update; or says all that is wrong.
///
/// `before` is the notice as it has been announced so far: what was said stays said.
pub fn notice(
    id: &NoticeId,
    file: &NoticeFile,
    before: Option<&Notice>,
    catalogue: &[Product],
    terms: &Terms,
) -> Result<Notice, Vec<Problem>> {
    let mut problems = Problems::default();
    let products = products(file, catalogue, &mut problems);
    texts(file, &mut problems);
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
                "it has been announced and stays as it was: add an update instead",
            );
        }
    }
    if entries.len() < announced {
        let number = announced;
        problems.add(
            "updates",
            format!("{number} updates have been announced, and stay"),
        );
    } else if entries.len() > announced + 1 {
        problems.add(
            "updates",
            "more than one of them is new: announce them one at a time",
        );
    } else if entries.len() == announced {
        problems.add("updates", "all of it has been announced: add an update");
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
    // Once more if it is to happen earlier than was announced.
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

/// The lead time of the products that a notice is about: the longest, of all if none is named.
pub fn lead_days(named: &[Product], catalogue: &[Product]) -> u16 {
    let products = if named.is_empty() { catalogue } else { named };
    let days = products.iter().map(|product| product.notice_days);
    days.max().unwrap_or_default()
}

/// An update's place in the file.
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
                problems.add("products", format!("{slug} is named twice"));
            }
            Some(product) => found.push(product.clone()),
        }
    }
    if file.kind == KindName::Release && file.products.len() != 1 {
        problems.add("products", "a release is of one product");
    }
    found
}

fn texts(file: &NoticeFile, problems: &mut Problems) {
    let mut bytes = 0;
    for (language, title) in [("ja", &file.title.ja), ("en", &file.title.en)] {
        let field = format!("title.{language}");
        if title.trim().is_empty() {
            problems.add(field, "is empty: both languages are sent");
        } else if title.chars().any(char::is_control) {
            problems.add(field, "is one line");
        } else if title.chars().count() > TITLE {
            problems.add(field, format!("has more than {TITLE} characters"));
        }
        bytes += title.len();
    }
    for (index, update) in file.updates().iter().enumerate() {
        let Bilingual { ja, en } = &update.body;
        for (language, text) in [("ja", ja), ("en", en)] {
            let field = match update_field(file, index) {
                field if field == "body" => format!("body.{language}"),
                field => format!("{field}.body.{language}"),
            };
            if text.trim().is_empty() {
                problems.add(field.clone(), "is empty: both languages are sent");
            } else if text.chars().count() > BODY {
                problems.add(field.clone(), format!("has more than {BODY} characters"));
            }
            if text
                .chars()
                .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
            {
                problems.add(field.clone(), "has a control character in it");
            }
            for problem in body::problems(text) {
                problems.add(field.clone(), problem);
            }
            bytes += text.len();
        }
    }
    if bytes > WHOLE {
        problems.add(
            "updates",
            "all texts together are too long: begin a new notice",
        );
    }
}

/// What an update is added to is what was announced.
fn same_thing(file: &NoticeFile, before: &Notice, problems: &mut Problems) {
    let kind = before.kind.as_str();
    if kind != file.kind.as_str() {
        problems.add("kind", format!("it was announced as {kind}"));
    }
    if let NoticeKind::Release { version, .. } = &before.kind
        && file.version.as_ref() != Some(version)
    {
        problems.add(
            "version",
            format!("{version} was announced: begin a new notice"),
        );
    }
    let products = before.products.iter().map(|product| &product.slug);
    if !products.eq(&file.products) {
        problems.add("products", "others were announced: begin a new notice");
    }
}

fn kind_fields(
    file: &NoticeFile,
    announced: Option<&Notice>,
    terms: &Terms,
    problems: &mut Problems,
) {
    // What was announced may have happened: it is over, and more is said of it.
    let is_known = announced.is_some_and(|notice| notice.kind.planned_at() == file.planned_at);
    let is_release = file.kind == KindName::Release;
    let is_incident = file.kind == KindName::Incident;
    match &file.version {
        Some(_) if !is_release => problems.add("version", "belongs to a release only"),
        None if is_release => problems.add("version", "is missing: which version is released?"),
        // What was announced cannot be changed, in whatever form.
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
        Some(_) if is_incident => problems.add("planned_at", "an incident is not planned"),
        None if !is_incident => problems.add("planned_at", "is missing: when does it happen?"),
        Some(planned) if planned <= terms.now && !is_known => {
            problems.add("planned_at", format!("{planned} is over"));
        }
        _ => {}
    }
    match (file.kind, file.planned_at, file.ends_at) {
        (KindName::Maintenance, _, None) => {
            problems.add("ends_at", "is missing: until when does it last?");
        }
        (KindName::Maintenance, Some(planned), Some(ends)) if ends <= planned => {
            problems.add("ends_at", "is not after planned_at");
        }
        (KindName::Release | KindName::Incident, _, Some(_)) => {
            problems.add("ends_at", "belongs to maintenance only");
        }
        _ => {}
    }
    match &file.body {
        Some(_) if is_incident => problems.add(
            "body",
            "what is said of an incident stands in [[updates]], with its stage",
        ),
        None if !is_incident => problems.add("body", "is missing"),
        _ => {}
    }
}

fn stages(file: &NoticeFile, problems: &mut Problems) {
    let is_incident = file.kind == KindName::Incident;
    if is_incident && file.updates.is_empty() {
        problems.add("updates", "an incident has at least one");
    }
    let mut is_resolved = false;
    for (index, update) in file.updates.iter().enumerate() {
        let field = |name: &str| format!("updates.{}.{name}", index + 1);
        match update.stage {
            Some(_) if !is_incident => problems.add(field("stage"), "belongs to an incident only"),
            None if is_incident => problems.add(
                field("stage"),
                "is missing: investigating, identified, monitoring or resolved",
            ),
            _ => {}
        }
        match update.severity {
            Some(_) if !is_incident => {
                problems.add(field("severity"), "belongs to an incident only");
            }
            None if is_incident && index == 0 => {
                problems.add(field("severity"), "is missing: minor, major or critical");
            }
            _ => {}
        }
        if is_resolved && is_incident {
            problems.add(field("stage"), "comes after resolved: begin a new notice");
        }
        is_resolved |= update.stage == Some(Stage::Resolved);
    }
}

/// The promise: a version-up is announced before it happens.
fn lead_time(
    file: &NoticeFile,
    terms: &Terms,
    lead_days: u16,
    zone: &Zone,
    problems: &mut Problems,
) {
    let Some(planned_at) = file.planned_at else {
        return;
    };
    if terms.send_at >= planned_at {
        problems.add("planned_at", "has come before the notice would be sent");
        return;
    }
    let by = announce_by(planned_at, lead_days, zone.tz());
    if terms.send_at > by && terms.short_notice.is_none() {
        let by = by.to_zoned_datetime(zone.tz().clone());
        problems.add(
            "planned_at",
            format!(
                "has to be announced {lead_days} days before, by {}: plan it later, or say why not \
                 with --short-notice REASON",
                by.strftime("%Y-%m-%d %H:%M %:z")
            ),
        );
    }
}

#[cfg(test)]
mod tests;

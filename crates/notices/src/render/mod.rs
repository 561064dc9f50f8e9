//! What contacts and the public read: mails, the news page and its feed.

pub mod body;
pub mod mail;
pub mod news;

use std::sync::LazyLock;

use jiff::Timestamp;
use minijinja::{Environment, UndefinedBehavior, Value};
use tegata_common::customer::EmailAddress;
use tegata_common::product::Zone;

const TEMPLATES: [(&str, &str); 5] = [
    ("mail.html.jinja", include_str!("mail.html.jinja")),
    ("mail.txt.jinja", include_str!("mail.txt.jinja")),
    ("news.html.jinja", include_str!("news.html.jinja")),
    ("notice.html.jinja", include_str!("notice.html.jinja")),
    ("feed.xml.jinja", include_str!("feed.xml.jinja")),
];

/// Who speaks.
#[derive(Clone, Debug)]
pub struct Sender {
    /// The vendor's name.
    pub name: String,
    /// Where its mails come from.
    pub from: EmailAddress,
    /// Where security questions go.
    pub security_contact: EmailAddress,
    /// Where the CDN is, without a slash at the end, if it is known.
    pub cdn_url: Option<String>,
}

impl Sender {
    /// The address of a page of the CDN.
    fn url(&self, path: &str) -> Option<String> {
        Some(format!("{}/{path}", self.cdn_url.as_ref()?))
    }
}

/// Why something was not rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// The templates cannot be read.
    #[error("templates: {0}")]
    Templates(String),
    /// The template does not take what it was given.
    #[error("template: {0}")]
    Template(#[from] minijinja::Error),
    /// The delivery's address is malformed.
    #[error("the recipient's address is malformed: correct the contact")]
    Recipient,
    /// What was made is no mail.
    #[error("mail: {0}")]
    Mail(String),
}

/// The templates, read once in the life of a process.
static ENVIRONMENT: LazyLock<Result<Environment<'static>, minijinja::Error>> =
    LazyLock::new(|| {
        let mut templates = Environment::new();
        templates.set_undefined_behavior(UndefinedBehavior::Strict);
        for (name, template) in TEMPLATES {
            templates.add_template(name, template)?;
        }
        Ok(templates)
    });

fn render(name: &str, context: Value) -> Result<String, RenderError> {
    let templates = ENVIRONMENT.as_ref();
    let templates = templates.map_err(|error| RenderError::Templates(error.to_string()))?;
    Ok(templates.get_template(name)?.render(context)?)
}

/// An instant as contacts read it: `2026-12-05 10:00 (Asia/Tokyo)`.
fn shown(at: Timestamp, zone: &Zone) -> String {
    let local = at.to_zoned_datetime(zone.tz().clone());
    format!("{} ({})", local.strftime("%Y-%m-%d %H:%M"), zone.name())
}

//! Rendering of mails, the news page and its feeds.

pub mod body;
pub mod mail;
pub mod news;

use std::sync::LazyLock;

use jiff::Timestamp;
use minijinja::{Environment, UndefinedBehavior, Value};
use tegata_common::customer::EmailAddress;
use tegata_common::notice::{Delivery, RecipientAddress};
use tegata_common::product::Zone;

const TEMPLATES: [(&str, &str); 9] = [
    ("mail.html.jinja", include_str!("mail.html.jinja")),
    ("mail.txt.jinja", include_str!("mail.txt.jinja")),
    ("news.html.jinja", include_str!("news.html.jinja")),
    ("notice.html.jinja", include_str!("notice.html.jinja")),
    ("feed.xml.jinja", include_str!("feed.xml.jinja")),
    (
        "release.toml.jinja",
        include_str!("../draft/release.toml.jinja"),
    ),
    (
        "maintenance.toml.jinja",
        include_str!("../draft/maintenance.toml.jinja"),
    ),
    (
        "incident.toml.jinja",
        include_str!("../draft/incident.toml.jinja"),
    ),
    (
        "information.toml.jinja",
        include_str!("../draft/information.toml.jinja"),
    ),
];

/// The vendor, as sender of mails and publisher of the news page.
#[derive(Clone, Debug)]
pub struct Sender {
    /// The vendor's display name.
    pub name: String,
    /// The `From` address of mails.
    pub from: EmailAddress,
    /// The published address for security questions, shown in every mail and on the news page.
    pub security_contact: EmailAddress,
    /// The base URL of the CDN, without a trailing slash.
    pub cdn_url: Option<String>,
}

impl Sender {
    /// The URL of a page on the CDN. `None` if the CDN's URL is unknown.
    fn url(&self, path: &str) -> Option<String> {
        Some(format!("{}/{path}", self.cdn_url.as_ref()?))
    }
}

/// Why a mail or page could not be rendered.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
    /// A template is invalid.
    #[error("invalid template: {0}")]
    Templates(String),
    /// A template failed with the given values.
    #[error("template: {0}")]
    Template(#[from] minijinja::Error),
    /// The recipient's address is malformed.
    #[error("the recipient's address is malformed: correct the contact")]
    Recipient,
    /// The recipient's address was removed after its retention.
    #[error("the recipient's address was removed: the retention of this notice is over")]
    AddressRemoved,
    /// The mail could not be built.
    #[error("mail: {0}")]
    Mail(String),
}

/// The address that the mail of a delivery goes to.
pub fn recipient(delivery: &Delivery) -> Result<&EmailAddress, RenderError> {
    match &delivery.email {
        RecipientAddress::Valid(address) => Ok(address),
        RecipientAddress::Malformed(_) => Err(RenderError::Recipient),
        RecipientAddress::Removed => Err(RenderError::AddressRemoved),
    }
}

/// The templates, parsed once per process.
static ENVIRONMENT: LazyLock<Result<Environment<'static>, minijinja::Error>> =
    LazyLock::new(|| {
        let mut templates = Environment::new();
        templates.set_undefined_behavior(UndefinedBehavior::Strict);
        for (name, template) in TEMPLATES {
            templates.add_template(name, template)?;
        }
        Ok(templates)
    });

/// Renders a template.
pub(crate) fn render(name: &str, context: Value) -> Result<String, RenderError> {
    let templates = ENVIRONMENT.as_ref();
    let templates = templates.map_err(|error| RenderError::Templates(error.to_string()))?;
    Ok(templates.get_template(name)?.render(context)?)
}

/// Formats an instant for mails and pages: `2026-12-05 10:00 (Asia/Tokyo)`.
fn shown(at: Timestamp, zone: &Zone) -> String {
    let local = at.to_zoned_datetime(zone.tz().clone());
    format!("{} ({})", local.strftime("%Y-%m-%d %H:%M"), zone.name())
}

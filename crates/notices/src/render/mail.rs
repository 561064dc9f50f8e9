//! The mail of a delivery: plain text and HTML, in the recipient's language.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use lettre::Message;
use lettre::message::header::{Header, HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use minijinja::{Value, context};
use tegata_common::customer::{EmailAddress, Language, Severity};
use tegata_common::notice::{Delivery, Notice, Update};

use super::{RenderError, Sender, body, news, render, shown};

/// The parts of a mail.
#[derive(Clone, Debug)]
pub struct Mail {
    /// The subject, one line.
    pub subject: String,
    /// The plain-text part.
    pub text: String,
    /// The HTML part.
    pub html: String,
}

/// `Auto-Submitted: auto-generated`, so that no automatic replies are sent (RFC 3834).
#[derive(Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// The same for Exchange and Outlook, which do not read `Auto-Submitted` (Microsoft's MS-OXCMAIL,
/// section 2.1.3.2.20). Non-delivery reports (`NDR`, also part of `All`) are not suppressed: they
/// are evidence that a contact has not been told.
#[derive(Clone)]
struct AutoResponseSuppress;

impl Header for AutoResponseSuppress {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("X-Auto-Response-Suppress")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "DR, RN, NRN, OOF, AutoReply".to_owned())
    }
}

/// Renders the mail of a delivery.
pub fn mail(
    notice: &Notice,
    update: &Update,
    delivery: &Delivery,
    sender: &Sender,
) -> Result<Mail, RenderError> {
    // The other language if the notice does not have the recipient's.
    let language = notice.title.shown_in(delivery.language);
    let kind = &notice.kind;
    let shown = |at: Option<Timestamp>| at.map(|at| shown(at, &notice.time_zone));
    let markdown = update.body.get(language);
    let customers: Vec<String> = delivery
        .customers
        .iter()
        .map(|customer| customer.name.clone())
        .collect();
    let severity = notice.severity_at(update.number).map(Severity::as_str);
    let mail = context! {
        lang => language.as_str(),
        kind => kind.as_str(),
        title => notice.title.get(language).to_owned(),
        products => notice.product_names(language),
        version => kind.version().map(str::to_owned),
        planned => shown(kind.planned_at()),
        ends => shown(kind.ends_at()),
        severity,
        stage => update.stage.map(|stage| stage.as_str()),
        update_number => update.number,
        body_html => Value::from_safe_string(body::html(markdown, 2)),
        body_text => body::text(markdown),
        why => delivery.why.as_str(),
        customers,
        news_url => sender.url(&news::notice_path(&notice.notice_id, language)),
        security_contact => sender.security_contact.as_str().to_owned(),
        sender => sender.name.clone(),
    };
    let text = render("mail.txt.jinja", mail.clone())?;
    Ok(Mail {
        subject: subject(notice, update, language, sender),
        text: format!("{}\n", text.trim_end()),
        html: render("mail.html.jinja", mail)?,
    })
}

fn subject(notice: &Notice, update: &Update, language: Language, sender: &Sender) -> String {
    let title = notice.title.get(language);
    let (open, close) = match language {
        Language::Ja => ("【", "】"),
        Language::En => ("[", "] "),
    };
    let bulletin = match (update.number, language) {
        (1, _) => String::new(),
        (number, Language::Ja) => format!("（第{number}報）"),
        (number, Language::En) => format!(" (bulletin {number})"),
    };
    format!("{open}{}{close}{title}{bulletin}", sender.name)
}

/// Builds the RFC 5322 message, with a `Message-ID` that is derived from the delivery.
///
/// SES replaces the `Message-ID` with its own. In the local outbox it shows whether a mail was sent
/// twice.
pub fn message(
    mail: Mail,
    notice: &Notice,
    delivery: &Delivery,
    sender: &Sender,
    now: Timestamp,
) -> Result<Vec<u8>, RenderError> {
    let wrong = |error: String| RenderError::Mail(error);
    let address = |email: &EmailAddress| {
        let parsed = email.as_str().parse::<lettre::Address>();
        parsed.map_err(|_| wrong("the address is malformed".to_owned()))
    };
    let to = super::recipient(delivery)?;
    let (_, host) = sender.from.as_str().rsplit_once('@').unwrap_or_default();
    let id = format!("<{}.{}@{host}>", notice.notice_id, delivery.delivery);
    let since_epoch = Duration::from_secs(u64::try_from(now.as_second()).unwrap_or_default());
    let message = Message::builder()
        .from(Mailbox::new(
            Some(sender.name.clone()),
            address(&sender.from)?,
        ))
        .to(Mailbox::new(None, address(to)?))
        .subject(mail.subject)
        .date(SystemTime::UNIX_EPOCH + since_epoch)
        .message_id(Some(id))
        .header(AutoSubmitted)
        .header(AutoResponseSuppress)
        .multipart(MultiPart::alternative_plain_html(mail.text, mail.html))
        .map_err(|error| wrong(error.to_string()))?;
    Ok(message.formatted())
}

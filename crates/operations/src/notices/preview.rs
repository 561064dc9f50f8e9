//! The mails and pages of a notice before it is sent, and its audience.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Value, json};
use tegata_common::customer::{EmailAddress, Language};
use tegata_common::notice::{
    Announced, ContactHash, CustomerName, Delivery, DeliveryId, Facts, Notice, NoticeId,
    RecipientRole, Update,
};
use tegata_notices::audience::AudienceReport;
use tegata_notices::mailer::MailTransport;
use tegata_notices::render::{Sender, mail, news};

use super::{CheckedNotice, Context, NoticeError};
use crate::{Caller, Error};

/// A notice as it will be announced.
#[derive(Debug)]
pub struct Preview {
    /// The notice, as it will be on the news page.
    pub notice: Notice,
    /// The update that is new.
    pub update: Update,
    /// The recipients as of now, and the contracts that it does not reach.
    pub audience: AudienceReport,
    /// Its mails and pages.
    pub files: Vec<RenderedFile>,
}

/// A mail or a page.
#[derive(Debug)]
pub struct RenderedFile {
    /// The name of the file, such as `mail.ja.html`.
    pub name: String,
    /// Its content.
    pub content: Vec<u8>,
}

/// A preview without the contents of its files.
#[derive(Debug, Serialize)]
pub struct PreviewReport {
    /// The notice.
    pub notice_id: NoticeId,
    /// The number of the update.
    pub update: u16,
    /// The number of contracts that the notice is for.
    pub contracts: usize,
    /// Those contracts, if the file restricts its audience: `domain`, `product`, `customer_id`.
    pub restricted_to: Option<Vec<Value>>,
    /// The number of recipients.
    pub recipients: usize,
    /// The number of recipients by language.
    pub languages: BTreeMap<&'static str, usize>,
    /// The number of contacts that were left out because mail to them cannot be delivered.
    pub undeliverable: usize,
    /// The contracts without a reachable primary contact: `who`, `because`.
    pub unreachable: Vec<Value>,
    /// The number of items that could not be read.
    pub unreadable: usize,
    /// The paths of the written files.
    pub files: Vec<String>,
    /// Whether test mails were sent.
    pub test_to: bool,
}

/// Renders what a checked file will announce, and calculates its audience.
pub async fn preview(
    context: &Context<'_>,
    checked: CheckedNotice,
    sender: &Sender,
    suppressed: &BTreeSet<ContactHash>,
) -> Result<Preview, Error> {
    let update = checked.update()?.clone();
    let audience = context
        .audience(&checked.notice, &update, suppressed)
        .await?;
    let notice = as_announced(checked.notice, context);
    let files = render(&notice, &update, sender, context.caller)?;
    Ok(Preview {
        notice,
        update,
        audience,
        files,
    })
}

impl Preview {
    /// The preview as it is reported, with the paths of the written files.
    pub fn report(&self, files: Vec<String>, test_to: bool) -> PreviewReport {
        let audience = &self.audience.audience;
        let unreachable = audience.unreachable.iter().map(|of| {
            json!({
                "who": of.who,
                "because": of.because,
            })
        });
        let restricted_to = audience.contracts.iter().map(|of| {
            json!({
                "domain": of.domain,
                "product": of.product,
                "customer_id": of.customer,
            })
        });
        PreviewReport {
            notice_id: self.notice.notice_id.clone(),
            update: self.update.number,
            contracts: audience.contracts.len(),
            restricted_to: (!self.notice.audience.is_empty()).then(|| restricted_to.collect()),
            recipients: audience.recipients.len(),
            languages: self.languages(),
            undeliverable: audience.undeliverable,
            unreachable: unreachable.collect(),
            unreadable: self.audience.unreadable.len(),
            files,
            test_to,
        }
    }

    fn languages(&self) -> BTreeMap<&'static str, usize> {
        let mut languages = BTreeMap::new();
        for recipient in &self.audience.audience.recipients {
            *languages.entry(recipient.language.as_str()).or_default() += 1;
        }
        languages
    }
}

/// The languages of a notice's mails and pages.
fn languages(notice: &Notice) -> impl Iterator<Item = Language> {
    let languages = Language::ALL.into_iter();
    languages.filter(|language| notice.title.has(*language))
}

/// Sends the mails of a preview in all its languages to one address, marked as a test and without a
/// delivery's tags.
pub async fn test_mails(
    preview: &Preview,
    address: &EmailAddress,
    sender: &Sender,
    transport: &MailTransport,
    caller: Caller<'_>,
) -> Result<(), Error> {
    let (notice, update) = (&preview.notice, &preview.update);
    for language in languages(notice) {
        let delivery = sample(notice, update, address, language);
        let mut parts = mail::mail(notice, update, &delivery, sender).map_err(NoticeError::from)?;
        parts.subject = format!("[TEST] {}", parts.subject);
        let message = mail::message(parts, notice, &delivery, sender, caller.now);
        let message = message.map_err(NoticeError::from)?;
        let name = format!("test.{}.{}.eml", notice.notice_id, language.as_str());
        let sent = transport.send(&name, &sender.from, address, message).await;
        sent.map_err(NoticeError::TestMail)?;
    }
    Ok(())
}

/// The notice as it will be on the news page.
fn as_announced(mut notice: Notice, context: &Context<'_>) -> Notice {
    for update in &mut notice.updates {
        update.announced.get_or_insert(Announced {
            at: context.caller.now,
            recipients: 0,
            unreachable: 0,
        });
    }
    notice
}

/// A delivery to a sample customer.
fn sample(notice: &Notice, update: &Update, email: &EmailAddress, language: Language) -> Delivery {
    let customer = "C-0000".parse().map(|customer_id| CustomerName {
        customer_id,
        name: match language {
            Language::Ja => "株式会社サンプル".to_owned(),
            Language::En => "Example Trading Ltd.".to_owned(),
        },
    });
    Delivery {
        notice_id: notice.notice_id.clone(),
        delivery: DeliveryId::of(update.number, email),
        email: email.clone().into(),
        language,
        why: RecipientRole::Primary,
        customers: customer.into_iter().collect(),
        facts: Facts::default(),
    }
}

fn render(
    notice: &Notice,
    update: &Update,
    sender: &Sender,
    caller: Caller<'_>,
) -> Result<Vec<RenderedFile>, NoticeError> {
    let mut files = Vec::new();
    let mut add = |name: String, content: Vec<u8>| files.push(RenderedFile { name, content });
    let nobody = "contact@customer.example".parse();
    let nobody = &nobody.unwrap_or_else(|_| sender.from.clone());
    for language in languages(notice) {
        let delivery = sample(notice, update, nobody, language);
        let parts = mail::mail(notice, update, &delivery, sender)?;
        let code = language.as_str();
        add(format!("mail.{code}.html"), parts.html.clone().into_bytes());
        add(format!("mail.{code}.txt"), parts.text.clone().into_bytes());
        let message = mail::message(parts, notice, &delivery, sender, caller.now)?;
        add(format!("mail.{code}.eml"), message);
    }
    let pages = news::pages(std::slice::from_ref(notice), sender, None, None)?;
    for language in languages(notice) {
        let path = news::notice_path(&notice.notice_id, language);
        let page = pages.iter().find(|page| page.path == path);
        let content = page.map(|page| page.content.clone()).unwrap_or_default();
        add(
            format!("news.{}.html", language.as_str()),
            content.into_bytes(),
        );
    }
    Ok(files)
}

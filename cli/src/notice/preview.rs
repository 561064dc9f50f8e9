//! A notice before it is sent: what is wrong with it, what it looks like, who gets it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_json::json;
use tegata_common::customer::{EmailAddress, Language};
use tegata_common::notice::{
    Announced, CustomerName, Delivery, DeliveryId, Facts, Notice, RecipientRole, Update,
    announce_by,
};
use tegata_notices::mailer::{self, Sent};
use tegata_notices::render::{mail, news};

use super::TermsArgs;
use super::file::{self, audience, print_audience};
use crate::output::{self, Output, say};
use crate::target::{MailTransport, Target};

pub(super) async fn check(
    target: &Target,
    output: Output,
    path: &Path,
    terms: &TermsArgs,
) -> anyhow::Result<()> {
    let checked = file::read(target, path, terms, target.now).await?;
    let notice = &checked.notice;
    let update = checked.update()?;
    let by = notice.kind.planned_at().map(|planned| {
        let by = announce_by(planned, checked.lead_days, notice.time_zone.tz());
        target.local_time(by)
    });
    match output {
        Output::Json => output::json(&json!({
            "notice_id": notice.notice_id,
            "kind": notice.kind.as_str(),
            "update": update.number,
            "announce_by": by,
        }))?,
        Output::Text => {
            let (id, kind) = (&notice.notice_id, notice.kind.as_str());
            say!("{id}: in order ({kind}, update {})", update.number);
            if let Some(by) = by {
                say!("to be announced by {by}: {} days before", checked.lead_days);
            }
        }
    }
    Ok(())
}

pub(super) async fn preview(
    target: &Target,
    output: Output,
    path: &Path,
    to: Option<PathBuf>,
    test_to: Option<EmailAddress>,
    terms: &TermsArgs,
) -> anyhow::Result<()> {
    let checked = file::read(target, path, terms, target.now).await?;
    let update = checked.update()?.clone();
    let worked_out = audience(target, &checked.notice, &update).await?;
    let directory = to.unwrap_or_else(|| path.with_extension("preview"));
    let notice = as_announced(checked.notice, target);
    let files = write(target, &notice, &update, &directory)?;
    if let Some(address) = &test_to {
        test(target, &notice, &update, address).await?;
    }
    let recipients = &worked_out.audience.recipients;
    match output {
        Output::Json => output::json(&json!({
            "notice_id": notice.notice_id,
            "update": update.number,
            "recipients": recipients.len(),
            "languages": languages(recipients.iter().map(|of| of.language)),
            "undeliverable": worked_out.audience.undeliverable,
            "unreachable": worked_out.audience.unreachable.iter().map(|of| json!({
                "who": of.who,
                "because": of.because,
            })).collect::<Vec<_>>(),
            "unreadable": worked_out.unreadable.len(),
            "files": files,
            "test_to": test_to.is_some(),
        }))?,
        Output::Text => {
            print_audience(&worked_out);
            for (language, number) in languages(recipients.iter().map(|of| of.language)) {
                say!("  in {language}: {number}");
            }
            say!("written:");
            for file in files {
                say!("  {file}");
            }
            if test_to.is_some() {
                say!("sent to the test address, in both languages");
            }
        }
    }
    Ok(())
}

fn languages(of: impl Iterator<Item = Language>) -> BTreeMap<&'static str, usize> {
    let mut languages = BTreeMap::new();
    for language in of {
        *languages.entry(language.as_str()).or_default() += 1;
    }
    languages
}

/// The notice as it will be on the news page.
fn as_announced(mut notice: Notice, target: &Target) -> Notice {
    for update in &mut notice.updates {
        update.announced.get_or_insert(Announced {
            at: target.now,
            recipients: 0,
            unreachable: 0,
        });
    }
    notice
}

/// A delivery to nobody of ours.
fn sample(
    notice: &Notice,
    update: &Update,
    email: &EmailAddress,
    language: Language,
) -> anyhow::Result<Delivery> {
    Ok(Delivery {
        notice_id: notice.notice_id.clone(),
        delivery: DeliveryId::of(update.number, email),
        email: email.clone().into(),
        language,
        why: RecipientRole::Primary,
        customers: vec![CustomerName {
            customer_id: "C-0000".parse()?,
            name: match language {
                Language::Ja => "株式会社サンプル".to_owned(),
                Language::En => "Example Trading Ltd.".to_owned(),
            },
        }],
        facts: Facts::default(),
    })
}

fn write(
    target: &Target,
    notice: &Notice,
    update: &Update,
    directory: &Path,
) -> anyhow::Result<Vec<String>> {
    let mut files = Vec::new();
    std::fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
    let mut put = |name: String, content: &[u8]| -> anyhow::Result<()> {
        let path = directory.join(name);
        std::fs::write(&path, content).with_context(|| path.display().to_string())?;
        files.push(path.display().to_string());
        Ok(())
    };
    let nobody: EmailAddress = "contact@customer.example".parse()?;
    for language in [Language::Ja, Language::En] {
        let delivery = sample(notice, update, &nobody, language)?;
        let parts = mail::mail(notice, update, &delivery, &target.sender()?)?;
        let code = language.as_str();
        put(format!("mail.{code}.html"), parts.html.as_bytes())?;
        put(format!("mail.{code}.txt"), parts.text.as_bytes())?;
        let raw = mail::message(parts, notice, &delivery, &target.sender()?, target.now)?;
        put(format!("mail.{code}.eml"), &raw)?;
    }
    let pages = news::pages(std::slice::from_ref(notice), &target.sender()?, None, None)?;
    for (language, code) in [(Language::Ja, "ja"), (Language::En, "en")] {
        let path = news::notice_path(&notice.notice_id, language);
        let page = pages.iter().find(|page| page.path == path);
        let page = page.context("the news page has no such notice")?;
        put(format!("news.{code}.html"), page.content.as_bytes())?;
    }
    Ok(files)
}

/// Sends both mails to one address, marked as a test and without a delivery's tags.
async fn test(
    target: &Target,
    notice: &Notice,
    update: &Update,
    address: &EmailAddress,
) -> anyhow::Result<()> {
    for language in [Language::Ja, Language::En] {
        let delivery = sample(notice, update, address, language)?;
        let mut parts = mail::mail(notice, update, &delivery, &target.sender()?)?;
        parts.subject = format!("[TEST] {}", parts.subject);
        let raw = mail::message(parts, notice, &delivery, &target.sender()?, target.now)?;
        match &target.mail_transport() {
            MailTransport::Outbox(directory) => {
                std::fs::create_dir_all(directory)?;
                let name = format!("test.{}.{}.eml", notice.notice_id, language.as_str());
                std::fs::write(directory.join(name), raw)?;
            }
            MailTransport::Ses(client) => {
                let from = &target.sender()?.from;
                match mailer::send(client, None, from, address, raw, None).await {
                    Sent::Accepted { .. } => {}
                    Sent::Refused { reason }
                    | Sent::Throttled { reason, .. }
                    | Sent::Stopped { reason } => bail!("SES did not send the test: {reason}"),
                    Sent::Lost { reason } => {
                        bail!("nobody knows whether SES sent the test: {reason}")
                    }
                }
            }
        }
    }
    Ok(())
}

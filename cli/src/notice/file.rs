//! A notice's file, checked, and whom it would go to.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, bail};
use jiff::Timestamp;
use tegata_common::notice::{ContactHash, Notice, Update};
use tegata_common::product::Product;
use tegata_notices::audience::{AudienceReport, Stores};
use tegata_notices::check::{self, Problem, Terms};
use tegata_notices::file::NoticeFile;
use tegata_storage::Versioned;

use super::TermsArgs;
use crate::failure::UsageError;
use crate::output::{note, say};
use crate::target::{MailTransport, Target};
use crate::text_file;

/// A file that is in order.
pub(super) struct Checked {
    /// The notice that it makes.
    pub(super) notice: Notice,
    /// The notice as it is in the table.
    pub(super) before: Option<Versioned<Notice>>,
    /// The lead time of its products, in days.
    pub(super) lead_days: u16,
}

impl Checked {
    /// The update that is new.
    pub(super) fn update(&self) -> anyhow::Result<&Update> {
        let mut updates = self.notice.updates.iter();
        let new = updates.find(|update| update.announced.is_none());
        new.context("all of it has been announced")
    }
}

/// Reads and checks a file. All that is wrong with it is printed.
pub(super) async fn read(
    target: &Target,
    path: &Path,
    terms: &TermsArgs,
    send_at: Timestamp,
) -> anyhow::Result<Checked> {
    if terms
        .short_notice
        .as_deref()
        .is_some_and(|reason| reason.trim().is_empty())
    {
        return Err(UsageError("--short-notice: say why".to_owned()).into());
    }
    let shown = path.display();
    let text = text_file::read_utf8(path)?;
    let id = check::notice_id(path).map_err(|problem| UsageError(format!("{shown}: {problem}")))?;
    let file = NoticeFile::parse(&text).map_err(|error| anyhow::anyhow!("{shown}: {error}"))?;
    let products = target.licenses()?.products().await?;
    let products: Vec<Product> = products.into_iter().map(|stored| stored.value).collect();
    let before = target.notices()?.get(&id).await?;
    let terms = Terms {
        now: target.now,
        send_at,
        short_notice: terms.short_notice.clone(),
    };
    let known = before.as_ref().map(|stored| &stored.value);
    match check::notice(&id, &file, known, &products, &terms) {
        Ok(notice) => Ok(Checked {
            lead_days: {
                let is_named =
                    |product: &&Product| notice.products.iter().any(|of| of.slug == product.slug);
                let named: Vec<Product> = products.iter().filter(is_named).cloned().collect();
                check::lead_days(&named, &products)
            },
            notice,
            before,
        }),
        Err(problems) => {
            for Problem { field, message } in &problems {
                note!("{shown}: {field}: {message}");
            }
            match problems.len() {
                1 => bail!("{shown}: 1 problem"),
                number => bail!("{shown}: {number} problems"),
            }
        }
    }
}

/// Works out whom an update would go to, as of now.
pub(super) async fn audience(
    target: &Target,
    notice: &Notice,
    update: &Update,
) -> anyhow::Result<AudienceReport> {
    let stores = Stores {
        licenses: target.licenses()?.clone(),
        customers: target.customers()?.clone(),
        notices: target.notices()?.clone(),
    };
    let suppressed = suppressed(target).await;
    Ok(stores
        .audience(notice, update, &suppressed, target.now)
        .await?)
}

/// The addresses that SES itself sends nothing to. That they cannot be read keeps nobody from
/// sending.
async fn suppressed(target: &Target) -> BTreeSet<ContactHash> {
    let mut suppressed = BTreeSet::new();
    let MailTransport::Ses(client) = &target.mail_transport() else {
        return suppressed;
    };
    let mut pages = client
        .list_suppressed_destinations()
        .into_paginator()
        .send();
    while let Some(page) = pages.next().await {
        let page = match page {
            Ok(page) => page,
            Err(error) => {
                let causes = tegata_aws::causes(&error);
                note!("warning: whom SES suppresses cannot be read: {causes}");
                break;
            }
        };
        for destination in page.suppressed_destination_summaries() {
            if let Ok(email) = destination.email_address().parse() {
                suppressed.insert(ContactHash::of(&email));
            }
        }
    }
    suppressed
}

/// Says who gets it and who cannot be told.
pub(super) fn print_audience(worked_out: &AudienceReport) {
    let audience = &worked_out.audience;
    say!(
        "{}",
        count(
            audience.recipients.len(),
            "contact gets it",
            "contacts get it"
        )
    );
    if audience.undeliverable > 0 {
        say!(
            "  {} left out: mail to them does not arrive",
            count(audience.undeliverable, "contact is", "contacts are")
        );
    }
    for of in &audience.unreachable {
        say!("  cannot be told: {}: {}", of.who, of.because.words());
    }
    for error in &worked_out.unreadable {
        say!("  cannot be read: {error}");
    }
}

/// `1 contact`, `2 contacts`.
pub(super) fn count(number: usize, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}

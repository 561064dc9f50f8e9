//! Which contracts and contacts a notice is for: what its file restricts.

use tegata_common::customer::{Language, Severity};
use tegata_common::license::License;
use tegata_common::notice::{
    Audience, FilteredLicense, Notice, NoticeKind, NoticeScope, NoticeText, Update,
};

/// Whether a contract is among those that a notice is for. None is if the notice is not mailed.
pub fn includes(notice: &Notice, license: &License) -> bool {
    notice.mails
        && notice.audience.includes(&FilteredLicense {
            customer: license.customer.as_ref(),
            domain: &license.domain,
            edition: &license.edition,
        })
}

/// Which contacts of those contracts an update is for.
pub fn scope(notice: &Notice, update: &Update) -> NoticeScope {
    match notice.kind {
        NoticeKind::Incident => NoticeScope::Incident {
            // A file without a severity is rejected. If one is missing all the same, too many
            // recipients are better than too few.
            severity: notice
                .severity_at(update.number)
                .unwrap_or(Severity::Critical),
            is_for_primary: notice.concerns_primary(update.number),
        },
        _ => NoticeScope::Planned,
    }
}

/// The languages of recipients that an update does not have, with the number of recipients.
pub fn missing_languages(
    notice: &Notice,
    update: &Update,
    audience: &Audience,
) -> Vec<(Language, usize)> {
    let has = |language: Language| {
        let texts: [&NoticeText; 2] = [&notice.title, &update.body];
        texts.into_iter().all(|text| text.has(language))
    };
    let missing = Language::ALL.into_iter().filter(|language| !has(*language));
    let counted = missing.map(|language| {
        let recipients = audience.recipients.iter();
        let recipients = recipients.filter(|recipient| recipient.language == language);
        (language, recipients.count())
    });
    counted.filter(|(_, recipients)| *recipients > 0).collect()
}

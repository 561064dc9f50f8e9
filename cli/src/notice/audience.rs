//! The audience of a notice, as it is printed.

use std::collections::BTreeSet;

use tegata_common::notice::ContactHash;
use tegata_notices::audience::AudienceReport;

use super::count;
use crate::output::{note, say};
use crate::target::Target;

/// The addresses that SES itself sends nothing to. That they cannot be read keeps nobody from
/// sending.
pub(super) async fn suppressed(target: &Target) -> BTreeSet<ContactHash> {
    let suppressed = target.mail_transport().suppressed().await;
    if let Some(error) = suppressed.error {
        note!("warning: whom SES suppresses cannot be read: {error}");
    }
    suppressed.addresses
}

/// Says who gets it and who cannot be told.
pub(super) fn print(report: &AudienceReport) {
    let audience = &report.audience;
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
    for item in &report.unreadable {
        say!("  cannot be read: {}", item.error);
    }
}

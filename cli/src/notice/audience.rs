//! The audience of a notice, as it is printed.

use std::collections::BTreeSet;

use tegata_common::notice::{ContactHash, Recipient};
use tegata_notices::audience::AudienceReport;

use super::count;
use crate::messages::value;
use crate::output::{self, note, say};
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

/// How many contracts of a restricted audience are printed.
const CONTRACTS_PRINTED: usize = 50;

/// Says which contracts a restricted audience has.
pub(super) fn print_contracts(report: &AudienceReport) {
    let contracts = &report.audience.contracts;
    say!(
        "restricted to {}:",
        count(contracts.len(), "contract", "contracts")
    );
    for of in contracts.iter().take(CONTRACTS_PRINTED) {
        match &of.customer {
            Some(customer) => say!("  {} {} ({customer})", of.domain, of.product),
            None => say!("  {} {} (no customer)", of.domain, of.product),
        }
    }
    if contracts.len() > CONTRACTS_PRINTED {
        say!(
            "  and {} more (--output json lists all)",
            contracts.len() - CONTRACTS_PRINTED
        );
    }
}

/// Says who gets it, with the first `shown` addresses.
pub(super) fn print_recipients(report: &AudienceReport, shown: usize) {
    let recipients = &report.audience.recipients;
    output::line(&match recipients.len() {
        0 => "no contact gets it".to_owned(),
        number if shown == 0 => count(number, "contact gets it", "contacts get it"),
        number => count(number, "contact gets it:", "contacts get it:"),
    });
    for Recipient { email, .. } in recipients.iter().take(shown) {
        say!("  {}", email.as_str());
    }
    if shown > 0 && recipients.len() > shown {
        say!("  … and {} more", recipients.len() - shown);
    }
}

/// Says who cannot be told.
pub(super) fn print_left_out(report: &AudienceReport) {
    let audience = &report.audience;
    if audience.undeliverable > 0 {
        say!(
            "{} left out: mail to them does not arrive",
            count(audience.undeliverable, "contact is", "contacts are")
        );
    }
    let unreachable = &audience.unreachable;
    if !unreachable.is_empty() {
        say!("customers who cannot be told ({}):", unreachable.len());
    }
    for of in unreachable {
        say!("  {}: {}", value(&of.who), of.because.words());
    }
    for item in &report.unreadable {
        say!("cannot be read: {}", item.error);
    }
}

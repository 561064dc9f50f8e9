//! Signs leases again without changing their licences.

use serde::Serialize;
use tegata_common::lease::SignedLicense;
use tegata_common::license::Code;
use tegata_signing::Signer;
use tegata_storage::licenses::{FoundLicenses, Licenses};
use tegata_storage::{TableError, Versioned};

use super::{Context, LicenseId};
use crate::bulk::Tally;
use crate::{BulkItem, Caller, Error};

/// The name of the change in the history. Existing entries have this spelling, so it stays the
/// same.
const CHANGE: &str = "resign";

/// Which leases to sign again.
#[derive(Clone, Debug)]
pub enum LeaseSelection {
    /// The lease of one licence.
    Of(LicenseId),
    /// All leases.
    All,
    /// Leases that have less than half of their lifetime left.
    Due,
    /// Leases signed with this key.
    SignedWith(String),
}

/// The leases that match a selection.
#[derive(Debug)]
pub struct SelectedLeases {
    leases: Vec<Versioned<SignedLicense>>,
    unreadable: Vec<TableError>,
}

/// The result of signing leases again.
#[derive(Debug, Serialize)]
pub struct ReSignReport {
    /// The name of the change in the history.
    pub change: &'static str,
    /// Whether this was a dry run: nothing was written.
    pub dry_run: bool,
    /// The number of selected leases.
    pub leases: usize,
    /// The number of signed leases.
    pub signed: usize,
    /// The number of licences that were changed concurrently. That change signed a new lease.
    pub changed_meanwhile: usize,
    /// The number of leases that could not be signed or written.
    pub failed: usize,
    /// The number of unreadable licences.
    pub unreadable: usize,
}

/// Selects leases. A licence whose grace has ended is not selected, unless its lease is signed with
/// the given key.
pub async fn select_leases(
    licenses: &Licenses,
    caller: Caller<'_>,
    selection: &LeaseSelection,
) -> Result<SelectedLeases, Error> {
    let now = caller.now;
    let FoundLicenses {
        licenses: mut leases,
        unreadable,
    } = match selection {
        LeaseSelection::Of(id) => {
            let stored = licenses.get(&id.domain, &id.product).await?;
            FoundLicenses {
                licenses: vec![stored.ok_or_else(|| id.missing())?],
                unreadable: Vec::new(),
            }
        }
        _ => licenses.all().await?,
    };
    leases.retain(|stored| {
        let SignedLicense { license, lease } = &stored.value;
        let is_due = || stored.value.re_sign_at().is_some_and(|at| at <= now);
        let has_ended = || license.code_at(now) == Code::Expired;
        match selection {
            LeaseSelection::SignedWith(kid) => *kid == lease.kid,
            LeaseSelection::Due => is_due() && !has_ended(),
            LeaseSelection::Of(_) | LeaseSelection::All => !has_ended(),
        }
    });
    Ok(SelectedLeases { leases, unreadable })
}

impl SelectedLeases {
    /// Signs the leases with the active key and writes them. Does nothing in a dry run. A failed
    /// lease does not stop the others; `on_item` is called for each. Also returns the errors of
    /// unreadable licences.
    pub async fn sign(
        self,
        context: &Context<'_>,
        dry_run: bool,
        mut on_item: impl FnMut(BulkItem<'_>),
    ) -> Result<(ReSignReport, Vec<TableError>), Error> {
        let total = self.leases.len();
        let mut tally = Tally::default();
        if !dry_run && total > 0 {
            let signer = context.signer().await?;
            for (index, stored) in self.leases.into_iter().enumerate() {
                let label = LicenseId::of(&stored.value.license).to_string();
                let error = tally.count(sign_one(context, &signer, &stored).await);
                on_item(BulkItem {
                    done: index + 1,
                    total,
                    label: &label,
                    error: error.as_ref(),
                });
            }
        }
        let report = ReSignReport {
            change: CHANGE,
            dry_run,
            leases: total,
            signed: tally.written,
            changed_meanwhile: tally.changed_meanwhile,
            failed: tally.failed,
            unreadable: self.unreadable.len(),
        };
        Ok((report, self.unreadable))
    }
}

async fn sign_one(
    context: &Context<'_>,
    signer: &Signer,
    stored: &Versioned<SignedLicense>,
) -> Result<(), Error> {
    let SignedLicense { license, lease } = &stored.value;
    let caller = context.caller;
    // The stored licence, not the one as of now: changes with time are written by the renewal.
    let signed = signer
        .sign(license.clone(), caller.now, Some(lease.issued_at))
        .await?;
    let act = caller.change(CHANGE);
    context.licenses.put_lease(stored, &signed, &act).await?;
    Ok(())
}

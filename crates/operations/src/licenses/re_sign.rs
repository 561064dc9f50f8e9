//! Leases signed again, of licences that stay as they are.

use serde::Serialize;
use tegata_common::lease::SignedLicense;
use tegata_common::license::Code;
use tegata_signing::Signer;
use tegata_storage::licenses::{FoundLicenses, Licenses};
use tegata_storage::{TableError, Versioned};

use super::{Context, LicenseId};
use crate::bulk::Tally;
use crate::{BulkItem, Caller, Error};

/// The change's name in history. It is recorded, so it keeps its spelling.
const CHANGE: &str = "resign";

/// Which leases to sign again.
#[derive(Clone, Debug)]
pub enum LeaseSelection {
    /// That of one licence.
    Of(LicenseId),
    /// All.
    All,
    /// Those of which less than half of their days is left.
    Due,
    /// Those that a key has signed.
    SignedWith(String),
}

/// Leases that are to be signed again.
#[derive(Debug)]
pub struct SelectedLeases {
    leases: Vec<Versioned<SignedLicense>>,
    unreadable: Vec<TableError>,
}

/// What became of leases that were to be signed again.
#[derive(Debug, Serialize)]
pub struct ReSignReport {
    /// The name under which history records it.
    pub change: &'static str,
    /// Whether nothing was to be written.
    pub dry_run: bool,
    /// The leases that were selected.
    pub leases: usize,
    /// Those that were signed again.
    pub signed: usize,
    /// Those whose licence somebody changed at the same time: that change signed a new lease.
    pub changed_meanwhile: usize,
    /// Those that could not be signed or written.
    pub failed: usize,
    /// Licences that could not be read.
    pub unreadable: usize,
}

/// Selects leases. A licence whose grace is over is left alone, unless its lease is signed with the
/// key that is named.
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
        let is_due = || stored.value.resign_at().is_some_and(|at| at <= now);
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
    /// Signs the leases with the active key and writes them, unless this is a dry run. One that
    /// fails does not stop the others; `on_item` is told of each. Returns the errors of licences that could not be read too.
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
    // As it was written: what time has done since is the renewal's to write.
    let signed = signer
        .sign(license.clone(), caller.now, Some(lease.issued_at))
        .await?;
    let act = caller.change(CHANGE);
    context.licenses.put_lease(stored, &signed, &act).await?;
    Ok(())
}

//! Notices: from the operator's file to the ledger of who was told.

mod action;
mod cancel;
mod check;
mod error;
mod ledger;
mod new;
mod pause;
mod preview;
mod resolve;
mod retry;
mod send;
mod status;
mod told_otherwise;

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tegata_common::notice::{ContactHash, Notice, NoticeId, Update};
use tegata_notices::audience::{AudienceReport, Stores};
use tegata_storage::customers::Customers;
use tegata_storage::licenses::Licenses;
use tegata_storage::notices::Notices;
use tegata_storage::{ChangeContext, Versioned};

use crate::{Caller, Error};

pub use action::ActionReport;
pub use cancel::cancel;
pub use check::{CheckReport, CheckedNotice, check};
pub use error::NoticeError;
pub use ledger::{LEDGER_HEADER, LedgerRow, ledger};
pub use new::new;
pub use pause::{ResumeReport, pause, resume};
pub use preview::{Preview, PreviewReport, RenderedFile, preview, test_mails};
pub use resolve::{Settlement, resolve};
pub use retry::{FailedDelivery, RetryReport, retry_failed};
pub use send::{AudienceDifference, PlannedSend, SendReport, send};
pub use status::{NoticeState, NoticeStatus, list, status};
pub(crate) use told_otherwise::record_told_otherwise;
pub use told_otherwise::told_otherwise;

/// The stores of operations on notices, and the caller.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The licences and the catalogue.
    pub licenses: &'a Licenses,
    /// The customers and their contacts.
    pub customers: &'a Customers,
    /// The notices and their deliveries.
    pub notices: &'a Notices,
    /// The zone in which instants are shown.
    pub zone: &'a TimeZone,
    /// The caller, and the instant of the operation.
    pub caller: Caller<'a>,
}

impl Context<'_> {
    /// An instant in the zone, to the second.
    fn local_time(&self, at: Timestamp) -> String {
        crate::local_time(at, self.zone)
    }

    /// Calculates the audience of an update as of now. `suppressed` are the addresses that SES sends
    /// nothing to.
    async fn audience(
        &self,
        notice: &Notice,
        update: &Update,
        suppressed: &BTreeSet<ContactHash>,
    ) -> Result<AudienceReport, Error> {
        let stores = Stores {
            licenses: self.licenses.clone(),
            customers: self.customers.clone(),
            notices: self.notices.clone(),
        };
        let registry = stores.read(suppressed).await?;
        let told = stores.told_before(notice, update).await?;
        Ok(registry.audience(notice, update, &told, self.caller.now))
    }
}

/// A notice that must exist.
async fn known(notices: &Notices, id: &NoticeId) -> Result<Versioned<Notice>, Error> {
    let stored = notices.get(id).await?;
    stored.ok_or_else(|| NoticeError::Unknown(id.clone()).into())
}

/// Changes a notice so that the next run of `announce` queues its open deliveries again.
async fn reopen(
    notices: &Notices,
    id: &NoticeId,
    change: impl Fn(&mut Notice),
    act: &ChangeContext<'_>,
) -> Result<(), Error> {
    let reopen = |notice: &mut Notice| {
        change(notice);
        for update in &mut notice.updates {
            update.queued = None;
        }
        true
    };
    match notices.change(id, act, reopen).await? {
        true => Ok(()),
        false => Err(NoticeError::Unknown(id.clone()).into()),
    }
}

//! Planned changes of a contract, which are signed and written for each of its domains.

use serde::{Serialize, Serializer};
use tegata_common::calendar;
use tegata_common::domain::Domain;
use tegata_common::license::License;
use tegata_common::product::ProductSlug;
use tegata_common::serial::Serial;

use super::{Context, LicenseId, license_differences};
use crate::contract::{self, Contract};
use crate::{Difference, Error};

/// A contract as read, and its licence as of now.
pub(super) struct CurrentContract {
    contract: Contract,
    pub(super) license: License,
}

impl CurrentContract {
    /// Reads the contract of a licence. A domain that the contract has left is an error, unless it
    /// is the contract's only domain.
    pub(super) async fn read(context: &Context<'_>, id: &LicenseId) -> Result<Self, Error> {
        let now = context.caller.now;
        let contract = contract::read(context.licenses, &id.domain, &id.product).await?;
        let contract = contract.ok_or_else(|| id.missing())?;
        let license = contract.license.as_of(now)?;
        let released_at = license.at(now).bounds().released_at;
        if let Some(left_at) = released_at.filter(|at| *at <= now) {
            let staying = license.domains.iter().filter(|name| name.until.is_none());
            let staying: Vec<&str> = staying.map(|name| name.domain.as_str()).collect();
            // Without another domain, the contract can have this one again.
            if !staying.is_empty() {
                return Err(Error::LeftDomain {
                    domain: id.domain.clone(),
                    at: calendar::rfc3339(left_at, &license.policy),
                    domains: staying.join(", "),
                });
            }
        }
        Ok(Self { contract, license })
    }

    /// Plans to write the contract with a changed licence.
    pub(super) async fn changed(
        self,
        context: &Context<'_>,
        change: &'static str,
        license: &License,
    ) -> Result<PlannedChange, Error> {
        let before = Before {
            license: Some(self.license),
            contract: Some(self.contract),
        };
        PlannedChange::new(context, change, before, license).await
    }
}

/// The state before a change: for the comparison of fields, and for the precondition of the write.
#[derive(Debug, Default)]
pub(super) struct Before {
    pub(super) license: Option<License>,
    pub(super) contract: Option<Contract>,
}

/// A change of a contract that has not been written yet.
#[derive(Debug)]
pub struct PlannedChange {
    /// The name of the change in the history.
    pub change: &'static str,
    /// The licence after the change, under the given domain.
    pub license: License,
    /// The fields that the change affects.
    pub differences: Vec<Difference>,
    /// Additional information for the operator.
    pub remarks: Vec<String>,
    contract: Option<Contract>,
    /// Whether to write even if no field differs.
    always_writes: bool,
    /// The serial that was generated for the change.
    serial: Option<Serial>,
}

/// The result of a change.
#[derive(Debug, Serialize)]
pub struct ChangeReport {
    /// The name of the change in the history.
    pub change: &'static str,
    /// The given domain.
    pub domain: Domain,
    pub product: ProductSlug,
    /// Whether this was a dry run: nothing was written.
    pub dry_run: bool,
    /// The fields that changed, or would change without the dry run.
    pub differences: Vec<Difference>,
    /// Additional information for the operator.
    pub remarks: Vec<String>,
    /// The new version. `None` if nothing was written.
    pub version: Option<u64>,
    /// The generated serial. It is stored as a hash, so it can be shown only now.
    #[serde(serialize_with = "reveal")]
    pub serial: Option<Serial>,
}

fn reveal<S: Serializer>(serial: &Option<Serial>, serializer: S) -> Result<S::Ok, S::Error> {
    serial.as_ref().map(Serial::reveal).serialize(serializer)
}

impl PlannedChange {
    pub(super) async fn new(
        context: &Context<'_>,
        change: &'static str,
        before: Before,
        license: &License,
    ) -> Result<Self, Error> {
        let Before {
            license: current,
            contract,
        } = before;
        let now = context.caller.now;
        let license = license.as_of(now)?;
        // Checked before anything else, also in a dry run.
        contract::check_room(context.licenses, contract.as_ref(), &license, now).await?;
        Ok(Self {
            change,
            differences: license_differences(current.as_ref(), &license)?,
            license,
            remarks: Vec::new(),
            contract,
            always_writes: false,
            serial: None,
        })
    }

    /// Adds the generated serial to the report.
    pub(super) fn with_serial(mut self, serial: Option<Serial>) -> Self {
        self.serial = serial;
        self
    }

    /// Adds remarks.
    pub(super) fn with_remarks(mut self, remarks: Vec<String>) -> Self {
        self.remarks = remarks;
        self
    }

    /// Writes the change even if no field differs.
    pub(super) fn written_always(mut self) -> Self {
        self.always_writes = true;
        self
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.differences.is_empty() && !self.always_writes
    }

    /// Signs and writes the change. Does nothing if no field differs. A dry run signs without
    /// writing, so that it fails if the change cannot be signed.
    pub async fn carry_out(
        self,
        context: &Context<'_>,
        dry_run: bool,
    ) -> Result<ChangeReport, Error> {
        let mut version = None;
        if !self.is_empty() {
            let signer = context.signer().await?;
            if !dry_run {
                let act = context.caller.change(self.change);
                let (before, after) = (self.contract.as_ref(), &self.license);
                let written =
                    contract::write(context.licenses, before, after, &signer, &act).await?;
                version = Some(written.revision.version);
            }
        }
        let License {
            domain, product, ..
        } = self.license;
        Ok(ChangeReport {
            change: self.change,
            domain,
            product,
            dry_run,
            differences: self.differences,
            remarks: self.remarks,
            serial: self.serial.filter(|_| version.is_some()),
            version,
        })
    }
}

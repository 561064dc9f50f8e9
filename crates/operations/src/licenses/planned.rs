//! A change of one contract: planned, then signed and written for each of its domains.

use serde::{Serialize, Serializer};
use tegata_common::calendar;
use tegata_common::domain::Domain;
use tegata_common::license::License;
use tegata_common::product::ProductSlug;
use tegata_common::serial::Serial;

use super::{Context, LicenseId, license_differences};
use crate::contract::{self, Contract};
use crate::{Difference, Error};

/// A contract as it was read, and its licence as of now.
pub(super) struct CurrentContract {
    contract: Contract,
    pub(super) license: License,
}

impl CurrentContract {
    /// Reads the contract of a licence under a domain that it has not left, unless it has no other.
    pub(super) async fn read(context: &Context<'_>, id: &LicenseId) -> Result<Self, Error> {
        let now = context.caller.now;
        let contract = contract::read(context.licenses, &id.domain, &id.product).await?;
        let contract = contract.ok_or_else(|| id.missing())?;
        let license = contract.license.as_of(now)?;
        let released_at = license.at(now).bounds().released_at;
        if let Some(left_at) = released_at.filter(|at| *at <= now) {
            let staying = license.domains.iter().filter(|name| name.until.is_none());
            let staying: Vec<&str> = staying.map(|name| name.domain.as_str()).collect();
            // Its only domain: it may be taken back.
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

    /// Plans to write the contract with another state of its licence.
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

/// The state that a change is compared with, and what it is written over.
#[derive(Debug, Default)]
pub(super) struct Before {
    pub(super) license: Option<License>,
    pub(super) contract: Option<Contract>,
}

/// A change of a contract that can be written, and has not been.
#[derive(Debug)]
pub struct PlannedChange {
    /// The name under which history records it.
    pub change: &'static str,
    /// The licence as it would be, under the domain that was named.
    pub license: License,
    /// The fields that would change.
    pub differences: Vec<Difference>,
    /// What else the operator has to know of the change.
    pub remarks: Vec<String>,
    contract: Option<Contract>,
    /// Whether to write although nothing differs from what could be read.
    always_writes: bool,
    /// A serial that was generated for it.
    serial: Option<Serial>,
}

/// What became of a change.
#[derive(Debug, Serialize)]
pub struct ChangeReport {
    /// The name under which history records it.
    pub change: &'static str,
    /// The domain that was named.
    pub domain: Domain,
    /// The product.
    pub product: ProductSlug,
    /// Whether nothing was to be written.
    pub dry_run: bool,
    /// The fields that changed, or would change.
    pub differences: Vec<Difference>,
    /// What else the operator has to know of the change.
    pub remarks: Vec<String>,
    /// The version that was written; `None` if nothing was.
    pub version: Option<u64>,
    /// A serial that was generated and written. It is stored as a hash only, so this is the one
    /// time that it can be shown.
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
        // First of all, and in a dry run too: whether it could be written.
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

    /// The same change with a serial that was generated for it.
    pub(super) fn with_serial(mut self, serial: Option<Serial>) -> Self {
        self.serial = serial;
        self
    }

    /// The same change, written even if nothing differs, with remarks.
    pub(super) fn written_always(mut self, remarks: Vec<String>) -> Self {
        self.always_writes = true;
        self.remarks = remarks;
        self
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.differences.is_empty() && !self.always_writes
    }

    /// Signs and writes the change, unless it is empty or this is a dry run. A dry run too fails if
    /// the change could not be signed.
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

//! A change of one contract: shown, then signed and written for each of its domains.

use serde_json::json;
use tegata_common::calendar;
use tegata_common::license::License;
use tegata_operations::contract::{self, Contract};

use super::LicenseSelector;
use crate::change::{self, Difference, DryRun};
use crate::failure::NotFound;
use crate::output::{self, Output, say};
use crate::target::Target;

/// A change on its way: the contract as it was read.
pub(super) struct Editor<'a> {
    pub(super) target: &'a Target,
    pub(super) output: Output,
    pub(super) write: DryRun,
    /// What the change is shown against.
    pub(super) before: Option<License>,
    /// What is written back.
    pub(super) contract: Option<Contract>,
    /// Whether to write although nothing differs from what could be read.
    pub(super) is_mending: bool,
    /// What else the reader has to know of the change.
    pub(super) remarks: Vec<String>,
}

impl<'a> Editor<'a> {
    /// Reads a contract, and gives its licence as of now.
    pub(super) async fn open(
        target: &'a Target,
        output: Output,
        which: &LicenseSelector,
        write: DryRun,
    ) -> anyhow::Result<(Self, License)> {
        let domain = which.domain(target)?;
        let contract = contract::read(&target.licenses, &domain, &which.product).await?;
        let contract = contract.ok_or_else(|| which.missing(&domain))?;
        let license = contract.license.as_of(target.now)?;
        if let Some(left_at) = license
            .at(target.now)
            .bounds()
            .released_at
            .filter(|at| *at <= target.now)
        {
            let left_at = calendar::rfc3339(left_at, &license.policy);
            let names = license.names.iter().filter(|name| name.until.is_none());
            let names: Vec<&str> = names.map(|name| name.domain.as_str()).collect();
            // Its only domain: it may be taken back.
            if !names.is_empty() {
                return Err(NotFound(format!(
                    "the contract left {domain} at {left_at}; it is at {}",
                    names.join(", ")
                ))
                .into());
            }
        }
        let editor = Self {
            target,
            output,
            write,
            before: Some(license.clone()),
            contract: Some(contract),
            is_mending: false,
            remarks: Vec::new(),
        };
        Ok((editor, license))
    }
}

impl Editor<'_> {
    pub(super) async fn write(self, what: &str, license: License) -> anyhow::Result<()> {
        self.write_with(what, license, None).await
    }

    /// Prints the change, then signs and writes it unless this is a dry run.
    pub(super) async fn write_with(
        self,
        what: &str,
        license: License,
        serial: Option<&str>,
    ) -> anyhow::Result<()> {
        let license = license.as_of(self.target.now)?;
        let differences = change::differences(self.before.as_ref(), &license)?;
        // First of all, and in a dry run too: whether it could be written.
        let (contract, licenses) = (self.contract.as_ref(), &self.target.licenses);
        contract::check_room(licenses, contract, &license, self.target.now).await?;
        if self.output == Output::Text {
            say!("{what} {}, {}:", license.domain, license.product);
            change::print(&differences, Some(&license.policy));
            for remark in &self.remarks {
                say!("  {remark}");
            }
        }
        if differences.is_empty() && !self.is_mending {
            return self.report(&license, what, &differences, None, "nothing to change");
        }
        // In a dry run too: it says so if the write could not be signed.
        let signer = self.target.signer().await?;
        if self.write.dry_run {
            return self.report(&license, what, &differences, None, "");
        }
        let act = self.target.act(what);
        let written = contract::write(
            &self.target.licenses,
            self.contract.as_ref(),
            &license,
            &signer,
            &act,
        )
        .await?;
        let version = written.revision.version;
        let done = format!("written as version {version}");
        let written = Some(LicenseVersion { version, serial });
        self.report(&license, what, &differences, written, &done)
    }

    fn report(
        &self,
        license: &License,
        what: &str,
        differences: &[Difference],
        written: Option<LicenseVersion<'_>>,
        done: &str,
    ) -> anyhow::Result<()> {
        let serial = written.as_ref().and_then(|written| written.serial);
        match self.output {
            Output::Text => {
                self.write.conclude(done);
                if let Some(serial) = serial {
                    say!("\nserial, shown this once: {serial}");
                }
                Ok(())
            }
            Output::Json => output::json(&json!({
                "change": what,
                "domain": license.domain,
                "product": license.product,
                "dry_run": self.write.dry_run,
                "differences": differences,
                "remarks": self.remarks,
                "version": written.map(|written| written.version),
                "serial": serial,
            })),
        }
    }
}

/// What a write made.
struct LicenseVersion<'a> {
    version: u64,
    /// A serial that was generated for it.
    serial: Option<&'a str>,
}

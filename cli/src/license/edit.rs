//! A change of one licence: shown, then signed and written.

use jiff::Timestamp;
use serde_json::json;
use tegata_common::lease::{Lease, SignedLicense};
use tegata_common::license::License;
use tegata_common::table::{Act, Key, Revision, Stored};

use super::Which;
use crate::change::{self, Difference, DryRun};
use crate::output::{self, Output, say};
use crate::place::Place;

/// A change on its way: the licence as it was read, and where to put it back.
pub(super) struct Editor<'a> {
    pub(super) place: &'a Place,
    pub(super) output: Output,
    pub(super) dry_run: bool,
    pub(super) now: Timestamp,
    pub(super) key: Key,
    /// What the change is shown against.
    pub(super) before: Option<License>,
    /// What the write is conditioned on.
    pub(super) revision: Option<Revision>,
    /// What the new lease has to be newer than.
    pub(super) lease: Option<Lease>,
}

impl<'a> Editor<'a> {
    pub(super) async fn open(
        place: &'a Place,
        output: Output,
        which: &Which,
        write: &DryRun,
        now: Timestamp,
    ) -> anyhow::Result<(Self, License)> {
        let domain = which.domain(place)?;
        let key = Key::license(&domain, &which.product);
        let before = place.table.get::<SignedLicense>(&key).await?;
        let Stored { value, revision } = before.ok_or_else(|| which.missing(&domain))?;
        let SignedLicense { license, lease } = value;
        let dry_run = write.dry_run;
        let editor = Self {
            place,
            output,
            dry_run,
            now,
            key,
            before: Some(license.clone()),
            revision: Some(revision),
            lease: Some(lease),
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
        let differences = change::differences(self.before.as_ref(), &license)?;
        if self.output == Output::Text {
            say!("{what} {}, {}:", license.domain, license.product);
            change::print(&differences);
        }
        if differences.is_empty() {
            return self.report(&license, what, &differences, None, "nothing to change");
        }
        // In a dry run too: it says so if the write could not be signed.
        let signer = self.place.signer().await?;
        if self.dry_run {
            let done = "dry run: nothing was written";
            return self.report(&license, what, &differences, None, done);
        }
        let signed = signer.sign(license, self.now, self.lease.as_ref()).await?;
        let act = Act {
            at: self.now,
            by: &self.place.caller,
            change: what,
        };
        let before = self.revision.as_ref();
        let written = self
            .place
            .table
            .put(&self.key, before, &signed, &act)
            .await?;
        let done = format!("written as version {}", written.version);
        let written = Some(Written {
            version: written.version,
            serial,
        });
        self.report(&signed.license, what, &differences, written, &done)
    }

    fn report(
        &self,
        license: &License,
        what: &str,
        differences: &[Difference],
        written: Option<Written<'_>>,
        done: &str,
    ) -> anyhow::Result<()> {
        let serial = written.as_ref().and_then(|written| written.serial);
        match self.output {
            Output::Text => {
                say!("{done}");
                if let Some(serial) = serial {
                    say!("\nserial, shown this once: {serial}");
                }
                Ok(())
            }
            Output::Json => output::json(&json!({
                "change": what,
                "domain": license.domain,
                "product": license.product,
                "dry_run": self.dry_run,
                "differences": differences,
                "version": written.map(|written| written.version),
                "serial": serial,
            })),
        }
    }
}

/// What a write made.
struct Written<'a> {
    version: u64,
    /// A serial that was generated for it.
    serial: Option<&'a str>,
}

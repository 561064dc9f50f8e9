//! What is there, as files that an import reads back without a change.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::json;
use tegata_storage::customers::FoundCustomers;
use tegata_storage::licenses::FoundLicenses;

use super::sheet::{Encoding, encode};
use super::{customers, licenses};
use crate::failure::UsageError;
use crate::output::{self, Output, note, say};
use crate::private_file::{self, Existing};
use crate::spreadsheet;
use crate::target::Target;

/// Write all customers and contracts to CSV files.
///
/// The files hold mail addresses, and serials as hashes; they are readable by their owner only.
/// A cell that a spreadsheet would take for a formula has an apostrophe in front. Importing them changes nothing. They are no backup: domains that a contract is leaving or has
/// left, with their quarantines, replaced serials that are still accepted, and history are not in
/// them. The tables have point-in-time recovery for that.
#[derive(Args)]
pub(crate) struct Export {
    /// The file for customers and contacts.
    customers: PathBuf,
    /// The file for contracts.
    licenses: PathBuf,
    /// How letters are written. Excel opens utf-8-bom and, in Japan, cp932.
    #[arg(long, value_enum, default_value = "utf-8-bom")]
    encoding: Encoding,
    /// Write over files that are there.
    #[arg(long)]
    force: bool,
}

pub(super) async fn export(target: &Target, output: Output, args: Export) -> anyhow::Result<()> {
    let FoundCustomers {
        customers: files,
        unreadable: mut broken,
    } = target.customers()?.all().await?;
    let FoundLicenses {
        licenses: stored,
        unreadable,
    } = target.licenses()?.all().await?;
    broken.extend(unreadable);
    for error in &broken {
        note!("warning: {error}");
    }
    // Half an export would be taken for all.
    if !broken.is_empty() {
        bail!(
            "{} items could not be read; nothing was exported",
            broken.len()
        );
    }
    if args.customers == args.licenses {
        return Err(UsageError("customers and contracts go to two files".to_owned()).into());
    }
    let paths = [&args.customers, &args.licenses];
    if let (Some(path), false) = (paths.iter().find(|path| path.exists()), args.force) {
        bail!(
            "{} is there already; --force writes over it",
            path.display()
        );
    }
    let header: Vec<&str> = [&customers::REQUIRED[..], &customers::OPTIONAL].concat();
    let customer_rows = customers::rows(&files);
    let mut license_rows = Vec::new();
    for stored in &stored {
        let license = stored.value.license.as_of(target.now)?;
        license_rows.extend(licenses::row(&license));
    }
    write(&args, &args.customers, &header, &customer_rows)?;
    write(&args, &args.licenses, &licenses::header(), &license_rows)?;
    match output {
        Output::Json => output::json(&json!({
            "customers": files.len(),
            "licenses": license_rows.len(),
        }))?,
        Output::Text => say!(
            "{} customers to {}, {} contracts to {}",
            files.len(),
            args.customers.display(),
            license_rows.len(),
            args.licenses.display()
        ),
    }
    Ok(())
}

fn write(args: &Export, path: &Path, header: &[&str], rows: &[Vec<String>]) -> anyhow::Result<()> {
    let text = spreadsheet::write(header, rows, csv::Terminator::CRLF)?;
    let bytes = encode(&text, args.encoding).map_err(|line| {
        anyhow::anyhow!(
            "{} line {line} has a letter that CP932 does not have; export as utf-8-bom",
            path.display()
        )
    })?;
    let (existing, hint) = match args.force {
        true => (Existing::Replace, ""),
        false => (Existing::Keep, "; --force writes over it"),
    };
    private_file::write(path, &bytes, existing)
        .with_context(|| format!("cannot write {}{hint}", path.display()))
}

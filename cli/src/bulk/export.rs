//! `tegata export`: customers and contracts as CSV files. Importing them changes nothing.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::json;
use tegata_operations::export::{self, ExportedTable};

use super::sheet::{Encoding, encode};
use crate::failure::UsageError;
use crate::output::{self, Output, note, say};
use crate::private_file::{self, Existing};
use crate::spreadsheet;
use crate::target::Target;

/// Write all customers and contracts to CSV files.
///
/// The files contain mail addresses, and serials as hashes; only their owner can read them. A cell
/// that a spreadsheet would treat as a formula starts with an apostrophe. Importing the files
/// changes nothing. They are not a backup: they do not contain the history, replaced serials that
/// are still accepted, or domains in quarantine. For a backup, the tables have point-in-time
/// recovery.
#[derive(Args)]
pub(crate) struct Export {
    /// The file for customers and contacts.
    customers: PathBuf,
    /// The file for contracts.
    licenses: PathBuf,
    /// The character encoding. Excel opens utf-8-bom and, in Japan, cp932.
    #[arg(long, value_enum, default_value = "utf-8-bom")]
    encoding: Encoding,
    /// Overwrite existing files.
    #[arg(long)]
    force: bool,
}

pub(super) async fn export(target: &Target, output: Output, args: Export) -> anyhow::Result<()> {
    let exported = export::export(target.customers()?, target.licenses()?, target.now).await?;
    let exported = exported.or_else(|broken| {
        for error in &broken {
            note!("warning: {error}");
        }
        bail!(
            "{} items could not be read; nothing was exported",
            broken.len()
        )
    })?;
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
    write(&args, &args.customers, &exported.customer_table)?;
    write(&args, &args.licenses, &exported.contract_table)?;
    let (customers, licenses) = (exported.customers, exported.contract_table.rows.len());
    match output {
        Output::Json => output::json(&json!({
            "customers": customers,
            "licenses": licenses,
        }))?,
        Output::Text => say!(
            "{customers} customers to {}, {licenses} contracts to {}",
            args.customers.display(),
            args.licenses.display()
        ),
    }
    Ok(())
}

fn write(args: &Export, path: &Path, table: &ExportedTable) -> anyhow::Result<()> {
    let text = spreadsheet::write(&table.header, &table.rows, csv::Terminator::CRLF)?;
    let bytes = encode(&text, args.encoding).map_err(|line| {
        anyhow::anyhow!(
            "{} line {line} has a character that CP932 does not have; export as utf-8-bom",
            path.display()
        )
    })?;
    let existing = match args.force {
        true => Existing::Replace,
        false => Existing::Keep,
    };
    private_file::write(path, &bytes, existing).with_context(|| match args.force {
        true => format!("cannot write {}", path.display()),
        false => format!("cannot write {}; --force writes over it", path.display()),
    })
}

//! `tegata publish files`.

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;
use serde::Serialize;
use tegata_common::product::ProductSlug;
use tegata_common::version::PluginVersion;
use tegata_operations::publish::{self, FilesReport, VersionFile};

use super::directory::Directory;
use crate::change::DryRun;
use crate::output::{self, Output, say};
use crate::target::Target;

#[derive(Args)]
pub(crate) struct Files {
    /// The product.
    product: ProductSlug,
    /// The version, such as 1.9.0 or 2.0.0-rc.1.
    version: PluginVersion,
    /// The directory with the files.
    directory: PathBuf,
    #[command(flatten)]
    write: DryRun,
}

/// The report as it is printed.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    report: &'a FilesReport,
    left_out: &'a [String],
}

pub(super) async fn run(target: &Target, output: Output, args: Files) -> anyhow::Result<()> {
    let (licenses, cdn) = (target.licenses()?, target.cdn()?);
    let (files, left_out) = read(&args.directory)?;
    let planned = publish::put_files(licenses, cdn, &args.product, &args.version, files).await?;
    let bar = output::progress(planned.len(), "{bar:40} {pos}/{len} files", output);
    let put = planned.carry_out(cdn, args.write.dry_run, || bar.inc(1));
    let report = put.await?;
    bar.finish_and_clear();
    match output {
        Output::Json => output::json(&Document {
            report: &report,
            left_out: &left_out,
        }),
        Output::Text => {
            print(&report, &left_out, args.write);
            Ok(())
        }
    }
}

/// The files of a directory, and the paths that are left out.
fn read(directory: &Path) -> anyhow::Result<(Vec<VersionFile>, Vec<String>)> {
    let Directory {
        files,
        left_out,
        refused,
    } = Directory::read(directory)?;
    if !refused.is_empty() {
        bail!(
            "{} cannot be published:\n  {}",
            directory.display(),
            refused.join("\n  ")
        );
    }
    if files.is_empty() {
        bail!("{}: no files", directory.display());
    }
    Ok((files, left_out))
}

fn print(report: &FilesReport, left_out: &[String], write: DryRun) {
    let (product, version) = (&report.manifest.product, &report.manifest.version);
    for (path, file) in &report.manifest.files {
        say!(
            "  /{product}/{version}/{path}  {}  {} bytes",
            file.integrity,
            file.bytes
        );
    }
    for path in left_out {
        say!("  left out, as it is of the operating system: {path}");
    }
    write.conclude(&format!(
        "published, and not current: tegata publish current {product} {version}"
    ));
}

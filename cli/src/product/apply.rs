//! `tegata product apply`.

use std::path::PathBuf;

use anyhow::Context as _;
use tegata_operations::products::{self, PlannedCatalogue};

use super::parse;
use crate::change::{self, DryRun};
use crate::output::{self, Output, say};
use crate::target::Target;
use crate::text_file;

/// Write the products of a file into the catalogue.
///
/// New licences use the new values; existing licences keep the values with which they were issued.
/// A product that is not in the file is unchanged.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The catalogue file.
    #[arg(default_value = "products.toml")]
    file: PathBuf,
    #[command(flatten)]
    write: DryRun,
}

pub(super) async fn run(target: &Target, output: Output, args: Args) -> anyhow::Result<()> {
    let text = text_file::read_utf8(&args.file)?;
    let catalogue = parse(&text).with_context(|| args.file.display().to_string())?;
    let licenses = target.licenses()?;
    let planned = products::apply(licenses, catalogue).await?;
    if output == Output::Text {
        print(&planned);
    }
    let applied = planned.carry_out(licenses, target.caller(), args.write.dry_run);
    let report = applied.await?;
    match output {
        Output::Json => output::json(&report)?,
        Output::Text => args.write.conclude("applied"),
    }
    Ok(())
}

fn print(planned: &PlannedCatalogue) {
    for planned in &planned.products {
        let slug = &planned.product.slug;
        say!("{slug}: {}", planned.state.as_str());
        change::print(&planned.differences, None);
        if planned.outdates_licenses {
            say!(
                "  licences keep the ids, without_serial, support and purchase_url they have until `tegata license update-plugin-ids --product {slug}`"
            );
        }
    }
}

//! `tegata product`: the catalogue, from `products.toml`.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Subcommand;
use tegata_common::product::{Catalogue, Product};
use tegata_operations::products::{self, PlannedCatalogue};

use crate::change::{self, DryRun};
use crate::output::{self, Output, say};
use crate::target::Target;
use crate::text_file;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Write the products of a file into the catalogue.
    ///
    /// Licences issued from then on follow it; those issued before keep what they were issued
    /// with. A product that is not in the file stays as it is.
    Apply {
        /// The catalogue file.
        #[arg(default_value = "products.toml")]
        file: PathBuf,
        #[command(flatten)]
        write: DryRun,
    },
    /// List the catalogue.
    List,
}

pub(crate) async fn run(target: &Target, output: Output, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Apply { file, write } => {
            let text = text_file::read_utf8(&file)?;
            let catalogue = parse(&text).with_context(|| file.display().to_string())?;
            apply(target, output, catalogue, write).await
        }
        Command::List => list(target, output).await,
    }
}

/// Reads a catalogue; an error tells line and column.
pub(crate) fn parse(text: &str) -> anyhow::Result<Catalogue> {
    Ok(toml::from_str(text)?)
}

async fn apply(
    target: &Target,
    output: Output,
    catalogue: Catalogue,
    write: DryRun,
) -> anyhow::Result<()> {
    let licenses = target.licenses()?;
    let planned = products::apply(licenses, catalogue).await?;
    if output == Output::Text {
        print(&planned);
    }
    let applied = planned.carry_out(licenses, target.caller(), write.dry_run);
    let report = applied.await?;
    match output {
        Output::Json => output::json(&report)?,
        Output::Text => write.conclude("applied"),
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
                "  licences keep the ids and without_serial they have until `tegata license update-plugin-ids --product {slug}`"
            );
        }
    }
}

async fn list(target: &Target, output: Output) -> anyhow::Result<()> {
    let products = products::list(target.licenses()?).await?;
    if output == Output::Json {
        return output::json(&products);
    }
    let rows = products.iter().map(|product| {
        let Product {
            slug, name, policy, ..
        } = product;
        let serial = if policy.requires_serial {
            "required"
        } else {
            "optional"
        };
        vec![
            slug.to_string(),
            name.ja.clone(),
            name.en.clone(),
            policy.time_zone.name().to_owned(),
            format!("{} d", policy.grace_days),
            format!("{} d", policy.lease_days),
            format!("{} h", policy.refresh_hours),
            serial.to_owned(),
        ]
    });
    let header = [
        "product",
        "ja",
        "en",
        "time zone",
        "grace",
        "lease",
        "refresh",
        "serial",
    ];
    output::table(&header, rows.collect());
    Ok(())
}

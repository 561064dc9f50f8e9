//! `tegata product`: the catalogue, from `products.toml`.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use serde_json::json;
use tegata_common::product::{Catalogue, Product};
use tegata_storage::{Key, Versioned};

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
            apply(target, output, &catalogue, write).await
        }
        Command::List => list(target, output).await,
    }
}

/// Reads a catalogue; an error tells line and column.
pub(crate) fn parse(text: &str) -> anyhow::Result<Catalogue> {
    Ok(toml::from_str(text)?)
}

/// Refuses a kintone plug-in id that a product has which the file does not name. (Of two in the
/// file, the file itself is refused.)
async fn check_plugin_ids(target: &Target, catalogue: &Catalogue) -> anyhow::Result<()> {
    for stored in target.licenses()?.products().await? {
        let Product {
            slug,
            kintone_plugin_ids,
            ..
        } = stored.value;
        if catalogue
            .products
            .iter()
            .any(|product| product.slug == slug)
        {
            continue;
        }
        for product in &catalogue.products {
            let mut ids = product.kintone_plugin_ids.iter();
            if ids.any(|id| kintone_plugin_ids.contains(id)) {
                bail!(
                    "products.{}: {slug}, which is in the catalogue, has one of its kintone plug-in ids; \
                     put {slug} into the file too, without it",
                    product.slug
                );
            }
        }
    }
    Ok(())
}

async fn apply(
    target: &Target,
    output: Output,
    catalogue: &Catalogue,
    write: DryRun,
) -> anyhow::Result<()> {
    check_plugin_ids(target, catalogue).await?;
    let table = target.licenses()?.table();
    let mut documents = Vec::new();
    for product in &catalogue.products {
        let key = Key::product(&product.slug);
        let before: Option<Versioned<Product>> = table.get(&key).await?;
        let differences = change::differences(before.as_ref().map(|b| &b.value), product)?;
        let state = match (&before, differences.is_empty()) {
            (_, true) => "unchanged",
            (None, _) => "new",
            (Some(_), _) => "changed",
        };
        if output == Output::Text {
            say!("{}: {state}", product.slug);
            change::print(&differences, None);
            let is_other = |before: &Versioned<Product>| {
                before.value.kintone_plugin_ids != product.kintone_plugin_ids
                    || before.value.policy.without_serial != product.policy.without_serial
            };
            if before.as_ref().is_some_and(is_other) {
                say!(
                    "  licences keep the ids and without_serial they have until `tegata license update-plugin-ids --product {}`",
                    product.slug
                );
            }
        }
        documents.push(json!({
            "product": product.slug,
            "state": state,
            "differences": differences,
        }));
        if !differences.is_empty() && !write.dry_run {
            let revision = before.as_ref().map(|before| &before.revision);
            let put = table
                .put(&key, revision, product, &target.act("apply"))
                .await;
            put.with_context(|| format!("{} (those before it are applied)", product.slug))?;
        }
    }
    match output {
        Output::Json => output::json(&json!({ "dry_run": write.dry_run, "products": documents })),
        Output::Text => {
            write.conclude("applied");
            Ok(())
        }
    }
}

async fn list(target: &Target, output: Output) -> anyhow::Result<()> {
    let products = target.licenses()?.products().await?;
    if output == Output::Json {
        let products: Vec<&Product> = products.iter().map(|stored| &stored.value).collect();
        return output::json(&products);
    }
    let rows = products.iter().map(|stored| {
        let Product {
            slug, name, policy, ..
        } = &stored.value;
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

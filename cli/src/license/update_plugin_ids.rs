//! `tegata license update-plugin-ids`: update existing licences from the catalogue.

use anyhow::bail;
use clap::Args;
use tegata_common::product::ProductSlug;
use tegata_operations::BulkItem;
use tegata_operations::licenses;

use super::fail_if_unreadable;
use crate::change::DryRun;
use crate::output::{self, Output, note, say};
use crate::target::Target;

#[derive(Args)]
pub(crate) struct UpdatePluginIds {
    /// Only licences of this product.
    #[arg(long)]
    product: Option<ProductSlug>,
    #[command(flatten)]
    write: DryRun,
}

pub(super) async fn run(
    target: &Target,
    output: Output,
    args: UpdatePluginIds,
) -> anyhow::Result<()> {
    let context = target.license_context()?;
    let product = args.product.as_ref();
    let outdated = licenses::outdated_plugin_ids(context.licenses, product).await?;
    let template = "{wide_bar} {pos} of {len} licences, {eta} left";
    let bar = output::progress(outdated.len(), template, output);
    let on_item = |item: BulkItem<'_>| {
        if let Some(error) = item.error {
            let causes = tegata_aws::causes(error);
            bar.suspend(|| note!("warning: {}: {causes}", item.label));
        }
        bar.inc(1);
    };
    let (report, unreadable) = outdated
        .update(&context, args.write.dry_run, on_item)
        .await?;
    bar.finish_and_clear();
    match output {
        Output::Json => output::json(&report)?,
        Output::Text => {
            if report.dry_run {
                say!(
                    "{} licences would be updated from the catalogue",
                    report.licenses
                );
            }
            args.write.conclude(&format!(
                "{} licences written, {} changed meanwhile",
                report.written, report.changed_meanwhile
            ));
        }
    }
    if report.failed > 0 {
        bail!(
            "{} licences could not be written; run it again",
            report.failed
        );
    }
    fail_if_unreadable(&unreadable)
}

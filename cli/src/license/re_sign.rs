//! `tegata license re-sign`: sign leases again without changing their licences.

use anyhow::bail;
use clap::Args;
use tegata_common::product::ProductSlug;
use tegata_operations::BulkItem;
use tegata_operations::licenses::{self, LeaseSelection, LicenseId};

use super::{canonical, fail_if_unreadable};
use crate::change::DryRun;
use crate::output::{self, Output, note, say};
use crate::target::Target;

#[derive(Args)]
pub(crate) struct ReSign {
    /// The tenant's host name.
    #[arg(requires = "product", required_unless_present = "all")]
    domain: Option<String>,
    /// The product's slug.
    product: Option<ProductSlug>,
    /// All licences, or those selected by the other options.
    #[arg(long, conflicts_with = "domain")]
    all: bool,
    /// Only leases that have less than half of their lifetime left.
    #[arg(long, requires = "all", conflicts_with = "signed_with")]
    due: bool,
    /// Only leases signed with this key, such as a compromised one.
    #[arg(long, value_name = "KID", requires = "all", allow_hyphen_values = true)]
    signed_with: Option<String>,
    #[command(flatten)]
    write: DryRun,
}

pub(super) async fn run(target: &Target, output: Output, args: ReSign) -> anyhow::Result<()> {
    let selection = selection(target, &args)?;
    let context = target.license_context()?;
    let selected = licenses::select_leases(context.licenses, context.caller, &selection).await?;
    let on_item = |item: BulkItem<'_>| {
        if let Some(error) = item.error {
            note!("warning: {}: {}", item.label, tegata_aws::causes(error));
        }
        if item.done.is_multiple_of(100) && output == Output::Text {
            note!("{} of {}", item.done, item.total);
        }
    };
    let (report, unreadable) = selected.sign(&context, args.write.dry_run, on_item).await?;
    match output {
        Output::Json => output::json(&report)?,
        Output::Text => {
            if report.dry_run {
                say!("{} leases would be signed again", report.leases);
            }
            args.write.conclude(&format!(
                "{} leases signed again, {} changed meanwhile",
                report.signed, report.changed_meanwhile
            ));
        }
    }
    if report.failed > 0 {
        bail!("{} leases could not be signed; run it again", report.failed);
    }
    fail_if_unreadable(&unreadable)
}

fn selection(target: &Target, args: &ReSign) -> anyhow::Result<LeaseSelection> {
    Ok(match (&args.domain, &args.product, &args.signed_with) {
        (Some(domain), Some(product), _) => LeaseSelection::Of(LicenseId {
            domain: canonical(target, domain)?,
            product: product.clone(),
        }),
        (_, _, Some(kid)) => LeaseSelection::SignedWith(kid.clone()),
        _ if args.due => LeaseSelection::Due,
        _ => LeaseSelection::All,
    })
}

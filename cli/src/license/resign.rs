//! Leases signed anew, of licences that stay as they are.

use anyhow::{Context as _, bail};
use clap::Args;
use serde_json::json;
use tegata_common::lease::SignedLicense;
use tegata_common::license::Code;
use tegata_common::product::ProductSlug;
use tegata_signing::Signer;
use tegata_storage::Versioned;
use tegata_storage::licenses::FoundLicenses;

use super::{canonical, complain};
use crate::change::DryRun;
use crate::failure::{self, NotFound};
use crate::output::{self, Output, note, say};
use crate::target::Target;

#[derive(Args)]
pub(crate) struct Resign {
    /// The tenant's host name.
    #[arg(requires = "product", required_unless_present = "all")]
    domain: Option<String>,
    /// The product's slug.
    product: Option<ProductSlug>,
    /// All licences, or those that the other options pick.
    #[arg(long, conflicts_with = "domain")]
    all: bool,
    /// Only leases of which less than half of their days is left.
    #[arg(long, requires = "all", conflicts_with = "signed_with")]
    due: bool,
    /// Only leases signed with this key, such as a compromised one.
    #[arg(long, value_name = "KID", requires = "all", allow_hyphen_values = true)]
    signed_with: Option<String>,
    #[command(flatten)]
    write: DryRun,
}

/// Signs leases anew. A licence that somebody changes meanwhile gets its new lease by that
/// change, and is counted apart.
pub(super) async fn resign(target: &Target, output: Output, args: Resign) -> anyhow::Result<()> {
    let now = target.now;
    let mut licenses = match (&args.domain, &args.product) {
        (Some(domain), Some(product)) => {
            let domain = canonical(target, domain)?;
            let stored = target.licenses.get(&domain, product).await?;
            let missing = || NotFound(format!("{domain} has no licence of {product}"));
            FoundLicenses {
                licenses: vec![stored.ok_or_else(missing)?],
                unreadable: Vec::new(),
            }
        }
        _ => target.licenses.all().await?,
    };
    licenses.licenses.retain(|stored| {
        let SignedLicense { license, lease } = &stored.value;
        if let Some(kid) = &args.signed_with {
            return *kid == lease.kid;
        }
        let is_due = || stored.value.resign_at().is_some_and(|at| at <= now);
        (!args.due || is_due()) && license.code_at(now) != Code::Expired
    });
    let total = licenses.licenses.len();
    let (mut signed, mut changed_meanwhile, mut failed) = (0, 0, 0);
    if !args.write.dry_run && total > 0 {
        let signer = target.signer().await?;
        for (number, stored) in licenses.licenses.into_iter().enumerate() {
            match resign_one(target, &signer, stored).await {
                Ok(()) => signed += 1,
                Err(error) if failure::is_conflict(&error) => {
                    changed_meanwhile += 1;
                }
                // One licence's trouble must not keep the others' leases from being signed.
                Err(error) => {
                    failed += 1;
                    note!("warning: {error:#}");
                }
            }
            if (number + 1) % 100 == 0 && output == Output::Text {
                note!("{} of {total}", number + 1);
            }
        }
    }
    match (output, args.write.dry_run) {
        (Output::Json, dry_run) => {
            output::json(&json!({
                "change": "resign",
                "dry_run": dry_run,
                "leases": total,
                "signed": signed,
                "changed_meanwhile": changed_meanwhile,
                "failed": failed,
                "unreadable": licenses.unreadable.len(),
            }))?;
        }
        (Output::Text, is_dry) => {
            if is_dry {
                say!("{total} leases would be signed anew");
            }
            let done =
                format!("{signed} leases signed anew, {changed_meanwhile} changed meanwhile");
            args.write.conclude(&done);
        }
    }
    if failed > 0 {
        bail!("{failed} leases could not be signed; run it again");
    }
    complain(&licenses.unreadable)
}

async fn resign_one(
    target: &Target,
    signer: &Signer,
    stored: Versioned<SignedLicense>,
) -> anyhow::Result<()> {
    let SignedLicense { license, lease } = &stored.value;
    let label = format!("{}, {}", license.domain, license.product);
    // As it was written: what time has done since is the renewal's to write.
    let anew = signer
        .sign(license.clone(), target.now, Some(lease.issued_at))
        .await;
    let anew = anew.with_context(|| label.clone())?;
    let act = target.act("resign");
    let put = target.licenses.put_lease(&stored, &anew, &act).await;
    put.with_context(|| label)?;
    Ok(())
}

//! Leases signed anew, of licences that stay as they are.

use anyhow::{Context as _, bail};
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tegata_common::lease::SignedLicense;
use tegata_common::product::ProductSlug;
use tegata_common::signing::Signer;
use tegata_common::table::{Act, Key, Licenses, Stored};

use super::{canonical, complain};
use crate::change::DryRun;
use crate::failure::{self, NotFound};
use crate::output::{self, Output, say};
use crate::place::Place;

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
    #[arg(long, requires = "all")]
    due: bool,
    /// Only leases signed with this key, such as a compromised one.
    #[arg(long, value_name = "KID", requires = "all")]
    signed_with: Option<String>,
    #[command(flatten)]
    write: DryRun,
}

/// Signs leases anew. A licence that somebody changes meanwhile gets its new lease by that
/// change, and is counted apart.
pub(super) async fn resign(
    place: &Place,
    output: Output,
    args: Resign,
    now: Timestamp,
) -> anyhow::Result<()> {
    let mut licenses = match (&args.domain, &args.product) {
        (Some(domain), Some(product)) => {
            let domain = canonical(place, domain)?;
            let stored = place.table.get(&Key::license(&domain, product)).await?;
            let missing = || NotFound(format!("{domain} has no licence of {product}"));
            Licenses {
                licenses: vec![stored.ok_or_else(missing)?],
                unreadable: Vec::new(),
            }
        }
        _ => place.table.licenses().await?,
    };
    licenses.licenses.retain(|stored| {
        let SignedLicense { license, lease } = &stored.value;
        let is_wanted = args
            .signed_with
            .as_ref()
            .is_none_or(|kid| *kid == lease.kid);
        let half = SignedDuration::from_hours(i64::from(license.policy.lease_days) * 12);
        let is_due = !args.due || lease.issued_at + half <= now;
        is_wanted && is_due && now < license.grace_until
    });
    let total = licenses.licenses.len();
    let (mut signed, mut changed_meanwhile, mut failed) = (0, 0, 0);
    if !args.write.dry_run && total > 0 {
        let signer = place.signer().await?;
        for (number, stored) in licenses.licenses.into_iter().enumerate() {
            match resign_one(place, &signer, stored, now).await {
                Ok(()) => signed += 1,
                Err(error) if failure::is_conflict(&error) => {
                    changed_meanwhile += 1;
                }
                // One licence's trouble must not keep the others' leases from being signed.
                Err(error) => {
                    failed += 1;
                    eprintln!("warning: {error:#}");
                }
            }
            if (number + 1) % 100 == 0 && output == Output::Text {
                eprintln!("{} of {total}", number + 1);
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
        (Output::Text, true) => {
            say!("{total} leases would be signed anew\ndry run: nothing was written");
        }
        (Output::Text, false) => {
            say!("{signed} leases signed anew, {changed_meanwhile} changed meanwhile");
        }
    }
    if failed > 0 {
        bail!("{failed} leases could not be signed; run it again");
    }
    complain(&licenses.unreadable)
}

async fn resign_one(
    place: &Place,
    signer: &Signer,
    stored: Stored<SignedLicense>,
    now: Timestamp,
) -> anyhow::Result<()> {
    let SignedLicense { license, lease } = stored.value;
    let target = format!("{}, {}", license.domain, license.product);
    let key = Key::license(&license.domain, &license.product);
    let anew = signer.sign(license, now, Some(&lease)).await;
    let anew = anew.with_context(|| target.clone())?;
    let act = Act {
        at: now,
        by: &place.caller,
        change: "resign",
    };
    let put = place
        .table
        .put(&key, Some(&stored.revision), &anew, &act)
        .await;
    put.with_context(|| target)?;
    Ok(())
}

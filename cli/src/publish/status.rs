//! `tegata publish status`.

use anyhow::bail;
use clap::Args;
use tegata_common::product::ProductSlug;
use tegata_operations::publish::{self, PublishStatus};

use super::current::in_words;
use crate::messages::value;
use crate::output::{self, Output, say};
use crate::period::PeriodArgs;
use crate::target::Target;

/// Tenants that are listed.
const SHOWN: usize = 20;

#[derive(Args)]
pub(crate) struct Status {
    /// The product.
    product: ProductSlug,
    #[command(flatten)]
    period: PeriodArgs,
}

pub(super) async fn run(target: &Target, output: Output, args: Status) -> anyhow::Result<()> {
    let period = args.period.period(target)?;
    let served = target.served_release(&args.product).await?;
    let place = target.usage_place()?;
    let status = publish::status(
        target.licenses()?,
        target.notices()?,
        &place,
        &target.bases,
        (&args.product, served),
        period,
    );
    let status = status.await?;
    match output {
        Output::Json => output::json(&status)?,
        Output::Text => print(target, &status),
    }
    match status.document.problem {
        Some(problem) => bail!("the CDN's document of {}: {problem}", status.product),
        None => Ok(()),
    }
}

fn print(target: &Target, status: &PublishStatus) {
    let PublishStatus {
        product,
        current,
        revision,
        document,
        ..
    } = status;
    say!("{product}: {}", in_words(target, &current.rollout));
    say!(
        "  since        {} by {}",
        target.local_time(revision.at),
        revision.by
    );
    match (&current.announced_by, &current.emergency) {
        (Some(notice), _) => say!("  announced by {notice}"),
        (_, Some(reason)) => say!("  not announced; emergency: {}", value(reason)),
        _ => {}
    }
    match (document.issued_at, &document.kid, document.key) {
        (Some(at), Some(kid), Some(state)) => say!(
            "  document     signed at {} with key {kid} ({state})",
            target.local_time(at)
        ),
        _ => say!("  document     does not verify"),
    }
    say!("\nWhat tenants ran, {} to {}:\n", status.from, status.to);
    let rows = status.versions.iter().map(|of| {
        vec![
            of.version.clone(),
            of.tenants.to_string(),
            of.expected.to_string(),
        ]
    });
    output::table(
        &["version", "tenants", "of the tenants seen, to run it"],
        &[],
        rows.collect(),
    );
    let differing: Vec<_> = status
        .tenants
        .iter()
        .filter(|tenant| {
            let expected = tenant.expected.as_ref();
            expected.is_some_and(|expected| !tenant.versions.contains(expected.as_str()))
        })
        .collect();
    if differing.is_empty() {
        return;
    }
    say!("\nTenants that ran another version than the one they are to run:\n");
    let rows = differing.iter().take(SHOWN).map(|tenant| {
        let versions: Vec<&str> = tenant.versions.iter().map(String::as_str).collect();
        vec![
            tenant.domain.clone(),
            versions.join(", "),
            tenant
                .expected
                .as_ref()
                .map(ToString::to_string)
                .unwrap_or_default(),
            tenant.seen_on.to_string(),
        ]
    });
    output::table(
        &["domain", "ran", "is to run", "seen on"],
        &[],
        rows.collect(),
    );
    if differing.len() > SHOWN {
        say!(
            "… and {} more: --output json has all",
            differing.len() - SHOWN
        );
    }
}

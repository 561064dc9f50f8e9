//! Which version is current, and that it was announced.

use anyhow::bail;
use serde_json::json;
use tegata_common::product::ProductSlug;
use tegata_notices::channels::changes_within_a_minute;
use tegata_notices::gate;
use tegata_storage::notices::CurrentVersion;

use super::files::{known, manifest_of};
use crate::change::DryRun;
use crate::failure::{NotFound, UsageError};
use crate::output::{self, Output, say};
use crate::target::Target;

pub(super) async fn make(
    target: &Target,
    output: Output,
    product: &ProductSlug,
    version: &str,
    emergency: Option<String>,
    write: DryRun,
) -> anyhow::Result<()> {
    known(target, product).await?;
    if emergency
        .as_deref()
        .is_some_and(|reason| reason.trim().is_empty())
    {
        return Err(UsageError("--emergency: say why".to_owned()).into());
    }
    let Some(manifest) = manifest_of(target, product, version).await? else {
        let missing = format!(
            "{product} {version} is not on the CDN: tegata publish files {product} {version} DIRECTORY"
        );
        return Err(NotFound(missing).into());
    };
    let notices = target.notices()?.all().await?;
    let notice = gate::notice_of(&notices, product, version);
    let deliveries = match notice {
        Some(notice) => {
            target
                .notices()?
                .deliveries(&notice.notice_id, None)
                .await?
        }
        None => Vec::new(),
    };
    let facts = deliveries.iter().map(|stored| &stored.delivery.facts);
    let announced = gate::check(product, version, notice, facts, target.now);
    let current = match (announced, emergency) {
        (Ok(notice_id), _) => CurrentVersion {
            version: version.to_owned(),
            announced_by: Some(notice_id),
            emergency: None,
        },
        (Err(_), Some(reason)) => CurrentVersion {
            version: version.to_owned(),
            announced_by: None,
            emergency: Some(reason),
        },
        (Err(not_yet), None) => bail!("{not_yet}"),
    };
    let before = target.notices()?.current_version(product).await?;
    let was = before.as_ref().map(|stored| stored.value.version.clone());
    if output == Output::Text {
        say!(
            "{product}: {} → {version}",
            was.as_deref().unwrap_or("(none)")
        );
        match (&current.announced_by, &current.emergency) {
            (Some(notice), _) => say!("  announced by {notice}"),
            (_, Some(reason)) => say!("  not announced; emergency: {reason}"),
            _ => {}
        }
    }
    if !write.dry_run {
        // Recorded first: what plug-ins see has a reason. Repeating the command makes up for a
        // file that was not written.
        if before.as_ref().is_none_or(|stored| stored.value != current) {
            let act = target.act(match current.emergency {
                Some(_) => "publish-emergency",
                None => "publish",
            });
            let revision = before.as_ref().map(|stored| &stored.revision);
            target
                .notices()?
                .put_current_version(product, revision, &current, &act)
                .await?;
        }
        let latest = serde_json::to_vec_pretty(&json!({
            "product": product,
            "version": version,
            "base": format!("/{product}/{version}/"),
            "files": manifest.files,
        }))?;
        let path = format!("{product}/latest.json");
        let headers = changes_within_a_minute("application/json");
        target.cdn()?.put(&path, latest, headers).await?;
    }
    match output {
        Output::Json => output::json(&json!({
            "product": product,
            "before": was,
            "current": current,
            "dry_run": write.dry_run,
        }))?,
        Output::Text => write.conclude("current from now on; caches know it within a minute"),
    }
    Ok(())
}

pub(super) async fn list(
    target: &Target,
    output: Output,
    product: &ProductSlug,
) -> anyhow::Result<()> {
    known(target, product).await?;
    let history = target.notices()?.version_history(product).await?;
    let mut rows = Vec::new();
    let mut documents = Vec::new();
    for past in history.into_iter().rev() {
        let past = past?;
        let Some(current) = past.value() else {
            continue;
        };
        documents.push(json!({ "current": current, "revision": past.revision }));
        rows.push(vec![
            current.version.clone(),
            target.local_time(past.revision.at),
            past.revision.by.clone(),
            match (&current.announced_by, &current.emergency) {
                (Some(notice), _) => notice.to_string(),
                (None, reason) => {
                    format!("emergency: {}", reason.as_deref().unwrap_or_default())
                }
            },
        ]);
    }
    match output {
        Output::Json => output::json(&documents)?,
        Output::Text => output::table(&["version", "since", "by", "announced by"], rows),
    }
    Ok(())
}

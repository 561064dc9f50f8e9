//! The version that is current, and that it was announced.

use serde::Serialize;
use serde_json::json;
use tegata_archive::objects::Objects;
use tegata_common::product::ProductSlug;
use tegata_common::revision::Revision;
use tegata_notices::channels::changes_within_a_minute;
use tegata_notices::gate;
use tegata_storage::Versioned;
use tegata_storage::licenses::Licenses;
use tegata_storage::notices::{CurrentVersion, Notices};

use super::{Manifest, check_product, manifest_of};
use crate::{Caller, Error};

/// A version that can become current, and has not.
#[derive(Debug)]
pub struct PlannedCurrent {
    /// The product.
    pub product: ProductSlug,
    /// The version that would be current, and what allows that.
    pub current: CurrentVersion,
    before: Option<Versioned<CurrentVersion>>,
    manifest: Manifest,
}

/// What became of a version that was to become current.
#[derive(Debug, Serialize)]
pub struct CurrentReport {
    /// The product.
    pub product: ProductSlug,
    /// The version that was current before.
    pub before: Option<String>,
    /// The version that is current, and what allowed that.
    pub current: CurrentVersion,
    /// Whether nothing was to be written.
    pub dry_run: bool,
}

/// Plans to make a version current. It has to be on the CDN and announced, unless there is a reason
/// for an emergency.
pub async fn make_current(
    licenses: &Licenses,
    notices: &Notices,
    cdn: &Objects,
    (product, version): (&ProductSlug, &str),
    emergency: Option<String>,
    caller: Caller<'_>,
) -> Result<PlannedCurrent, Error> {
    check_product(licenses, product).await?;
    if emergency
        .as_deref()
        .is_some_and(|why| why.trim().is_empty())
    {
        return Err(Error::EmptyEmergency);
    }
    let manifest = manifest_of(cdn, product, version).await?;
    let manifest = manifest.ok_or_else(|| Error::NotOnCdn {
        product: product.clone(),
        version: version.to_owned(),
    })?;
    let all = notices.all().await?;
    let notice = gate::notice_of(&all, product, version);
    let deliveries = match notice {
        Some(notice) => notices.deliveries(&notice.notice_id, None).await?,
        None => Vec::new(),
    };
    let facts = deliveries.iter().map(|stored| &stored.delivery.facts);
    let announced = gate::check(product, version, notice, facts, caller.now);
    let (announced_by, emergency) = match (announced, emergency) {
        (Ok(notice_id), _) => (Some(notice_id), None),
        (Err(_), Some(reason)) => (None, Some(reason)),
        (Err(not_yet), None) => return Err(not_yet.into()),
    };
    Ok(PlannedCurrent {
        product: product.clone(),
        current: CurrentVersion {
            version: version.to_owned(),
            announced_by,
            emergency,
        },
        before: notices.current_version(product).await?,
        manifest,
    })
}

impl PlannedCurrent {
    /// The version that is current now.
    pub fn version_before(&self) -> Option<&str> {
        let before = self.before.as_ref();
        before.map(|before| before.value.version.as_str())
    }

    /// Records the version as current and writes `latest.json`, unless this is a dry run.
    pub async fn carry_out(
        self,
        notices: &Notices,
        cdn: &Objects,
        caller: Caller<'_>,
        dry_run: bool,
    ) -> Result<CurrentReport, Error> {
        if !dry_run {
            // Recorded first: what plug-ins see has a reason. Repeating the operation makes up for
            // a file that was not written.
            self.record(notices, caller).await?;
            self.write_latest(cdn).await?;
        }
        Ok(CurrentReport {
            before: self.before.map(|before| before.value.version),
            product: self.product,
            current: self.current,
            dry_run,
        })
    }

    async fn record(&self, notices: &Notices, caller: Caller<'_>) -> Result<(), Error> {
        let before = self.before.as_ref();
        if before.is_some_and(|before| before.value == self.current) {
            return Ok(());
        }
        let act = caller.change(match self.current.emergency {
            Some(_) => "publish-emergency",
            None => "publish",
        });
        let revision = before.map(|before| &before.revision);
        notices
            .put_current_version(&self.product, revision, &self.current, &act)
            .await?;
        Ok(())
    }

    async fn write_latest(&self, cdn: &Objects) -> Result<(), Error> {
        let (product, version) = (&self.product, &self.current.version);
        let latest = serde_json::to_vec_pretty(&json!({
            "product": product,
            "version": version,
            "base": format!("/{product}/{version}/"),
            "files": self.manifest.files,
        }))?;
        let headers = changes_within_a_minute("application/json");
        cdn.put(&format!("{product}/latest.json"), latest, headers)
            .await?;
        Ok(())
    }
}

/// A version that was, or is, current.
#[derive(Debug, Serialize)]
pub struct PublishedVersion {
    /// The version, and what allowed that.
    pub current: CurrentVersion,
    /// When it became current, and by whom.
    pub revision: Revision,
}

/// Lists the versions of a product that were current, the newest first.
pub async fn versions(
    licenses: &Licenses,
    notices: &Notices,
    product: &ProductSlug,
) -> Result<Vec<PublishedVersion>, Error> {
    check_product(licenses, product).await?;
    let mut versions = Vec::new();
    for entry in notices.version_history(product).await?.into_iter().rev() {
        let entry = entry?;
        if let Some(current) = entry.value() {
            versions.push(PublishedVersion {
                current: current.clone(),
                revision: entry.revision.clone(),
            });
        }
    }
    Ok(versions)
}

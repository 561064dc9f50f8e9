//! The version that is current: why it may be, and the release document that makes plug-ins run it.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use tegata_archive::objects::Objects;
use tegata_common::calendar::whole_second;
use tegata_common::notice::{NoticeId, ToldOtherwise};
use tegata_common::product::{Product, ProductSlug};
use tegata_common::release::{Change, MEDIA_TYPE, Release, Rollout, VersionFiles, document_path};
use tegata_common::revision::Revision;
use tegata_common::version::PluginVersion;
use tegata_notices::channels::changes_within_a_minute;
use tegata_notices::gate::Announcement;
use tegata_signing::{ReleaseSigner, payload_sha256};
use tegata_storage::Versioned;
use tegata_storage::licenses::Licenses;
use tegata_storage::notices::{CurrentVersion, DocumentSignature, Notices};

use super::{Context, files_of, product_of};
use crate::notices::{NoticeError, record_told_otherwise};
use crate::{Error, release_signer};

/// How often a document is written again because somebody else made a version current meanwhile.
const TRIES: usize = 5;

/// A version that can become current, and has not.
#[derive(Debug)]
pub struct PlannedCurrent {
    /// The version that would be current, the tenants that would run it, and what allows that.
    pub current: CurrentVersion,
    /// The files of the version against those of the version before.
    pub files: FileDifferences,
    product: Product,
    before: Option<Versioned<CurrentVersion>>,
    told_otherwise: Vec<ToldOtherwise>,
    release: Release,
    signer: ReleaseSigner,
}

/// The files that differ between two versions, by path.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct FileDifferences {
    /// Only in the version after.
    pub added: Vec<String>,
    /// In both, with another content.
    pub changed: Vec<String>,
    /// Only in the version before.
    pub removed: Vec<String>,
}

impl FileDifferences {
    fn between(before: Option<&VersionFiles>, after: &VersionFiles) -> Self {
        let nothing = Default::default();
        let before = before.map_or(&nothing, |before| &before.files);
        let mut of = Self::default();
        for (path, integrity) in &after.files {
            match before.get(path) {
                None => of.added.push(path.clone()),
                Some(other) if other != integrity => of.changed.push(path.clone()),
                Some(_) => {}
            }
        }
        let gone = before
            .keys()
            .filter(|path| !after.files.contains_key(*path));
        of.removed = gone.cloned().collect();
        of
    }
}

/// What became of a version that was to become current.
#[derive(Debug, Serialize)]
pub struct CurrentReport {
    /// The product.
    pub product: ProductSlug,
    /// The version that was current before.
    pub before: Option<PluginVersion>,
    /// The version that is current, the tenants that run it, and what allowed that.
    pub current: CurrentVersion,
    /// Who was told otherwise, by the caller's word.
    pub told_otherwise: Vec<ToldOtherwise>,
    /// The files of the version against those of the version before.
    pub files: FileDifferences,
    /// Whether nothing was to be written.
    pub dry_run: bool,
}

/// Plans to make a version current, or to change the tenants that run it. The version has to be on
/// the CDN, and announced for the instant from which it counts, and everybody has to have been told
/// of it, by a mail or otherwise; unless there is a reason for an emergency.
pub async fn make_current(
    context: &Context<'_>,
    product: &ProductSlug,
    change: Change,
    emergency: Option<String>,
    told_otherwise: Vec<ToldOtherwise>,
) -> Result<PlannedCurrent, Error> {
    let Context {
        licenses,
        notices,
        cdn,
        keys,
        caller,
    } = *context;
    if emergency
        .as_deref()
        .is_some_and(|why| why.trim().is_empty())
    {
        return Err(Error::EmptyEmergency);
    }
    let product = product_of(licenses, product).await?;
    let before = notices.current_version(&product.slug).await?;
    let current = before.as_ref().map(|before| &before.value);
    let change = Change {
        from: change.from.map(whole_second),
        ..change
    };
    let rollout = Rollout::changed(current.map(|of| &of.rollout), change, caller.now)?;
    let files = files_of(cdn, &product.slug, &rollout.version).await?;
    let counts_from = rollout.from.unwrap_or(caller.now).max(caller.now);
    let what = (&product.slug, &rollout.version);
    let announced = announced(context, what, counts_from, &told_otherwise).await;
    let (announced_by, emergency) = match (announced, emergency) {
        (Ok(notice_id), _) => (Some(notice_id), None),
        (Err(Error::GateRefusal(_)), Some(reason)) => (None, Some(reason)),
        (Err(error), _) => return Err(error),
    };
    let mut planned = CurrentVersion {
        rollout,
        announced_by,
        emergency,
        document: None,
    };
    let signer = release_signer(keys, licenses).await?;
    let issued_at = current
        .and_then(|of| of.document.as_ref())
        .map(|of| of.issued_at);
    let mut release = release_of(cdn, &product, &planned, issued_at.unwrap_or(caller.now)).await?;
    planned.document = Some(signature(&release, &signer)?);
    if current != Some(&planned) {
        let second = SignedDuration::from_secs(1);
        let earliest = issued_at.map_or(Timestamp::MIN, |before| before + second);
        release.iat = caller.now.max(earliest).as_second();
        planned.document = Some(signature(&release, &signer)?);
    }
    let files_before = match current.map(|of| &of.rollout.version) {
        Some(version) if *version != files.version => {
            Some(files_of(cdn, &product.slug, version).await?)
        }
        Some(_) => Some(files.clone()),
        None => None,
    };
    Ok(PlannedCurrent {
        files: FileDifferences::between(files_before.as_ref(), &files),
        current: planned,
        product,
        before,
        told_otherwise,
        release,
        signer,
    })
}

/// The notice that announced a version for an instant, and that everybody has been told of.
async fn announced(
    context: &Context<'_>,
    (product, version): (&ProductSlug, &PluginVersion),
    counts_from: Timestamp,
    told_otherwise: &[ToldOtherwise],
) -> Result<NoticeId, Error> {
    let (notices, now) = (context.notices, context.caller.now);
    let mut announcement = Announcement::read(notices, product, version.as_str(), now).await?;
    let told = announcement.add_told_otherwise(told_otherwise, now);
    told.map_err(NoticeError::from)?;
    Ok(announcement.check(counts_from, now)?)
}

/// The release document of a current version, signed at an instant.
async fn release_of(
    cdn: &Objects,
    product: &Product,
    current: &CurrentVersion,
    issued_at: Timestamp,
) -> Result<Release, Error> {
    let CurrentVersion {
        rollout,
        announced_by,
        ..
    } = current;
    let before = match &rollout.before {
        Some(version) => Some(files_of(cdn, &product.slug, version).await?),
        None => None,
    };
    Ok(Release {
        iss: product.policy.issuer.clone(),
        aud: product.slug.clone(),
        iat: issued_at.as_second(),
        current: files_of(cdn, &product.slug, &rollout.version).await?,
        notice: announced_by.clone(),
        from: rollout.from.map(Timestamp::as_second),
        stage: rollout.stage.clone(),
        before,
    })
}

/// What is recorded of a document.
fn signature(release: &Release, signer: &ReleaseSigner) -> Result<DocumentSignature, Error> {
    Ok(DocumentSignature {
        issued_at: Timestamp::from_second(release.iat)?,
        kid: signer.kid().to_owned(),
        payload_sha256: payload_sha256(release)?,
    })
}

impl PlannedCurrent {
    /// The product.
    pub fn product(&self) -> &ProductSlug {
        &self.product.slug
    }

    /// The version that is current now, and the tenants that run it.
    pub fn before(&self) -> Option<&CurrentVersion> {
        self.before.as_ref().map(|before| &before.value)
    }

    /// Records the version as current and writes its release document, unless this is a dry run.
    pub async fn carry_out(
        self,
        context: &Context<'_>,
        dry_run: bool,
    ) -> Result<CurrentReport, Error> {
        if !dry_run {
            // Signed first: who may not sign records nothing. Recorded before it is written: what
            // plug-ins see has a reason. Repeating the operation makes up for a document that was
            // not written.
            let document = self.signer.sign(&self.release).await?;
            if let Some(id) = &self.current.announced_by {
                let (notices, told) = (context.notices, &self.told_otherwise);
                record_told_otherwise(notices, id, told, context.caller).await?;
            }
            let revision = self.record(context).await?;
            self.write(context, document, revision).await?;
        }
        Ok(CurrentReport {
            before: self.before.map(|before| before.value.rollout.version),
            product: self.product.slug,
            current: self.current,
            told_otherwise: self.told_otherwise,
            files: self.files,
            dry_run,
        })
    }

    /// Returns the revision of the record.
    async fn record(&self, context: &Context<'_>) -> Result<Revision, Error> {
        let before = self.before.as_ref();
        if let Some(before) = before.filter(|before| before.value == self.current) {
            return Ok(before.revision.clone());
        }
        let act = context.caller.change(match self.current.emergency {
            Some(_) => "publish-emergency",
            None => "publish",
        });
        let (product, current) = (&self.product.slug, &self.current);
        let revision = before.map(|before| &before.revision);
        let written = context
            .notices
            .put_current_version(product, revision, current, &act);
        Ok(written.await?)
    }

    /// Writes the document. If somebody else has made a version current meanwhile, this document may
    /// have replaced the newer one: then the newer one is written again.
    async fn write(
        &self,
        context: &Context<'_>,
        mut document: String,
        mut revision: Revision,
    ) -> Result<(), Error> {
        let slug = &self.product.slug;
        for _ in 0..TRIES {
            let headers = changes_within_a_minute(MEDIA_TYPE);
            let path = document_path(slug);
            context
                .cdn
                .put(&path, document.into_bytes(), headers)
                .await?;
            let newest = context.notices.current_version(slug).await?;
            let Some(newest) = newest.filter(|newest| newest.revision != revision) else {
                return Ok(());
            };
            let Some(of) = &newest.value.document else {
                break;
            };
            let (product, current) = (&self.product, &newest.value);
            let release = release_of(context.cdn, product, current, of.issued_at).await?;
            document = self.signer.sign(&release).await?;
            revision = newest.revision;
        }
        Err(Error::CurrentChanges(slug.clone()))
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
    product_of(licenses, product).await?;
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    /// Items of versions before the release document have neither stages nor a signature.
    #[test]
    fn current_versions_of_before_are_for_all_tenants() {
        let old = json!({ "version": "1.9.0", "announced_by": null, "emergency": "a hole" });
        let read: CurrentVersion = serde_json::from_value(old.clone()).unwrap();
        assert_eq!((&read.rollout.from, &read.rollout.stage), (&None, &None));
        assert!(!read.is_signed_with("any"));
        assert_eq!(serde_json::to_value(&read).unwrap(), old);
    }

    #[test]
    fn files_differ_by_path_and_content() {
        let files = |version: &str, files: &[(&str, &str)]| VersionFiles {
            version: version.parse().unwrap(),
            files: files
                .iter()
                .map(|(path, integrity)| ((*path).to_owned(), (*integrity).to_owned()))
                .collect::<BTreeMap<_, _>>(),
        };
        let before = files("1.8.0", &[("a.js", "1"), ("b.js", "1"), ("c.js", "1")]);
        let after = files("1.9.0", &[("a.js", "1"), ("b.js", "2"), ("d.js", "1")]);
        let differences = FileDifferences::between(Some(&before), &after);
        assert_eq!(differences.added, ["d.js"]);
        assert_eq!(differences.changed, ["b.js"]);
        assert_eq!(differences.removed, ["c.js"]);
        let first = FileDifferences::between(None, &after);
        assert_eq!(first.added, ["a.js", "b.js", "d.js"]);
        let same = FileDifferences::between(Some(&after), &after);
        assert_eq!(same, FileDifferences::default());
    }
}

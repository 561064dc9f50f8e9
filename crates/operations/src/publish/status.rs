//! What is current: the record, the document that the CDN serves, and what tenants run.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Serialize;
use tegata_common::domain::BaseDomains;
use tegata_common::keys::{KeyPurpose, KeyRegister, KeyState, Kid};
use tegata_common::product::ProductSlug;
use tegata_common::release::Release;
use tegata_common::revision::Revision;
use tegata_common::usage::{Counts, DomainUsage};
use tegata_common::version::PluginVersion;
use tegata_signing::{VerifiedRelease, verify_release};
use tegata_storage::licenses::Licenses;
use tegata_storage::notices::{CurrentVersion, Notices};

use super::product_of;
use crate::usage::{Place, last_versions};
use crate::{Error, Period};

/// Days that are read at a time.
const AT_A_TIME: usize = 8;

/// What is current of a product.
#[derive(Debug, Serialize)]
pub struct PublishStatus {
    /// The product.
    pub product: ProductSlug,
    /// The version that is current, the tenants that run it, and what allowed that.
    pub current: CurrentVersion,
    /// When that was recorded, and by whom.
    pub revision: Revision,
    /// The document that the CDN serves.
    pub document: DocumentStatus,
    /// The first day of the access records.
    pub from: Date,
    /// The last day of the access records.
    pub to: Date,
    /// The versions that tenants ran on the last day on which each was seen, the most tenants first.
    pub versions: Vec<VersionTenants>,
    /// The tenants, by domain.
    pub tenants: Vec<TenantVersions>,
}

/// The document that the CDN serves.
#[derive(Debug, Serialize)]
pub struct DocumentStatus {
    /// Its claims, if it verifies.
    #[serde(skip)]
    pub release: Option<Release>,
    /// What is wrong with it: it cannot be read, does not verify, or is not the recorded one.
    pub problem: Option<String>,
    /// The version that it names, if it verifies.
    pub version: Option<PluginVersion>,
    /// When it was signed, if it verifies.
    pub issued_at: Option<Timestamp>,
    /// The key that signed it, if it verifies.
    pub kid: Option<Kid>,
    /// The place of that key in the rotation.
    pub key: Option<KeyState>,
}

/// A version, and the tenants that ran it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct VersionTenants {
    /// The version.
    pub version: String,
    /// Tenants that ran it on the last day on which they were seen.
    pub tenants: usize,
    /// Tenants that are to run it.
    pub expected: usize,
}

/// The versions that a tenant ran on the last day on which it was seen.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct TenantVersions {
    /// The tenant.
    pub domain: String,
    /// The last day on which it asked for its licence or for a file, with a version.
    pub seen_on: Date,
    /// The versions of that day.
    pub versions: BTreeSet<String>,
    /// The version that it is to run. `None`: what its plug-in's package brings.
    pub expected: Option<PluginVersion>,
}

/// The document as the CDN served it: `None` if it does not have it, or why it could not be read.
pub type Served = Result<Option<Vec<u8>>, String>;

/// Tells what is current, whether the CDN serves that, and what tenants ran in a period.
pub async fn status(
    licenses: &Licenses,
    notices: &Notices,
    place: &Place<'_>,
    bases: &BaseDomains,
    (product, served): (&ProductSlug, Served),
    period: Period,
) -> Result<PublishStatus, Error> {
    product_of(licenses, product).await?;
    let stored = notices.current_version(product).await?;
    let stored = stored.ok_or_else(|| Error::NoCurrent(product.clone()))?;
    let document = document_status(licenses, product, &stored.value, served).await?;
    let days: Vec<Date> = period.days().collect();
    let rows: Vec<Vec<DomainUsage>> = stream::iter(days)
        .map(|date| place.usage.rows(product.as_str(), date))
        .buffered(AT_A_TIME)
        .try_collect()
        .await?;
    let expected = |domain: &str| {
        let domain = bases.canonicalize(domain).ok()?;
        let rollout = &stored.value.rollout;
        Some(rollout.version_for(&domain, place.now).cloned())
    };
    let tenants = tenants(rows.into_iter().flatten(), expected);
    Ok(PublishStatus {
        document,
        product: product.clone(),
        current: stored.value,
        revision: stored.revision,
        from: period.from,
        to: period.to,
        versions: versions(&tenants),
        tenants,
    })
}

/// Tells whether the CDN serves the document of a current version.
pub async fn document_status(
    licenses: &Licenses,
    product: &ProductSlug,
    current: &CurrentVersion,
    served: Served,
) -> Result<DocumentStatus, Error> {
    let (register, _) = licenses.key_register(KeyPurpose::Release).await?;
    Ok(match read(&register, product, served) {
        Ok(verified) => {
            let mut keys = register.keys.iter();
            let key = keys.find(|key| key.jwk.kid == verified.kid);
            DocumentStatus {
                problem: difference(current, &verified),
                version: Some(verified.release.current.version.clone()),
                issued_at: Timestamp::from_second(verified.release.iat).ok(),
                key: key.map(|key| key.state),
                kid: Some(verified.kid),
                release: Some(verified.release),
            }
        }
        Err(problem) => DocumentStatus {
            problem: Some(problem),
            version: None,
            issued_at: None,
            kid: None,
            key: None,
            release: None,
        },
    })
}

fn read(
    register: &KeyRegister,
    product: &ProductSlug,
    served: Served,
) -> Result<VerifiedRelease, String> {
    let document = served.map_err(|error| format!("it could not be read: {error}"))?;
    let document = document.ok_or("the CDN does not have it")?;
    let jws = String::from_utf8(document).map_err(|_| "it is not text".to_owned())?;
    verify_release(&register.jwks(), product, &jws).map_err(|error| error.to_string())
}

/// Why a verified document is not the recorded one.
fn difference(current: &CurrentVersion, verified: &VerifiedRelease) -> Option<String> {
    let VerifiedRelease { release, .. } = verified;
    let recorded = match &current.document {
        Some(recorded) if recorded.payload_sha256 == verified.payload_sha256 => return None,
        Some(recorded) => format!("signed at {:.0}", recorded.issued_at),
        None => "without a document".to_owned(),
    };
    let signed_at = Timestamp::from_second(release.iat);
    Some(format!(
        "it is not the recorded one: it is of {}, signed at {}; recorded is {}, {recorded}; caches \
         keep a document for a minute",
        release.current.version,
        signed_at.map_or_else(|_| release.iat.to_string(), |at| at.to_string()),
        current.rollout.version,
    ))
}

/// What each tenant ran on the last day on which it was seen with a version. Requests tell it with
/// `?version=`, and files by their path.
fn tenants(
    rows: impl IntoIterator<Item = DomainUsage>,
    expected: impl Fn(&str) -> Option<Option<PluginVersion>>,
) -> Vec<TenantVersions> {
    let versions_of = |counts: Counts| {
        let files = counts.file_versions.into_keys();
        counts.versions.into_keys().chain(files).collect()
    };
    let tenants = last_versions(rows, versions_of).into_iter();
    let tenants = tenants.filter_map(|(domain, (seen_on, versions))| {
        Some(TenantVersions {
            expected: expected(&domain)?,
            domain,
            seen_on,
            versions,
        })
    });
    tenants.collect()
}

fn versions(tenants: &[TenantVersions]) -> Vec<VersionTenants> {
    let mut found: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for tenant in tenants {
        for version in &tenant.versions {
            found.entry(version).or_default().0 += 1;
        }
        if let Some(expected) = &tenant.expected {
            found.entry(expected.as_str()).or_default().1 += 1;
        }
    }
    let found = found.into_iter();
    let mut versions: Vec<VersionTenants> = found
        .map(|(version, (tenants, expected))| VersionTenants {
            version: version.to_owned(),
            tenants,
            expected,
        })
        .collect();
    versions.sort_by(|a, b| b.tenants.cmp(&a.tenants).then(b.version.cmp(&a.version)));
    versions
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(date: &str, domain: &str, versions: &[&str], file_versions: &[&str]) -> DomainUsage {
        let counts = |versions: &[&str]| -> BTreeMap<String, u64> {
            versions
                .iter()
                .map(|version| ((*version).to_owned(), 3))
                .collect()
        };
        let nothing: BTreeMap<String, u64> = BTreeMap::new();
        let usage = json!({
            "product": "sheet", "date": date, "domain": domain,
            "requests": 3, "codes": nothing, "versions": counts(versions), "refused": 0, "errors": 0,
            "files": 1, "file_versions": counts(file_versions), "file_errors": 0, "bytes": 9,
            "first_seen": "2026-12-05T01:00:00Z", "last_seen": "2026-12-05T02:00:00Z",
            "latencies": Counts::default().latencies,
        });
        serde_json::from_value(usage).unwrap()
    }

    #[test]
    fn a_tenant_runs_what_it_was_last_seen_with() {
        let rows = [
            row("2026-12-04", "a.cybozu.com", &["1.8.0"], &[]),
            row("2026-12-05", "a.cybozu.com", &["1.8.0"], &["1.9.0"]),
            row("2026-12-05", "b.cybozu.com", &["1.8.0"], &[]),
            // Seen last without a version, which says nothing.
            row("2026-12-05", "c.cybozu.com", &[], &[]),
            row("2026-12-04", "c.cybozu.com", &[], &["1.8.0"]),
            // No tenant.
            row("2026-12-05", "-", &["1.7.0"], &[]),
        ];
        let expected = |domain: &str| {
            let version = match domain {
                "a.cybozu.com" => Some("1.9.0".parse().unwrap()),
                "b.cybozu.com" => Some("1.8.0".parse().unwrap()),
                _ => None,
            };
            (domain != "-").then_some(version)
        };
        let found = tenants(rows, expected);
        let of: Vec<(&str, String, usize)> = found
            .iter()
            .map(|of| {
                (
                    of.domain.as_str(),
                    of.seen_on.to_string(),
                    of.versions.len(),
                )
            })
            .collect();
        assert_eq!(
            of,
            [
                ("a.cybozu.com", "2026-12-05".to_owned(), 2),
                ("b.cybozu.com", "2026-12-05".to_owned(), 1),
                ("c.cybozu.com", "2026-12-04".to_owned(), 1),
            ]
        );
        let counted: Vec<(String, usize, usize)> = versions(&found)
            .into_iter()
            .map(|of| (of.version, of.tenants, of.expected))
            .collect();
        let counts = [("1.8.0".to_owned(), 3, 1), ("1.9.0".to_owned(), 1, 1)];
        assert_eq!(counted, counts);
    }
}

//! The current release of a product: the signed document that tells a plug-in's loader which version
//! to run.
//!
//! The CDN serves it at `/<product>/current.jwt`. It is a compact JWS with ES256, signed by a release
//! key ([`KeyPurpose::Release`](crate::keys::KeyPurpose)). Of the verified documents the loader uses
//! the one with the greatest `iat`. Going back to an older version is therefore a newer document.

mod rollout;
mod stage;

use std::collections::BTreeMap;

use data_encoding::BASE64;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::Domain;
use crate::notice::NoticeId;
use crate::product::ProductSlug;
use crate::version::PluginVersion;

pub use rollout::{Change, Rollout, RolloutError};
pub use stage::{
    InvalidPercent, InvalidTenantNumber, MAX_TENANTS, Percent, ReleaseStage, TenantNumber,
};

/// The `typ` header of a release document.
pub const TYP: &str = "release+jwt";

/// The media type of a release document.
pub const MEDIA_TYPE: &str = "application/jwt";

/// The path of a product's release document on the CDN.
pub fn document_path(product: &ProductSlug) -> String {
    format!("{product}/current.jwt")
}

/// The files of a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionFiles {
    /// The version.
    pub version: PluginVersion,
    /// The files, by path below `/<product>/<version>/`, with their integrity: `sha384-` and the
    /// hash in Base64, as in an `integrity` attribute.
    pub files: BTreeMap<String, String>,
}

/// The payload of a release document.
///
/// ```
/// use tegata_common::domain::BaseDomains;
/// use tegata_common::release::Release;
///
/// let sri = format!("sha384-{}", "A".repeat(64));
/// let release: Release = serde_json::from_value(serde_json::json!({
///     "iss": "https://license.example.com", "aud": "sheet", "iat": 1796000000,
///     "version": "1.9.0", "files": { "plugin.min.js": sri },
///     "notice": "2026-12-05-sheet-1.9.0",
///     "stage": { "percent": 62 },
///     "before": { "version": "1.8.0", "files": { "plugin.min.js": sri } },
/// }))?;
/// assert_eq!(release.check(), Ok(()));
/// // Its number in 1.9.0 is a share of 62.5 %.
/// let tenant = BaseDomains::default().canonicalize("example.cybozu.com")?;
/// let runs = release.files_for(&tenant, "2026-12-05T01:00:00Z".parse()?);
/// assert_eq!(runs.map(|of| of.version.as_str()), Some("1.8.0"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// The issuer, from the product's policy.
    pub iss: String,
    /// The product.
    pub aud: ProductSlug,
    /// When the document was signed, in seconds since 1970; greater than in the document before.
    pub iat: i64,
    /// The version, and its files.
    #[serde(flatten)]
    pub current: VersionFiles,
    /// The release notice that announced the version. `None` in an emergency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notice: Option<NoticeId>,
    /// The instant from which the version counts, in seconds since 1970, by kintone's clock. `None`:
    /// at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<i64>,
    /// The tenants that run the version. `None`: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<ReleaseStage>,
    /// What everybody runs before `from`, and tenants outside of the stage run. `None`: what the
    /// plug-in's package brings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<VersionFiles>,
}

/// Why a release document must not be used, although its signature is valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// A version without files.
    #[error("version {0} has no files")]
    NoFiles(PluginVersion),
    /// A path that leaves the version's directory, or that is no path.
    #[error("{0:?} is not a path below the version's directory")]
    Path(String),
    /// An integrity that is not SHA-384.
    #[error("the integrity of {0:?} is not sha384- and 64 characters of Base64")]
    Integrity(String),
    /// A stage with neither a share nor tenants.
    #[error("its stage has neither a share nor tenants")]
    EmptyStage,
    /// More tenants than [`MAX_TENANTS`].
    #[error("its stage names {0} tenants; at most {MAX_TENANTS} are accepted")]
    TooManyTenants(usize),
    /// An instant beyond the calendar.
    #[error("its member from is not an instant")]
    From,
}

impl Release {
    /// Checks what the types do not say.
    pub fn check(&self) -> Result<(), ReleaseError> {
        for of in [Some(&self.current), self.before.as_ref()]
            .into_iter()
            .flatten()
        {
            of.check()?;
        }
        if let Some(stage) = &self.stage {
            match (stage.percent, stage.tenants.len()) {
                (None, 0) => return Err(ReleaseError::EmptyStage),
                (_, number) if number > MAX_TENANTS => {
                    return Err(ReleaseError::TooManyTenants(number));
                }
                _ => {}
            }
        }
        match self.from.map(Timestamp::from_second) {
            Some(Err(_)) => Err(ReleaseError::From),
            _ => Ok(()),
        }
    }

    /// The version that a tenant runs at an instant, with its files. `None`: what the plug-in's
    /// package brings.
    pub fn files_for(&self, tenant: &Domain, at: Timestamp) -> Option<&VersionFiles> {
        // A document with an invalid instant is not used.
        let from = self
            .from
            .map(|from| Timestamp::from_second(from).unwrap_or(Timestamp::MAX));
        let version = &self.current.version;
        match rollout::is_for(version, from, self.stage.as_ref(), tenant, at) {
            true => Some(&self.current),
            false => self.before.as_ref(),
        }
    }
}

impl VersionFiles {
    fn check(&self) -> Result<(), ReleaseError> {
        if self.files.is_empty() {
            return Err(ReleaseError::NoFiles(self.version.clone()));
        }
        for (path, integrity) in &self.files {
            let is_below = path.split('/').all(|part| {
                !part.is_empty() && !part.contains('\\') && !matches!(part, "." | "..")
            });
            if !is_below {
                return Err(ReleaseError::Path(path.clone()));
            }
            let hash = integrity.strip_prefix("sha384-").unwrap_or_default();
            let hash = BASE64.decode(hash.as_bytes()).unwrap_or_default();
            if hash.len() != 48 {
                return Err(ReleaseError::Integrity(path.clone()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn sri() -> String {
        format!("sha384-{}", BASE64.encode(&[7; 48]))
    }

    fn full() -> Value {
        json!({
            "iss": "https://license.example.com",
            "aud": "sheet",
            "iat": 1796000000,
            "version": "1.9.0",
            "files": { "chunk/a.js": sri(), "plugin.min.js": sri() },
            "notice": "2026-12-05-sheet-1.9.0",
            "from": 1796000400,
            "stage": { "percent": 10, "tenants": ["00112233445566778899aabbccddeeff"] },
            "before": { "version": "1.8.0", "files": { "plugin.min.js": sri() } },
        })
    }

    fn least() -> Value {
        json!({
            "iss": "https://license.example.com",
            "aud": "sheet",
            "iat": 1796000000,
            "version": "1.9.0",
            "files": { "plugin.min.js": sri() },
        })
    }

    #[test]
    fn claims_are_written_as_they_are_read() {
        for claims in [full(), least()] {
            let release: Release = serde_json::from_value(claims.clone()).unwrap();
            assert_eq!(release.check(), Ok(()));
            assert_eq!(serde_json::to_value(&release).unwrap(), claims);
        }
    }

    #[test]
    fn claims_of_another_form_are_not_read() {
        for (pointer, value) in [
            ("/aud", json!("Sheet")),
            ("/iat", json!("1796000000")),
            ("/iat", json!(1796000000.5)),
            ("/version", json!("../1.9.0")),
            ("/version", Value::Null),
            ("/files", json!(["plugin.min.js"])),
            ("/notice", json!(7)),
            ("/stage/percent", json!(100)),
            ("/stage/percent", json!(0)),
            ("/stage/percent", json!(9.5)),
            ("/stage/tenants", json!(["example.cybozu.com"])),
            ("/before/version", json!("")),
            ("/before/files", Value::Null),
        ] {
            let mut claims = full();
            *claims.pointer_mut(pointer).unwrap() = value;
            assert!(
                serde_json::from_value::<Release>(claims).is_err(),
                "{pointer}"
            );
        }
        for member in ["iss", "aud", "iat", "version", "files"] {
            let mut claims = full();
            claims.as_object_mut().unwrap().remove(member);
            assert!(
                serde_json::from_value::<Release>(claims).is_err(),
                "{member}"
            );
        }
    }

    #[test]
    fn what_must_not_be_used_is_refused_with_the_reason() {
        let tenants: Vec<String> = (0..1001).map(|number| format!("{number:032x}")).collect();
        for (pointer, value, reason) in [
            ("/files", json!({}), "version 1.9.0 has no files"),
            ("/before/files", json!({}), "version 1.8.0 has no files"),
            (
                "/files",
                json!({ "../1.8.0/plugin.min.js": sri() }),
                "not a path",
            ),
            ("/files", json!({ "a//b.js": sri() }), "not a path"),
            ("/files", json!({ "/b.js": sri() }), "not a path"),
            ("/files", json!({ "./b.js": sri() }), "not a path"),
            ("/files", json!({ "a\\b.js": sri() }), "not a path"),
            ("/files", json!({ "": sri() }), "not a path"),
            ("/before/files", json!({ "a/..": sri() }), "not a path"),
            ("/files", json!({ "a.js": "" }), "the integrity of"),
            (
                "/files",
                json!({ "a.js": sri().replace("384", "256") }),
                "the integrity of",
            ),
            (
                "/files",
                json!({ "a.js": "sha384-AAAA" }),
                "the integrity of",
            ),
            ("/stage", json!({}), "neither a share nor tenants"),
            ("/stage/tenants", json!(tenants), "names 1001 tenants"),
            ("/from", json!(i64::MAX), "is not an instant"),
        ] {
            let mut claims = full();
            *claims.pointer_mut(pointer).unwrap() = value;
            let release: Release = serde_json::from_value(claims).unwrap();
            let refused = release.check().unwrap_err().to_string();
            assert!(refused.contains(reason), "{pointer}: {refused}");
        }
    }
}

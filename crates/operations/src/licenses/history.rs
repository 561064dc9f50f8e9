//! The changes of a licence.

use serde::Serialize;
use tegata_common::license::License;
use tegata_common::product::Policy;
use tegata_common::revision::Revision;
use tegata_storage::HistoryEntry;
use tegata_storage::licenses::Licenses;

use super::{LicenseId, license_differences};
use crate::{Difference, Error};

/// The changes of a licence, the oldest first.
#[derive(Debug)]
pub struct LicenseHistory {
    /// The changes.
    pub lines: Vec<HistoryLine>,
    /// The policy in whose zone their instants are shown; `None` if no version can be read.
    pub policy: Option<Policy>,
}

/// One change of a licence.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum HistoryLine {
    /// A version that can be read.
    Version {
        /// When it was written, by whom, and as what.
        revision: Revision,
        /// What it changed.
        differences: Vec<Difference>,
    },
    /// A version that cannot.
    Unreadable {
        /// Why not.
        unreadable: String,
    },
}

/// Lists every change of a licence.
pub async fn history(licenses: &Licenses, id: &LicenseId) -> Result<LicenseHistory, Error> {
    let entries = licenses.history(&id.domain, &id.product).await?;
    if entries.is_empty() {
        return Err(id.missing());
    }
    let mut policies = entries.iter().flatten().filter_map(HistoryEntry::value);
    let policy = policies.next().map(|signed| signed.license.policy.clone());
    let mut before: Option<&License> = None;
    let mut lines = Vec::new();
    for entry in &entries {
        lines.push(match entry {
            Ok(HistoryEntry { value, revision }) => {
                let license = value.as_ref().map(|signed| &signed.license);
                let differences = match license {
                    Some(license) => license_differences(before, license)?,
                    None => Vec::new(),
                };
                before = license;
                HistoryLine::Version {
                    revision: revision.clone(),
                    differences,
                }
            }
            Err(error) => HistoryLine::Unreadable {
                unreadable: error.to_string(),
            },
        });
    }
    Ok(LicenseHistory { lines, policy })
}

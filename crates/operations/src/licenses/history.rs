//! The history of a licence.

use serde::Serialize;
use tegata_common::license::License;
use tegata_common::product::Policy;
use tegata_common::revision::Revision;
use tegata_storage::HistoryEntry;
use tegata_storage::licenses::Licenses;

use super::{LicenseId, license_differences};
use crate::{Difference, Error};

/// The history of a licence.
#[derive(Debug)]
pub struct LicenseHistory {
    /// The changes, oldest first.
    pub lines: Vec<HistoryLine>,
    /// The policy, whose time zone is used to show instants. `None` if no version is readable.
    pub policy: Option<Policy>,
}

/// One entry of the history.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum HistoryLine {
    /// A readable version.
    Version {
        /// The version number, the instant, the author and the name of the change.
        revision: Revision,
        /// The fields that changed.
        differences: Vec<Difference>,
    },
    /// An unreadable version.
    Unreadable {
        /// The error.
        unreadable: String,
    },
}

/// Lists all changes of a licence.
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

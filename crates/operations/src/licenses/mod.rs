//! Operations on licences.

mod change;
mod domains;
mod expiring;
mod explain;
mod history;
mod issue;
mod planned;
mod plugin_ids;
mod re_sign;
mod restore;
mod show;

use jiff::Timestamp;
use serde_json::Value;
use tegata_common::calendar;
use tegata_common::domain::Domain;
use tegata_common::license::License;
use tegata_common::product::ProductSlug;
use tegata_signing::{KeyStore, Signer};
use tegata_storage::customers::Customers;
use tegata_storage::licenses::Licenses;

use crate::{Caller, Difference, Error, When, difference};

pub use change::{
    Cancellation, amend, cancel, reissue_serial, resume, suspend, withdraw_cancellation,
};
pub use domains::{
    AddDomain, DomainEntry, Move, add_domain, domains, keep_domain, move_to, remove_domain,
};
pub use expiring::{EndingLicense, expiring};
pub use explain::{ExplainedCode, Explanation, Question, Step, explain, explain_code};
pub use history::{HistoryLine, LicenseHistory, history};
pub use issue::{Conversion, IssueOrder, convert, issue};
pub use planned::{ChangeReport, PlannedChange};
pub use plugin_ids::{OutdatedLicenses, PluginIdsReport, outdated_plugin_ids};
pub use re_sign::{LeaseSelection, ReSignReport, SelectedLeases, select_leases};
pub use restore::{Restored, restore};
pub use show::{LicenseFilter, ShownLease, ShownLicense, list, show};

/// What an operation on licences needs.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The licences, the catalogue and the register of keys.
    pub licenses: &'a Licenses,
    pub customers: &'a Customers,
    /// The keys that sign leases.
    pub keys: &'a KeyStore,
    pub caller: Caller<'a>,
}

impl Context<'_> {
    pub(crate) async fn signer(&self) -> Result<Signer, Error> {
        Ok(crate::signer(self.keys, self.licenses).await?)
    }
}

/// The key of a licence: a domain and a product.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LicenseId {
    /// The tenant.
    pub domain: Domain,
    pub product: ProductSlug,
}

impl LicenseId {
    fn of(license: &License) -> Self {
        Self {
            domain: license.domain.clone(),
            product: license.product.clone(),
        }
    }

    fn missing(&self) -> Error {
        Error::NoLicense {
            domain: self.domain.clone(),
            product: self.product.clone(),
        }
    }
}

/// Formats the id as `domain, product` for messages.
impl std::fmt::Display for LicenseId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, {}", self.domain, self.product)
    }
}

/// The text is not a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected NAME=NUMBER, such as records_per_day=1000")]
pub struct InvalidQuota;

/// Parses a quota: `NAME=NUMBER`.
pub fn quota(text: &str) -> Result<(String, u64), InvalidQuota> {
    let (name, value) = text.split_once('=').ok_or(InvalidQuota)?;
    let value = value.parse().map_err(|_| InvalidQuota)?;
    Ok((name.to_owned(), value))
}

/// The fields in which two states of a contract differ.
pub fn license_differences(
    before: Option<&License>,
    after: &License,
) -> serde_json::Result<Vec<Difference>> {
    let before = before.map(facts).transpose()?;
    difference::differences(before.as_ref(), &facts(after)?)
}

/// The facts of a licence as shown in output. The contract's domains, which items store as `names`,
/// are shown as `domains`.
fn facts(license: &License) -> serde_json::Result<Value> {
    let mut facts = serde_json::to_value(license)?;
    if let Some(members) = facts.as_object_mut()
        && let Some(domains) = members.remove("names")
    {
        members.insert("domains".to_owned(), domains);
    }
    Ok(facts)
}

/// Converts the instant of a change. A past instant is an error, because answers that were given
/// cannot change any more. Today's date means now.
fn not_past(when: Option<When>, license: &License, now: Timestamp) -> Result<Timestamp, Error> {
    let Some(when) = when else {
        return Ok(now);
    };
    check_not_past(when.instant(&license.policy)?, license, now)
}

fn check_not_past(
    instant: Timestamp,
    license: &License,
    now: Timestamp,
) -> Result<Timestamp, Error> {
    let today = calendar::date_of(now, &license.policy);
    if calendar::date_of(instant, &license.policy) < today {
        let given = calendar::rfc3339(instant, &license.policy);
        return Err(Error::Past { given, today });
    }
    Ok(instant.max(now))
}

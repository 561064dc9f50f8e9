//! Whose contracts a notice concerns.

use serde::{Deserialize, Serialize};

use crate::customer::CustomerId;
use crate::domain::Domain;

/// The contracts whose contacts receive a notice: those with one of the `customers`, one of the
/// `domains` and one of the `editions`. An empty list does not restrict.
///
/// ```
/// use tegata_common::domain::BaseDomains;
/// use tegata_common::notice::{AudienceFilter, FilteredLicense};
///
/// let filter: AudienceFilter = serde_json::from_str(r#"{ "editions": ["light"] }"#)?;
/// let domain = BaseDomains::default().canonicalize("example.cybozu.com")?;
/// let license = |edition| FilteredLicense { customer: None, domain: &domain, edition };
/// assert!(filter.includes(&license("light")));
/// assert!(!filter.includes(&license("standard")));
/// assert!(AudienceFilter::default().includes(&license("standard")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AudienceFilter {
    /// Customers.
    pub customers: Vec<CustomerId>,
    /// Tenants.
    pub domains: Vec<Domain>,
    /// Editions of licences.
    pub editions: Vec<String>,
}

/// The fields of a licence that an [`AudienceFilter`] reads.
#[derive(Clone, Copy, Debug)]
pub struct FilteredLicense<'a> {
    /// The customer, if it is recorded.
    pub customer: Option<&'a CustomerId>,
    /// The tenant.
    pub domain: &'a Domain,
    /// The edition.
    pub edition: &'a str,
}

impl AudienceFilter {
    /// Whether it restricts nothing.
    pub fn is_empty(&self) -> bool {
        self.customers.is_empty() && self.domains.is_empty() && self.editions.is_empty()
    }

    /// Whether a licence is one of those that the notice concerns.
    pub fn includes(&self, license: &FilteredLicense<'_>) -> bool {
        let is_of_customer = license
            .customer
            .is_some_and(|of| self.customers.contains(of));
        (self.customers.is_empty() || is_of_customer)
            && (self.domains.is_empty() || self.domains.contains(license.domain))
            && (self.editions.is_empty() || self.editions.iter().any(|of| of == license.edition))
    }
}

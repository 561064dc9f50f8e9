//! Shows and lists current licences.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};
use tegata_common::domain::Domain;
use tegata_common::lease::SignedLicense;
use tegata_common::license::{Code, License};
use tegata_common::product::ProductSlug;
use tegata_common::revision::Revision;
use tegata_storage::Versioned;
use tegata_storage::licenses::{FoundLicenses, Licenses};

use super::{LicenseId, facts};
use crate::{Error, Found};

/// A licence in output: its facts without serials, its current code, and its lease.
#[derive(Debug, Serialize)]
pub struct ShownLicense {
    /// The code that a lookup returns now.
    pub code: Code,
    #[serde(flatten)]
    facts: Map<String, Value>,
    pub lease: ShownLease,
    /// The revision of the item.
    pub revision: Revision,
    /// The licence as of now.
    #[serde(skip)]
    pub license: License,
}

/// A lease in output.
#[derive(Debug, Serialize)]
pub struct ShownLease {
    /// The id of the key that signed it.
    pub kid: String,
    /// When it was signed.
    pub issued_at: Timestamp,
    /// When it expires. Offline, a plug-in accepts it until then.
    pub expires_at: Timestamp,
    /// The signed document (JWS), if it was requested.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jws: Option<String>,
}

impl ShownLicense {
    fn of(stored: Versioned<SignedLicense>, with_jws: bool, now: Timestamp) -> Result<Self, Error> {
        let Versioned {
            value: SignedLicense { license, lease },
            revision,
        } = stored;
        // With the changes with time since the item was written.
        let license = license.as_of(now).unwrap_or(license);
        Ok(Self {
            code: license.code_at(now),
            facts: public_facts(&license)?,
            lease: ShownLease {
                kid: lease.kid,
                issued_at: lease.issued_at,
                expires_at: lease.expires_at,
                jws: Some(lease.jws).filter(|_| with_jws),
            },
            revision,
            license,
        })
    }
}

/// The facts of a licence without the hashes of serials.
fn public_facts(license: &License) -> serde_json::Result<Map<String, Value>> {
    let Value::Object(mut members) = facts(license)? else {
        return Ok(Map::new());
    };
    members.remove("serial_sha256");
    let serials = members.get_mut("previous_serials");
    let serials = serials.and_then(Value::as_array_mut);
    for serial in serials.into_iter().flatten() {
        if let Some(members) = serial.as_object_mut() {
            members.remove("sha256");
        }
    }
    Ok(members)
}

/// Shows a licence.
pub async fn show(
    licenses: &Licenses,
    id: &LicenseId,
    with_jws: bool,
    now: Timestamp,
) -> Result<ShownLicense, Error> {
    let stored = licenses.get(&id.domain, &id.product).await?;
    ShownLicense::of(stored.ok_or_else(|| id.missing())?, with_jws, now)
}

/// The criteria of a list. A field that is `None` matches all licences.
#[derive(Clone, Debug, Default)]
pub struct LicenseFilter {
    /// The tenant.
    pub domain: Option<Domain>,
    pub product: Option<ProductSlug>,
    /// The current code.
    pub code: Option<Code>,
}

/// Lists licences without their signed documents.
pub async fn list(
    licenses: &Licenses,
    filter: &LicenseFilter,
    now: Timestamp,
) -> Result<Found<ShownLicense>, Error> {
    let FoundLicenses {
        licenses,
        unreadable,
    } = match &filter.domain {
        Some(domain) => licenses.of_domain(domain).await?,
        None => licenses.all().await?,
    };
    let mut items = Vec::new();
    for stored in licenses {
        let shown = ShownLicense::of(stored, false, now)?;
        let product = filter.product.as_ref();
        if product.is_none_or(|product| *product == shown.license.product)
            && filter.code.is_none_or(|code| code == shown.code)
        {
            items.push(shown);
        }
    }
    Ok(Found { items, unreadable })
}

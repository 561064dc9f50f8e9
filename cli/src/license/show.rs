//! Licences as they are, and as they were.

use clap::Args;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use tegata_common::calendar::{self, Billing};
use tegata_common::lease::SignedLicense;
use tegata_common::license::{Code, License};
use tegata_common::product::ProductSlug;
use tegata_common::revision::Revision;
use tegata_storage::licenses::FoundLicenses;
use tegata_storage::{HistoryEntry, Versioned};

use super::{LicenseSelector, canonical, complain};
use crate::change;
use crate::output::{self, Output, part, plain, say};
use crate::target::Target;

#[derive(Args)]
pub(crate) struct List {
    /// Only this tenant's.
    domain: Option<String>,
    /// Only this product's.
    #[arg(long)]
    product: Option<ProductSlug>,
    /// Only those answered with this code now.
    #[arg(long, value_parser = code)]
    code: Option<Code>,
}

fn code(text: &str) -> Result<Code, String> {
    let upper = text.to_ascii_uppercase().replace('-', "_");
    serde_json::from_value(upper.into()).map_err(|_| {
        "expected VALID, GRACE, EXPIRED, SUSPENDED, NOT_STARTED or NOT_FOUND".to_owned()
    })
}

/// A licence as it is listed: its facts, and what follows from them now.
#[derive(Serialize)]
struct Shown<'a> {
    code: Code,
    #[serde(flatten)]
    license: Visible<'a>,
    lease: VisibleLease<'a>,
    revision: &'a Revision,
}

#[derive(Serialize)]
struct VisibleLease<'a> {
    kid: &'a str,
    issued_at: Timestamp,
    expires_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    jws: Option<&'a str>,
}

/// The facts without the serial's hash.
struct Visible<'a>(&'a License);

impl Serialize for Visible<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut value = serde_json::to_value(self.0).map_err(serde::ser::Error::custom)?;
        if let Some(members) = value.as_object_mut() {
            members.remove("serial_sha256");
            let serials = members.get_mut("previous_serials");
            let serials = serials.and_then(Value::as_array_mut);
            for serial in serials.into_iter().flatten() {
                if let Some(members) = serial.as_object_mut() {
                    members.remove("sha256");
                }
            }
        }
        value.serialize(serializer)
    }
}

impl<'a> Shown<'a> {
    fn of(stored: &'a Versioned<SignedLicense>, with_jws: bool, now: Timestamp) -> Self {
        let SignedLicense { license, lease } = &stored.value;
        Self {
            code: license.code_at(now),
            license: Visible(license),
            lease: VisibleLease {
                kid: &lease.kid,
                issued_at: lease.issued_at,
                expires_at: lease.expires_at,
                jws: with_jws.then_some(lease.jws.as_str()),
            },
            revision: &stored.revision,
        }
    }
}

pub(super) async fn show(
    target: &Target,
    output: Output,
    which: &LicenseSelector,
    with_jws: bool,
) -> anyhow::Result<()> {
    let domain = which.domain(target)?;
    let stored = target.licenses.get(&domain, &which.product).await?;
    let stored = stored.ok_or_else(|| which.missing(&domain))?;
    let stored = as_of(stored, target.now);
    let shown = Shown::of(&stored, with_jws, target.now);
    if output == Output::Json {
        return output::json(&shown);
    }
    let license = &stored.value.license;
    output::parts(&[
        plain(format_args!("{} {}: ", license.domain, license.product)),
        part(output::style(shown.code), shown.code.as_str()),
    ]);
    // The same walk over the fields that a change prints, from nothing to what is there.
    let fields = change::differences(None, &serde_json::to_value(&shown)?)?;
    change::print(&fields, Some(&license.policy));
    Ok(())
}

/// The licence as it is answered now: with what time has done since it was written.
fn as_of(mut stored: Versioned<SignedLicense>, now: Timestamp) -> Versioned<SignedLicense> {
    if let Ok(license) = stored.value.license.as_of(now) {
        stored.value.license = license;
    }
    stored
}

pub(super) async fn list(target: &Target, output: Output, args: List) -> anyhow::Result<()> {
    let now = target.now;
    let FoundLicenses {
        licenses,
        unreadable,
    } = match &args.domain {
        Some(domain) => {
            let domain = canonical(target, domain)?;
            target.licenses.of_domain(&domain).await?
        }
        None => target.licenses.all().await?,
    };
    let licenses = licenses.into_iter().map(|stored| as_of(stored, now));
    let mut licenses: Vec<_> = licenses.collect();
    licenses.retain(|stored| {
        let license = &stored.value.license;
        args.product
            .as_ref()
            .is_none_or(|product| *product == license.product)
            && args.code.is_none_or(|code| code == license.code_at(now))
    });
    if output == Output::Json {
        let shown: Vec<Shown> = licenses.iter().map(|l| Shown::of(l, false, now)).collect();
        output::json(&shown)?;
        return complain(&unreadable);
    }
    let rows = licenses.iter().map(|stored| {
        let license = &stored.value.license;
        let kind = match license.billing {
            None => "trial",
            Some(Billing::Monthly) => "monthly",
            Some(Billing::Yearly) => "yearly",
        };
        vec![
            license.domain.to_string(),
            license.product.to_string(),
            license
                .customer
                .as_ref()
                .map_or_else(String::new, ToString::to_string),
            license.code_at(now).as_str().to_owned(),
            kind.to_owned(),
            license.edition.clone(),
            license.users.to_string(),
            format!("{}…{}", license.term.starts_on, license.term.ends_on),
            license
                .ends_on
                .map_or_else(|| "renews".to_owned(), |day| day.to_string()),
        ]
    });
    let header = [
        "domain", "product", "customer", "code", "kind", "edition", "users", "term", "ends on",
    ];
    output::table(&header, rows.collect());
    complain(&unreadable)
}

pub(super) async fn history(
    target: &Target,
    output: Output,
    which: &LicenseSelector,
) -> anyhow::Result<()> {
    let domain = which.domain(target)?;
    let revisions = target.licenses.history(&domain, &which.product).await?;
    let mut policies = revisions.iter().flatten().filter_map(HistoryEntry::value);
    let policy = policies.next().map(|signed| signed.license.policy.clone());
    if revisions.is_empty() {
        return Err(which.missing(&domain).into());
    }
    let mut before: Option<&License> = None;
    let mut documents = Vec::new();
    for past in &revisions {
        let HistoryEntry { value, revision } = match past {
            Ok(past) => past,
            Err(error) => {
                match output {
                    Output::Json => documents.push(json!({ "unreadable": error.to_string() })),
                    Output::Text => say!("unreadable: {error}"),
                }
                continue;
            }
        };
        let license = value.as_ref().map(|signed| &signed.license);
        let differences = match license {
            Some(license) => change::differences(before, license)?,
            None => Vec::new(),
        };
        before = license;
        match output {
            Output::Json => documents.push(json!({
                "revision": revision,
                "differences": differences,
            })),
            Output::Text => {
                let at = match &policy {
                    Some(policy) => calendar::rfc3339(revision.at, policy),
                    None => revision.at.to_string(),
                };
                say!(
                    "{at}  version {}  {}  by {}",
                    revision.version,
                    revision.change,
                    revision.by
                );
                change::print(&differences, policy.as_ref());
            }
        }
    }
    match output {
        Output::Json => output::json(&documents),
        Output::Text => Ok(()),
    }
}

//! Sample licences that cover every code, whatever the day.

use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp, ToSpan as _};
use tegata_common::calendar::Billing;
use tegata_common::customer::{
    Contact, Customer, CustomerId, Language, NotificationPreferences, Role,
};
use tegata_common::domain::Domain;
use tegata_common::keys::KeyPurpose;
use tegata_common::license::{Code, License, Order, Plan};
use tegata_common::product::{Product, Zone};
use tegata_common::release::Change;
use tegata_common::serial::Serial;
use tegata_operations::publish::{self, VersionFile, content_type};
use tegata_operations::{Caller, Error, contract, keys};
use tegata_storage::{ChangeContext, Key};

use crate::output::translated;
use crate::product;
use crate::target::Target;

/// The catalogue that a new local directory starts with.
const PRODUCTS: &str = include_str!("../../../examples/products.toml");

/// The serial of all samples. It opens nothing but samples.
pub(super) const SAMPLE_SERIAL: &str = "SAMP-LEON-LYSA-MPLE-ONLY";

/// A release notice, planned for [`NOTICE_DAY`].
const NOTICE: &str = include_str!("../../../examples/notices/2026-12-05-sheet-1.9.0.toml");
const NOTICE_DAY: &str = "2026-12-05";

/// The versions of the sample plug-in that are on the CDN. The first one is current at the start.
const VERSIONS: [&str; 2] = ["1.8.0", "1.9.0"];

/// The file of the sample plug-in, with `{version}` in it.
const PLUGIN: &str = include_str!("demo/sheet.js");

/// The caller that samples are recorded with.
const SEEDER: &str = "local:tegata-dev";

/// What a sample's history says was done: it tells samples that nobody has touched.
const SAMPLE: &str = "sample";

/// Customers, and a primary contact of each. `.example` is nobody's.
const CUSTOMERS: [(&str, &str, &str, Language); 2] = [
    (
        "C-0001",
        "株式会社サンプル",
        "info@sample.example",
        Language::Ja,
    ),
    (
        "C-0002",
        "Example Trading Ltd.",
        "it@trading.example",
        Language::En,
    ),
];

/// A tenant whose licence is to be answered with a code.
struct Sample {
    domain: &'static str,
    product: &'static str,
    code: Code,
    plan: Plan,
    /// Days from now at which it became, or will become, usable.
    usable_in_days: i64,
    is_suspended: bool,
}

const YEARLY: Plan = Plan::Paid {
    billing: Billing::Yearly,
};
const TRIAL: Plan = Plan::Trial { days: 30 };

const SAMPLES: [Sample; 6] = [
    Sample::new("example.cybozu.com", "sheet", Code::Valid, YEARLY, -100),
    Sample::new("grace.cybozu.com", "sheet", Code::Grace, TRIAL, -33),
    Sample::new("expired.cybozu.com", "sheet", Code::Expired, TRIAL, -90),
    Sample {
        is_suspended: true,
        ..Sample::new(
            "suspended.cybozu.com",
            "sheet",
            Code::Suspended,
            YEARLY,
            -100,
        )
    },
    Sample::new(
        "not-started.cybozu.com",
        "sheet",
        Code::NotStarted,
        YEARLY,
        20,
    ),
    Sample::new("example.cybozu.com", "gantt", Code::Valid, YEARLY, -40),
];

impl Sample {
    const fn new(
        domain: &'static str,
        product: &'static str,
        code: Code,
        plan: Plan,
        usable_in_days: i64,
    ) -> Self {
        Self {
            domain,
            product,
            code,
            plan,
            usable_in_days,
            is_suspended: false,
        }
    }

    fn license(
        &self,
        domain: Domain,
        product: &Product,
        now: Timestamp,
    ) -> anyhow::Result<License> {
        let order = Order {
            domain,
            customer: Some(CUSTOMERS[0].0.parse()?),
            plan: self.plan,
            edition: "standard".to_owned(),
            users: 50,
            quotas: [("records".to_owned(), 10_000)].into(),
            usable_from: now + SignedDuration::from_hours(24 * self.usable_in_days),
        };
        let license = License::issue(order, product, Serial::parse(SAMPLE_SERIAL)?.hash())?;
        Ok(if self.is_suspended {
            license.suspended(now)?
        } else {
            license
        })
    }
}

/// A request to try, and the code it is answered with.
pub(super) struct Try {
    pub(super) code: Code,
    pub(super) domain: String,
    pub(super) product: String,
    pub(super) with_serial: bool,
    pub(super) note: &'static str,
}

/// Fills what is missing: a signing key, the products, the samples. What somebody has changed
/// stays; a sample that nobody touched is made anew when time has taken it out of its code.
pub(super) async fn fill(target: &Target, now: Timestamp) -> anyhow::Result<()> {
    let act = |change| ChangeContext {
        at: now,
        by: SEEDER,
        change,
    };
    let licenses = target.licenses()?;
    let table = licenses.table();
    if target
        .key_register(KeyPurpose::Lease)
        .await?
        .0
        .keys
        .is_empty()
    {
        let mut context = target.key_context()?;
        context.caller = Caller { name: SEEDER, now };
        keys::create(&context, KeyPurpose::Lease).await?;
    }
    for (id, name, email, language) in CUSTOMERS {
        let id: CustomerId = id.parse()?;
        if target.customers()?.customer(&id).await?.is_some() {
            continue;
        }
        let customer = Customer {
            customer_id: id.clone(),
            name: name.parse()?,
        };
        let contact = Contact {
            email: email.parse()?,
            wishes: NotificationPreferences {
                role: Role::Primary,
                language,
                severity_floor: None,
                releases: false,
            },
        };
        let contacts = [(&id, &contact, None)];
        let customer = Some((&customer, None));
        target
            .customers()?
            .write(customer, &contacts, &act(SAMPLE))
            .await?;
    }
    let signer = target.signer().await?;
    for product in product::parse(PRODUCTS)?.products {
        let key = Key::product(&product.slug);
        let product = match table.get::<Product>(&key).await? {
            Some(stored) => stored.value,
            None => {
                table.put(&key, None, &product, &act(SAMPLE)).await?;
                product
            }
        };
        for sample in SAMPLES
            .iter()
            .filter(|sample| sample.product == product.slug.as_str())
        {
            let domain = target.bases.canonicalize(sample.domain)?;
            let before = contract::read(licenses, &domain, &product.slug).await?;
            let is_due = match licenses.get(&domain, &product.slug).await? {
                None => true,
                Some(stored) => {
                    stored.revision.change == SAMPLE
                        && (stored.value.license.code_at(now) != sample.code
                            || stored.value.license.kintone_plugin_ids
                                != product.kintone_plugin_ids
                            || stored.value.lease.kid != signer.kid())
                }
            };
            if is_due {
                let license = sample.license(domain, &product, now)?;
                let act = act(SAMPLE);
                contract::write(licenses, before.as_ref(), &license, &signer, &act).await?;
            }
        }
    }
    Ok(())
}

/// Puts the sample plug-in's versions onto the CDN, and makes the first one current if none is. What
/// somebody has published stays.
pub(super) async fn publish(target: &Target, now: Timestamp) -> anyhow::Result<()> {
    let caller = Caller { name: SEEDER, now };
    if target
        .key_register(KeyPurpose::Release)
        .await?
        .0
        .keys
        .is_empty()
    {
        let mut context = target.key_context()?;
        context.caller = caller;
        keys::create(&context, KeyPurpose::Release).await?;
    }
    let mut context = target.publish_context()?;
    context.caller = caller;
    for product in product::parse(PRODUCTS)?.products {
        let slug = product.slug;
        for version in VERSIONS {
            let file = VersionFile {
                path: "plugin.js".to_owned(),
                content: PLUGIN.replace("{version}", version).into_bytes(),
                content_type: content_type("plugin.js").unwrap_or("text/javascript"),
            };
            let version = version.parse()?;
            let files = vec![file];
            let planned = publish::put_files(context.licenses, context.cdn, &slug, &version, files);
            match planned.await {
                Ok(planned) => drop(planned.carry_out(context.cdn, false, || {}).await?),
                // Of an earlier `tegata dev`, whose sample was another.
                Err(Error::PublishedOtherwise { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if context.notices.current_version(&slug).await?.is_none() {
            let first = Change::to(VERSIONS[0].parse()?);
            let reason = Some(translated("a sample"));
            let planned = publish::make_current(&context, &slug, first, reason, Vec::new()).await?;
            planned.carry_out(&context, false).await?;
        }
    }
    Ok(())
}

/// Writes the file of a notice that can be sent now, and returns its path.
pub(super) fn write_notice(directory: &Path, now: Timestamp) -> anyhow::Result<PathBuf> {
    let zone = Zone::named("Asia/Tokyo")?;
    let day = now.to_zoned_datetime(zone.tz().clone()).date() + 10.days();
    let notices = directory.join("notices");
    let path = notices.join(format!("{day}-sheet-1.9.0.toml"));
    std::fs::create_dir_all(&notices)?;
    if !path.exists() {
        std::fs::write(&path, NOTICE.replace(NOTICE_DAY, &day.to_string()))?;
    }
    Ok(path)
}

/// A tenant whose licence is found by a kintone plug-in id too, and the id.
pub(super) async fn by_plugin_id(target: &Target) -> anyhow::Result<Option<(Domain, String)>> {
    for sample in &SAMPLES {
        let domain = target.bases.canonicalize(sample.domain)?;
        let product = sample.product.parse()?;
        let stored = target.licenses()?.get(&domain, &product).await?;
        let ids = stored.map(|stored| stored.value.license.open_plugin_ids().to_vec());
        if let Some(id) = ids.into_iter().flatten().next() {
            return Ok(Some((domain, id.to_string())));
        }
    }
    Ok(None)
}

/// What to try now, with the codes that the table gives now.
pub(super) async fn tries(target: &Target, now: Timestamp) -> anyhow::Result<Vec<Try>> {
    let mut tries = Vec::new();
    for sample in &SAMPLES {
        let domain = target.bases.canonicalize(sample.domain)?;
        let stored = target
            .licenses()?
            .get(&domain, &sample.product.parse()?)
            .await?;
        let Some(license) = stored.map(|stored| stored.value.license) else {
            continue;
        };
        let a_try = |with_serial, code, note| Try {
            code,
            domain: domain.to_string(),
            product: sample.product.to_owned(),
            with_serial,
            note,
        };
        let code = license.code_at(now);
        if license.policy.requires_serial {
            tries.push(a_try(true, code, "this product requires the serial"));
            tries.push(a_try(false, Code::NotFound, "the same without it"));
        } else {
            tries.push(a_try(false, code, ""));
        }
    }
    tries.push(Try {
        code: Code::NotFound,
        domain: "stranger.cybozu.com".to_owned(),
        product: "sheet".to_owned(),
        with_serial: false,
        note: "404: no licence",
    });
    Ok(tries)
}

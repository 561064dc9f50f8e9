//! `tegata license domains`: list, add, remove and keep domains of a contract.

use clap::Args;
use jiff::Timestamp;
use tegata_common::calendar;
use tegata_common::license::Purpose;
use tegata_operations::licenses::{self, AddDomain, Context, DomainEntry, LicenseId};

use super::{LicenseSelector, canonical, naming, write};
use crate::change::DryRun;
use crate::output::{self, Output};
use crate::target::Target;
use crate::when::When;

#[derive(Args)]
pub(crate) struct Domains {
    #[command(flatten)]
    which: LicenseSelector,
    /// Add a domain to the contract.
    #[arg(long, value_name = "DOMAIN", group = "change")]
    add: Option<String>,
    /// Remove a domain from the contract. It is then in quarantine for 90 days, unless it was never
    /// in use.
    #[arg(long, value_name = "DOMAIN", group = "change")]
    remove: Option<String>,
    /// Keep a domain whose removal is scheduled.
    #[arg(long, value_name = "DOMAIN", group = "change")]
    keep: Option<String>,
    /// With --add: the domain is for development.
    #[arg(long, requires = "add")]
    development: bool,
    /// With --add, the date or instant from which the domain can be used; with --remove, the last
    /// day on which it can [default: now].
    #[arg(
        long,
        value_name = "WHEN",
        requires = "change",
        conflicts_with = "keep"
    )]
    on: Option<When>,
    #[command(flatten)]
    write: DryRun,
}

pub(super) async fn run(target: &Target, output: Output, args: Domains) -> anyhow::Result<()> {
    let domain = |text: &Option<String>| {
        let domain = text.as_deref();
        domain.map(|domain| canonical(target, domain)).transpose()
    };
    let (add, remove) = (domain(&args.add)?, domain(&args.remove)?);
    let keep = domain(&args.keep)?;
    let id = args.which.id(target)?;
    let context = target.license_context()?;
    let planned = if let Some(domain) = add {
        let purpose = match args.development {
            true => Purpose::Development,
            false => Purpose::Production,
        };
        let change = AddDomain {
            domain,
            purpose,
            on: args.on,
        };
        licenses::add_domain(&context, &id, change).await
    } else if let Some(domain) = remove {
        licenses::remove_domain(&context, &id, &domain, args.on).await
    } else if let Some(domain) = keep {
        licenses::keep_domain(&context, &id, &domain).await
    } else {
        return list(&context, output, &id).await;
    };
    let planned = planned.map_err(naming("--on"))?;
    write::carry_out(&context, output, planned, args.write).await
}

async fn list(context: &Context<'_>, output: Output, id: &LicenseId) -> anyhow::Result<()> {
    let (entries, policy) = licenses::domains(context, id).await?;
    if output == Output::Json {
        return output::json(&entries);
    }
    let local = |instant: Option<Timestamp>| {
        instant.map_or_else(String::new, |at| calendar::rfc3339(at, &policy))
    };
    let rows = entries.iter().map(|entry: &DomainEntry| {
        vec![
            entry.domain.to_string(),
            match entry.purpose {
                Purpose::Production => "production".to_owned(),
                Purpose::Development => "development".to_owned(),
            },
            entry.code.as_str().to_owned(),
            local(Some(entry.from)),
            local(entry.until),
            local(entry.quarantined_until),
        ]
    });
    let header = [
        "domain",
        "purpose",
        "code",
        "from",
        "until",
        "quarantined until",
    ];
    output::table(&header, &["purpose"], rows.collect());
    Ok(())
}

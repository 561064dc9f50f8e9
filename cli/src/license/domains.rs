//! The domains of a contract: moving from one to another, adding, giving up.

use clap::Args;
use jiff::{Timestamp, ToSpan as _};
use serde_json::json;
use tegata_common::calendar;
use tegata_common::license::{ContractDomain, License, Purpose};

use super::edit::Editor;
use super::{LicenseSelector, canonical};
use crate::change::DryRun;
use crate::failure::UsageError;
use crate::output::{self, Output};
use crate::target::Target;
use crate::when::{self, When};

#[derive(Args)]
pub(crate) struct Move {
    #[command(flatten)]
    which: LicenseSelector,
    /// The tenant's new host name.
    to: String,
    /// The date or instant from which the new name works [default: now].
    #[arg(long, value_name = "WHEN")]
    on: Option<When>,
    /// Days for which the old name works beside it, up to the cut-off time of the last one's
    /// morning after [default: the product's lease days].
    #[arg(long, value_name = "DAYS", value_parser = when::days)]
    overlap: Option<u16>,
    #[command(flatten)]
    write: DryRun,
}

#[derive(Args)]
pub(crate) struct Domains {
    #[command(flatten)]
    which: LicenseSelector,
    /// Add a domain to the contract.
    #[arg(long, value_name = "DOMAIN", group = "change")]
    add: Option<String>,
    /// Give up a domain of the contract; it is in quarantine for 90 days after that. One that has
    /// not worked yet is free at once.
    #[arg(long, value_name = "DOMAIN", group = "change")]
    remove: Option<String>,
    /// Keep a domain after all that was to be given up.
    #[arg(long, value_name = "DOMAIN", group = "change")]
    keep: Option<String>,
    /// The domain that is added is for development.
    #[arg(long, requires = "add")]
    development: bool,
    /// With --add, the date or instant from which it works; with --remove, the last day on which
    /// it does [default: now].
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

pub(super) async fn move_to(target: &Target, output: Output, args: Move) -> anyhow::Result<()> {
    let to = canonical(target, &args.to)?;
    let (editor, license) = Editor::open(target, output, &args.which, args.write).await?;
    let from = match args.on {
        Some(when) => when.instant(&license.policy)?,
        None => target.now,
    };
    let from = not_past("--on", from, &license, target.now)?;
    let days = args.overlap.unwrap_or(license.policy.lease_days);
    let starts_on = calendar::date_of(from, &license.policy);
    let leaves_on = starts_on.checked_add(i32::from(days).days())?;
    let until = license.leaves_at(leaves_on)?.max(from);
    let moved = license.moved(&to, from, until, target.now)?;
    editor.write("move", moved).await
}

pub(super) async fn domains(target: &Target, output: Output, args: Domains) -> anyhow::Result<()> {
    let (editor, license) = Editor::open(target, output, &args.which, args.write).await?;
    let instant = |when: Option<When>| match when {
        Some(when) => when.instant(&license.policy),
        None => Ok(target.now),
    };
    if let Some(domain) = &args.add {
        let domain = canonical(target, domain)?;
        let purpose = match args.development {
            true => Purpose::Development,
            false => Purpose::Production,
        };
        let from = not_past("--on", instant(args.on)?, &license, target.now)?;
        let added = license.with_name(&domain, purpose, from, target.now)?;
        return editor.write("add-domain", added).await;
    }
    if let Some(domain) = &args.remove {
        let domain = canonical(target, domain)?;
        let until = match args.on {
            // The last day, up to the cut-off of the next.
            Some(When::StartOf(day)) => license.leaves_at(day.tomorrow()?)?,
            when => instant(when)?,
        };
        let until = not_past("--on", until, &license, target.now)?;
        let removed = license.without_name(&domain, until, target.now)?;
        return editor.write("remove-domain", removed).await;
    }
    if let Some(domain) = &args.keep {
        let domain = canonical(target, domain)?;
        let kept = license.keeping(&domain, target.now)?;
        return editor.write("keep-domain", kept).await;
    }
    list(output, &license, target.now)
}

/// What has been answered cannot be changed any more. Today's date, typed today, means from now
/// on.
pub(super) fn not_past(
    option: &str,
    instant: Timestamp,
    license: &License,
    now: Timestamp,
) -> anyhow::Result<Timestamp> {
    let today = calendar::date_of(now, &license.policy);
    if calendar::date_of(instant, &license.policy) < today {
        let shown = calendar::rfc3339(instant, &license.policy);
        return Err(
            UsageError(format!("{option} {shown} is in the past; today is {today}")).into(),
        );
    }
    Ok(instant.max(now))
}

fn list(output: Output, license: &License, now: Timestamp) -> anyhow::Result<()> {
    if output == Output::Json {
        let names = license.names.iter().map(|name| {
            json!({
                "domain": name.domain,
                "purpose": name.purpose,
                "code": license.under(&name.domain).code_at(now),
                "from": name.from,
                "until": name.until,
                "quarantined_until": name.quarantined_until(),
            })
        });
        return output::json(&names.collect::<Vec<_>>());
    }
    let local = |instant: Option<Timestamp>| {
        instant.map_or_else(String::new, |at| calendar::rfc3339(at, &license.policy))
    };
    let rows = license.names.iter().map(|name: &ContractDomain| {
        vec![
            name.domain.to_string(),
            match name.purpose {
                Purpose::Production => "production".to_owned(),
                Purpose::Development => "development".to_owned(),
            },
            license.under(&name.domain).code_at(now).as_str().to_owned(),
            local(Some(name.from)),
            local(name.until),
            local(name.quarantined_until()),
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
    output::table(&header, rows.collect());
    Ok(())
}

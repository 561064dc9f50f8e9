//! `tegata license change`.

use std::collections::BTreeMap;

use clap::Args;
use tegata_common::customer::CustomerId;
use tegata_common::license::Amendment;
use tegata_operations::licenses;

use super::{BillingArg, LicenseSelector, quota, write};
use crate::change::DryRun;
use crate::failure::UsageError;
use crate::output::Output;
use crate::target::Target;

#[derive(Args)]
#[command(group = clap::ArgGroup::new("values").required(true).multiple(true))]
pub(crate) struct Change {
    #[command(flatten)]
    which: LicenseSelector,
    /// The customer.
    #[arg(long, value_name = "ID", group = "values")]
    customer: Option<CustomerId>,
    /// The billing interval from the next term on.
    #[arg(long, value_enum, group = "values")]
    billing: Option<BillingArg>,
    /// The new edition.
    #[arg(long, group = "values")]
    edition: Option<String>,
    /// The new number of users.
    #[arg(long, group = "values")]
    users: Option<u32>,
    /// Set a limit; can be repeated.
    #[arg(long = "quota", value_name = "NAME=NUMBER", value_parser = quota, group = "values")]
    quotas: Vec<(String, u64)>,
    /// Remove a limit; can be repeated.
    #[arg(long = "no-quota", value_name = "NAME", group = "values")]
    no_quotas: Vec<String>,
    #[command(flatten)]
    write: DryRun,
}

pub(super) async fn run(target: &Target, output: Output, args: Change) -> anyhow::Result<()> {
    let id = args.which.id(target)?;
    let amendment = Amendment {
        quotas: quotas(args.quotas, args.no_quotas)?,
        customer: args.customer,
        edition: args.edition,
        users: args.users,
        billing: args.billing.map(Into::into),
    };
    let context = target.license_context()?;
    let planned = licenses::amend(&context, &id, amendment).await?;
    write::carry_out(&context, output, planned, args.write).await
}

/// The limits to set, and those to remove.
fn quotas(
    set: Vec<(String, u64)>,
    removed: Vec<String>,
) -> Result<BTreeMap<String, Option<u64>>, UsageError> {
    let set = set.into_iter().map(|(name, value)| (name, Some(value)));
    let removed = removed.into_iter().map(|name| (name, None));
    let mut quotas = BTreeMap::new();
    for (name, value) in set.chain(removed) {
        if quotas.insert(name.clone(), value).is_some() {
            return Err(UsageError(format!("quota {name} is given twice")));
        }
    }
    Ok(quotas)
}

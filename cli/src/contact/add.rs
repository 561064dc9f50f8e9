//! `tegata contact add`.

use clap::ValueEnum;
use tegata_common::customer::{CustomerId, EmailAddress, Language, Role, Severity};
use tegata_operations::contacts::{self, ContactChange};

use crate::change::{self, DryRun};
use crate::output::{self, Output, say};
use crate::target::Target;

/// Add a contact to a customer, or change a contact's preferences.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The customer.
    customer: CustomerId,
    /// The mail address.
    email: EmailAddress,
    /// The role: a primary contact receives every notice about the customer's products, an
    /// additional contact only what its preferences select [default: unchanged, or primary for a
    /// new contact].
    #[arg(long, value_enum)]
    role: Option<RoleArg>,
    /// The language of mails [default: unchanged, or ja for a new contact].
    #[arg(long, value_enum)]
    language: Option<LanguageArg>,
    /// The lowest severity of incidents that an additional contact receives [default: unchanged, or
    /// no incidents for a new contact].
    #[arg(long, value_enum, value_name = "SEVERITY")]
    severity_floor: Option<SeverityArg>,
    /// Whether an additional contact receives releases and maintenance [default: unchanged, or no
    /// for a new contact].
    #[arg(long, value_enum, num_args = 0..=1, default_missing_value = "yes", require_equals = true)]
    releases: Option<YesNo>,
    #[command(flatten)]
    write: DryRun,
}

#[derive(Clone, Copy, ValueEnum)]
enum RoleArg {
    Primary,
    Additional,
}

#[derive(Clone, Copy, ValueEnum)]
enum LanguageArg {
    Ja,
    En,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum YesNo {
    Yes,
    No,
}

#[derive(Clone, Copy, ValueEnum)]
enum SeverityArg {
    Minor,
    Major,
    Critical,
}

impl From<SeverityArg> for Severity {
    fn from(argument: SeverityArg) -> Self {
        match argument {
            SeverityArg::Minor => Self::Minor,
            SeverityArg::Major => Self::Major,
            SeverityArg::Critical => Self::Critical,
        }
    }
}

impl From<RoleArg> for Role {
    fn from(argument: RoleArg) -> Self {
        match argument {
            RoleArg::Primary => Self::Primary,
            RoleArg::Additional => Self::Additional,
        }
    }
}

impl From<LanguageArg> for Language {
    fn from(argument: LanguageArg) -> Self {
        match argument {
            LanguageArg::Ja => Self::Ja,
            LanguageArg::En => Self::En,
        }
    }
}

pub(super) async fn run(target: &Target, output: Output, args: Args) -> anyhow::Result<()> {
    let change = ContactChange {
        email: args.email,
        role: args.role.map(Into::into),
        language: args.language.map(Into::into),
        severity_floor: args.severity_floor.map(Into::into),
        releases: args.releases.map(|releases| releases == YesNo::Yes),
    };
    let customers = target.customers()?;
    let planned = contacts::add(customers, &args.customer, change).await?;
    if output == Output::Text {
        say!("contact of {}:", planned.customer_id);
        // A primary contact gets every notice, whatever its preferences.
        let is_primary = planned.is_primary();
        let told = planned.differences.iter();
        let told = told.filter(|of| {
            !is_primary || !["releases", "severity_floor"].contains(&of.field.as_str())
        });
        change::print(&told.cloned().collect::<Vec<_>>(), None);
    }
    let carried_out = planned.carry_out(customers, target.caller(), args.write.dry_run);
    let report = carried_out.await?;
    match output {
        Output::Json => output::json(&report)?,
        Output::Text if report.differences.is_empty() => say!("nothing to change"),
        Output::Text => args.write.conclude("written"),
    }
    Ok(())
}

//! `tegata contact`: whom notices reach.

use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use tegata_common::customer::{
    Contact, CustomerId, EmailAddress, Language, NotificationPreferences, Role, Severity,
};
use tegata_operations::Found;
use tegata_operations::contacts::{self, AddressReport, ContactChange, ListedContact};

use crate::change::{self, DryRun};
use crate::customer;
use crate::output::{self, Output, say};
use crate::target::Target;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Add a contact to a customer, or change what a contact gets.
    Add(Add),
    /// Remove a contact. Its address is gone then; that there was a contact stays in history.
    Remove {
        /// The customer.
        customer: CustomerId,
        /// The mail address.
        email: EmailAddress,
        #[command(flatten)]
        write: DryRun,
    },
    /// Write to a contact again whose mail bounced for good, or who complained.
    ///
    /// A contact whose address was wrong needs another: add that one, and remove this.
    Reinstate {
        /// The customer.
        customer: CustomerId,
        /// The mail address.
        email: EmailAddress,
        #[command(flatten)]
        write: DryRun,
    },
    /// List the contacts of a customer, or all, and whether mail reaches them.
    List {
        /// The customer.
        customer: Option<CustomerId>,
    },
}

#[derive(Args)]
pub(crate) struct Add {
    /// The customer.
    customer: CustomerId,
    /// The mail address.
    email: EmailAddress,
    /// What the contact is for: a primary one gets every notice about the customer's
    /// products, an additional one what it asks for [default: what it is, or primary].
    #[arg(long, value_enum)]
    role: Option<RoleArg>,
    /// The language of its mails [default: what it is, or ja].
    #[arg(long, value_enum)]
    language: Option<LanguageArg>,
    /// The mildest incident that an additional contact is told of [default: what it is, or
    /// none].
    #[arg(long, value_enum, value_name = "SEVERITY")]
    severity_floor: Option<SeverityArg>,
    /// Whether an additional contact is told of releases and maintenance too [default: what
    /// it is, or no].
    #[arg(long, value_enum, num_args = 0..=1, default_missing_value = "yes", require_equals = true)]
    releases: Option<YesNo>,
    #[command(flatten)]
    write: DryRun,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum RoleArg {
    Primary,
    Additional,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum LanguageArg {
    Ja,
    En,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum YesNo {
    Yes,
    No,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum SeverityArg {
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

pub(crate) async fn run(target: &Target, output: Output, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Add(args) => add(target, output, args).await,
        Command::Remove {
            customer,
            email,
            write,
        } => remove(target, output, &customer, &email, write).await,
        Command::Reinstate {
            customer,
            email,
            write,
        } => reinstate(target, output, &customer, &email, write).await,
        Command::List { customer } => list(target, output, customer.as_ref()).await,
    }
}

async fn add(target: &Target, output: Output, args: Add) -> anyhow::Result<()> {
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
        change::print(&planned.differences, None);
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

async fn remove(
    target: &Target,
    output: Output,
    id: &CustomerId,
    email: &EmailAddress,
    write: DryRun,
) -> anyhow::Result<()> {
    let customers = target.customers()?;
    let planned = contacts::remove(customers, id, email).await?;
    if output == Output::Text {
        say!("remove contact {} of {id}", email.as_str());
    }
    let removed = planned.carry_out(customers, target.caller(), write.dry_run);
    conclude(output, &removed.await?, write, "removed")
}

async fn reinstate(
    target: &Target,
    output: Output,
    id: &CustomerId,
    email: &EmailAddress,
    write: DryRun,
) -> anyhow::Result<()> {
    let (customers, notices) = (target.customers()?, target.notices()?);
    let planned = contacts::reinstate(customers, notices, id, email).await?;
    if output == Output::Text {
        let mark = &planned.mark.value;
        let since = target.local_time(mark.at);
        say!("{} since {since}: {}", email.as_str(), mark.reason);
    }
    let reinstated = planned.carry_out(notices, target.caller(), write.dry_run);
    let done = "written to again from the next notice on";
    conclude(output, &reinstated.await?, write, done)
}

fn conclude(
    output: Output,
    report: &AddressReport,
    write: DryRun,
    done: &str,
) -> anyhow::Result<()> {
    match output {
        Output::Json => output::json(report)?,
        Output::Text => write.conclude(done),
    }
    Ok(())
}

async fn list(
    target: &Target,
    output: Output,
    customer: Option<&CustomerId>,
) -> anyhow::Result<()> {
    let (customers, notices) = (target.customers()?, target.notices()?);
    let Found { items, unreadable } = contacts::list(customers, notices, customer).await?;
    match output {
        Output::Json => output::json(&items)?,
        Output::Text => print(&items),
    }
    customer::complain(&unreadable)
}

fn print(contacts: &[ListedContact]) {
    let rows = contacts.iter().map(|listed| {
        let mut row = vec![listed.customer_id.to_string()];
        row.extend(cells(&listed.contact));
        row.push(match &listed.undeliverable {
            None => "reaches".to_owned(),
            Some(mark) => mark.reason.clone(),
        });
        row
    });
    let mut header = vec!["customer"];
    header.extend(HEADER);
    header.push("mail");
    output::table(&header, rows.collect());
}

const HEADER: [&str; 5] = ["email", "role", "language", "incidents", "releases"];

/// Prints contacts of one customer.
pub(crate) fn table<'a>(contacts: impl Iterator<Item = &'a Contact>) {
    let rows = contacts.map(|contact| cells(contact).to_vec());
    output::table(&HEADER, rows.collect());
}

fn cells(contact: &Contact) -> [String; 5] {
    let NotificationPreferences {
        role,
        language,
        severity_floor,
        releases,
    } = contact.wishes;
    let is_primary = role == Role::Primary;
    let text = |value| {
        let value = serde_json::to_value(value).unwrap_or_default();
        value.as_str().unwrap_or_default().to_owned()
    };
    [
        contact.email.as_str().to_owned(),
        text(json!(role)),
        text(json!(language)),
        match severity_floor {
            _ if is_primary => "all".to_owned(),
            Some(floor) => format!("{} and worse", text(json!(floor))),
            None => "none".to_owned(),
        },
        if is_primary || releases { "yes" } else { "no" }.to_owned(),
    ]
}

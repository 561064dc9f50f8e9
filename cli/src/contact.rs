//! `tegata contact`: whom notices reach.

use clap::{Subcommand, ValueEnum};
use serde_json::json;
use tegata_common::customer::{
    Contact, CustomerId, EmailAddress, Language, NotificationPreferences, Role, Severity,
};

use tegata_common::notice::ContactHash;
use tegata_storage::Versioned;
use tegata_storage::customers::FoundCustomers;

use crate::change::{self, DryRun};
use crate::customer;
use crate::failure::{NotFound, UsageError};
use crate::output::{self, Output, say};
use crate::target::Target;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Add a contact to a customer, or change what a contact gets.
    Add {
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
    },
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

pub(crate) async fn run(target: &Target, output: Output, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Add {
            customer,
            email,
            role,
            language,
            severity_floor,
            releases,
            write,
        } => {
            customer::check_known(target, &customer).await?;
            let before = target.customers()?.contact(&customer, &email).await?;
            let was = before.as_ref().map(|before| before.value.wishes);
            let role = role.map(|role| match role {
                RoleArg::Primary => Role::Primary,
                RoleArg::Additional => Role::Additional,
            });
            let language = language.map(|language| match language {
                LanguageArg::Ja => Language::Ja,
                LanguageArg::En => Language::En,
            });
            let role = role.or(was.map(|was| was.role)).unwrap_or(Role::Primary);
            // What an additional contact asked for says nothing of a primary one.
            let was_additional = was.filter(|was| was.role == role);
            let wishes = NotificationPreferences {
                role,
                language: language
                    .or(was.map(|was| was.language))
                    .unwrap_or(Language::Ja),
                severity_floor: severity_floor
                    .map(Into::into)
                    .or(was_additional.and_then(|was| was.severity_floor)),
                releases: match releases {
                    Some(releases) => releases == YesNo::Yes,
                    None => was_additional.is_some_and(|was| was.releases),
                },
            };
            let wishes = wishes
                .check()
                .map_err(|error| UsageError(error.to_string()))?;
            let contact = Contact { email, wishes };
            add(target, output, &customer, before, &contact, write).await
        }
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
        Command::List { customer } => list(target, output, customer).await,
    }
}

async fn add(
    target: &Target,
    output: Output,
    id: &CustomerId,
    before: Option<Versioned<Contact>>,
    contact: &Contact,
    write: DryRun,
) -> anyhow::Result<()> {
    let differences = change::differences(before.as_ref().map(|b| &b.value), contact)?;
    if output == Output::Text {
        say!("contact of {id}:");
        change::print(&differences, None);
    }
    let what = match before {
        None => "add",
        Some(_) => "change",
    };
    if !write.dry_run && !differences.is_empty() {
        let act = target.act(what);
        let contacts = [(id, contact, before.as_ref().map(|b| &b.revision))];
        target.customers()?.write(None, &contacts, &act).await?;
    }
    match output {
        Output::Text if differences.is_empty() => say!("nothing to change"),
        Output::Text => write.conclude("written"),
        Output::Json => output::json(&json!({
            "change": what,
            "customer_id": id,
            "dry_run": write.dry_run,
            "differences": differences,
        }))?,
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
    // Also of one that cannot be read any more.
    let revision = target.customers()?.contact_revision(id, email).await?;
    let missing = || NotFound(format!("{id} has no contact {}", email.as_str()));
    let revision = revision.ok_or_else(missing)?;
    if output == Output::Text {
        say!("remove contact {} of {id}", email.as_str());
    }
    if !write.dry_run {
        let act = target.act("remove");
        target
            .customers()?
            .remove_contact(id, email, &revision, &act)
            .await?;
    }
    match output {
        Output::Text => write.conclude("removed"),
        Output::Json => output::json(&json!({
            "change": "remove",
            "customer_id": id,
            "email": email,
            "dry_run": write.dry_run,
        }))?,
    }
    Ok(())
}

async fn reinstate(
    target: &Target,
    output: Output,
    id: &CustomerId,
    email: &EmailAddress,
    write: DryRun,
) -> anyhow::Result<()> {
    if target.customers()?.contact(id, email).await?.is_none() {
        return Err(NotFound(format!("{id} has no contact {}", email.as_str())).into());
    }
    let contact = ContactHash::of(email);
    let marks = target.notices()?.undeliverable().await?;
    let missing = || {
        NotFound(format!(
            "mail reaches {}, as far as is known",
            email.as_str()
        ))
    };
    let mark = marks.get(&contact).ok_or_else(missing)?;
    if output == Output::Text {
        let since = target.local_time(mark.value.at);
        say!("{} since {since}: {}", email.as_str(), mark.value.reason);
    }
    if !write.dry_run {
        let act = target.act("reinstate");
        let notices = target.notices()?;
        notices
            .clear_undeliverable(&contact, &mark.revision, &act)
            .await?;
    }
    match output {
        Output::Text => write.conclude("written to again from the next notice on"),
        Output::Json => output::json(&json!({
            "change": "reinstate",
            "customer_id": id,
            "email": email,
            "dry_run": write.dry_run,
        }))?,
    }
    Ok(())
}

async fn list(target: &Target, output: Output, customer: Option<CustomerId>) -> anyhow::Result<()> {
    let FoundCustomers {
        customers: files,
        unreadable,
    } = match &customer {
        Some(id) => {
            customer::check_known(target, id).await?;
            target.customers()?.file(id).await?
        }
        None => target.customers()?.all().await?,
    };
    let marks = target.notices()?.undeliverable().await?;
    if output == Output::Json {
        let contacts = files.iter().flat_map(|file| {
            let id = &file.customer.value.customer_id;
            let marks = &marks;
            file.contacts.iter().map(move |stored| {
                let mut contact = json!(stored.value);
                contact["customer_id"] = json!(id);
                let mark = marks.get(&ContactHash::of(&stored.value.email));
                contact["undeliverable"] = json!(mark.map(|mark| &mark.value));
                contact
            })
        });
        output::json(&contacts.collect::<Vec<_>>())?;
        return customer::complain(&unreadable);
    }
    let rows = files.iter().flat_map(|file| {
        file.contacts.iter().map(|stored| {
            let mut row = vec![file.customer.value.customer_id.to_string()];
            row.extend(cells(&stored.value));
            let mark = marks.get(&ContactHash::of(&stored.value.email));
            row.push(match mark {
                None => "reaches".to_owned(),
                Some(mark) => mark.value.reason.clone(),
            });
            row
        })
    });
    let mut header = vec!["customer"];
    header.extend(HEADER);
    header.push("mail");
    output::table(&header, rows.collect());
    customer::complain(&unreadable)
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

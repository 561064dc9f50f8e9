//! `tegata contact`: the recipients of notices.

mod add;
mod list;
mod reinstate;
mod remove;

use clap::Subcommand;
use serde_json::json;
use tegata_common::customer::{Contact, NotificationPreferences, Role};
use tegata_operations::contacts::AddressReport;

use crate::change::DryRun;
use crate::output::{self, Output};
use crate::target::Target;

#[derive(Subcommand)]
pub(crate) enum Command {
    Add(add::Args),
    Remove(remove::Args),
    Reinstate(reinstate::Args),
    List(list::Args),
}

pub(crate) async fn run(target: &Target, output: Output, command: Command) -> anyhow::Result<()> {
    match command {
        Command::Add(args) => add::run(target, output, args).await,
        Command::Remove(args) => remove::run(target, output, args).await,
        Command::Reinstate(args) => reinstate::run(target, output, args).await,
        Command::List(args) => list::run(target, output, args).await,
    }
}

/// Prints the result of removing or reinstating a contact. `done` is the text if it was written.
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

/// The columns of a contact in tables.
const HEADER: [&str; 5] = ["email", "role", "language", "incidents", "releases"];

/// The columns whose cells are words.
const MESSAGES: [&str; 3] = ["role", "incidents", "releases"];

/// Prints the contacts of one customer.
pub(crate) fn table<'a>(contacts: impl Iterator<Item = &'a Contact>) {
    let rows = contacts.map(|contact| cells(contact).to_vec());
    output::table(&HEADER, &MESSAGES, rows.collect());
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
            None => "not sent".to_owned(),
        },
        if is_primary || releases { "yes" } else { "no" }.to_owned(),
    ]
}

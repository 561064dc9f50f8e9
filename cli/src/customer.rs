//! `tegata customer`: who signed contracts.

use clap::Subcommand;
use tegata_common::customer::{Customer, CustomerId, CustomerName};
use tegata_operations::customers::{self, CustomerDetails, CustomerSummary, PlannedCustomer};
use tegata_operations::{Error, Found};
use tegata_storage::TableError;

use crate::change::{self, DryRun};
use crate::contact;
use crate::output::{self, Output, note, say};
use crate::target::Target;

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Add a customer. Its contacts come next: `tegata contact add`.
    Add {
        /// The vendor's own number of the customer, such as C-0042.
        id: CustomerId,
        /// Its name, as it is to be addressed.
        #[arg(long)]
        name: CustomerName,
        #[command(flatten)]
        write: DryRun,
    },
    /// Show a customer, its contacts and its licences.
    Show {
        /// The customer.
        id: CustomerId,
    },
    /// List the customers, and who of them cannot be reached.
    List,
    /// Change a customer's name.
    Change {
        /// The customer.
        id: CustomerId,
        /// The new name.
        #[arg(long)]
        name: CustomerName,
        #[command(flatten)]
        write: DryRun,
    },
}

pub(crate) async fn run(target: &Target, output: Output, command: Command) -> anyhow::Result<()> {
    let customers = target.customers()?;
    match command {
        Command::Add { id, name, write } => {
            let customer = Customer {
                customer_id: id,
                name,
            };
            let planned = customers::add(customers, customer).await?;
            carry_out(target, output, planned, write).await
        }
        Command::Change { id, name, write } => {
            let planned = customers::rename(customers, &id, name).await?;
            carry_out(target, output, planned, write).await
        }
        Command::Show { id } => show(target, output, id).await,
        Command::List => list(target, output).await,
    }
}

async fn carry_out(
    target: &Target,
    output: Output,
    planned: PlannedCustomer,
    write: DryRun,
) -> anyhow::Result<()> {
    if output == Output::Text {
        let id = &planned.customer.customer_id;
        say!("{} customer {id}:", planned.change);
        change::print(&planned.differences, None);
    }
    let carried_out = planned.carry_out(target.customers()?, target.caller(), write.dry_run);
    let report = carried_out.await?;
    match output {
        Output::Json => output::json(&report)?,
        Output::Text if report.differences.is_empty() => say!("nothing to change"),
        Output::Text => write.conclude("written"),
    }
    Ok(())
}

async fn show(target: &Target, output: Output, id: CustomerId) -> anyhow::Result<()> {
    let (customers, licenses) = (target.customers()?, target.licenses()?);
    let (customer, unreadable) = customers::show(customers, licenses, &id, target.now).await?;
    let Some(customer) = customer else {
        complain(&unreadable)?;
        return Err(Error::NoCustomer(id).into());
    };
    match output {
        Output::Json => output::json(&customer)?,
        Output::Text => print(&customer),
    }
    complain(&unreadable)
}

fn print(customer: &CustomerDetails) {
    say!("{}  {}", customer.customer_id, customer.name);
    say!("\ncontacts:");
    contact::table(customer.contacts.iter());
    say!("\nlicences:");
    let rows = customer.licenses.iter().map(|license| {
        vec![
            license.domain.to_string(),
            license.product.to_string(),
            license.code.as_str().to_owned(),
        ]
    });
    output::table(&["domain", "product", "code"], rows.collect());
}

async fn list(target: &Target, output: Output) -> anyhow::Result<()> {
    let Found { items, unreadable } = customers::list(target.customers()?).await?;
    match output {
        Output::Json => output::json(&items)?,
        Output::Text => print_list(&items),
    }
    complain(&unreadable)
}

fn print_list(customers: &[CustomerSummary]) {
    let rows = customers.iter().map(|customer| {
        let note = match customer.has_primary_contact {
            true => "",
            false => "no primary contact: notices do not reach it",
        };
        vec![
            customer.customer_id.to_string(),
            customer.name.to_string(),
            customer.contacts.to_string(),
            note.to_owned(),
        ]
    });
    output::table(&["customer", "name", "contacts", ""], rows.collect());
}

/// Items that could not be read are named, and fail the command after it did the rest.
pub(crate) fn complain(unreadable: &[TableError]) -> anyhow::Result<()> {
    for error in unreadable {
        note!("warning: {error}");
    }
    match unreadable.len() {
        0 => Ok(()),
        n => anyhow::bail!("{n} items could not be read"),
    }
}

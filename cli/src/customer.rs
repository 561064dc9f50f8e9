//! `tegata customer`: who signed contracts.

use clap::Subcommand;
use serde_json::json;
use tegata_common::customer::{Customer, CustomerId, CustomerName, Role};
use tegata_common::license::License;
use tegata_storage::customers::{CustomerFile, FoundCustomers};
use tegata_storage::{TableError, Versioned};

use crate::change::{self, DryRun};
use crate::contact;
use crate::failure::NotFound;
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
    match command {
        Command::Add { id, name, write } => {
            let customer = Customer {
                customer_id: id,
                name,
            };
            if target
                .customers()?
                .customer(&customer.customer_id)
                .await?
                .is_some()
            {
                anyhow::bail!("customer {} is there already", customer.customer_id);
            }
            put(target, output, "add", None, &customer, write).await
        }
        Command::Change { id, name, write } => {
            let before = known(target, &id).await?;
            let customer = Customer {
                customer_id: id,
                name,
            };
            put(target, output, "change", Some(before), &customer, write).await
        }
        Command::Show { id } => show(target, output, &id).await,
        Command::List => list(target, output).await,
    }
}

/// A customer, or the sentence that it is not there.
async fn known(target: &Target, id: &CustomerId) -> anyhow::Result<Versioned<Customer>> {
    let customer = target.customers()?.customer(id).await?;
    let missing = || {
        NotFound(format!(
            "there is no customer {id}; see `tegata customer list`"
        ))
    };
    Ok(customer.ok_or_else(missing)?)
}

/// Refuses a customer that is not there.
pub(crate) async fn check_known(target: &Target, id: &CustomerId) -> anyhow::Result<()> {
    known(target, id).await.map(|_| ())
}

async fn put(
    target: &Target,
    output: Output,
    what: &str,
    before: Option<Versioned<Customer>>,
    customer: &Customer,
    write: DryRun,
) -> anyhow::Result<()> {
    let differences = change::differences(before.as_ref().map(|b| &b.value), customer)?;
    if output == Output::Text {
        say!("{what} customer {}:", customer.customer_id);
        change::print(&differences, None);
    }
    if !write.dry_run && !differences.is_empty() {
        let act = target.act(what);
        let customer = Some((customer, before.as_ref().map(|b| &b.revision)));
        target.customers()?.write(customer, &[], &act).await?;
    }
    match output {
        Output::Text if differences.is_empty() => say!("nothing to change"),
        Output::Text => write.conclude("written"),
        Output::Json => output::json(&json!({
            "change": what,
            "customer_id": customer.customer_id,
            "dry_run": write.dry_run,
            "differences": differences,
        }))?,
    }
    Ok(())
}

async fn show(target: &Target, output: Output, id: &CustomerId) -> anyhow::Result<()> {
    let mut found = target.customers()?.file(id).await?;
    let missing = || {
        NotFound(format!(
            "there is no customer {id}; see `tegata customer list`"
        ))
    };
    let Some(CustomerFile { customer, contacts }) = found.customers.pop() else {
        complain(&found.unreadable)?;
        return Err(missing().into());
    };
    let all = target.licenses()?.all().await?;
    found.unreadable.extend(all.unreadable);
    let licenses: Vec<&License> = all
        .licenses
        .iter()
        .map(|stored| &stored.value.license)
        .filter(|license| license.customer.as_ref() == Some(id))
        .collect();
    if output == Output::Json {
        let licenses = licenses.iter().map(|license| {
            json!({
                "domain": license.domain,
                "product": license.product,
                "code": license.code_at(target.now),
            })
        });
        output::json(&json!({
            "customer_id": id,
            "name": customer.value.name,
            "contacts": contacts.iter().map(|stored| &stored.value).collect::<Vec<_>>(),
            "licenses": licenses.collect::<Vec<_>>(),
            "revision": customer.revision,
        }))?;
        return complain(&found.unreadable);
    }
    say!("{id}  {}", customer.value.name);
    say!("\ncontacts:");
    contact::table(contacts.iter().map(|stored| &stored.value));
    say!("\nlicences:");
    let rows = licenses.iter().map(|license| {
        vec![
            license.domain.to_string(),
            license.product.to_string(),
            license.code_at(target.now).as_str().to_owned(),
        ]
    });
    output::table(&["domain", "product", "code"], rows.collect());
    complain(&found.unreadable)
}

async fn list(target: &Target, output: Output) -> anyhow::Result<()> {
    let FoundCustomers {
        customers,
        unreadable,
    } = target.customers()?.all().await?;
    let has_primary = |file: &CustomerFile| {
        let mut contacts = file.contacts.iter();
        contacts.any(|contact| contact.value.wishes.role == Role::Primary)
    };
    if output == Output::Json {
        let customers = customers.iter().map(|file| {
            json!({
                "customer_id": file.customer.value.customer_id,
                "name": file.customer.value.name,
                "contacts": file.contacts.len(),
                "has_primary_contact": has_primary(file),
            })
        });
        output::json(&customers.collect::<Vec<_>>())?;
    } else {
        let rows = customers.iter().map(|file| {
            let note = match has_primary(file) {
                true => "",
                false => "no primary contact: notices do not reach it",
            };
            vec![
                file.customer.value.customer_id.to_string(),
                file.customer.value.name.to_string(),
                file.contacts.len().to_string(),
                note.to_owned(),
            ]
        });
        output::table(&["customer", "name", "contacts", ""], rows.collect());
    }
    complain(&unreadable)
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

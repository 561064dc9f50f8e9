//! `tegata customer list`.

use tegata_operations::Found;
use tegata_operations::customers::{self, CustomerSummary};

use super::fail_if_unreadable;
use crate::messages::value;
use crate::output::{self, Output};
use crate::target::Target;

pub(super) async fn run(target: &Target, output: Output) -> anyhow::Result<()> {
    let Found { items, unreadable } = customers::list(target.customers()?).await?;
    match output {
        Output::Json => output::json(&items)?,
        Output::Text => print(&items),
    }
    fail_if_unreadable(&unreadable)
}

fn print(customers: &[CustomerSummary]) {
    let rows = customers.iter().map(|customer| {
        let note = match customer.has_primary_contact {
            true => "",
            false => "no primary contact: notices do not reach it",
        };
        vec![
            customer.customer_id.to_string(),
            value(&customer.name).to_string(),
            customer.contacts.to_string(),
            note.to_owned(),
        ]
    });
    output::table(&["customer", "name", "contacts", ""], &[""], rows.collect());
}

//! `tegata customer show`.

use tegata_common::customer::CustomerId;
use tegata_operations::Error;
use tegata_operations::customers::{self, CustomerDetails};

use super::fail_if_unreadable;
use crate::contact;
use crate::messages::value;
use crate::output::{self, Output, say};
use crate::target::Target;

/// Show a customer, its contacts and its licences.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The customer.
    id: CustomerId,
}

pub(super) async fn run(target: &Target, output: Output, args: Args) -> anyhow::Result<()> {
    let (customers, licenses) = (target.customers()?, target.licenses()?);
    let shown = customers::show(customers, licenses, &args.id, target.now).await?;
    let (customer, unreadable) = shown;
    let Some(customer) = customer else {
        fail_if_unreadable(&unreadable)?;
        return Err(Error::NoCustomer(args.id).into());
    };
    match output {
        Output::Json => output::json(&customer)?,
        Output::Text => print(&customer),
    }
    fail_if_unreadable(&unreadable)
}

fn print(customer: &CustomerDetails) {
    say!("{}  {}", customer.customer_id, value(&customer.name));
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
    output::table(&["domain", "product", "code"], &[], rows.collect());
}

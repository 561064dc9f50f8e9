//! `tegata contact list`.

use tegata_common::customer::CustomerId;
use tegata_operations::Found;
use tegata_operations::contacts::{self, ListedContact};

use super::{HEADER, MESSAGES, cells};
use crate::customer::fail_if_unreadable;
use crate::messages::value;
use crate::output::{self, Output};
use crate::target::Target;

/// List the contacts of one customer or of all, and whether mail reaches them.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The customer.
    customer: Option<CustomerId>,
}

pub(super) async fn run(target: &Target, output: Output, args: Args) -> anyhow::Result<()> {
    let (customers, notices) = (target.customers()?, target.notices()?);
    let found = contacts::list(customers, notices, args.customer.as_ref()).await?;
    let Found { items, unreadable } = found;
    match output {
        Output::Json => output::json(&items)?,
        Output::Text => print(&items),
    }
    fail_if_unreadable(&unreadable)
}

fn print(contacts: &[ListedContact]) {
    let rows = contacts.iter().map(|listed| {
        let mut row = vec![listed.customer_id.to_string()];
        row.extend(cells(&listed.contact));
        row.push(match &listed.undeliverable {
            None => "can be sent".to_owned(),
            Some(mark) => mark_words(&mark.reason),
        });
        row
    });
    let mut header = vec!["customer"];
    header.extend(HEADER);
    header.push("mail");
    let messages = [&MESSAGES[..], &["mail"]].concat();
    output::table(&header, &messages, rows.collect());
}

/// Why an address gets no mail: `bounced: General` and `complained` have words, other text stays.
fn mark_words(reason: &str) -> String {
    match reason.split_once(": ") {
        None if reason == "bounced" => "bounced".to_owned(),
        None if reason == "complained" => "reported as spam".to_owned(),
        Some(("bounced", why)) => format!("bounced ({})", value(why)),
        Some(("complained", why)) => format!("reported as spam ({})", value(why)),
        _ => value(reason).to_string(),
    }
}

//! `tegata license expiring`: contracts that end soon.

use clap::Args;
use tegata_common::license::LicenseKind;
use tegata_common::product::ProductSlug;
use tegata_operations::Found;
use tegata_operations::licenses::{self, EndingLicense};

use super::fail_if_unreadable;
use crate::output::{self, Output};
use crate::target::Target;
use crate::when;

#[derive(Args)]
pub(crate) struct Expiring {
    /// The number of days to look ahead, such as 45d.
    #[arg(long, value_name = "DAYS", default_value = "45d", value_parser = when::days)]
    within: u16,
    /// Only licences of this product.
    #[arg(long)]
    product: Option<ProductSlug>,
}

pub(super) async fn run(target: &Target, output: Output, args: Expiring) -> anyhow::Result<()> {
    let product = args.product.as_ref();
    let Found { items, unreadable } =
        licenses::expiring(target.licenses()?, args.within, product, target.now).await?;
    match output {
        Output::Json => output::json(&items)?,
        Output::Text => print(&items),
    }
    fail_if_unreadable(&unreadable)
}

fn print(ending: &[EndingLicense]) {
    let rows = ending.iter().map(|license| {
        vec![
            license.domain.to_string(),
            license.product.to_string(),
            license
                .customer
                .as_ref()
                .map_or_else(String::new, ToString::to_string),
            match license.kind {
                LicenseKind::Trial => "trial".to_owned(),
                LicenseKind::Paid => "cancelled".to_owned(),
            },
            license
                .ends_on
                .map_or_else(String::new, |day| day.to_string()),
            license.days_left.to_string(),
        ]
    });
    let header = [
        "domain",
        "product",
        "customer",
        "kind",
        "ends on",
        "days left",
    ];
    output::table(&header, &["kind"], rows.collect());
}

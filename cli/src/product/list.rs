//! `tegata product list`.

use tegata_common::product::Product;
use tegata_operations::products;

use crate::messages::value;
use crate::output::{self, Output};
use crate::target::Target;

pub(super) async fn run(target: &Target, output: Output) -> anyhow::Result<()> {
    let products = products::list(target.licenses()?).await?;
    if output == Output::Json {
        return output::json(&products);
    }
    let rows = products.iter().map(|product| {
        let Product {
            slug, name, policy, ..
        } = product;
        let serial = if policy.requires_serial {
            "required"
        } else {
            "optional"
        };
        vec![
            slug.to_string(),
            value(&name.ja).to_string(),
            value(&name.en).to_string(),
            policy.time_zone.name().to_owned(),
            format!("{} d", policy.grace_days),
            format!("{} d", policy.lease_days),
            format!("{} h", policy.refresh_hours),
            serial.to_owned(),
        ]
    });
    let header = [
        "product",
        "name (ja)",
        "name (en)",
        "time zone",
        "grace",
        "lease",
        "refresh",
        "serial",
    ];
    output::table(
        &header,
        &["grace", "lease", "refresh", "serial"],
        rows.collect(),
    );
    Ok(())
}

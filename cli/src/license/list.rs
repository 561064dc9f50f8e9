//! `tegata license list`.

use clap::Args;
use tegata_common::calendar::Billing;
use tegata_common::license::Code;
use tegata_common::product::ProductSlug;
use tegata_operations::Found;
use tegata_operations::licenses::{self, LicenseFilter, ShownLicense};

use super::{canonical, fail_if_unreadable};
use crate::output::{self, Output};
use crate::target::Target;

#[derive(Args)]
pub(crate) struct List {
    /// Only licences of this tenant, such as example.cybozu.com.
    domain: Option<String>,
    /// Only licences of this product.
    #[arg(long)]
    product: Option<ProductSlug>,
    /// Only licences with this code now, such as GRACE.
    #[arg(long, value_parser = code)]
    code: Option<Code>,
}

fn code(text: &str) -> Result<Code, String> {
    let upper = text.to_ascii_uppercase().replace('-', "_");
    serde_json::from_value(upper.into()).map_err(|_| {
        "expected VALID, GRACE, EXPIRED, SUSPENDED, NOT_STARTED or NOT_FOUND".to_owned()
    })
}

pub(super) async fn run(target: &Target, output: Output, args: List) -> anyhow::Result<()> {
    let domain = args.domain.as_deref();
    let filter = LicenseFilter {
        domain: domain.map(|domain| canonical(target, domain)).transpose()?,
        product: args.product,
        code: args.code,
    };
    let Found { items, unreadable } =
        licenses::list(target.licenses()?, &filter, target.now).await?;
    match output {
        Output::Json => output::json(&items)?,
        Output::Text => print(&items),
    }
    fail_if_unreadable(&unreadable)
}

fn print(licenses: &[ShownLicense]) {
    let rows = licenses.iter().map(|shown| {
        let license = &shown.license;
        let kind = match license.billing {
            None => "trial",
            Some(Billing::Monthly) => "monthly",
            Some(Billing::Yearly) => "yearly",
        };
        vec![
            license.domain.to_string(),
            license.product.to_string(),
            license
                .customer
                .as_ref()
                .map_or_else(String::new, ToString::to_string),
            shown.code.as_str().to_owned(),
            kind.to_owned(),
            license.edition.clone(),
            license.users.to_string(),
            format!("{}…{}", license.term.starts_on, license.term.ends_on),
            license
                .ends_on
                .map_or_else(|| "renews".to_owned(), |day| day.to_string()),
        ]
    });
    let header = [
        "domain", "product", "customer", "code", "kind", "edition", "users", "term", "ends on",
    ];
    output::table(&header, &["kind", "ends on"], rows.collect());
}

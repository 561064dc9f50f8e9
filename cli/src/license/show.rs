//! `tegata license show`.

use clap::Args;
use tegata_operations::licenses;

use super::LicenseSelector;
use crate::change;
use crate::output::{self, Output, plain, verbatim};
use crate::target::Target;

#[derive(Args)]
pub(crate) struct Show {
    #[command(flatten)]
    which: LicenseSelector,
    /// Show the signed lease too.
    #[arg(long)]
    lease: bool,
}

pub(super) async fn run(target: &Target, output: Output, args: Show) -> anyhow::Result<()> {
    let id = args.which.id(target)?;
    let shown = licenses::show(target.licenses()?, &id, args.lease, target.now).await?;
    if output == Output::Json {
        return output::json(&shown);
    }
    let license = &shown.license;
    output::parts(&[
        plain!("{} {}: ", license.domain, license.product),
        verbatim(output::style(shown.code), shown.code.as_str()),
    ]);
    // Printed like a change from nothing, so that every field is shown.
    let fields = change::differences(None, &shown)?;
    change::print(&fields, Some(&license.policy));
    Ok(())
}

//! A planned change of one contract: printed, then carried out.

use tegata_operations::licenses::{Context, PlannedChange};

use crate::change::{self, DryRun};
use crate::output::{self, Output, say};

/// Prints a change, carries it out unless this is a dry run, and prints what was done.
pub(super) async fn carry_out(
    context: &Context<'_>,
    output: Output,
    planned: PlannedChange,
    write: DryRun,
) -> anyhow::Result<()> {
    if output == Output::Text {
        let license = &planned.license;
        say!(
            "{} {}, {}:",
            planned.change,
            license.domain,
            license.product
        );
        change::print(&planned.differences, Some(&license.policy));
        for remark in &planned.remarks {
            output::line(&format!("  {remark}"));
        }
    }
    let is_empty = planned.is_empty();
    let report = planned.carry_out(context, write.dry_run).await?;
    if output == Output::Json {
        return output::json(&report);
    }
    match report.version {
        Some(version) => say!("written as version {version}"),
        None if is_empty => say!("nothing to change"),
        None => write.conclude(""),
    }
    if let Some(serial) = &report.serial {
        say!("\nserial, shown this once: {}", serial.reveal());
    }
    Ok(())
}

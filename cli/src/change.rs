//! Printing of a planned change, field by field.

use anstyle::AnsiColor;
use clap::Args;
use jiff::Timestamp;
use serde_json::Value;
use tegata_common::calendar;
use tegata_common::product::Policy;
pub(crate) use tegata_operations::{Difference, differences};

use crate::output::{self, part, plain, say};

/// The option of commands that write.
#[derive(Args, Clone, Copy)]
pub(crate) struct DryRun {
    /// Print what would change, and write nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

impl DryRun {
    /// Prints the last line of a command that writes: `done`, or that nothing was written.
    pub(crate) fn conclude(&self, done: &str) {
        say!(
            "{}",
            if self.dry_run {
                "dry run: nothing was written"
            } else {
                done
            }
        );
    }
}

/// Prints differences as text, one field per line. Instants are shown in the policy's time zone, or
/// in UTC if there is none.
pub(crate) fn print(differences: &[Difference], policy: Option<&Policy>) {
    let local = |text: &str| {
        let instant: Timestamp = text.parse().ok()?;
        Some(calendar::rfc3339(instant, policy?))
    };
    let show = |value: &Value| match value {
        Value::String(text) => local(text).unwrap_or_else(|| text.clone()),
        other => other.to_string(),
    };
    let width = differences.iter().map(|d| d.field.len()).max().unwrap_or(0);
    let (red, green) = (AnsiColor::Red.on_default(), AnsiColor::Green.on_default());
    for Difference {
        field,
        before,
        after,
    } in differences
    {
        let title = plain(format_args!("  {field:width$}  "));
        match (before, after) {
            (None, Some(after)) => {
                output::parts(&[title, part(green, show(after))]);
            }
            (Some(before), None) => {
                output::parts(&[title, part(red, show(before)), plain(" → (none)")]);
            }
            (before, after) => {
                let before = before.as_ref().map(show).unwrap_or_default();
                let after = after.as_ref().map(show).unwrap_or_default();
                let (before, after) = (part(red, before), part(green, after));
                output::parts(&[title, before, plain(" → "), after]);
            }
        }
    }
}

//! What a write will change, field by field, before it is written.

use anstyle::AnsiColor;
use clap::Args;
use jiff::Timestamp;
use serde_json::Value;
use tegata_common::calendar;
use tegata_common::product::Policy;
pub(crate) use tegata_operations::{Difference, differences};

use crate::output::{self, part, plain, say};

/// How a write is done.
#[derive(Args, Clone, Copy)]
pub(crate) struct DryRun {
    /// Print what would change, and write nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
}

impl DryRun {
    /// The last line of a write: what was done, or that nothing was.
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

/// Prints differences for a person, one field a line; instants in a product's zone, if there is
/// one.
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

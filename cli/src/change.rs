//! Printing of a planned change, field by field.

use anstyle::{AnsiColor, Style};
use clap::Args;
use jiff::Timestamp;
use serde_json::Value;
use tegata_common::calendar;
use tegata_common::product::Policy;
pub(crate) use tegata_operations::{Difference, differences};

use crate::messages;
use crate::output::{self, columns, part, plain, say, verbatim};

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
    let label = |difference: &Difference| messages::label(&difference.field).into_owned();
    let width = differences
        .iter()
        .map(|of| columns(&label(of)))
        .max()
        .unwrap_or(0);
    let (red, green) = (AnsiColor::Red.on_default(), AnsiColor::Green.on_default());
    for difference in differences {
        let Difference { before, after, .. } = difference;
        let label = label(difference);
        let blanks = width - columns(&label);
        let title = verbatim(Style::new(), format_args!("  {label}{:blanks$}  ", ""));
        // Words such as `paid` are translated; settings are typed as they are shown.
        let value = match difference.field.starts_with("policy.") {
            true => verbatim,
            false => part,
        };
        match (before, after) {
            (None, Some(after)) => {
                output::parts(&[title, value(green, show(after))]);
            }
            (Some(before), None) => {
                output::parts(&[title, value(red, show(before)), plain(" → (none)")]);
            }
            (before, after) => {
                let before = before.as_ref().map(show).unwrap_or_default();
                let after = after.as_ref().map(show).unwrap_or_default();
                let (before, after) = (value(red, before), value(green, after));
                output::parts(&[title, before, plain(" → "), after]);
            }
        }
    }
}

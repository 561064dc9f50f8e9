//! Printing of a planned change, field by field.

use anstyle::{AnsiColor, Style};
use clap::Args;
use jiff::Timestamp;
use serde_json::Value;
use tegata_common::calendar;
use tegata_common::product::Policy;
pub(crate) use tegata_operations::{Difference, differences};

use crate::messages;
use crate::output::{self, columns, part, plain, verbatim};

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
        output::line(match self.dry_run {
            true => "dry run: nothing was written",
            false => done,
        });
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
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        other => other.to_string(),
    };
    let label = |difference: &Difference| messages::label(&difference.field);
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
        let value = |style, value: &Option<Value>| {
            let is_word = matches!(value, Some(Value::Bool(_))) || has_words(&difference.field);
            let shown = value.as_ref().map(show).unwrap_or_default();
            // An instant without a policy gets the target's offset.
            match shown.parse::<Timestamp>() {
                _ if is_word => part(style, shown),
                Ok(_) => verbatim(style, shown),
                Err(_) => verbatim(style, messages::value(shown)),
            }
        };
        match (before, after) {
            (None, Some(_)) => output::parts(&[title, value(green, after)]),
            (Some(_), None) => output::parts(&[title, value(red, before), plain!(" → (none)")]),
            _ => output::parts(&[
                title,
                value(red, before),
                plain!(" → "),
                value(green, after),
            ]),
        }
    }
}

/// Whether the values of a field are words of the program, such as `paid`.
fn has_words(field: &str) -> bool {
    let name = field.rsplit('.').next().unwrap_or(field);
    // Of a hash only `(set)` or `(changed)` is shown.
    [
        "billing",
        "change",
        "kind",
        "location",
        "next_billing",
        "purpose",
        "role",
        "serial_sha256",
        "sha256",
        "state",
    ]
    .contains(&name)
        && !field.starts_with("quotas.")
}

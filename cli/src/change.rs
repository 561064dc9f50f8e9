//! What a write will change, field by field, before it is written.

use std::collections::BTreeMap;

use anstyle::AnsiColor;
use clap::Args;
use serde::Serialize;
use serde_json::Value;

use crate::output::say;

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

/// One field that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Difference {
    pub(crate) field: String,
    pub(crate) before: Option<Value>,
    pub(crate) after: Option<Value>,
}

/// The fields in which two states differ, by dotted path.
///
/// A serial's hash is shown as `(set)` or `(changed)`: it is of no use to a reader.
pub(crate) fn differences<T: Serialize>(
    before: Option<&T>,
    after: &T,
) -> anyhow::Result<Vec<Difference>> {
    let mut old = BTreeMap::new();
    if let Some(before) = before {
        flatten("", serde_json::to_value(before)?, &mut old);
    }
    let mut new = BTreeMap::new();
    flatten("", serde_json::to_value(after)?, &mut new);
    let mut fields: Vec<String> = old.keys().chain(new.keys()).cloned().collect();
    fields.sort();
    fields.dedup();
    let changed = fields.into_iter().filter_map(|field| {
        let (before, after) = (old.get(&field).cloned(), new.get(&field).cloned());
        (before != after).then(|| {
            hide(Difference {
                field,
                before,
                after,
            })
        })
    });
    Ok(changed.collect())
}

fn hide(mut difference: Difference) -> Difference {
    if difference.field == "serial_sha256" {
        let word = if difference.before.is_some() {
            "(changed)"
        } else {
            "(set)"
        };
        difference.before = difference.before.map(|_| Value::from("(set)"));
        difference.after = difference.after.map(|_| Value::from(word));
    }
    for value in [&mut difference.before, &mut difference.after] {
        value.as_mut().map(hide_within);
    }
    difference
}

/// Hashes in lists.
fn hide_within(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(hide_within),
        Value::Object(members) => {
            for (name, value) in members {
                match name.as_str() {
                    "sha256" => *value = Value::from("(set)"),
                    _ => hide_within(value),
                }
            }
        }
        _ => {}
    }
}

fn flatten(path: &str, value: Value, fields: &mut BTreeMap<String, Value>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                let path = if path.is_empty() {
                    name
                } else {
                    format!("{path}.{name}")
                };
                flatten(&path, value, fields);
            }
        }
        Value::Null => {}
        value => {
            fields.insert(path.to_owned(), value);
        }
    }
}

/// Prints differences for a person, one field a line.
pub(crate) fn print(differences: &[Difference]) {
    let show = |value: &Value| match value {
        Value::String(text) => text.clone(),
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
        match (before, after) {
            (None, Some(after)) => {
                say!("  {field:width$}  {green}{}{green:#}", show(after));
            }
            (Some(before), None) => {
                say!("  {field:width$}  {red}{}{red:#} → (none)", show(before));
            }
            (before, after) => {
                let before = before.as_ref().map(show).unwrap_or_default();
                let after = after.as_ref().map(show).unwrap_or_default();
                say!("  {field:width$}  {red}{before}{red:#} → {green}{after}{green:#}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_changed_fields_are_named() {
        let before = json!({"users": 5, "term": {"starts_on": "a", "ends_on": "b"}, "gone": 1});
        let after = json!({"users": 8, "term": {"starts_on": "a", "ends_on": "c"}, "new": null});
        let fields: Vec<String> = differences(Some(&before), &after)
            .unwrap()
            .into_iter()
            .map(|difference| difference.field)
            .collect();
        assert_eq!(fields, ["gone", "term.ends_on", "users"]);
        assert_eq!(differences(Some(&after), &after).unwrap(), []);
    }

    #[test]
    fn a_serials_hash_is_hidden() {
        let difference = differences(None, &json!({"serial_sha256": "ab12"})).unwrap();
        assert_eq!(difference[0].after, Some(json!("(set)")));
        let list = json!({"previous_serials": [{"sha256": "ab12", "until": "x"}]});
        let difference = differences(None, &list).unwrap();
        let hidden = json!([{"sha256": "(set)", "until": "x"}]);
        assert_eq!(difference[0].after, Some(hidden));
    }
}

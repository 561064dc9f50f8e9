//! What a write will change, field by field, before it is written.

use std::collections::BTreeMap;

use anstyle::AnsiColor;
use clap::Args;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use tegata_common::calendar;
use tegata_common::product::Policy;

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
    if difference.field.ends_with("sha256") {
        let word = match (&difference.before, &difference.after) {
            (Some(_), Some(_)) => "(changed)",
            _ => "(set)",
        };
        difference.before = difference.before.map(|_| Value::from("(set)"));
        difference.after = difference.after.map(|_| Value::from(word));
    }
    difference
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
        // Domains go by their names, other things in a list by their places.
        Value::Array(values) if values.iter().all(Value::is_object) => {
            for (index, mut value) in values.into_iter().enumerate() {
                let members = value.as_object_mut();
                let domain = members.and_then(|members| members.remove("domain"));
                let name = match domain.as_ref().and_then(Value::as_str) {
                    Some(domain) => domain.to_owned(),
                    None => (index + 1).to_string(),
                };
                flatten(&format!("{path}.{name}"), value, fields);
            }
        }
        Value::Null => {}
        value => {
            fields.insert(path.to_owned(), value);
        }
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
        let differences = differences(None, &list).unwrap();
        let fields = differences
            .iter()
            .map(|d| (d.field.as_str(), d.after.clone()));
        let expected = [
            ("previous_serials.1.sha256", Some(json!("(set)"))),
            ("previous_serials.1.until", Some(json!("x"))),
        ];
        assert_eq!(fields.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn domains_go_by_their_names() {
        let names = |names: &[(&str, &str)]| {
            let names = names.iter();
            let names = names.map(|(domain, until)| json!({"domain": domain, "until": until}));
            json!({ "names": names.collect::<Vec<_>>() })
        };
        let before = names(&[("a.cybozu.com", "1"), ("b.cybozu.com", "1")]);
        let after = names(&[("b.cybozu.com", "2"), ("a.cybozu.com", "1")]);
        let differences = differences(Some(&before), &after).unwrap();
        assert_eq!(differences.len(), 1);
        assert_eq!(differences[0].field, "names.b.cybozu.com.until");
    }
}

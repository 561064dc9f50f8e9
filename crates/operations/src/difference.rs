//! The fields in which two states of an item differ.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

/// A field that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// The path of the field, such as `policy.grace_days`.
    pub field: String,
    /// The value before the change. `None` if the field did not exist.
    pub before: Option<Value>,
    /// The value after the change. `None` if the field no longer exists.
    pub after: Option<Value>,
}

/// Compares two states field by field. `before` is `None` for a new item.
///
/// The hash of a serial is shown as `(set)` or `(changed)`, because its digits have no meaning for
/// a reader.
pub fn differences<T: Serialize>(
    before: Option<&T>,
    after: &T,
) -> serde_json::Result<Vec<Difference>> {
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
        // The elements of a list of domains are identified by domain, other elements by index.
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
            json!({ "domains": names.collect::<Vec<_>>() })
        };
        let before = names(&[("a.cybozu.com", "1"), ("b.cybozu.com", "1")]);
        let after = names(&[("b.cybozu.com", "2"), ("a.cybozu.com", "1")]);
        let differences = differences(Some(&before), &after).unwrap();
        assert_eq!(differences.len(), 1);
        assert_eq!(differences[0].field, "domains.b.cybozu.com.until");
    }
}

//! Reads the table of Cybozu's official licence sample from CSV, a DynamoDB scan or an export to
//! S3.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use serde::Deserialize;
use serde_json::value::RawValue;
use tegata_operations::import::{SAMPLE_COLUMNS as COLUMNS, SampleAssumptions, Table};

use super::sheet::{self, Encoding};
use crate::license::BillingArg;
use crate::text_file::line_ends;

/// The arguments of an import from the sample, with assumptions for what it does not store.
#[derive(Args)]
pub(super) struct SampleArgs {
    /// Import the table of Cybozu's official licence sample (domain, pluginId, expirationDate): a
    /// CSV file, the output of `aws dynamodb scan --output json`, or an export to S3, compressed or
    /// not.
    ///
    /// Each row becomes a paid contract of the product that has the pluginId in its
    /// kintone_plugin_ids. It ends on the expirationDate, which may have passed. A date in 2099 or
    /// later, such as 9999-12-31, means no end: the contract renews automatically. Equal rows of
    /// the same tenant and product become one contract.
    #[arg(long, value_name = "FILE", conflicts_with = "files")]
    pub(super) from_kintone_sample: Option<PathBuf>,
    /// With --from-kintone-sample: the billing interval of new contracts.
    #[arg(long, value_enum, default_value = "yearly", conflicts_with = "files")]
    billing: BillingArg,
    /// With --from-kintone-sample: the number of users of new contracts. The default is the
    /// maximum, which limits nobody.
    #[arg(
        long,
        value_name = "NUMBER",
        value_parser = clap::value_parser!(u32).range(1..),
        default_value = "1000000",
        conflicts_with = "files"
    )]
    users: u32,
    /// With --from-kintone-sample: contracts that have not ended renew automatically after the
    /// month of their expirationDate, until they are cancelled.
    #[arg(long, conflicts_with = "files")]
    renews: bool,
}

impl SampleArgs {
    pub(super) fn assumptions(&self) -> SampleAssumptions {
        SampleAssumptions {
            billing: self.billing.into(),
            users: self.users,
            renews: self.renews,
        }
    }
}

/// Reads the file in any of the accepted forms.
pub(super) fn read(path: &Path, encoding: Option<Encoding>) -> anyhow::Result<Table> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let file = path.display().to_string();
    let text = sheet::decode(bytes, encoding).with_context(|| file.clone())?;
    let table = match text.trim_start().starts_with(['{', '[']) {
        true => read_items(file, &text)?,
        false => sheet::parse(file, &text)?,
    };
    if let Some(missing) = COLUMNS.into_iter().find(|column| !table.has(column)) {
        bail!(
            "{}: column {missing} is missing; the sample's table has {}",
            table.file,
            COLUMNS.join(", ")
        );
    }
    Ok(table)
}

/// The output of a scan.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Scan<'a> {
    #[serde(borrow)]
    items: Vec<&'a RawValue>,
    #[serde(default)]
    last_evaluated_key: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    next_token: Option<serde::de::IgnoredAny>,
}

/// A line of an export to S3.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Exported<'a> {
    #[serde(borrow)]
    item: &'a RawValue,
}

/// A value in DynamoDB's JSON. The sample has only texts, so other types are ignored.
#[derive(Default, Deserialize)]
struct Attribute {
    #[serde(default, rename = "S")]
    text: Option<String>,
}

/// Converts the items of a scan, or the lines of an export, into rows.
fn read_items(file: String, text: &str) -> anyhow::Result<Table> {
    let mut items: Vec<&RawValue> = Vec::new();
    match serde_json::from_str::<Scan<'_>>(text) {
        Ok(scan) if scan.last_evaluated_key.is_some() || scan.next_token.is_some() => {
            bail!("{file}: the scan is incomplete: it has a LastEvaluatedKey or NextToken");
        }
        Ok(scan) => items = scan.items,
        // A bare list of items.
        Err(_) if text.trim_start().starts_with('[') => {
            items = serde_json::from_str(text).with_context(|| file.clone())?;
        }
        Err(of_scan) => {
            let lines = text.split(['\r', '\n']);
            for line in lines.filter(|line| !line.trim().is_empty()) {
                let exported: Result<Exported<'_>, _> = serde_json::from_str(line);
                match exported {
                    Ok(exported) => items.push(exported.item),
                    Err(_) if items.is_empty() => {
                        return Err(of_scan).with_context(|| {
                            format!(
                                "{file}: expected the JSON of a scan, or the lines of an export"
                            )
                        });
                    }
                    Err(error) => {
                        let number = Lines::of(text).reach(line);
                        return Err(error).with_context(|| format!("{file} line {number}"));
                    }
                }
            }
        }
    }
    let mut rows = Vec::with_capacity(items.len());
    let mut lines = Lines::of(text);
    for item in items {
        let line = lines.reach(item.get());
        let mut attributes: HashMap<String, Attribute> = serde_json::from_str(item.get())
            .with_context(|| format!("{file} line {line}: not a DynamoDB item"))?;
        let cells = COLUMNS.map(|column| {
            let attribute = attributes.remove(column).unwrap_or_default();
            attribute.text.unwrap_or_default().trim().to_owned()
        });
        rows.push((line, cells.to_vec()));
    }
    Ok(Table::of_rows(file, &COLUMNS, rows))
}

/// The line numbers of parts of a text. Parts must be requested in their order.
struct Lines<'a> {
    text: &'a str,
    offset: usize,
    line: u64,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        let (offset, line) = (0, 1);
        Self { text, offset, line }
    }

    /// The line in which a part begins.
    fn reach(&mut self, part: &str) -> u64 {
        let offset = (part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        let between = self.text.as_bytes().get(self.offset..offset);
        self.line += line_ends(between.unwrap_or_default()) as u64;
        self.offset = offset;
        self.line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCAN: &str = r#"{
    "Items": [
        {
            "expirationDate": {"S": "2027-03-31"},
            "domain": {"S": "one.cybozu.com"},
            "pluginId": {"S": "abc"},
            "count": {"N": "3"}
        },
        {
            "domain": {"S": "two.cybozu.com"},
            "pluginId": {"N": "1"}
        }
    ],
    "Count": 2,
    "ScannedCount": 2,
    "ConsumedCapacity": null
}"#;

    fn cells(text: &str) -> Vec<(u64, [String; 3])> {
        let table = read_items("f".to_owned(), text).unwrap();
        let rows = table.rows.iter().map(|row| {
            let cell = |column| table.cell(row, column).unwrap().to_owned();
            (row.line, COLUMNS.map(cell))
        });
        rows.collect()
    }

    #[test]
    fn a_scan_and_an_export_are_rows_with_their_lines() {
        let row = |domain: &str, id: &str, day: &str| [domain, id, day].map(str::to_owned);
        let one = row("one.cybozu.com", "abc", "2027-03-31");
        let two = row("two.cybozu.com", "", "");
        assert_eq!(cells(SCAN), [(3, one.clone()), (9, two.clone())]);
        let export = r#"{"Item":{"domain":{"S":"one.cybozu.com"},"pluginId":{"S":"abc"},"expirationDate":{"S":"2027-03-31"}}}

{"Item":{"domain":{"S":"two.cybozu.com"}}}
"#;
        assert_eq!(cells(export), [(1, one), (3, two)]);
        assert_eq!(cells(r#"{"Items":[]}"#), []);
        let items = "[\n{\"domain\":{\"S\":\"one.cybozu.com\"}},\n{}\n]";
        assert_eq!(
            cells(items),
            [(2, row("one.cybozu.com", "", "")), (3, row("", "", ""))]
        );
    }

    #[test]
    fn what_is_neither_or_not_whole_is_refused() {
        for (text, message) in [
            (
                "{}",
                "f: expected the JSON of a scan, or the lines of an export",
            ),
            (
                r#"{"Items":[{"domain":{"S":"a"}}"#,
                "f: expected the JSON of a scan",
            ),
            (
                r#"{"Items":[],"NextToken":"x"}"#,
                "f: the scan is incomplete",
            ),
            (
                r#"{"Items":[],"LastEvaluatedKey":{}}"#,
                "f: the scan is incomplete",
            ),
            (r#"{"Items":[1]}"#, "f line 1: not a DynamoDB item"),
            (
                r#"{"Items":[{"domain":"a"}]}"#,
                "f line 1: not a DynamoDB item",
            ),
            ("{\"Item\":{}}\n{\"Item\":\n", "f line 2"),
            ("{\"Item\":{}}\r{\"Item\":{}}\r{\"Item\":\r", "f line 3"),
        ] {
            let error = read_items("f".to_owned(), text).unwrap_err();
            assert!(error.to_string().starts_with(message), "{error}");
        }
    }
}

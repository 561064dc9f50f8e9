//! The table of Cybozu's official licence sample: a tenant, a kintone plug-in id, and a last day.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use clap::Args;
use jiff::Timestamp;
use jiff::civil::Date;
use serde::Deserialize;
use serde_json::value::RawValue;
use tegata_common::calendar::{self, Billing, OutOfRange};
use tegata_common::domain::Domain;
use tegata_common::lease::SignedLicense;
use tegata_common::license::{LastDay, License, LicenseKind};
use tegata_common::product::{KintonePluginId, Product, ProductSlug};
use tegata_common::revision::Revision;
use tegata_operations::licenses::license_differences;
use tegata_storage::Versioned;

use super::import::stored;
use super::licenses::{self, LicenseWrite, Missing};
use super::serials::Serials;
use super::sheet::{self, Encoding, Refusal, Row, Sheet};
use crate::license::BillingArg;
use crate::target::Target;
use crate::text_file::line_ends;

/// The changes after which a contract is as an import made it.
const BY_ITSELF: [&str; 4] = ["import", "update-plugin-ids", "renew", "resign"];

const DOMAIN: &str = "domain";
const PLUGIN_ID: &str = "pluginId";
const EXPIRATION_DATE: &str = "expirationDate";

/// What to suppose of contracts of which the sample knows the last day only.
#[derive(Args)]
pub(super) struct SampleArgs {
    /// Import the table of Cybozu's official licence sample (domain, pluginId, expirationDate):
    /// as CSV, as `aws dynamodb scan --output json` prints it, or as an export to S3 has it,
    /// compressed or not.
    ///
    /// Each row becomes a paid contract of the product whose kintone_plugin_ids has its pluginId,
    /// and ends on its expirationDate; one that has passed stays ended. A date from 2099 on, such
    /// as 9999-12-31, means no end: the contract renews by itself. Rows of the same tenant and
    /// product that say the same become one.
    #[arg(long, value_name = "FILE", conflicts_with = "files")]
    pub(super) from_kintone_sample: Option<PathBuf>,
    /// With --from-kintone-sample: the length of new contracts' terms.
    #[arg(long, value_enum, default_value = "yearly", conflicts_with = "files")]
    billing: BillingArg,
    /// With --from-kintone-sample: the number of users of new contracts. The default limits nobody.
    #[arg(
        long,
        value_name = "NUMBER",
        value_parser = clap::value_parser!(u32).range(1..),
        default_value = "1000000",
        conflicts_with = "files"
    )]
    users: u32,
    /// With --from-kintone-sample: contracts that have not ended go on by themselves after the
    /// month of their expirationDate, until they are cancelled.
    #[arg(long, conflicts_with = "files")]
    renews: bool,
}

/// A row that could be read.
struct Stated<'s> {
    row: &'s Row,
    domain: Domain,
    product: &'s Product,
    /// `None` if the row has no end.
    last_day: Option<Date>,
}

impl Stated<'_> {
    fn key(&self) -> (Domain, ProductSlug) {
        (self.domain.clone(), self.product.slug.clone())
    }
}

/// Reads the file, and compares it with what is there.
pub(super) async fn plan(
    target: &Target,
    path: &Path,
    encoding: Option<Encoding>,
    args: &SampleArgs,
    serials: &mut Serials,
) -> anyhow::Result<licenses::Planned> {
    let sheet = read_file(path, encoding)?;
    let products = target.licenses()?.products().await?;
    let products: Vec<Product> = products.into_iter().map(|stored| stored.value).collect();
    let products: BTreeMap<&KintonePluginId, &Product> = products
        .iter()
        .flat_map(|product| {
            product
                .kintone_plugin_ids
                .iter()
                .map(move |id| (id, product))
        })
        .collect();
    let mut planned = licenses::Planned::default();
    let mut stated: Vec<Stated<'_>> = Vec::new();
    for row in &sheet.rows {
        match read(&sheet, row, target, &products) {
            Ok(read) => stated.push(read),
            Err(refusal) => planned.refused.push(refusal),
        }
    }
    // A tenant may be there in both of its spellings, and a product with several plug-in ids.
    let mut first: HashMap<(Domain, ProductSlug), usize> = HashMap::new();
    let mut wanted: Vec<Stated<'_>> = Vec::new();
    for row in stated {
        let Some(index) = first.get(&row.key()) else {
            first.insert(row.key(), wanted.len());
            wanted.push(row);
            continue;
        };
        let before = &wanted[*index];
        match before.last_day == row.last_day {
            true => planned.unchanged += 1,
            false => planned.refused.push(sheet.refuse(
                row.row,
                EXPIRATION_DATE,
                format!(
                    "{}, {} {} by line {}",
                    row.domain,
                    row.product.slug,
                    match before.last_day {
                        Some(last_day) => format!("ends on {last_day}"),
                        None => "has no end".to_owned(),
                    },
                    before.row.line
                ),
            )),
        }
    }
    let keys = wanted.iter().map(Stated::key);
    let existing = stored(target, keys).await?;
    planned.missing = missing(target, &wanted).await?;
    for row in wanted {
        let before = existing.get(&row.key());
        let license = match before {
            Some(stored) => changed(&sheet, &row, stored, args, target),
            None => issued(&sheet, &row, args, serials, target),
        };
        let license = match license {
            Ok(license) => license,
            Err(refusal) => {
                planned.refused.push(refusal);
                continue;
            }
        };
        let known = before.map(|before| before.value.license.as_of(target.now));
        let differences = license_differences(known.transpose()?.as_ref(), &license)?;
        if differences.is_empty() {
            planned.unchanged += 1;
            continue;
        }
        let line = row.row.line;
        let note = format!(
            ": {}, {}",
            license.code_at(target.now).as_str(),
            match license.ends_on {
                Some(last_day) => format!("last day {last_day}"),
                None => format!("renews after {}", license.term.ends_on),
            }
        );
        let write = LicenseWrite::of(line, license, differences, before.cloned());
        planned.writes.push(write.noted(note));
    }
    planned.refused.sort_by_key(|refusal| refusal.line);
    Ok(planned)
}

/// The licences that the sample's plug-ins can use, of the file's products, of tenants that the file
/// does not have. In the sample a licence is taken away by deleting its row.
async fn missing(target: &Target, wanted: &[Stated<'_>]) -> anyhow::Result<Vec<Missing>> {
    let stated: HashSet<_> = wanted.iter().map(Stated::key).collect();
    let products: HashSet<_> = wanted.iter().map(|row| &row.product.slug).collect();
    let mut missing = Vec::new();
    for stored in target.licenses()?.all().await?.licenses {
        let license = stored.value.license.as_of(target.now)?;
        let code = license.code_at(target.now);
        let is_of_use = code.is_usable();
        let key = (license.domain.clone(), license.product.clone());
        if is_of_use
            && products.contains(&license.product)
            && !license.open_plugin_ids().is_empty()
            && !stated.contains(&key)
        {
            let (domain, product) = key;
            let code = code.as_str();
            missing.push(Missing {
                domain,
                product,
                code,
            });
        }
    }
    missing.sort_by(|a, b| (&a.domain, &a.product).cmp(&(&b.domain, &b.product)));
    Ok(missing)
}

fn read<'s>(
    sheet: &Sheet,
    row: &'s Row,
    target: &Target,
    products: &BTreeMap<&KintonePluginId, &'s Product>,
) -> Result<Stated<'s>, Refusal> {
    sheet.check_cells(row)?;
    let text = |column| sheet.cell(row, column).unwrap_or("");
    let domain = target.bases.canonicalize(text(DOMAIN));
    let domain = domain.map_err(|error| sheet.refuse(row, DOMAIN, error))?;
    let refuse = |column: &str, reason: &dyn std::fmt::Display| sheet.refuse(row, column, reason);
    let id: KintonePluginId = text(PLUGIN_ID)
        .parse()
        .map_err(|error| refuse(PLUGIN_ID, &error))?;
    let Some(product) = products.get(&id).copied() else {
        let reason = "no product of the catalogue has it: put it into kintone_plugin_ids in \
                      products.toml, then `tegata product apply`";
        return Err(refuse(PLUGIN_ID, &reason));
    };
    if product.policy.requires_serial {
        let reason = format!(
            "{} requires a serial, which the sample's plug-ins do not send: they would be told \
             that there is no licence",
            product.slug
        );
        return Err(refuse(PLUGIN_ID, &reason));
    }
    let written = text(EXPIRATION_DATE);
    let last_day = licenses::date(written).ok_or_else(|| {
        let reason = format!("expected a date such as 2026-11-30, not {written:?}");
        refuse(EXPIRATION_DATE, &reason)
    })?;
    Ok(Stated {
        row,
        domain,
        product,
        last_day: (!licenses::is_no_end(last_day)).then_some(last_day),
    })
}

/// The end of the term that begins with this month.
fn end_of_term(product: &Product, billing: Billing, now: Timestamp) -> Result<Date, OutOfRange> {
    let today = calendar::date_of(now, &product.policy);
    let term = calendar::term_from(today.first_of_month(), billing)?;
    Ok(term.ends_on)
}

/// The contract of a row whose tenant has none.
fn issued(
    sheet: &Sheet,
    row: &Stated<'_>,
    args: &SampleArgs,
    serials: &mut Serials,
    target: &Target,
) -> Result<License, Refusal> {
    let refuse = |error: &dyn std::fmt::Display| sheet.refuse(row.row, EXPIRATION_DATE, error);
    let serial = match serials.is_kept() {
        true => serials.of(&row.domain, &row.product.slug),
        // Nobody needs it: the plug-in sends none. `license reissue-serial` makes one that is known.
        false => tegata_operations::new_serial()
            .map(|serial| serial.hash())
            .map_err(Into::into),
    };
    let billing = args.billing.into();
    let last_day = match row.last_day {
        Some(last_day) => last_day,
        None => end_of_term(row.product, billing, target.now).map_err(|error| refuse(&error))?,
    };
    let known = LastDay {
        domain: row.domain.clone(),
        last_day,
        billing,
        users: args.users,
        renews: args.renews || row.last_day.is_none(),
    };
    let serial = serial.map_err(|error: anyhow::Error| refuse(&error))?;
    License::of_last_day(known, row.product, serial, target.now).map_err(|error| refuse(&error))
}

/// The contract that is there, with what the row says otherwise of it.
fn changed(
    sheet: &Sheet,
    row: &Stated<'_>,
    stored: &Versioned<SignedLicense>,
    args: &SampleArgs,
    target: &Target,
) -> Result<License, Refusal> {
    let license = &stored.value.license;
    let refuse =
        |column: &str, reason: &dyn std::fmt::Display| Err(sheet.refuse(row.row, column, reason));
    if license.name().is_none_or(|name| name.until.is_some()) {
        let reason = "a contract leaves it or has left it; see `tegata license show`";
        return refuse(DOMAIN, &reason);
    }
    let current = match license.as_of(target.now) {
        Ok(current) => current,
        Err(error) => return refuse(EXPIRATION_DATE, &error),
    };
    let today = calendar::date_of(target.now, &current.policy);
    let renews = args.renews || row.last_day.is_none();
    let billing = current.billing.unwrap_or_else(|| args.billing.into());
    let stated_day = match row.last_day {
        Some(last_day) => last_day,
        None => match end_of_term(row.product, billing, target.now) {
            Ok(last_day) => last_day,
            Err(error) => return refuse(EXPIRATION_DATE, &error),
        },
    };
    let goes_on = renews && stated_day >= today;
    let mut changed = match (current.kind, current.ends_on) {
        (_, Some(last_day)) if last_day == stated_day && !goes_on => current,
        (LicenseKind::Paid, None) if goes_on => current,
        (LicenseKind::Paid, None) if renews => {
            if !current.may_be_of_last_day(stated_day) {
                let reason = "that day has passed, and the contract that the tenant has here \
                              renews by itself; `tegata license cancel` ends it";
                return refuse(EXPIRATION_DATE, &reason);
            }
            current
        }
        (LicenseKind::Paid, None) => {
            let reason = "the tenant has a contract that renews by itself; --renews leaves it as \
                          it is, and `tegata license cancel` ends it";
            return refuse(EXPIRATION_DATE, &reason);
        }
        (LicenseKind::Trial, _) => {
            let reason = "the tenant has a trial that ends on another day; see `tegata license \
                          convert`";
            return refuse(EXPIRATION_DATE, &reason);
        }
        (LicenseKind::Paid, Some(_)) => {
            // What an operator did here since then is not undone by an older table.
            let Revision { at, by, change, .. } = &stored.revision;
            if !BY_ITSELF.contains(&change.as_str()) {
                let at = target.local_time(*at);
                let reason = format!("the contract was changed here ({change}, {at}, by {by})");
                return refuse(EXPIRATION_DATE, &reason);
            }
            match current.with_last_day(stated_day, renews, target.now) {
                Ok(changed) => changed,
                Err(error) => return refuse(EXPIRATION_DATE, &error),
            }
        }
    };
    // Without them the sample's plug-ins would not find it.
    changed
        .kintone_plugin_ids
        .clone_from(&row.product.kintone_plugin_ids);
    Ok(changed)
}

/// The file as a sheet, whatever its form.
fn read_file(path: &Path, encoding: Option<Encoding>) -> anyhow::Result<Sheet> {
    let bytes = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let file = path.display().to_string();
    let text = sheet::decode(bytes, encoding).with_context(|| file.clone())?;
    let sheet = match text.trim_start().starts_with(['{', '[']) {
        true => read_items(file, &text)?,
        false => Sheet::parse(file, &text)?,
    };
    let columns = [DOMAIN, PLUGIN_ID, EXPIRATION_DATE];
    if let Some(missing) = columns.into_iter().find(|column| !sheet.has(column)) {
        bail!(
            "{}: column {missing} is missing; the sample's table has {}",
            sheet.file,
            columns.join(", ")
        );
    }
    Ok(sheet)
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

/// A value as DynamoDB writes it. What is no text is none of the sample's.
#[derive(Default, Deserialize)]
struct Attribute {
    #[serde(default, rename = "S")]
    text: Option<String>,
}

/// The items of a scan, or of an export's lines, as rows.
fn read_items(file: String, text: &str) -> anyhow::Result<Sheet> {
    let mut items: Vec<&RawValue> = Vec::new();
    match serde_json::from_str::<Scan<'_>>(text) {
        Ok(scan) if scan.last_evaluated_key.is_some() || scan.next_token.is_some() => {
            bail!("{file}: the scan is not whole: it was limited, and says where to go on");
        }
        Ok(scan) => items = scan.items,
        // The items alone.
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
                            format!("{file}: neither a scan's JSON nor an export's lines")
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
    let columns = [DOMAIN, PLUGIN_ID, EXPIRATION_DATE];
    let mut rows = Vec::with_capacity(items.len());
    let mut lines = Lines::of(text);
    for item in items {
        let line = lines.reach(item.get());
        let mut attributes: HashMap<String, Attribute> = serde_json::from_str(item.get())
            .with_context(|| format!("{file} line {line}: not an item of DynamoDB's"))?;
        let cells = columns.map(|column| {
            let attribute = attributes.remove(column).unwrap_or_default();
            attribute.text.unwrap_or_default().trim().to_owned()
        });
        rows.push((line, cells.to_vec()));
    }
    Ok(Sheet::of_rows(file, &columns, rows))
}

/// The lines of a text's parts, which are asked for in their order.
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

    /// The line that a part begins in.
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
        let sheet = read_items("f".to_owned(), text).unwrap();
        let rows = sheet.rows.iter().map(|row| {
            let cell = |column| sheet.cell(row, column).unwrap().to_owned();
            (row.line, [DOMAIN, PLUGIN_ID, EXPIRATION_DATE].map(cell))
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
            ("{}", "f: neither a scan's JSON nor an export's lines"),
            (r#"{"Items":[{"domain":{"S":"a"}}"#, "f: neither"),
            (
                r#"{"Items":[],"NextToken":"x"}"#,
                "f: the scan is not whole",
            ),
            (
                r#"{"Items":[],"LastEvaluatedKey":{}}"#,
                "f: the scan is not whole",
            ),
            (r#"{"Items":[1]}"#, "f line 1: not an item"),
            (r#"{"Items":[{"domain":"a"}]}"#, "f line 1: not an item"),
            ("{\"Item\":{}}\n{\"Item\":\n", "f line 2"),
            ("{\"Item\":{}}\r{\"Item\":{}}\r{\"Item\":\r", "f line 3"),
        ] {
            let error = read_items("f".to_owned(), text).unwrap_err();
            assert!(error.to_string().starts_with(message), "{error}");
        }
    }
}

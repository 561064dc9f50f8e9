//! Files compared with what is there, and what differs written.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use anstyle::AnsiColor;
use anyhow::bail;
use clap::Args;
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use tegata_common::customer::CustomerId;
use tegata_common::domain::Domain;
use tegata_common::lease::SignedLicense;
use tegata_common::product::{Product, ProductSlug};
use tegata_storage::customers::CustomerFile;
use tegata_storage::{Key, Versioned};

use super::official_sample::{self, SampleArgs};
use super::serials::Serials;
use super::sheet::{Encoding, Refusal, Sheet};
use super::{customers, licenses};
use crate::change::{self, Difference, DryRun};
use crate::failure::{self, UsageError};
use crate::output::{self, Output, note, part, plain, say};
use crate::target::Target;

/// Rows that are written at a time.
const AT_A_TIME: usize = 16;

/// New rows that are printed one by one; of more, the number is.
const SHOWN: usize = 20;

/// Import customers and contracts from CSV files.
///
/// Prints what would be added and changed, and what is refused, with line, column and reason. If
/// anything is refused, nothing is written, unless --skip-refused says otherwise. Each row is
/// written as a whole or not at all. An import that was broken off is continued by running it
/// again: what is there is unchanged then.
///
/// A file of customers has one row for each contact: customer_id, name, email, role (primary,
/// additional), language (ja, en), severity_floor (minor, major, critical), releases (yes).
///
/// A file of contracts has one row for each: domain, product, kind (trial, paid), users,
/// usable_from; and where they apply billing (monthly, yearly), customer_id, edition, quotas
/// (NAME=NUMBER …), next_billing, first_term_on, term_starts_on, ends_on, suspended_from,
/// other_domains, development_domains, serial or serial_sha256. A column that is not there leaves
/// what it is about as it is; an empty cell says that there is none. A day of ends_on from 2099 on,
/// such as 9999-12-31, means none too: the contract renews by itself. A column note is for the reader
/// of the file, and is not kept.
///
/// Files are UTF-8, UTF-16 (Excel's Unicode Text, PowerShell's `>`) or CP932, with commas or tabs, and
/// may be compressed (gzip).
#[derive(Args)]
pub(crate) struct Import {
    /// The files, in any order: one of customers, one of contracts, or one of either.
    #[arg(
        required_unless_present = "from_kintone_sample",
        num_args = 1..=2,
        value_name = "FILE"
    )]
    files: Vec<PathBuf>,
    #[command(flatten)]
    sample: SampleArgs,
    /// How letters are written [default: UTF-16 by its byte order mark, UTF-8 if the file is that,
    /// CP932 if not].
    #[arg(long, value_enum)]
    encoding: Option<Encoding>,
    /// Generate serials for new contracts that state none, and write them to FILE first.
    #[arg(long, value_name = "FILE")]
    serials: Option<PathBuf>,
    /// Write the rows that are in order although others are refused.
    #[arg(long)]
    skip_refused: bool,
    #[command(flatten)]
    write: DryRun,
}

/// What both files come to.
struct ImportPlan {
    customers: customers::Planned,
    licenses: licenses::Planned,
}

pub(super) async fn import(target: &Target, output: Output, args: Import) -> anyhow::Result<()> {
    let mut serials = Serials::open(args.serials.clone())?;
    let plan = match &args.sample.from_kintone_sample {
        Some(path) => ImportPlan {
            customers: customers::Planned::default(),
            licenses: official_sample::plan(
                target,
                path,
                args.encoding,
                &args.sample,
                &mut serials,
            )
            .await?,
        },
        None => plan_sheets(target, &args, &mut serials).await?,
    };
    if output == Output::Text {
        print(&plan);
    }
    let refused = plan.refused().count();
    if args.write.dry_run || (refused > 0 && !args.skip_refused) {
        conclude(output, &plan, args.write.dry_run, 0, 0)?;
        if refused > 0 {
            bail!("rows refused: {refused}; nothing was written");
        }
        return Ok(());
    }
    let licenses = plan.licenses.writes.iter().map(|write| &write.license);
    serials.save(licenses.map(|license| (&license.domain, &license.product)))?;
    let (written, failed) = write(target, output, &plan).await?;
    conclude(output, &plan, false, written, failed)?;
    if failed > 0 {
        bail!("rows not written: {failed}; run the same import again");
    }
    if refused > 0 {
        bail!("rows refused: {refused}; the others are written");
    }
    Ok(())
}

/// Reads the files of customers and contracts, and compares them with what is there.
async fn plan_sheets(
    target: &Target,
    args: &Import,
    serials: &mut Serials,
) -> anyhow::Result<ImportPlan> {
    let (mut customer_sheet, mut license_sheet) = (None, None);
    for path in &args.files {
        let sheet = Sheet::read(path, args.encoding)?;
        let is_of_licenses = sheet.has("domain");
        let slot = match is_of_licenses {
            true => {
                sheet.check_header(&licenses::REQUIRED, &licenses::OPTIONAL)?;
                &mut license_sheet
            }
            false => {
                sheet.check_header(&customers::REQUIRED, &customers::OPTIONAL)?;
                &mut customer_sheet
            }
        };
        if slot.replace(sheet).is_some() {
            return Err(UsageError("both files are of the same kind".to_owned()).into());
        }
    }
    plan(
        target,
        customer_sheet.as_ref(),
        license_sheet.as_ref(),
        serials,
    )
    .await
}

impl ImportPlan {
    fn refused(&self) -> impl Iterator<Item = &Refusal> {
        let Self {
            customers,
            licenses,
        } = self;
        customers.refused.iter().chain(&licenses.refused)
    }
}

async fn plan(
    target: &Target,
    customer_sheet: Option<&Sheet>,
    license_sheet: Option<&Sheet>,
    serials: &mut Serials,
) -> anyhow::Result<ImportPlan> {
    let customers = match customer_sheet {
        Some(sheet) => {
            let files = target.customers()?.all().await?;
            if let Some(error) = files.unreadable.into_iter().next() {
                return Err(error.into());
            }
            let files = files.customers.into_iter().map(|file| {
                let id = file.customer.value.customer_id.to_string();
                (id, file)
            });
            let existing: BTreeMap<String, CustomerFile> = files.collect();
            customers::plan(sheet, &existing)?
        }
        None => customers::Planned::default(),
    };
    let licenses = match license_sheet {
        Some(sheet) => plan_licenses(target, sheet, &customers.ids, serials).await?,
        None => licenses::Planned::default(),
    };
    Ok(ImportPlan {
        customers,
        licenses,
    })
}

async fn plan_licenses(
    target: &Target,
    sheet: &Sheet,
    stated_customers: &[CustomerId],
    serials: &mut Serials,
) -> anyhow::Result<licenses::Planned> {
    let products = target.licenses()?.products().await?;
    let products: BTreeMap<ProductSlug, Product> = products
        .into_iter()
        .map(|stored| (stored.value.slug.clone(), stored.value))
        .collect();
    let (stated, refused) = licenses::read_all(sheet, target, &products);
    let wanted: Vec<(Domain, ProductSlug)> =
        stated.iter().flat_map(licenses::Stated::keys).collect();
    let found = stored(target, wanted.into_iter()).await?;
    let mut ids: Vec<CustomerId> = stated
        .iter()
        .filter_map(licenses::Stated::customer)
        .collect();
    ids.sort();
    ids.dedup();
    let known = target.customers()?.customers(&ids).await?;
    let known = known.into_iter().map(|stored| stored.value.customer_id);
    let existing = licenses::Existing {
        products: &products,
        licenses: found,
        customers: known.chain(stated_customers.iter().cloned()).collect(),
    };
    let mut planned = licenses::plan(sheet, stated, &existing, serials, target.now)?;
    planned.refused.extend(refused);
    planned.refused.sort_by_key(|refusal| refusal.line);
    Ok(planned)
}

/// The licences that are there under these keys.
pub(super) async fn stored(
    target: &Target,
    wanted: impl Iterator<Item = (Domain, ProductSlug)>,
) -> anyhow::Result<HashMap<(Domain, ProductSlug), Versioned<SignedLicense>>> {
    let keys: Vec<Key> = wanted.map(|(d, p)| Key::license(&d, &p)).collect();
    let mut found = HashMap::new();
    for stored in target.licenses()?.table().get_all(&keys).await? {
        let stored: Versioned<SignedLicense> = stored?;
        let license = &stored.value.license;
        found.insert((license.domain.clone(), license.product.clone()), stored);
    }
    Ok(found)
}

/// Writes the plan, and tells how many rows were written and how many were not.
async fn write(
    target: &Target,
    output: Output,
    plan: &ImportPlan,
) -> anyhow::Result<(usize, usize)> {
    let total = plan.customers.writes.len() + plan.licenses.writes.len();
    let bar = output::progress(total, "{wide_bar} {pos} of {len} rows, {eta} left", output);
    let (mut written, mut failed) = (0, 0);
    let mut count = |what: String, result: anyhow::Result<()>| {
        bar.inc(1);
        match result {
            Ok(()) => written += 1,
            Err(error) => {
                failed += 1;
                let reason = match failure::is_conflict(&error) {
                    true => "somebody else changed it at the same time".to_owned(),
                    false => format!("{error:#}"),
                };
                bar.suspend(|| note!("warning: {what}: {reason}"));
            }
        }
    };
    // The customers first: contracts refer to them.
    let mut results = stream::iter(&plan.customers.writes)
        .map(async |write| {
            let what = format!("customer {}", write.id);
            (what, write.write(target).await)
        })
        .buffer_unordered(AT_A_TIME);
    while let Some((what, result)) = results.next().await {
        count(what, result);
    }
    if !plan.licenses.writes.is_empty() {
        let signer = target.signer().await?;
        let mut results = stream::iter(&plan.licenses.writes)
            .map(async |write| {
                let what = format!("line {}, {}", write.line, write.license.domain);
                (what, write.write(target, &signer).await)
            })
            .buffer_unordered(AT_A_TIME);
        while let Some((what, result)) = results.next().await {
            count(what, result);
        }
    }
    bar.finish_and_clear();
    Ok((written, failed))
}

/// A bar on a terminal; nothing elsewhere.
fn print(plan: &ImportPlan) {
    let mut added = 0;
    let mut show = |is_new: bool, title: String, differences: &[Difference], policy| {
        added += usize::from(is_new);
        if is_new && added > SHOWN {
            return;
        }
        say!("{title}");
        if !is_new {
            change::print(differences, policy);
        }
    };
    for write in &plan.customers.writes {
        let verb = if write.is_new() { "add" } else { "change" };
        let lines: Vec<String> = write.lines.iter().map(u64::to_string).collect();
        let title = format!("{verb} customer {} (line {})", write.id, lines.join(", "));
        show(write.is_new(), title, &write.differences, None);
    }
    for write in &plan.licenses.writes {
        let verb = if write.is_new { "add" } else { "change" };
        let license = &write.license;
        let title = format!(
            "{verb} {} {} (line {}){}",
            license.domain, license.product, write.line, write.note
        );
        show(
            write.is_new,
            title,
            &write.differences,
            Some(&license.policy),
        );
    }
    if added > SHOWN {
        say!("… and {} more to add", added - SHOWN);
    }
    for missing in &plan.licenses.missing {
        let licenses::Missing {
            domain,
            product,
            code,
        } = missing;
        output::parts(&[
            part(AnsiColor::Yellow.on_default(), "not in the file"),
            plain(format_args!(
                " {domain} {product}: {code} here; if its row was deleted: \
                 tegata license suspend {domain} {product}"
            )),
        ]);
    }
    for refusal in plan.refused() {
        output::parts(&[
            part(AnsiColor::Red.on_default(), "refused"),
            plain(format_args!(" {refusal}")),
        ]);
    }
}

fn conclude(
    output: Output,
    plan: &ImportPlan,
    dry_run: bool,
    written: usize,
    failed: usize,
) -> anyhow::Result<()> {
    let ImportPlan {
        customers,
        licenses,
    } = plan;
    let new_customers = customers.writes.iter().filter(|w| w.is_new()).count();
    let new_licenses = licenses.writes.iter().filter(|w| w.is_new).count();
    let counts = |added: usize, all: usize, unchanged: usize, refused: usize| {
        json!({
            "added": added,
            "changed": all - added,
            "unchanged": unchanged,
            "refused": refused,
        })
    };
    let of_customers = counts(
        new_customers,
        customers.writes.len(),
        customers.unchanged,
        customers.refused.len(),
    );
    let of_licenses = counts(
        new_licenses,
        licenses.writes.len(),
        licenses.unchanged,
        licenses.refused.len(),
    );
    if output == Output::Json {
        let changes = customers
            .writes
            .iter()
            .map(|write| {
                json!({
                    "customer_id": write.id,
                    "lines": write.lines,
                    "is_new": write.is_new(),
                    "differences": write.differences,
                })
            })
            .chain(licenses.writes.iter().map(|write| {
                json!({
                    "domain": write.license.domain,
                    "product": write.license.product,
                    "lines": [write.line],
                    "is_new": write.is_new,
                    "differences": write.differences,
                })
            }));
        let refused = plan.refused().map(|refusal| {
            json!({
                "file": refusal.file,
                "line": refusal.line,
                "column": refusal.column.as_ref().map(|(number, _)| number),
                "name": refusal.column.as_ref().map(|(_, name)| name),
                "subject": refusal.subject,
                "reason": refusal.reason,
            })
        });
        return output::json(&json!({
            "dry_run": dry_run,
            "customers": of_customers,
            "licenses": of_licenses,
            "written": written,
            "failed": failed,
            "changes": changes.collect::<Vec<Value>>(),
            "refused": refused.collect::<Vec<Value>>(),
            "missing": licenses.missing,
        }));
    }
    for (what, counts) in [("customers", of_customers), ("contracts", of_licenses)] {
        say!(
            "{what}: {} to add, {} to change, {} unchanged; rows refused: {}",
            counts["added"],
            counts["changed"],
            counts["unchanged"],
            counts["refused"]
        );
    }
    DryRun { dry_run }.conclude(&format!("{written} written"));
    Ok(())
}

//! `tegata import`: compares files with the stored items, and writes the differences.

use std::path::PathBuf;

use anstyle::{AnsiColor, Style};
use anyhow::bail;
use clap::Args;
use tegata_common::product::Policy;
use tegata_operations::import::{
    self, CONTRACT_COLUMNS, CUSTOMER_COLUMNS, Context, ImportPlan, ImportReport, MissingLicense,
    RowCounts, Serials, Table, WriteCounts, WrittenRow,
};

use super::official_sample::{self, SampleArgs};
use super::serials;
use super::sheet::{self, Encoding};
use crate::change::{self, Difference, DryRun};
use crate::failure::UsageError;
use crate::output::{self, Output, note, part, plain, say};
use crate::target::Target;

/// The maximum number of new rows that are printed. Further rows are only counted.
const SHOWN: usize = 20;

/// Import customers and contracts from CSV files.
///
/// Prints the additions and changes, and the refused rows with line, column and reason. If any row
/// is refused, nothing is written, unless --skip-refused is given. Each row is written completely
/// or not at all. To continue an interrupted import, run it again: rows that were written are then
/// unchanged.
///
/// A file of customers has one row for each contact: customer_id, name, email, role (primary,
/// additional), language (ja, en), severity_floor (minor, major, critical), releases (yes).
///
/// A file of contracts has one row for each contract: domain, product, kind (trial, paid), users,
/// usable_from; and optionally billing (monthly, yearly), customer_id, edition, quotas (NAME=NUMBER
/// …), next_billing, first_term_on, term_starts_on, ends_on, suspended_from, other_domains,
/// development_domains, serial or serial_sha256. A missing column leaves the value unchanged; an
/// empty cell removes it. An ends_on of 2099 or later, such as 9999-12-31, also means no end: the
/// contract renews automatically. The column note is ignored.
///
/// Files are UTF-8, UTF-16 (Excel's Unicode Text, PowerShell's `>`) or CP932, with commas or tabs, and
/// may be compressed (gzip).
#[derive(Args)]
pub(crate) struct Import {
    /// The files, in any order: a file of customers, a file of contracts, or both.
    #[arg(
        required_unless_present = "from_kintone_sample",
        num_args = 1..=2,
        value_name = "FILE"
    )]
    files: Vec<PathBuf>,
    #[command(flatten)]
    sample: SampleArgs,
    /// The character encoding [default: UTF-16 if the file has its byte order mark, UTF-8 if the
    /// file is valid UTF-8, otherwise CP932].
    #[arg(long, value_enum)]
    encoding: Option<Encoding>,
    /// Generate serials for new contracts without one, and save them to FILE before anything is
    /// written.
    #[arg(long, value_name = "FILE")]
    serials: Option<PathBuf>,
    /// Write the valid rows even if others are refused.
    #[arg(long)]
    skip_refused: bool,
    #[command(flatten)]
    write: DryRun,
}

pub(super) async fn import(target: &Target, output: Output, args: Import) -> anyhow::Result<()> {
    let context = target.import_context()?;
    let mut serials = serials::open(args.serials.as_deref())?;
    let plan = plan(&context, &args, &mut serials).await?;
    if output == Output::Text {
        print(&plan);
    }
    let refused = plan.refused().count();
    if args.write.dry_run || (refused > 0 && !args.skip_refused) {
        let report = plan.report(WriteCounts::default(), args.write.dry_run);
        conclude(output, &report)?;
        if refused > 0 {
            bail!("rows refused: {refused}; nothing was written");
        }
        return Ok(());
    }
    serials::save(args.serials.as_ref(), &mut serials, &plan)?;
    let counts = write(&context, output, &plan).await?;
    conclude(output, &plan.report(counts, false))?;
    if counts.failed > 0 {
        bail!(
            "rows not written: {}; run the same import again",
            counts.failed
        );
    }
    if refused > 0 {
        bail!("rows refused: {refused}; the others are written");
    }
    Ok(())
}

/// Reads the files and compares them with the stored items.
async fn plan(
    context: &Context<'_>,
    args: &Import,
    serials: &mut Serials,
) -> anyhow::Result<ImportPlan> {
    if let Some(path) = &args.sample.from_kintone_sample {
        let table = official_sample::read(path, args.encoding)?;
        let assumptions = args.sample.assumptions();
        let plan = import::plan_official_sample(context, &table, assumptions, serials);
        return Ok(plan.await?);
    }
    let (mut customers, mut contracts): (Option<Table>, Option<Table>) = (None, None);
    for path in &args.files {
        let table = sheet::read(path, args.encoding)?;
        let (slot, columns) = match table.has("domain") {
            true => (&mut contracts, CONTRACT_COLUMNS),
            false => (&mut customers, CUSTOMER_COLUMNS),
        };
        table.check_header(columns.required, columns.optional)?;
        if slot.replace(table).is_some() {
            return Err(UsageError("both files are of the same kind".to_owned()).into());
        }
    }
    let plan = import::plan(context, customers.as_ref(), contracts.as_ref(), serials);
    Ok(plan.await?)
}

/// Writes the plan, with a progress bar on a terminal.
async fn write(
    context: &Context<'_>,
    output: Output,
    plan: &ImportPlan,
) -> anyhow::Result<WriteCounts> {
    let template = "{wide_bar} {pos} of {len} rows, {eta} left";
    let bar = output::progress(plan.rows(), template, output);
    let on_row = |row: WrittenRow<'_>| {
        bar.inc(1);
        if let Some(error) = row.error {
            let reason = match error.is_conflict() {
                true => "changed by someone else at the same time".to_owned(),
                false => tegata_aws::causes(error),
            };
            bar.suspend(|| note!("warning: {}: {reason}", row.label));
        }
    };
    let counts = plan.write(context, on_row).await?;
    bar.finish_and_clear();
    Ok(counts)
}

fn print(plan: &ImportPlan) {
    print_changes(plan);
    for missing in &plan.contracts.missing {
        let MissingLicense {
            domain,
            product,
            code,
        } = missing;
        output::parts(&[
            part(AnsiColor::Yellow.on_default(), "not in the file"),
            plain!(
                " {domain} {product}: {code} here; if its row was deleted: \
                 tegata license suspend {domain} {product}"
            ),
        ]);
    }
    for refusal in plan.refused() {
        output::parts(&[
            part(AnsiColor::Red.on_default(), "refused"),
            part(Style::new(), format_args!(" {refusal}")),
        ]);
    }
}

/// Prints the changes; of new rows, only the first ones.
fn print_changes(plan: &ImportPlan) {
    let mut added = 0;
    let mut show =
        |is_new: bool, what: String, differences: &[Difference], policy: Option<&Policy>| {
            added += usize::from(is_new);
            match is_new {
                true if added > SHOWN => {}
                true => say!("add {what}"),
                false => {
                    say!("change {what}");
                    change::print(differences, policy);
                }
            }
        };
    for write in &plan.customers.writes {
        let lines: Vec<String> = write.lines.iter().map(u64::to_string).collect();
        let what = format!("customer {} (line {})", write.id, lines.join(", "));
        show(write.is_new(), what, &write.differences, None);
    }
    for write in &plan.contracts.writes {
        let license = &write.license;
        let what = format!(
            "{} {} (line {}){}",
            license.domain, license.product, write.line, write.note
        );
        show(
            write.is_new,
            what,
            &write.differences,
            Some(&license.policy),
        );
    }
    if added > SHOWN {
        say!("… and {} more to add", added - SHOWN);
    }
}

fn conclude(output: Output, report: &ImportReport<'_>) -> anyhow::Result<()> {
    if output == Output::Json {
        return output::json(report);
    }
    for (what, counts) in [
        ("customers", report.customers),
        ("contracts", report.licenses),
    ] {
        let RowCounts {
            added,
            changed,
            unchanged,
            refused,
        } = counts;
        say!(
            "{what}: {added} to add, {changed} to change, {unchanged} unchanged; rows refused: {refused}"
        );
    }
    let dry_run = report.dry_run;
    DryRun { dry_run }.conclude(&format!("{} written", report.written));
    Ok(())
}

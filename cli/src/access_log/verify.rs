//! `tegata access-log verify`.

use anyhow::bail;
use tegata_common::access::Source;
use tegata_operations::access_log::{self, ArchiveVerification, DayVerification, Locked};

use crate::output::{self, Output, say};
use crate::period::PeriodArgs;
use crate::target::Target;

/// Verify that the archive is complete, unchanged and locked, day by day.
///
/// For each day, compares the objects with the receipts recorded when they were written: each
/// object exists, has the recorded size and number of records, matches the hash in its name, and is
/// locked for twelve months from then. Days and hours without records are listed as gaps, with the
/// reason if it is known. Exits with 1 if anything is missing, changed or not locked.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    period: PeriodArgs,
    /// Compare names and sizes only, without reading contents and locks.
    #[arg(long)]
    quick: bool,
}

pub(super) async fn run(target: &Target, output: Output, args: Args) -> anyhow::Result<()> {
    let period = args.period.period(target)?;
    let context = target.access_log_context()?;
    let bar = output::object_bar(output);
    let verification = access_log::verify(&context, period, args.quick, &bar).await?;
    bar.0.finish_and_clear();
    match output {
        Output::Json => output::json(&verification)?,
        Output::Text => print(&verification),
    }
    let problems: usize = verification.days.iter().map(|day| day.problems.len()).sum();
    if problems > 0 {
        bail!("the archive is not whole: {problems} problems");
    }
    Ok(())
}

fn print(verification: &ArchiveVerification) {
    say!(
        "The archive of access records, {} to {} ({}), verified {} by {}:\n",
        verification.from,
        verification.to,
        verification.time_zone,
        verification.verified_at,
        verification.verified_by
    );
    let rows = verification.days.iter().map(|day| {
        let mut row = vec![day.date.to_string(), day.objects.to_string()];
        for source in Source::OF_ACCESSES {
            let records = day.records.get(&source).copied().unwrap_or(0);
            row.push(records.to_string());
        }
        row.push(match (day.locked, &day.locked_until) {
            (Locked::All, Some(until)) => format!("until {until} at least"),
            (Locked::NotAll, _) => "NOT ALL".to_owned(),
            (Locked::NotHere, _) => "none on one machine".to_owned(),
            _ => "-".to_owned(),
        });
        row.push(match (day.problems.len(), day.gaps.len()) {
            (0, 0) => "whole".to_owned(),
            (0, _) => "whole, with gaps".to_owned(),
            (problems, _) => format!("{problems} PROBLEMS"),
        });
        row
    });
    let header = [
        "date",
        "objects",
        "gateway",
        "lookup",
        "cdn",
        "unreadable",
        "lock",
        "state",
    ];
    output::table(&header, &["lock", "state"], rows.collect());
    for (title, of) in [
        (
            "Problems",
            (|day: &DayVerification| &day.problems) as fn(&DayVerification) -> &Vec<String>,
        ),
        ("Gaps", |day| &day.gaps),
        ("Notes", |day| &day.notes),
    ] {
        if verification.days.iter().any(|day| !of(day).is_empty()) {
            say!("\n{title}:");
        }
        for day in &verification.days {
            for line in of(day) {
                say!("  {}: {line}", day.date);
            }
        }
    }
    if !verification.content_read {
        say!("\nNames and sizes only: contents and locks were not checked.");
    }
}

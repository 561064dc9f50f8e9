//! Whether the history is what was done: an answer that an auditor can file.

use anyhow::bail;
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use serde::Serialize;
use tegata_common::access::Source;

use super::callers::Proven;
use super::changes::Changes;
use super::compare::{self, Scope, Unproven};
use super::findings::{Finding, Findings};
use super::items::Items;
use crate::output::{self, Output, say};
use crate::period::{Period, PeriodArgs};
use crate::target::Target;

/// Verify that the history of licences, customers and notices is what was done.
///
/// Compares three things: the items as they are, the history items beside them, and the archive of
/// changes, which is taken from the tables' own streams and which nobody can change. A history item
/// that was altered, deleted or forged is named, and so is an item that was changed past this tool:
/// by another program, or in the console. Leases are checked against the signing keys: a licence
/// that was suspended or prolonged by hand contradicts its lease.
///
/// Who made a change is what the item claims. Where the stack has a trail of CloudTrail (parameter
/// ChangeTrail), the claim is compared with the caller that IAM knew; where it has none, the answer
/// says "unproven".
///
/// The tables are always read as a whole, the archive and the trail for the period. Exits with 1 if
/// anything is wrong.
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    period: PeriodArgs,
}

/// The answer.
#[derive(Serialize)]
struct Verification {
    from: Date,
    to: Date,
    time_zone: String,
    verified_at: String,
    verified_by: String,
    ok: bool,
    /// Items that were compared.
    items: usize,
    /// History items that were compared.
    history_items: usize,
    /// Changes that the archive has of the period, and of a day before and after it.
    archived_changes: u64,
    /// The first day with changes in the archive.
    archive_begins: Option<Date>,
    /// Changes whose author CloudTrail proves, and does not; none without a trail.
    callers: Option<Proven>,
    findings: Vec<Finding>,
    /// What nothing proves, in words.
    unproven: Vec<String>,
}

pub(super) async fn run(target: &Target, output: Output, args: Args) -> anyhow::Result<()> {
    let period = args.period.period(target)?;
    let mut findings = Findings::default();
    // The tables after the archive: what is written in between is too new to be missed.
    target.archive_changes().await?;
    let bar = output::progress(0, "{msg} {wide_bar} {pos} of {len} objects", output);
    let archive_begins = target.archive()?.first_day(Source::Change).await?;
    let changes = Changes::read(target, period, &bar, &mut findings).await?;
    let scope = scope(target, period)?;
    let callers = match &target.trail() {
        Some(trail) => {
            let calls = trail.read(scope, &bar, &mut findings).await?;
            Some(calls.compare(&changes, scope, &mut findings))
        }
        None => None,
    };
    bar.finish_and_clear();
    let items = Items::read(target, &mut findings).await?;
    let unproven = compare::compare(&items, &changes, scope, &mut findings);
    let findings = findings.sorted();
    let verification = Verification {
        from: period.from,
        to: period.to,
        time_zone: target.zone.iana_name().unwrap_or("UTC").to_owned(),
        verified_at: target.local_time(target.now),
        verified_by: target.caller().name.to_owned(),
        ok: findings.is_empty(),
        items: items.current.len() + items.others.len(),
        history_items: items.past_items(),
        archived_changes: changes.count,
        archive_begins,
        unproven: unproven_in_words(unproven, callers, archive_begins),
        callers,
        findings,
    };
    match output {
        Output::Json => output::json(&verification)?,
        Output::Text => verification.print(target),
    }
    match verification.findings.len() {
        0 => Ok(()),
        1 => bail!("the history is not what was done: 1 finding"),
        more => bail!("the history is not what was done: {more} findings"),
    }
}

fn scope(target: &Target, period: Period) -> anyhow::Result<Scope> {
    let instant = |date: Date| -> anyhow::Result<Timestamp> {
        Ok(date.to_zoned_datetime(target.zone.clone())?.timestamp())
    };
    Ok(Scope {
        from: instant(period.from)?,
        until: instant(period.to.checked_add(1.day())?)?,
        now: target.now,
        has_clock: target.embedded().is_none(),
    })
}

fn unproven_in_words(
    unproven: Unproven,
    callers: Option<Proven>,
    begins: Option<Date>,
) -> Vec<String> {
    let Unproven {
        history_items,
        versions,
        too_new,
    } = unproven;
    let mut words = Vec::new();
    match callers {
        None => words.push(
            "who made the changes: what an item says of that is a claim of its writer, and there \
             is no trail of CloudTrail to compare it with"
                .to_owned(),
        ),
        Some(Proven { unproven: 0, .. }) => {}
        Some(Proven { unproven, .. }) => words.push(format!(
            "who made {unproven} of the changes: CloudTrail's trail is younger, or does not have \
             them yet"
        )),
    }
    if begins.is_none() {
        words.push("all that only the archive shows: it has no changes yet".to_owned());
    }
    for (count, what) in [
        (
            history_items,
            "history items from before the archive, or of days that were not asked for: compared \
             with their items only",
        ),
        (
            versions,
            "versions of licences without a history, from such days: leases that were signed \
             again, or history items that were removed",
        ),
        (
            too_new,
            "changes of the last minutes, which may be on their way into the archive",
        ),
    ] {
        if count > 0 {
            words.push(format!("{count} {what}"));
        }
    }
    words
}

impl Verification {
    fn print(&self, target: &Target) {
        say!(
            "The history of licences, customers and notices, {} to {} ({}), verified {} by {}:\n",
            self.from,
            self.to,
            self.time_zone,
            self.verified_at,
            self.verified_by
        );
        if self.findings.is_empty() {
            say!("nothing is wrong");
        } else {
            let rows = self.findings.iter().map(|finding| row(finding, target));
            let header = [
                "what is wrong",
                "table",
                "item",
                "version",
                "at",
                "claimed by",
                "",
            ];
            output::table(&header, rows.collect());
        }
        say!(
            "\n{} items and {} history items were compared with each other, and with {} changes in \
             the archive.",
            self.items,
            self.history_items,
            self.archived_changes
        );
        if let Some(callers) = &self.callers {
            say!("CloudTrail proves who made {} of them.", callers.proven);
        }
        for words in &self.unproven {
            say!("Unproven: {words}");
        }
    }
}

fn row(finding: &Finding, target: &Target) -> Vec<String> {
    let dash = || "-".to_owned();
    let item = finding.item.as_ref();
    vec![
        finding.kind.as_str().to_owned(),
        item.map_or_else(dash, |item| item.table.to_string()),
        item.map_or_else(dash, |item| format!("{} {}", item.partition, item.sort)),
        finding
            .version
            .map_or_else(dash, |version| version.to_string()),
        finding.at.map_or_else(dash, |at| target.local_time(at)),
        finding.claimed_by.clone().unwrap_or_else(dash),
        finding.what.clone(),
    ]
}

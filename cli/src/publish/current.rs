//! `tegata publish current` and `list`.

use std::io::{BufRead as _, IsTerminal as _};

use anyhow::bail;
use clap::Args;
use jiff::Timestamp;
use tegata_common::notice::ToldOtherwise;
use tegata_common::product::ProductSlug;
use tegata_common::release::{Change, Rollout};
use tegata_common::version::PluginVersion;
use tegata_operations::publish::{self, FileDifferences, PlannedCurrent, PublishedVersion};

use super::stage;
use crate::change::DryRun;
use crate::messages::value;
use crate::output::{self, Output, say};
use crate::target::Target;
use crate::when;

/// Files that are shown by name.
const SHOWN: usize = 5;

#[derive(Args)]
pub(crate) struct Current {
    /// The product.
    product: ProductSlug,
    /// The version. An older one is a rollback.
    version: PluginVersion,
    /// The tenants that run it; all others keep what they run. A share such as 10%, a file with a
    /// domain a line, or `all`. Repeat the option to combine a share and files.
    #[arg(long, value_name = "STAGE")]
    stage: Vec<String>,
    /// Sign it ahead: the version counts from this instant on, by kintone's clock, such as
    /// 2026-12-05T10:00:00+09:00.
    #[arg(long, value_name = "INSTANT", value_parser = when::instant)]
    from: Option<Timestamp>,
    /// A customer who was told of the version without a mail, and how: C-0042 "by telephone". It is
    /// recorded with your name. Repeat the option for each.
    #[arg(long, num_args = 2, value_names = ["CUSTOMER", "HOW"])]
    told_otherwise: Vec<String>,
    /// Do it although it is not announced. The reason is recorded.
    #[arg(long, value_name = "REASON")]
    emergency: Option<String>,
    /// Do not ask. Without a terminal, nobody is asked anyway.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    write: DryRun,
}

pub(super) async fn run(target: &Target, output: Output, args: Current) -> anyhow::Result<()> {
    let context = target.publish_context()?;
    let change = Change {
        stage: stage::read(&args.stage, &args.version, &target.bases)?,
        version: args.version,
        from: args.from,
    };
    let told = told_otherwise(&args.told_otherwise);
    let planned =
        publish::make_current(&context, &args.product, change, args.emergency, told).await?;
    if output == Output::Text {
        print(target, &planned);
        if !args.yes && !args.write.dry_run {
            confirm()?;
        }
    }
    let report = planned.carry_out(&context, args.write.dry_run).await?;
    match output {
        Output::Json => output::json(&report)?,
        Output::Text => args.write.conclude(&format!(
            "signed and written; caches know it within a minute, pages within an hour: tegata \
             publish status {}",
            report.product
        )),
    }
    Ok(())
}

/// Pairs of a customer and how it was told: clap takes two values at a time.
fn told_otherwise(values: &[String]) -> Vec<ToldOtherwise> {
    let pairs = values.chunks_exact(2).map(|pair| ToldOtherwise {
        who: pair[0].clone(),
        how: pair[1].clone(),
    });
    pairs.collect()
}

/// Asks a person. A script has nobody to ask.
fn confirm() -> anyhow::Result<()> {
    if !std::io::stdin().is_terminal() {
        return Ok(());
    }
    output::ask("Write it? Type yes: ");
    let mut typed = String::new();
    std::io::stdin().lock().read_line(&mut typed)?;
    match typed.trim() {
        "yes" => Ok(()),
        _ => bail!("nothing was written"),
    }
}

fn print(target: &Target, planned: &PlannedCurrent) {
    let current = &planned.current;
    let before = planned.before().map(|before| &before.rollout);
    say!("{}:", planned.product());
    match before {
        Some(before) => say!("  now          {}", in_words(target, before)),
        None => say!("  now          no version; plug-ins run what their package brings"),
    }
    say!("  then         {}", in_words(target, &current.rollout));
    print_files(&planned.files);
    match (&current.announced_by, &current.emergency) {
        (Some(notice), _) => say!("  announced by {notice}"),
        (_, Some(reason)) => say!("  not announced; emergency: {}", value(reason)),
        _ => {}
    }
    if planned.before() == Some(current) {
        say!("  nothing changes; its document is written again");
    }
}

/// A rollout as a sentence: `1.9.0 for 10% of the tenants, 1.8.0 for all others`.
pub(super) fn in_words(target: &Target, rollout: &Rollout) -> String {
    let Rollout {
        version,
        from,
        stage,
        before,
    } = rollout;
    let before = before.as_ref().map(PluginVersion::as_str);
    let before = before.unwrap_or("what the package brings");
    let whom = match stage {
        Some(stage) => format!("{stage}, {before} for all others"),
        None => "all tenants".to_owned(),
    };
    match from {
        Some(from) => format!(
            "{version} for {whom}, from {} on; until then {before}",
            target.local_time(*from)
        ),
        None => format!("{version} for {whom}"),
    }
}

fn print_files(files: &FileDifferences) {
    let names = |paths: &[String]| {
        let mut names: Vec<&str> = paths.iter().take(SHOWN).map(String::as_str).collect();
        if paths.len() > SHOWN {
            names.push("…");
        }
        value(names.join(", "))
    };
    let FileDifferences {
        changed,
        added,
        removed,
    } = files;
    if changed.is_empty() && added.is_empty() && removed.is_empty() {
        say!("  files        the same");
    }
    if !changed.is_empty() {
        let (number, names) = (changed.len(), names(changed));
        say!("  files        {number} changed ({names})");
    }
    if !added.is_empty() {
        let (number, names) = (added.len(), names(added));
        say!("  files        {number} new ({names})");
    }
    if !removed.is_empty() {
        let (number, names) = (removed.len(), names(removed));
        say!("  files        {number} gone ({names})");
    }
}

pub(super) async fn list(
    target: &Target,
    output: Output,
    product: &ProductSlug,
) -> anyhow::Result<()> {
    let versions = publish::versions(target.licenses()?, target.notices()?, product).await?;
    if output == Output::Json {
        return output::json(&versions);
    }
    let rows = versions.iter().map(|version| {
        let PublishedVersion { current, revision } = version;
        vec![
            in_words(target, &current.rollout),
            target.local_time(revision.at),
            revision.by.clone(),
            match (&current.announced_by, &current.emergency) {
                (Some(notice), _) => value(notice).to_string(),
                (None, reason) => {
                    format!(
                        "emergency: {}",
                        value(reason.as_deref().unwrap_or_default())
                    )
                }
            },
        ]
    });
    let header = ["version", "since", "by", "announced by"];
    output::table(&header, &["version", "announced by"], rows.collect());
    Ok(())
}

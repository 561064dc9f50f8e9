//! Why a domain got its answer: the decision, replayed from history.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use jiff::Timestamp;
use serde_json::json;
use tegata_common::calendar;
use tegata_common::lease::SignedLicense;
use tegata_common::license::{Code, CurrentLicense, License, Rule, RuleResult};
use tegata_common::product::Policy;
use tegata_common::serial::Serial;
use tegata_storage::{HistoryEntry, Key};

use super::{LicenseSelector, serial};
use crate::output::{self, Output, note, part, plain, say};
use crate::target::Target;
use crate::when::When;

#[derive(Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    which: LicenseSelector,
    /// The instant of the answer, or a date for the start of that day; one to come is explained by
    /// what is known now [default: now].
    #[arg(long, value_name = "WHEN")]
    at: Option<When>,
    /// The serial that came with the request; it is compared, and not printed. Others on this
    /// machine see it in the list of processes, and the shell's history keeps it: rather use
    /// --serial-file.
    #[arg(long, value_parser = Serial::parse, conflicts_with = "serial_file")]
    serial: Option<Serial>,
    /// Read that serial from FILE, or from standard input if FILE is `-`.
    #[arg(long, value_name = "FILE")]
    serial_file: Option<PathBuf>,
}

/// One step of the decision.
struct Step {
    rule: &'static str,
    says: String,
    applies: bool,
    /// The code that it leads to, if it applies.
    code: Option<Code>,
}

pub(super) async fn explain(target: &Target, output: Output, args: Explain) -> anyhow::Result<()> {
    let serial = serial::given(args.serial, args.serial_file.as_deref())?;
    let domain = args.which.domain(target)?;
    let key = Key::license(&domain, &args.which.product);
    let table = target.licenses.table();
    let history = table.history::<SignedLicense>(&key).await?;
    if history.is_empty() {
        return Err(args.which.missing(&domain).into());
    }
    let readable: Vec<&HistoryEntry<SignedLicense>> = history.iter().flatten().collect();
    let broken = history.len() - readable.len();
    if broken > 0 {
        note!("warning: {broken} revisions cannot be read; see `tegata license history`");
    }
    // A date is meant in the product's zone, which the licence's own history knows.
    let policy = readable.iter().rev().find_map(|past| past.value());
    let policy = policy.map(|signed| &signed.license.policy);
    let policy = policy.context("no revision of it can be read")?;
    let at = match args.at {
        Some(when) => when.instant(policy)?,
        None => target.now,
    };
    // Revisions know milliseconds.
    let was = readable.iter().rev().find(|past| past.revision.at <= at);
    let was = was.copied();
    let steps = steps(was, policy, serial.as_ref(), at)?;
    let code = steps.iter().find_map(|step| step.code);
    let code = code.unwrap_or(Code::NotFound);
    let is_forecast = at > target.now;
    if output == Output::Json {
        let steps = steps.iter().map(|step| {
            json!({
                "rule": step.rule,
                "says": step.says,
                "applies": step.applies,
                "code": step.code,
            })
        });
        return output::json(&json!({
            "domain": domain,
            "product": args.which.product,
            "at": calendar::rfc3339(at, policy),
            "is_forecast": is_forecast,
            "code": code,
            "revision": was.map(|past| &past.revision),
            "steps": steps.collect::<Vec<_>>(),
        }));
    }
    let (product, shown_at) = (&args.which.product, calendar::rfc3339(at, policy));
    output::parts(&[
        plain(format_args!("{domain} {product} at {shown_at}: ")),
        part(output::style(code), code.as_str()),
    ]);
    match was {
        Some(past) => say!(
            "by version {}, {} by {} at {}",
            past.revision.version,
            past.revision.change,
            past.revision.by,
            calendar::rfc3339(past.revision.at, policy)
        ),
        None => say!("there was no item yet"),
    }
    if is_forecast {
        say!("that is to come; it is what follows from what is known now");
    }
    let width = steps.iter().map(|step| step.rule.len()).max().unwrap_or(0);
    for step in &steps {
        let (style, mark) = match (step.code, step.applies) {
            (Some(code), _) => (output::style(code), "→"),
            (None, true) => (anstyle::Style::new(), "·"),
            (None, false) => (anstyle::Style::new().dimmed(), " "),
        };
        let text = format!("{mark} {:width$}  {}", step.rule, step.says);
        output::parts(&[plain("  "), part(style, text)]);
        if step.code.is_some() {
            break;
        }
    }
    Ok(())
}

/// The decision of the lookup function, step by step.
fn steps(
    was: Option<&HistoryEntry<SignedLicense>>,
    policy: &Policy,
    serial: Option<&Serial>,
    at: Timestamp,
) -> anyhow::Result<Vec<Step>> {
    let Some(past) = was else {
        return Ok(vec![Step {
            rule: "item",
            says: "the licence was issued later".to_owned(),
            applies: true,
            code: Some(Code::NotFound),
        }]);
    };
    let Some(SignedLicense { license, .. }) = &past.value else {
        return Ok(vec![Step {
            rule: "item",
            says: "it was deleted: the contract had left the domain and the quarantine was over"
                .to_owned(),
            applies: true,
            code: Some(Code::NotFound),
        }]);
    };
    let current = license.at(at);
    let mut steps = vec![time(license, current.license(), policy, at)];
    let findings = current.rules();
    let (released, standing): (Vec<&RuleResult>, Vec<&RuleResult>) = findings
        .iter()
        .partition(|finding| finding.rule == Rule::Released);
    steps.extend(released.into_iter().map(|finding| step(finding, policy)));
    steps.push(serial_step(&current, serial));
    steps.extend(standing.into_iter().map(|finding| step(finding, policy)));
    Ok(steps)
}

/// What time had made of the item since it was written.
fn time(written: &License, current: &License, policy: &Policy, at: Timestamp) -> Step {
    let mut says = format!(
        "term {} to {}",
        current.term.starts_on, current.term.ends_on
    );
    if written.term != current.term {
        says += &format!(", renewed since {}", written.term.starts_on);
    }
    let deadline = calendar::cancellation_deadline(current.term, policy).ok();
    match (current.ends_on, deadline) {
        (Some(last_day), _) => says += &format!("; last day {last_day}"),
        (None, Some(deadline)) => {
            let bound = calendar::rfc3339(current.valid_until, policy);
            says += &match calendar::date_of(at, policy) <= deadline {
                true => format!("; renews unless cancelled by {deadline}"),
                false => format!("; not cancelled by {deadline}, so bound up to {bound}"),
            };
        }
        (None, None) => {}
    }
    if written.billing != current.billing {
        says += "; another billing interval";
    }
    Step {
        rule: "time",
        says,
        applies: true,
        code: None,
    }
}

fn serial_step(current: &CurrentLicense, serial: Option<&Serial>) -> Step {
    let required = current.license().policy.requires_serial;
    let (says, is_wrong) = match (serial, required) {
        (None, true) => (
            "the product requires it, and without it the answer is NOT_FOUND; say --serial-file to \
             compare one",
            false,
        ),
        (None, false) => ("not required", false),
        (Some(serial), _) if current.accepts(serial) => ("it is the licence's", false),
        (Some(_), _) => ("it is not the licence's", true),
    };
    Step {
        rule: "serial",
        says: says.to_owned(),
        applies: is_wrong,
        code: is_wrong.then_some(Code::NotFound),
    }
}

fn step(finding: &RuleResult, policy: &Policy) -> Step {
    let boundary = finding.boundary.map(|at| calendar::rfc3339(at, policy));
    let (rule, says) = match (finding.rule, boundary) {
        (Rule::Released, Some(at)) => (
            "released",
            format!("the contract leaves the domain at {at}"),
        ),
        (Rule::Released, None) => ("released", "the contract stays at the domain".to_owned()),
        (Rule::Suspended, Some(at)) => ("suspended", format!("from {at}")),
        (Rule::Suspended, None) => ("suspended", "no".to_owned()),
        (Rule::NotStarted, at) => ("not started", format!("before {}", at.unwrap_or_default())),
        (Rule::Valid, at) => ("valid", format!("before {}", at.unwrap_or_default())),
        (Rule::Grace, at) => ("grace", format!("before {}", at.unwrap_or_default())),
        (Rule::Expired, at) => ("expired", format!("from {}", at.unwrap_or_default())),
    };
    Step {
        rule,
        says,
        applies: finding.applies,
        code: finding.applies.then(|| finding.rule.code()),
    }
}

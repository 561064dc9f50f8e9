//! `tegata license explain`: why a domain got an answer.

use std::path::PathBuf;

use clap::Args;
use tegata_common::calendar;
use tegata_common::serial::Serial;
use tegata_operations::licenses::{self, Explanation, Question, Step};

use super::{LicenseSelector, given_serial};
use crate::output::{self, Output, columns, note, plain, say, translated, verbatim};
use crate::target::Target;
use crate::when::When;

#[derive(Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    which: LicenseSelector,
    /// The instant of the answer, or a date for the start of that day. A future instant is a
    /// forecast [default: now].
    #[arg(long, value_name = "WHEN")]
    at: Option<When>,
    /// The serial of the request. It is only compared, and not printed. Other users of this machine
    /// can see it in the process list, and the shell keeps it in its history: prefer --serial-file.
    #[arg(long, value_parser = Serial::parse_typed, conflicts_with = "serial_file")]
    serial: Option<Serial>,
    /// Read the serial from FILE, or from standard input if FILE is `-`.
    #[arg(long, value_name = "FILE")]
    serial_file: Option<PathBuf>,
}

pub(super) async fn run(target: &Target, output: Output, args: Explain) -> anyhow::Result<()> {
    let id = args.which.id(target)?;
    let question = Question {
        at: args.at,
        serial: given_serial::read(args.serial, args.serial_file.as_deref())?,
    };
    let explained = licenses::explain(target.licenses()?, &id, &question, target.now).await?;
    if explained.unreadable > 0 {
        note!(
            "warning: {} revisions cannot be read; see `tegata license history`",
            explained.unreadable
        );
    }
    if output == Output::Json {
        return output::json(&explained);
    }
    print(&explained);
    Ok(())
}

fn print(explained: &Explanation) {
    let Explanation {
        domain,
        product,
        at,
        code,
        ..
    } = explained;
    output::parts(&[
        plain!("{domain} {product} at {at}: "),
        verbatim(output::style(*code), code.as_str()),
    ]);
    match &explained.revision {
        Some(revision) => say!(
            "by version {}, {} by {} at {}",
            revision.version,
            revision.change,
            revision.by,
            calendar::rfc3339(revision.at, &explained.policy)
        ),
        None => say!("there was no licence yet"),
    }
    if explained.is_forecast {
        say!("this is a forecast from the current state");
    }
    print_steps(&explained.steps);
}

/// Prints the steps up to the deciding one.
fn print_steps(steps: &[Step]) {
    let rules = steps.iter().map(|step| columns(&translated(step.rule)));
    let width = rules.max().unwrap_or(0);
    for step in steps {
        let (style, mark) = match (step.code, step.applies) {
            (Some(code), _) => (output::style(code), "→"),
            (None, true) => (anstyle::Style::new(), "·"),
            (None, false) => (anstyle::Style::new().dimmed(), " "),
        };
        let (rule, says) = (translated(step.rule), translated(&step.says));
        let blanks = width - columns(&rule);
        let text = format!("{mark} {rule}{:blanks$}  {says}", "");
        output::parts(&[plain!("  "), verbatim(style, text)]);
        if step.code.is_some() {
            break;
        }
    }
}

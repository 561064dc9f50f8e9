//! `tegata license explain`: why a domain got an answer.

use std::path::PathBuf;

use clap::Args;
use tegata_common::calendar;
use tegata_common::license::Code;
use tegata_common::product::ProductSlug;
use tegata_common::serial::Serial;
use tegata_common::support_code::SupportCode;
use tegata_operations::Error;
use tegata_operations::licenses::{self, Explanation, Question, Step};

use super::{LicenseSelector, canonical, given_serial};
use crate::failure::UsageError;
use crate::output::{self, Output, columns, note, plain, say, text, translated, verbatim};
use crate::target::Target;
use crate::when::When;

#[derive(Args)]
pub(crate) struct Explain {
    /// The tenant's host name, such as example.cybozu.com.
    #[arg(required_unless_present = "support_code")]
    domain: Option<String>,
    /// The product's slug, such as sheet.
    #[arg(required_unless_present = "support_code")]
    product: Option<ProductSlug>,
    /// The support code that a plug-in shows to administrators: says what the plug-in saw, and
    /// explains the answer at that instant. It is not signed: it may be made up.
    #[arg(long = "code", value_name = "CODE", value_parser = SupportCode::parse_typed,
          conflicts_with_all = ["domain", "product", "at"])]
    support_code: Option<SupportCode>,
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
    let serial = given_serial::read(args.serial, args.serial_file.as_deref())?;
    match (args.support_code, args.domain, args.product) {
        (Some(code), _, _) => explain_code(target, output, code, serial).await,
        (None, Some(domain), Some(product)) => {
            let id = LicenseSelector { domain, product }.id(target)?;
            let question = Question {
                at: args.at,
                serial,
            };
            let explained = licenses::explain(target.licenses()?, &id, &question, target.now).await;
            let explained = explained.inspect_err(|error| print_missing(output, error, None))?;
            warn(&explained);
            match output {
                Output::Json => output::json(&explained),
                Output::Text => {
                    print(&explained);
                    Ok(())
                }
            }
        }
        // The command line is not accepted without them.
        _ => Err(UsageError("say DOMAIN and PRODUCT, or --code".to_owned()).into()),
    }
}

async fn explain_code(
    target: &Target,
    output: Output,
    code: SupportCode,
    serial: Option<Serial>,
) -> anyhow::Result<()> {
    if output == Output::Text {
        print_code(&code);
    }
    let domain = canonical(target, &code.domain)?;
    let seen = code.code.clone();
    let explained = licenses::explain_code(target.licenses()?, code, domain, serial, target.now);
    let explained = explained.await;
    let explained = explained.inspect_err(|error| print_missing(output, error, Some(&seen)))?;
    warn(&explained.answer);
    if output == Output::Json {
        return output::json(&explained);
    }
    for finding in &explained.findings {
        let finding = translated(finding);
        output::parts(&[verbatim(anstyle::Style::new(), format!("  {finding}"))]);
    }
    print(&explained.answer);
    Ok(())
}

fn warn(explained: &Explanation) {
    if explained.unreadable > 0 {
        note!(
            "warning: {} revisions cannot be read; see `tegata license history`",
            explained.unreadable
        );
    }
}

/// Prints the answer for a tenant that has no licence, and whether the plug-in saw the same.
fn print_missing(output: Output, error: &Error, seen: Option<&str>) {
    let Error::NoLicense { domain, product } = error else {
        return;
    };
    if output == Output::Json {
        return;
    }
    let style = output::style(Code::NotFound);
    let record = Code::NotFound.as_str();
    match seen {
        Some(seen) if seen == record => say!("  the record says the same"),
        Some(_) => say!("  the record says {record}"),
        None => {}
    }
    output::parts(&[plain!("{domain} {product}: "), verbatim(style, record)]);
    say!("there is no record of a contract for this domain");
}

fn print_code(code: &SupportCode) {
    let SupportCode {
        at,
        code: seen,
        reason,
        version,
        ..
    } = code;
    say!("the plug-in (version {version}) saw {seen} ({reason}) at {at}");
    match code.signed {
        Some(signed) => say!("by a lease that was signed at {signed}"),
        None => say!("without a lease to decide by"),
    }
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
        let (rule, says) = (translated(step.rule), says(step));
        let blanks = width - columns(&rule);
        let text = format!("{mark} {rule}{:blanks$}  {says}", "");
        output::parts(&[plain!("  "), verbatim(style, text)]);
        if step.code.is_some() {
            break;
        }
    }
}

/// The facts of a step; of a rule with a boundary, whether it applies too.
fn says(step: &Step) -> String {
    let says = translated(&step.says);
    let is_question =
        ["suspended", "not started", "valid", "grace", "expired"].contains(&step.rule);
    let answer = if step.applies { "yes" } else { "no" };
    match is_question && step.says != answer {
        true => text!("{} ({says})", translated(answer)),
        false => says,
    }
}

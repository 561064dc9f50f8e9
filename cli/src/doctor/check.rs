//! The result of a check, and how results are printed.

use std::fmt;

use anstyle::AnsiColor;
use serde::Serialize;

use crate::output::{self, plain, verbatim};

/// The outcome of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum CheckOutcome {
    /// The checked state is correct.
    Passed,
    /// The checked state is incorrect.
    Failed,
    /// The check was not possible, or does not apply. `seen` has the reason.
    Skipped,
}

/// The result of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    #[serde(rename = "result")]
    pub(crate) outcome: CheckOutcome,
    /// What was found, or why the check was skipped.
    pub(crate) seen: String,
    /// The command or step that fixes the problem.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fix: Option<String>,
}

impl Finding {
    pub(crate) fn passed(seen: impl Into<String>) -> Self {
        Self {
            outcome: CheckOutcome::Passed,
            seen: seen.into(),
            fix: None,
        }
    }

    pub(crate) fn failed(seen: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            outcome: CheckOutcome::Failed,
            seen: seen.into(),
            fix: Some(fix.into()),
        }
    }

    pub(crate) fn skipped(reason: impl Into<String>) -> Self {
        Self {
            outcome: CheckOutcome::Skipped,
            seen: reason.into(),
            fix: None,
        }
    }

    /// Failed if there are problems, otherwise passed with `seen`.
    pub(crate) fn of(problems: &[String], seen: impl Into<String>, fix: impl Into<String>) -> Self {
        match problems.is_empty() {
            true => Self::passed(seen),
            false => Self::failed(problems.join("; "), fix),
        }
    }

    /// Evaluates what was read. If it could not be read, the check does not pass.
    pub(crate) fn judge<T>(read: Read<T>, judge: impl FnOnce(T) -> Self) -> Self {
        match read {
            Ok(value) => judge(value),
            Err(unread) => unread.into(),
        }
    }

    /// Adds a hint to a skipped or passed check.
    pub(crate) fn with_fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }
}

/// Why something was not read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// The caller has no permission.
    Denied(String),
    /// A program is not installed, or the service does not support the call, as a local AWS may
    /// not.
    Unavailable(String),
    /// It does not exist.
    NotFound(String),
    /// Anything else.
    Failed(String),
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Denied(why) | Self::Unavailable(why) | Self::NotFound(why) | Self::Failed(why)) =
            self;
        f.write_str(why)
    }
}

/// The result of reading something for a check.
pub(crate) type Read<T> = Result<T, Unread>;

impl From<anyhow::Error> for Unread {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(format!("{error:#}"))
    }
}

impl From<Unread> for Finding {
    fn from(unread: Unread) -> Self {
        match unread {
            Unread::Denied(what) => Self::skipped(format!("no permission: {what}")),
            Unread::Unavailable(why) => Self::skipped(why),
            Unread::NotFound(what) => Self::failed(
                format!("missing: {what}"),
                "deploy the stack again: make deploy",
            ),
            Unread::Failed(why) => Self::failed(
                format!("cannot be read: {why}"),
                "run the check again; if it fails again, the message says why",
            ),
        }
    }
}

/// A named finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    /// The group, such as `mail`.
    pub(crate) group: &'static str,
    /// The name, such as `lock of the archive`.
    pub(crate) name: String,
    #[serde(flatten)]
    pub(crate) finding: Finding,
}

impl Check {
    pub(crate) fn new(group: &'static str, name: impl Into<String>, finding: Finding) -> Self {
        Self {
            group,
            name: name.into(),
            finding,
        }
    }

    /// Prints the result on one line, and the fix on the following lines.
    pub(crate) fn print(&self) {
        let (sign, colour) = match self.finding.outcome {
            CheckOutcome::Passed => ('✓', AnsiColor::Green),
            CheckOutcome::Failed => ('✗', AnsiColor::Red),
            CheckOutcome::Skipped => ('–', AnsiColor::Yellow),
        };
        let finding = plain!(" {}: {}", self.name, self.finding.seen);
        output::parts(&[verbatim(colour.on_default(), sign), finding]);
        for line in self.finding.fix.iter().flat_map(|fix| fix.lines()) {
            output::line(&format!("    {line}"));
        }
    }
}

/// The number of checks by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Summary {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

impl Summary {
    pub(crate) fn of(checks: &[Check]) -> Self {
        let count = |outcome| {
            let with = checks.iter().filter(|of| of.finding.outcome == outcome);
            with.count()
        };
        Self {
            passed: count(CheckOutcome::Passed),
            failed: count(CheckOutcome::Failed),
            skipped: count(CheckOutcome::Skipped),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_never_passes() {
        for (unread, outcome, seen) in [
            (
                Unread::Denied("acm:DescribeCertificate".into()),
                CheckOutcome::Skipped,
                "no permission: acm:DescribeCertificate",
            ),
            (
                Unread::Unavailable("the AWS CLI is not installed".into()),
                CheckOutcome::Skipped,
                "the AWS CLI is not installed",
            ),
            (
                Unread::NotFound("table T".into()),
                CheckOutcome::Failed,
                "missing: table T",
            ),
            (
                Unread::Failed("time-out".into()),
                CheckOutcome::Failed,
                "cannot be read: time-out",
            ),
        ] {
            let finding = Finding::judge(Err::<(), _>(unread), |()| Finding::passed("well"));
            assert_eq!((finding.outcome, finding.seen.as_str()), (outcome, seen));
        }
    }

    #[test]
    fn the_document_of_a_check_is_flat() {
        let check = Check::new("mail", "sandbox", Finding::failed("in it", "ask AWS"));
        assert_eq!(
            serde_json::to_value(&check).unwrap(),
            serde_json::json!({
                "group": "mail", "name": "sandbox", "result": "failed", "seen": "in it", "fix": "ask AWS",
            })
        );
        let skipped = Check::new("mail", "sandbox", Finding::skipped("no permission"));
        let summary = Summary::of(&[check, skipped]);
        assert_eq!((summary.passed, summary.failed, summary.skipped), (0, 1, 1));
    }
}

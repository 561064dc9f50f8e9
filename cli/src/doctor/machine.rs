//! Checks of this machine: programs for building and deploying, the caller, and the region.

use super::check::{Check, Finding, Read, Unread};
use super::program::{self, Answer};

const GROUP: &str = "machine";

/// A version's numbers.
type Version = [u32; 3];

/// A program that a deployment needs.
struct Tool {
    name: &'static str,
    /// Commands that print the version. The first one that runs is used.
    commands: &'static [&'static [&'static str]],
    /// The oldest accepted version.
    oldest: Version,
    install: &'static str,
}

/// The programs listed in docs/operations/admins.md. scripts/deploy requires the same version of
/// SAM.
const TOOLS: [Tool; 6] = [
    Tool {
        name: "Rust",
        commands: &[&["cargo", "--version"]],
        oldest: [1, 95, 0],
        install: "rustup update stable      (https://rustup.rs)",
    },
    Tool {
        name: "SAM CLI",
        commands: &[&["sam", "--version"]],
        oldest: [1, 152, 0],
        install: "pipx install aws-sam-cli  (or: brew install aws-sam-cli)",
    },
    Tool {
        name: "cargo-lambda",
        commands: &[
            &["cargo", "lambda", "--version"],
            &["cargo-lambda", "lambda", "--version"],
        ],
        oldest: [1, 0, 0],
        install: "pip3 install cargo-lambda (or: brew install cargo-lambda/cargo-lambda/cargo-lambda)",
    },
    Tool {
        name: "zig",
        commands: &[
            &["zig", "version"],
            &["python3", "-m", "ziglang", "version"],
        ],
        oldest: [0, 11, 0],
        install: "pip3 install ziglang      (or: brew install zig)",
    },
    Tool {
        name: "AWS CLI",
        commands: &[&["aws", "--version"]],
        oldest: [1, 0, 0],
        install: "https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html",
    },
    Tool {
        name: "make",
        commands: &[&["make", "--version"]],
        oldest: [3, 81, 0],
        install: "xcode-select --install    (Debian, Ubuntu, WSL: sudo apt-get install make)",
    },
];

/// Checks that the programs are installed and new enough.
pub(crate) async fn tools() -> Vec<Check> {
    let checks = TOOLS.iter().map(async |tool| {
        let mut answer = Err(Unread::Unavailable(String::new()));
        for command in tool.commands {
            let [program, arguments @ ..] = *command else {
                continue;
            };
            answer = program::run(program, arguments).await;
            if answer.as_ref().is_ok_and(|answer| answer.succeeded) {
                break;
            }
        }
        Check::new(GROUP, tool.name, judge_tool(tool, answer))
    });
    futures_util::future::join_all(checks).await
}

fn judge_tool(tool: &Tool, answer: Read<Answer>) -> Finding {
    let answer = match answer {
        Ok(answer) if answer.succeeded => answer,
        Ok(_) | Err(Unread::Unavailable(_)) => {
            return Finding::failed("is not installed", tool.install);
        }
        Err(unread) => return unread.into(),
    };
    // Version 1 of the AWS CLI prints its version to stderr.
    let said = format!("{}{}", answer.stdout, answer.stderr);
    let line = said.lines().next().unwrap_or_default().trim();
    match version(line) {
        Some(version) if version < tool.oldest => {
            let seen = format!(
                "{} is too old; {} or later is required",
                show(version),
                show(tool.oldest)
            );
            Finding::failed(seen, tool.install)
        }
        Some(_) => Finding::passed(line),
        None => Finding::failed(format!("its version cannot be read: {line}"), tool.install),
    }
}

/// The first number with a dot in a line: `SAM CLI, version 1.170.0`, `aws-cli/2.15.30 Python/3.11`.
fn version(line: &str) -> Option<Version> {
    let mut words = line.split(|letter: char| !letter.is_ascii_digit() && letter != '.');
    let word = words.find(|word| {
        word.contains('.') && word.starts_with(|first: char| first.is_ascii_digit())
    })?;
    let mut numbers = word.split('.').map(|number| number.parse().ok());
    let mut next = || numbers.next().flatten().unwrap_or(0);
    Some([next(), next(), next()])
}

fn show([major, minor, patch]: Version) -> String {
    format!("{major}.{minor}.{patch}")
}

/// The caller's identity.
pub(crate) fn identity(arn: &str) -> Check {
    let finding = match arn.ends_with(":root") {
        true => Finding::failed(
            format!("{arn} is the account's root user"),
            "use a role or IAM Identity Center; the root user is not needed",
        ),
        false => Finding::passed(arn),
    };
    Check::new(GROUP, "identity", finding)
}

/// The region that checks and `make deploy` work in.
pub(crate) fn region(region: &str, of_deployment: &str) -> Check {
    let finding = match region == of_deployment {
        true => Finding::passed(region),
        false => Finding::failed(
            format!(
                "the region is {region} here, but {of_deployment} in samconfig.toml: the check and the deployment would use different regions"
            ),
            format!(
                "export AWS_REGION={of_deployment}      (or change samconfig.toml and the Makefile)"
            ),
        ),
    };
    Check::new(GROUP, "region", finding)
}

#[cfg(test)]
mod tests {
    use super::super::check::CheckOutcome::{Failed, Passed};
    use super::*;

    #[test]
    fn tools_are_there_and_new_enough() {
        let sam = &TOOLS[1];
        let said = |stdout: &str| {
            Ok(Answer {
                succeeded: true,
                stdout: stdout.to_owned(),
                stderr: String::new(),
            })
        };
        for (answer, outcome, seen) in [
            (
                said("SAM CLI, version 1.170.0\n"),
                Passed,
                "SAM CLI, version 1.170.0",
            ),
            (
                said("SAM CLI, version 1.152.0\n"),
                Passed,
                "SAM CLI, version 1.152.0",
            ),
            (
                said("SAM CLI, version 1.99.0\n"),
                Failed,
                "1.99.0 is too old; 1.152.0 or later is required",
            ),
            (said("hello\n"), Failed, "its version cannot be read: hello"),
            (
                Err(Unread::Unavailable("sam is not installed".into())),
                Failed,
                "is not installed",
            ),
            (
                Err(Unread::Failed("no end".into())),
                Failed,
                "cannot be read: no end",
            ),
        ] {
            let finding = judge_tool(sam, answer);
            assert_eq!((finding.outcome, finding.seen.as_str()), (outcome, seen));
        }
        for (line, expected) in [
            ("aws-cli/2.15.30 Python/3.11.8 Linux/6", Some([2, 15, 30])),
            ("cargo-lambda 1.9.2 (abc 2026-01-01Z)", Some([1, 9, 2])),
            ("0.13.0", Some([0, 13, 0])),
            ("GNU Make 4.3", Some([4, 3, 0])),
            ("cargo 1.95.0-nightly (1)", Some([1, 95, 0])),
            ("no version", None),
        ] {
            assert_eq!(version(line), expected, "{line}");
        }
    }

    #[test]
    fn rust_is_the_version_that_the_workspace_asks_for() {
        let asked = env!("CARGO_PKG_RUST_VERSION");
        assert_eq!(version(asked), Some(TOOLS[0].oldest));
    }

    #[test]
    fn the_root_user_and_another_region_are_named() {
        assert_eq!(
            identity("arn:aws:iam::123456789012:root").finding.outcome,
            Failed
        );
        let role = "arn:aws:sts::123456789012:assumed-role/Admin/taro";
        assert_eq!(identity(role).finding, Finding::passed(role));
        assert_eq!(
            region("ap-northeast-1", "ap-northeast-1").finding.outcome,
            Passed
        );
        assert_eq!(
            region("us-east-1", "ap-northeast-1").finding.outcome,
            Failed
        );
    }
}

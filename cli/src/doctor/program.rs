//! External programs: the tools of a deployment, and the AWS CLI for services that `tegata` has no
//! client for. They are run without a shell, and their arguments contain no secrets.

use std::io;
use std::process::Stdio;
use std::time::Duration;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use serde_json::Value;
use tokio::process::Command;
use tokio::sync::Semaphore;

use super::check::{Read, Unread};

/// The time after which a program is stopped.
const TIME_OUT: Duration = Duration::from_secs(60);

/// The maximum number of concurrent programs. Each call of the AWS CLI starts a Python interpreter,
/// and too many at once would exceed the time-out.
static AT_ONCE: Semaphore = Semaphore::const_new(8);

/// The result of a program.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) succeeded: bool,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs a program until it ends or the time-out has passed.
pub(crate) async fn run(program: &str, arguments: &[&str]) -> Read<Answer> {
    // The semaphore is never closed. The time-out starts here.
    let _permit = AT_ONCE.acquire().await;
    let running = Command::new(program)
        .args(arguments)
        // The AWS CLI's own pager, and SAM's statistics.
        .env("AWS_PAGER", "")
        .env("SAM_CLI_TELEMETRY", "0")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = match tokio::time::timeout(TIME_OUT, running).await {
        Err(_) => {
            let seconds = TIME_OUT.as_secs();
            return Err(Unread::Failed(format!(
                "{program} did not end in {seconds} s"
            )));
        }
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => {
            return Err(Unread::Unavailable(format!("{program} is not installed")));
        }
        Ok(Err(error)) => return Err(Unread::Failed(format!("{program}: {error}"))),
        Ok(Ok(output)) => output,
    };
    Ok(Answer {
        succeeded: output.status.success(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// The AWS CLI, in a region.
#[derive(Clone, Debug)]
pub(crate) struct AwsCli {
    pub(crate) region: String,
}

impl AwsCli {
    /// Calls a service: `["sns", "get-topic-attributes", …]`.
    pub(crate) async fn call(&self, arguments: &[&str]) -> Read<Value> {
        self.call_in(&self.region, arguments).await
    }

    /// Calls a service of another region.
    pub(crate) async fn call_in(&self, region: &str, arguments: &[&str]) -> Read<Value> {
        let more = ["--region", region, "--output", "json"];
        let answer = match run("aws", &[arguments, &more].concat()).await {
            Err(Unread::Unavailable(_)) => {
                return Err(Unread::Unavailable("the AWS CLI is not installed".into()));
            }
            answer => answer?,
        };
        let what = arguments.iter().take(2).copied().collect::<Vec<_>>();
        if !answer.succeeded {
            return Err(classify(&what.join(" "), &answer.stderr));
        }
        // Some calls have no output if the result is empty.
        let text = match answer.stdout.trim() {
            "" => "{}",
            text => text,
        };
        serde_json::from_str(text)
            .map_err(|error| Unread::Failed(format!("aws {}: {error}", what.join(" "))))
    }
}

/// Classifies the error output of the AWS CLI.
fn classify(what: &str, stderr: &str) -> Unread {
    let mut lines = stderr.lines().map(str::trim);
    let line = lines
        .rfind(|line| !line.is_empty())
        .unwrap_or("failed without a message");
    let code = line
        .split_once("An error occurred (")
        .and_then(|(_, rest)| rest.split_once(')'))
        .map(|(code, _)| code);
    let message = line
        .split_once(" operation: ")
        .map_or(line, |(_, message)| message);
    let by_code = code.map(|code| of_code(what, code, message));
    by_code.unwrap_or_else(|| Unread::Failed(format!("aws {what}: {line}")))
}

/// Classifies an AWS error code.
fn of_code(what: &str, code: &str, message: &str) -> Unread {
    if is_denied(code) {
        Unread::Denied(format!("{what} ({code})"))
    } else if is_unknown_call(code) {
        Unread::Unavailable(format!("this AWS does not know the call {what} ({code})"))
    } else if is_missing(code) {
        Unread::NotFound(format!("{what}: {message}"))
    } else {
        Unread::Failed(format!("{what}: {message}"))
    }
}

fn is_denied(code: &str) -> bool {
    let code = code.to_ascii_lowercase();
    // The response to a HEAD request has no body, so the CLI and the SDK only have the status.
    code.contains("accessdenied")
        || code.contains("unauthorized")
        || code.contains("notauthorized")
        || code.contains("authorizationerror")
        || code == "forbidden"
        || code == "403"
}

fn is_unknown_call(code: &str) -> bool {
    [
        "UnknownOperationException",
        "UnknownOperation",
        "InvalidAction",
        "UnsupportedOperation",
        "NotImplemented",
        "NotImplementedException",
    ]
    .contains(&code)
}

fn is_missing(code: &str) -> bool {
    code.contains("NotFound")
        || code.contains("NoSuch")
        || code.contains("NonExistent")
        || code == "404"
}

/// Classifies an error of an SDK client.
pub(crate) fn sdk<E, R>(what: &str, error: SdkError<E, R>) -> Unread
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let code = error.code().map(str::to_owned);
    let message = error.message().map(str::to_owned);
    let causes = || tegata_aws::causes(&error);
    match code {
        Some(code) => {
            let message = message.unwrap_or_else(|| code.clone());
            of_code(what, &code, &message)
        }
        None => Unread::Failed(format!("{what}: {}", causes())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_aws_cli_are_told_apart() {
        let denied = "\nAn error occurred (AccessDeniedException) when calling the DescribeCertificate \
                      operation: User: arn:aws:sts::123456789012:assumed-role/x is not authorized\n";
        assert_eq!(
            classify("acm describe-certificate", denied),
            Unread::Denied("acm describe-certificate (AccessDeniedException)".into())
        );
        for code in [
            "AuthorizationError",
            "AccessDenied",
            "UnauthorizedOperation",
        ] {
            let line = format!("An error occurred ({code}) when calling the X operation: no");
            assert!(
                matches!(classify("a b", &line), Unread::Denied(_)),
                "{code}"
            );
        }
        let line = "An error occurred (ResourceNotFoundException) when calling the X operation: no";
        assert!(matches!(classify("a b", line), Unread::NotFound(_)));
        let line = "An error occurred (UnknownOperationException) when calling X: unknown";
        assert!(matches!(classify("a b", line), Unread::Unavailable(_)));
        let line = "Could not connect to the endpoint URL: \"https://acm\"";
        assert_eq!(
            classify("a b", line),
            Unread::Failed(format!("aws a b: {line}"))
        );
        assert!(matches!(classify("a b", ""), Unread::Failed(_)));
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let missing = run("tegata-has-no-such-program", &[]).await;
        assert_eq!(
            missing.err(),
            Some(Unread::Unavailable(
                "tegata-has-no-such-program is not installed".into()
            ))
        );
        let answer = run("sh", &["-c", "echo out; echo err >&2; exit 3"])
            .await
            .unwrap();
        assert_eq!(
            (
                answer.succeeded,
                answer.stdout.as_str(),
                answer.stderr.as_str()
            ),
            (false, "out\n", "err\n")
        );
    }
}

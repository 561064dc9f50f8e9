//! Checks for what a failed first deployment has left.

use serde_json::Value;

use super::GROUP;
use crate::doctor::Clients;
use crate::doctor::check::{Check, Finding, Unread};
use crate::doctor::program::sdk;

/// A resource with the stack's name that remains although the stack does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Leftover {
    arn: String,
    /// Whether it contains no data. `None` if unknown.
    is_empty: Option<bool>,
}

/// Checks the stack's state, and for resources that a failed deployment has left.
pub(crate) async fn leftovers(clients: &Clients, name: &str) -> Check {
    let described = clients
        .cloudformation
        .describe_stacks()
        .stack_name(name)
        .send()
        .await;
    let status = match described {
        Ok(described) => {
            let stack = described.stacks().first();
            Ok(stack
                .and_then(|stack| stack.stack_status())
                .map(|status| status.as_str().to_owned()))
        }
        Err(error) => match sdk("cloudformation:DescribeStacks", error) {
            Unread::Failed(why) if why.contains("does not exist") => Ok(None),
            unread => Err(unread),
        },
    };
    let finding = match status {
        Err(unread) => unread.into(),
        Ok(Some(status)) if !is_never_deployed(&status) => {
            Finding::passed(format!("the stack {name} exists, and is {status}"))
        }
        Ok(status) => {
            let filter = format!("Key=aws:cloudformation:stack-name,Values={name}");
            let tagged = [
                "resourcegroupstaggingapi",
                "get-resources",
                "--tag-filters",
                &filter,
            ];
            match clients.cli.call(&tagged).await {
                Err(unread) if status.is_none() => unread.into(),
                Err(_) => judge_leftovers(name, status.as_deref(), &[]),
                Ok(read) => {
                    let mut found = Vec::new();
                    for arn in arns(&read) {
                        let is_empty = is_empty(clients, &arn).await;
                        found.push(Leftover { arn, is_empty });
                    }
                    judge_leftovers(name, status.as_deref(), &found)
                }
            }
        }
    };
    Check::new(GROUP, "leftovers of an earlier deployment", finding)
}

/// Statuses of a stack that can only be deleted.
fn is_never_deployed(status: &str) -> bool {
    [
        "ROLLBACK_COMPLETE",
        "ROLLBACK_FAILED",
        "CREATE_FAILED",
        "DELETE_FAILED",
        "REVIEW_IN_PROGRESS",
        "DELETE_COMPLETE",
    ]
    .contains(&status)
}

fn arns(read: &Value) -> Vec<String> {
    let list = read["ResourceTagMappingList"].as_array();
    let arns = list
        .into_iter()
        .flatten()
        .filter_map(|of| of["ResourceARN"].as_str());
    let mut arns: Vec<String> = arns.map(str::to_owned).collect();
    arns.sort();
    arns
}

async fn is_empty(clients: &Clients, arn: &str) -> Option<bool> {
    let (service, name) = resource(arn)?;
    match service {
        "dynamodb" => {
            let scan = clients
                .dynamodb
                .scan()
                .table_name(name)
                .limit(1)
                .send()
                .await
                .ok()?;
            Some(scan.count() == 0)
        }
        "s3" => {
            let list = clients
                .s3
                .list_object_versions()
                .bucket(name)
                .max_keys(1)
                .send()
                .await
                .ok()?;
            Some(list.versions().is_empty() && list.delete_markers().is_empty())
        }
        "logs" => {
            let list = [
                "logs",
                "describe-log-streams",
                "--log-group-name",
                name,
                "--limit",
                "1",
            ];
            let list = clients.cli.call(&list).await.ok()?;
            Some(list["logStreams"].as_array().is_none_or(Vec::is_empty))
        }
        _ => None,
    }
}

/// The service and the name in an ARN: `dynamodb` and `tegata-LicensesTable-1ABC`.
fn resource(arn: &str) -> Option<(&str, &str)> {
    let mut parts = arn.splitn(6, ':');
    let (service, rest) = (parts.nth(2)?, parts.nth(2)?);
    let name = match service {
        "dynamodb" => rest.strip_prefix("table/")?,
        "kms" => rest.strip_prefix("key/")?,
        "logs" => rest.strip_prefix("log-group:")?.trim_end_matches(":*"),
        "s3" | "sqs" => rest,
        _ => return None,
    };
    Some((service, name))
}

/// The command that deletes a resource. `None` if it is not known to be empty, or is a key, which is
/// deleted last.
fn removal_command(service: &str, name: &str, is_empty: Option<bool>) -> Option<String> {
    Some(match (service, is_empty) {
        ("dynamodb", Some(true)) => format!(
            "aws dynamodb update-table --table-name {name} --no-deletion-protection-enabled && \
             aws dynamodb delete-table --table-name {name}"
        ),
        ("s3", Some(true)) => format!("aws s3api delete-bucket --bucket {name}"),
        ("logs", Some(true)) => format!("aws logs delete-log-group --log-group-name {name}"),
        ("sqs", _) => format!(
            "aws sqs delete-queue --queue-url \"$(aws sqs get-queue-url --queue-name {name} --output text)\""
        ),
        _ => return None,
    })
}

/// The commands that delete the empty resources, and the keys if no remaining resource may be
/// encrypted with them.
fn removal_commands(found: &[Leftover]) -> Vec<String> {
    let (mut commands, mut keys) = (Vec::new(), Vec::new());
    let mut may_have_data = false;
    for leftover in found {
        may_have_data |= leftover.is_empty == Some(false);
        let Some((service, name)) = resource(&leftover.arn) else {
            continue;
        };
        may_have_data |= leftover.is_empty.is_none() && matches!(service, "dynamodb" | "s3");
        if leftover.is_empty == Some(false) {
            continue;
        }
        match service {
            "kms" => keys.push(format!(
                "aws kms schedule-key-deletion --key-id {name} --pending-window-in-days 7"
            )),
            _ => commands.extend(removal_command(service, name, leftover.is_empty)),
        }
    }
    if !may_have_data {
        commands.append(&mut keys);
    }
    commands
}

fn names<'a>(leftovers: impl Iterator<Item = &'a Leftover>) -> String {
    let resources = leftovers.filter_map(|leftover| resource(&leftover.arn));
    let names: Vec<&str> = resources.map(|(_, name)| name).collect();
    names.join(", ")
}

fn judge_leftovers(stack: &str, status: Option<&str>, found: &[Leftover]) -> Finding {
    let status = status.filter(|status| *status != "DELETE_COMPLETE");
    let with_data = || found.iter().filter(|of| of.is_empty == Some(false));
    let kept = match with_data().next() {
        None => String::new(),
        Some(_) => format!(
            "; an earlier stack's data is kept in {}",
            names(with_data())
        ),
    };
    let mut removals = removal_commands(found);
    match (status, removals.len()) {
        (None, 0) if found.is_empty() => {
            Finding::passed(format!("no stack {stack}, and no resources of one"))
        }
        (None, 0) if kept.is_empty() => Finding::skipped(format!(
            "no stack {stack}; could not determine whether these are empty: {}",
            names(found.iter())
        )),
        (None, 0) => Finding::skipped(format!("no stack {stack}: a new stack makes its own{kept}")),
        (status, count) => {
            let mut commands = Vec::new();
            let mut is = "does not exist".to_owned();
            if let Some(status) = status {
                is = format!("is {status}");
                commands.push(format!(
                    "aws cloudformation delete-stack --stack-name {stack}   # it is {status}"
                ));
                commands.push(format!(
                    "aws cloudformation wait stack-delete-complete --stack-name {stack}"
                ));
            }
            commands.append(&mut removals);
            Finding::failed(
                format!("the stack {stack} {is}, and has left {count} empty resources{kept}"),
                commands.join("\n"),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::check::CheckOutcome::{Failed, Passed, Skipped};

    #[test]
    fn leftovers_are_named_with_the_commands_that_remove_the_empty_ones() {
        let leftover = |arn: &str, is_empty| Leftover {
            arn: arn.to_owned(),
            is_empty,
        };
        let table = "arn:aws:dynamodb:ap-northeast-1:123456789012:table/tegata-LicensesTable-1";
        let bucket = "arn:aws:s3:::tegata-archivebucket-1";
        let group = "arn:aws:logs:ap-northeast-1:123456789012:log-group:tegata-ApiLogGroup-1";
        let key = "arn:aws:kms:ap-northeast-1:123456789012:key/1234";
        let queue = "arn:aws:sqs:ap-northeast-1:123456789012:tegata-AccessLogFailures-1";
        assert_eq!(judge_leftovers("tegata", None, &[]).outcome, Passed);
        let failed = judge_leftovers(
            "tegata",
            Some("ROLLBACK_COMPLETE"),
            &[
                leftover(table, Some(true)),
                leftover(key, None),
                leftover(bucket, Some(true)),
                leftover(group, Some(true)),
                leftover(queue, None),
            ],
        );
        assert_eq!(failed.outcome, Failed);
        let fix = failed.fix.unwrap();
        let lines: Vec<&str> = fix.lines().collect();
        assert!(
            lines[0].starts_with("aws cloudformation delete-stack --stack-name tegata"),
            "{fix}"
        );
        assert!(
            fix.contains("aws s3api delete-bucket --bucket tegata-archivebucket-1"),
            "{fix}"
        );
        assert!(fix.contains("--no-deletion-protection-enabled"), "{fix}");
        assert!(
            fix.contains("delete-log-group --log-group-name tegata-ApiLogGroup-1"),
            "{fix}"
        );
        assert!(
            fix.contains("--queue-name tegata-AccessLogFailures-1"),
            "{fix}"
        );
        assert!(
            lines
                .last()
                .unwrap()
                .starts_with("aws kms schedule-key-deletion --key-id 1234"),
            "{fix}"
        );
        // What holds data is never named for removal, and its key neither.
        let kept = judge_leftovers(
            "tegata",
            None,
            &[leftover(table, Some(false)), leftover(key, None)],
        );
        assert_eq!((kept.outcome, kept.fix), (Skipped, None));
        assert!(
            kept.seen.contains("tegata-LicensesTable-1"),
            "{}",
            kept.seen
        );
        let unknown = judge_leftovers(
            "tegata",
            None,
            &[leftover(bucket, None), leftover(key, None)],
        );
        assert_eq!((unknown.outcome, unknown.fix), (Skipped, None));
    }
}

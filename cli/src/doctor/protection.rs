//! Checks of data protection: recovery, encryption, locks, retention, subscriptions, and the
//! permissions of roles.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_dynamodb::types::{PointInTimeRecoveryStatus, TableDescription};
use aws_sdk_s3::types::{
    ObjectLockConfiguration, ObjectLockRetentionMode, PublicAccessBlockConfiguration,
};
use futures_util::future::join_all;
use serde_json::Value;

use super::check::{Check, Finding, Read, Unread};
use super::program::sdk;
use super::stack::Stack;
use super::template::{Template, Values};

const GROUP: &str = "protection";

const REDEPLOY: &str = "make deploy; if nothing changes, aws cloudformation detect-stack-drift shows what was \
                        changed by hand";

/// Checks each table's deletion protection, recovery and encryption.
pub(crate) async fn tables(stack: &Stack<'_>) -> Vec<Check> {
    let tables: Vec<&str> = stack
        .made("AWS::DynamoDB::Table")
        .map(|(name, _)| name)
        .collect();
    let key = stack.physical("DataKey");
    join_all(tables.into_iter().map(async |logical| {
        let key = key.clone();
        let read = async {
            let name = stack.physical(logical)?;
            let client = &stack.clients.dynamodb;
            let table = client.describe_table().table_name(name).send().await;
            let table = table
                .map_err(|error| sdk("dynamodb:DescribeTable", error))?
                .table;
            let table = table.ok_or_else(|| Unread::NotFound(format!("table {name}")))?;
            let backups = client
                .describe_continuous_backups()
                .table_name(name)
                .send()
                .await;
            let backups =
                backups.map_err(|error| sdk("dynamodb:DescribeContinuousBackups", error))?;
            let recovery = backups
                .continuous_backups_description
                .and_then(|of| of.point_in_time_recovery_description)
                .and_then(|of| of.point_in_time_recovery_status);
            Ok((name, table, recovery))
        };
        let finding = Finding::judge(read.await, |(name, table, recovery)| {
            judge_table(name, &table, recovery.as_ref(), key.ok())
        });
        Check::new(GROUP, format!("table {logical}"), finding)
    }))
    .await
}

fn judge_table(
    name: &str,
    table: &TableDescription,
    recovery: Option<&PointInTimeRecoveryStatus>,
    key: Option<&str>,
) -> Finding {
    let mut problems = Vec::new();
    let mut commands = Vec::new();
    if table.deletion_protection_enabled() != Some(true) {
        problems.push("no deletion protection".to_owned());
        commands.push(format!(
            "aws dynamodb update-table --table-name {name} --deletion-protection-enabled"
        ));
    }
    if recovery != Some(&PointInTimeRecoveryStatus::Enabled) {
        problems.push("no recovery to a point in time".to_owned());
        commands.push(format!(
            "aws dynamodb update-continuous-backups --table-name {name} \
             --point-in-time-recovery-specification PointInTimeRecoveryEnabled=true"
        ));
    }
    let encrypted_with = table
        .sse_description()
        .and_then(|of| of.kms_master_key_arn());
    match (encrypted_with, key) {
        (None, _) => {
            problems.push("not encrypted with the stack's key".to_owned());
            commands.push(REDEPLOY.to_owned());
        }
        (Some(arn), Some(key)) if !arn.ends_with(key.rsplit('/').next().unwrap_or(key)) => {
            problems.push(format!(
                "encrypted with {arn}, which is not the stack's key"
            ));
            commands.push(REDEPLOY.to_owned());
        }
        _ => {}
    }
    let seen = "deletion protection, recovery to a point in time, encrypted with the stack's key";
    Finding::of(&problems, seen, commands.join("\n"))
}

/// Checks the key that encrypts the data at rest.
pub(crate) async fn data_key(stack: &Stack<'_>) -> Check {
    let read = async {
        let key = stack.physical("DataKey")?;
        let client = &stack.clients.kms;
        let described = client.describe_key().key_id(key).send().await;
        let described = described.map_err(|error| sdk("kms:DescribeKey", error))?;
        let rotation = client.get_key_rotation_status().key_id(key).send().await;
        let rotation = rotation.map_err(|error| sdk("kms:GetKeyRotationStatus", error))?;
        let is_enabled = described.key_metadata.is_some_and(|of| of.enabled);
        Ok((key, is_enabled, rotation.key_rotation_enabled))
    };
    let finding = Finding::judge(read.await, |(key, is_enabled, rotates)| {
        judge_key(key, is_enabled, rotates)
    });
    Check::new(GROUP, "key of the data at rest", finding)
}

fn judge_key(key: &str, is_enabled: bool, rotates: bool) -> Finding {
    match (is_enabled, rotates) {
        (false, _) => Finding::failed(
            "it is disabled or marked for deletion: nothing can be read",
            format!(
                "aws kms cancel-key-deletion --key-id {key}; aws kms enable-key --key-id {key}"
            ),
        ),
        (true, false) => Finding::failed(
            "it does not rotate",
            format!("aws kms enable-key-rotation --key-id {key}"),
        ),
        (true, true) => Finding::passed("enabled, rotates every year"),
    }
}

/// Checks the default lock of new objects in the archive.
pub(crate) async fn archive_lock(stack: &Stack<'_>) -> Check {
    let read = async {
        let bucket = stack.physical("ArchiveBucket")?;
        let client = &stack.clients.s3;
        let lock = client
            .get_object_lock_configuration()
            .bucket(bucket)
            .send()
            .await;
        let lock = lock.map_err(|error| sdk("s3:GetBucketObjectLockConfiguration", error))?;
        Ok((bucket, lock.object_lock_configuration))
    };
    let days = stack
        .parameter("LogRetentionDays")
        .parse()
        .unwrap_or(tegata_archive::KEPT_DAYS);
    let finding = match read.await {
        Err(Unread::NotFound(_)) => judge_lock("", None, days),
        read => Finding::judge(read, |(bucket, lock)| {
            judge_lock(bucket, lock.as_ref(), days)
        }),
    };
    Check::new(GROUP, "lock of the archive", finding)
}

fn judge_lock(bucket: &str, lock: Option<&ObjectLockConfiguration>, days: i32) -> Finding {
    let fix = format!(
        "aws s3api put-object-lock-configuration --bucket {bucket} --object-lock-configuration \
         'ObjectLockEnabled=Enabled,Rule={{DefaultRetention={{Mode=COMPLIANCE,Days={days}}}}}'"
    );
    let retention = lock
        .and_then(|lock| lock.rule())
        .and_then(|rule| rule.default_retention());
    let Some(retention) = retention else {
        return Finding::failed("new objects get no lock", fix);
    };
    let mode = retention
        .mode()
        .map_or("no mode", ObjectLockRetentionMode::as_str);
    let locked = match (retention.days(), retention.years()) {
        (Some(days), _) => days,
        (None, Some(years)) => years.saturating_mul(365),
        (None, None) => 0,
    };
    let seen = format!("{mode}, {locked} days");
    match mode == "COMPLIANCE" && locked >= days {
        true => Finding::passed(seen),
        false => Finding::failed(format!("{seen}; promised are COMPLIANCE, {days} days"), fix),
    }
}

/// Checks that the buckets block public access.
pub(crate) async fn buckets(stack: &Stack<'_>) -> Check {
    let buckets: Vec<&str> = stack
        .made("AWS::S3::Bucket")
        .map(|(name, _)| name)
        .collect();
    let reads = join_all(buckets.into_iter().map(async |logical| {
        let bucket = stack.physical(logical)?;
        let client = &stack.clients.s3;
        let read = client.get_public_access_block().bucket(bucket).send().await;
        match read.map_err(|error| sdk("s3:GetBucketPublicAccessBlock", error)) {
            Ok(read) => Ok(judge_public_access(
                logical,
                read.public_access_block_configuration(),
            )),
            Err(Unread::NotFound(_)) => Ok(judge_public_access(logical, None)),
            Err(unread) => Err(unread),
        }
    }))
    .await;
    Check::new(
        GROUP,
        "buckets are private",
        together(reads, "buckets block public access", REDEPLOY),
    )
}

fn judge_public_access(
    logical: &str,
    block: Option<&PublicAccessBlockConfiguration>,
) -> Option<String> {
    let is_closed = block.is_some_and(|block| {
        [
            block.block_public_acls(),
            block.block_public_policy(),
            block.ignore_public_acls(),
            block.restrict_public_buckets(),
        ]
        .iter()
        .all(|is_on| *is_on == Some(true))
    });
    (!is_closed).then(|| format!("{logical} does not block public access"))
}

/// Combines the problems of several resources into one finding.
fn together(reads: Vec<Read<Option<String>>>, seen: &str, fix: &str) -> Finding {
    let count = reads.len();
    let reads: Read<Vec<Option<String>>> = reads.into_iter().collect();
    Finding::judge(reads, |problems| {
        let problems: Vec<String> = problems.into_iter().flatten().collect();
        Finding::of(&problems, format!("{count} {seen}"), fix)
    })
}

/// Checks the retention of the log groups.
pub(crate) async fn log_groups(stack: &Stack<'_>) -> Check {
    let groups = match stack.of_type("AWS::Logs::LogGroup") {
        Ok(groups) => groups,
        Err(unread) => return Check::new(GROUP, "retention of the log groups", unread.into()),
    };
    let days = stack.parameter("LogRetentionDays").parse().unwrap_or(0);
    let reads = join_all(groups.into_iter().map(async |(logical, group)| {
        let call = [
            "logs",
            "describe-log-groups",
            "--log-group-name-prefix",
            group,
        ];
        let read = stack.clients.cli.call(&call).await?;
        Ok(judge_log_group(logical, group, &read, days))
    }))
    .await;
    let seen = format!("log groups keep their lines {days} days");
    Check::new(
        GROUP,
        "retention of the log groups",
        together(reads, &seen, REDEPLOY),
    )
}

fn judge_log_group(logical: &str, name: &str, read: &Value, days: i64) -> Option<String> {
    let groups = read["logGroups"].as_array().into_iter().flatten();
    let group = groups
        .into_iter()
        .find(|of| of["logGroupName"].as_str() == Some(name));
    let Some(group) = group else {
        return Some(format!("{logical} does not exist"));
    };
    match group["retentionInDays"].as_i64() {
        // Without a retention, lines are kept forever, but raw lines are promised to be deleted.
        None => Some(format!("{logical} keeps its lines for ever")),
        Some(kept) if kept != days => Some(format!("{logical} keeps its lines {kept} days")),
        Some(_) => None,
    }
}

/// Checks the subscriptions that send log lines to the archive's function.
pub(crate) async fn subscriptions(stack: &Stack<'_>) -> Check {
    let subscriptions: Vec<(&str, &Value)> = stack.made("AWS::Logs::SubscriptionFilter").collect();
    let reads = join_all(subscriptions.into_iter().map(async |(logical, of)| {
        let group = stack.text(&of["LogGroupName"]);
        let group = group.ok_or_else(|| Unread::NotFound(format!("log group of {logical}")))?;
        let function = of["DestinationArn"]["Fn::GetAtt"][0]
            .as_str()
            .unwrap_or_default();
        let function = stack.physical(function)?;
        let call = [
            "logs",
            "describe-subscription-filters",
            "--log-group-name",
            &group,
        ];
        let read = stack.clients.cli.call(&call).await?;
        let pattern = of["FilterPattern"].as_str().unwrap_or_default();
        Ok(judge_subscription(logical, &read, function, pattern))
    }))
    .await;
    let seen = "log groups hand their lines to the archive's function";
    Check::new(GROUP, "subscriptions", together(reads, seen, REDEPLOY))
}

fn judge_subscription(
    logical: &str,
    read: &Value,
    function: &str,
    pattern: &str,
) -> Option<String> {
    let filters = read["subscriptionFilters"].as_array().into_iter().flatten();
    let ends = format!(":function:{function}");
    let ours = filters.into_iter().find(|of| {
        of["destinationArn"]
            .as_str()
            .is_some_and(|arn| arn.ends_with(&ends))
    });
    match ours {
        None => Some(format!(
            "{logical}: no subscription of the log group leads to {function}"
        )),
        Some(of) if of["filterPattern"].as_str().unwrap_or_default() != pattern => {
            let is = of["filterPattern"].as_str().unwrap_or_default();
            Some(format!(
                "{logical} has the pattern '{is}' instead of '{pattern}'"
            ))
        }
        Some(_) => None,
    }
}

/// Checks the triggers of functions: the notification of the CDN's log, rules, schedules, and the
/// queue of mails.
pub(crate) async fn triggers(stack: &Stack<'_>) -> Vec<Check> {
    let notification = async {
        let bucket = stack.physical("CdnLogBucket")?;
        let function = stack.physical("AccessLogFunction")?;
        let client = &stack.clients.s3;
        let read = client
            .get_bucket_notification_configuration()
            .bucket(bucket)
            .send()
            .await;
        let read = read.map_err(|error| sdk("s3:GetBucketNotification", error))?;
        let functions = read.lambda_function_configurations().iter();
        let functions: Vec<String> = functions
            .map(|of| of.lambda_function_arn().to_owned())
            .collect();
        Ok(judge_notification(&functions, function))
    };
    let rules = async {
        let rules = stack.of_type("AWS::Events::Rule")?;
        let reads = join_all(rules.into_iter().map(async |(logical, rule)| {
            // The physical name of a rule on a custom bus starts with the name of the bus.
            let name = rule.rsplit('|').next().unwrap_or(rule);
            let read = stack
                .clients
                .cli
                .call(&["events", "describe-rule", "--name", name])
                .await?;
            let is_on = read["State"]
                .as_str()
                .is_some_and(|state| state.starts_with("ENABLED"));
            Ok((!is_on)
                .then(|| format!("{logical} is disabled: aws events enable-rule --name {name}")))
        }))
        .await;
        Ok(together(reads, "schedules and rules are enabled", REDEPLOY))
    };
    let queue = async {
        let function = stack.physical("DeliverFunction")?;
        let call = [
            "lambda",
            "list-event-source-mappings",
            "--function-name",
            function,
        ];
        Ok(judge_mappings(&stack.clients.cli.call(&call).await?))
    };
    let flatten = |read: Read<Finding>| read.unwrap_or_else(Finding::from);
    let (notification, rules, queue) = futures_util::join!(notification, rules, queue);
    vec![
        Check::new(
            GROUP,
            "notification of the CDN's log",
            flatten(notification),
        ),
        Check::new(GROUP, "schedules and rules", flatten(rules)),
        Check::new(GROUP, "queue of the mails", flatten(queue)),
    ]
}

fn judge_notification(functions: &[String], function: &str) -> Finding {
    let ends = format!(":function:{function}");
    match functions.iter().any(|arn| arn.ends_with(&ends)) {
        true => Finding::passed("new files invoke the archive's function"),
        false => Finding::failed("new files of the CDN's log invoke no function", REDEPLOY),
    }
}

fn judge_mappings(read: &Value) -> Finding {
    let mappings = read["EventSourceMappings"].as_array();
    let states = mappings
        .into_iter()
        .flatten()
        .filter_map(|of| of["State"].as_str());
    let states: Vec<&str> = states.collect();
    match states.contains(&"Enabled") {
        true => Finding::passed("its messages invoke `deliver`"),
        false if states.is_empty() => Finding::failed("its messages invoke no function", REDEPLOY),
        false => Finding::failed(
            format!(
                "its messages invoke no function: the mapping is {}",
                states.join(", ")
            ),
            "aws lambda update-event-source-mapping --enabled --uuid UUID",
        ),
    }
}

// ---- Roles ----

/// The actions of a role, by policy name.
type Actions = BTreeMap<String, BTreeSet<String>>;

/// Compares each role with the template: no action is missing, and none was added.
pub(crate) async fn roles(stack: &Stack<'_>) -> Check {
    let values = stack.template.with_defaults(&stack.parameters);
    let promised = promised(&stack.template, &values);
    let reads = join_all(promised.iter().map(async |(logical, promised)| {
        let role = stack.physical(logical)?;
        let role = role.rsplit('/').next().unwrap_or(role);
        let cli = &stack.clients.cli;
        let attached = cli
            .call(&["iam", "list-attached-role-policies", "--role-name", role])
            .await?;
        let attached = attached["AttachedPolicies"].as_array().map_or(0, Vec::len);
        let names = cli
            .call(&["iam", "list-role-policies", "--role-name", role])
            .await?;
        let names = names["PolicyNames"].as_array().into_iter().flatten();
        let mut found = Actions::new();
        for name in names.filter_map(Value::as_str) {
            let call = [
                "iam",
                "get-role-policy",
                "--role-name",
                role,
                "--policy-name",
                name,
            ];
            let policy = cli.call(&call).await?;
            found.insert(name.to_owned(), actions(&policy["PolicyDocument"]));
        }
        Ok(judge_role(logical, promised, &found, attached))
    }))
    .await;
    let finding = together(
        reads,
        "roles have the actions of the template, and no others",
        REDEPLOY,
    );
    Check::new("roles", "roles", finding)
}

/// The actions of each role in the template, for these values of the parameters.
fn promised(template: &Template, values: &Values) -> BTreeMap<String, Actions> {
    let mut roles: BTreeMap<String, Actions> = BTreeMap::new();
    for (role, of) in template.resources("AWS::IAM::Role") {
        if !template.is_made(role, values) {
            continue;
        }
        let promised = roles.entry(role.to_owned()).or_default();
        for policy in of["Policies"].as_array().into_iter().flatten() {
            let policy = template.resolve(policy, values);
            if let Some(name) = policy["PolicyName"].as_str() {
                promised.insert(name.to_owned(), actions(&policy["PolicyDocument"]));
            }
        }
    }
    for (logical, policy) in template.resources("AWS::IAM::Policy") {
        if !template.is_made(logical, values) {
            continue;
        }
        for role in policy["Roles"].as_array().into_iter().flatten() {
            let promised = role["Ref"].as_str().and_then(|role| roles.get_mut(role));
            if let (Some(promised), Some(name)) = (promised, policy["PolicyName"].as_str()) {
                promised.insert(name.to_owned(), actions(&policy["PolicyDocument"]));
            }
        }
    }
    roles
}

/// The actions of a policy's statements. Those of a `Deny` statement start with "Deny ".
fn actions(document: &Value) -> BTreeSet<String> {
    let statements = match &document["Statement"] {
        Value::Array(statements) => statements.as_slice(),
        statement => std::slice::from_ref(statement),
    };
    let mut all = BTreeSet::new();
    for statement in statements {
        let effect = match statement["Effect"].as_str() {
            Some("Deny") => "Deny ",
            _ => "",
        };
        let actions = match &statement["Action"] {
            Value::Array(actions) => actions.as_slice(),
            action => std::slice::from_ref(action),
        };
        let actions = actions.iter().filter_map(Value::as_str);
        all.extend(actions.map(|action| format!("{effect}{action}")));
    }
    all
}

fn judge_role(role: &str, promised: &Actions, found: &Actions, attached: usize) -> Option<String> {
    let mut problems = Vec::new();
    let none = BTreeSet::new();
    for (policy, promised) in promised {
        let found = found.get(policy).unwrap_or(&none);
        problems.extend(
            promised
                .difference(found)
                .map(|action| format!("lacks {action} ({policy})")),
        );
        problems.extend(
            found
                .difference(promised)
                .map(|action| format!("also has {action} ({policy})")),
        );
    }
    let added = found
        .keys()
        .filter(|policy| !promised.contains_key(*policy));
    problems.extend(added.map(|policy| format!("also has the policy {policy}")));
    if attached > 0 {
        problems.push(format!("also has {attached} attached policies"));
    }
    (!problems.is_empty()).then(|| format!("{role} {}", problems.join(", ")))
}

#[cfg(test)]
mod tests {
    use aws_sdk_dynamodb::types::SseDescription;
    use aws_sdk_s3::types::{DefaultRetention, ObjectLockRule};
    use serde_json::json;

    use super::super::check::CheckOutcome::{self, Failed, Passed};
    use super::*;

    #[test]
    fn a_table_is_protected_recoverable_and_encrypted() {
        let table = |protected: bool, key: Option<&str>| {
            let sse = key.map(|key| SseDescription::builder().kms_master_key_arn(key).build());
            TableDescription::builder()
                .deletion_protection_enabled(protected)
                .set_sse_description(sse)
                .build()
        };
        let arn = "arn:aws:kms:ap-northeast-1:123456789012:key/1234";
        let on = Some(&PointInTimeRecoveryStatus::Enabled);
        let off = Some(&PointInTimeRecoveryStatus::Disabled);
        for (table, recovery, key, problem) in [
            (table(true, Some(arn)), on, Some("1234"), None),
            (table(true, Some(arn)), on, None, None),
            (
                table(false, Some(arn)),
                on,
                Some("1234"),
                Some("no deletion protection"),
            ),
            (
                table(true, Some(arn)),
                off,
                Some("1234"),
                Some("no recovery to a point in time"),
            ),
            (
                table(true, Some(arn)),
                None,
                Some("1234"),
                Some("no recovery to a point in time"),
            ),
            (
                table(true, Some(arn)),
                on,
                Some("5678"),
                Some("which is not the stack's key"),
            ),
            (
                table(true, None),
                on,
                Some("1234"),
                Some("not encrypted with the stack's key"),
            ),
        ] {
            let finding = judge_table("T", &table, recovery, key);
            match problem {
                None => assert_eq!(finding.outcome, Passed, "{}", finding.seen),
                Some(problem) => {
                    assert_eq!(finding.outcome, Failed);
                    assert!(finding.seen.contains(problem), "{}", finding.seen);
                }
            }
        }
    }

    #[test]
    fn the_data_key_is_enabled_and_rotates() {
        assert_eq!(judge_key("1234", true, true).outcome, Passed);
        assert_eq!(judge_key("1234", true, false).outcome, Failed);
        assert_eq!(judge_key("1234", false, true).outcome, Failed);
    }

    #[test]
    fn the_archive_is_locked_for_its_days_against_everybody() {
        let lock = |mode: ObjectLockRetentionMode, days: Option<i32>, years: Option<i32>| {
            let retention = DefaultRetention::builder()
                .mode(mode)
                .set_days(days)
                .set_years(years);
            let rule = ObjectLockRule::builder()
                .default_retention(retention.build())
                .build();
            ObjectLockConfiguration::builder().rule(rule).build()
        };
        for (lock, outcome) in [
            (
                Some(lock(ObjectLockRetentionMode::Compliance, Some(400), None)),
                Passed,
            ),
            (
                Some(lock(ObjectLockRetentionMode::Compliance, None, Some(2))),
                Passed,
            ),
            (
                Some(lock(ObjectLockRetentionMode::Compliance, Some(399), None)),
                Failed,
            ),
            (
                Some(lock(ObjectLockRetentionMode::Governance, Some(400), None)),
                Failed,
            ),
            (Some(ObjectLockConfiguration::builder().build()), Failed),
            (None, Failed),
        ] {
            assert_eq!(
                judge_lock("b", lock.as_ref(), 400).outcome,
                outcome,
                "{lock:?}"
            );
        }
    }

    #[test]
    fn buckets_block_all_public_access() {
        let block = |acls: bool| {
            PublicAccessBlockConfiguration::builder()
                .block_public_acls(acls)
                .block_public_policy(true)
                .ignore_public_acls(true)
                .restrict_public_buckets(true)
                .build()
        };
        assert_eq!(judge_public_access("B", Some(&block(true))), None);
        assert!(judge_public_access("B", Some(&block(false))).is_some());
        assert!(judge_public_access("B", None).is_some());
    }

    #[test]
    fn log_groups_keep_their_lines_as_long_as_promised() {
        let read = |days: Value| {
            json!({"logGroups": [{"logGroupName": "group-2", "retentionInDays": 1},
                {"logGroupName": "group", "retentionInDays": days}]})
        };
        assert_eq!(judge_log_group("G", "group", &read(json!(400)), 400), None);
        for (read, expected) in [
            (read(json!(30)), "G keeps its lines 30 days"),
            (read(Value::Null), "G keeps its lines for ever"),
            (json!({"logGroups": []}), "G does not exist"),
        ] {
            assert_eq!(
                judge_log_group("G", "group", &read, 400).as_deref(),
                Some(expected)
            );
        }
    }

    #[test]
    fn a_subscription_leads_to_the_archives_function() {
        let read = |arn: &str, pattern: &str| json!({"subscriptionFilters": [{"destinationArn": arn, "filterPattern": pattern}]});
        let arn = "arn:aws:lambda:ap-northeast-1:123456789012:function:archive";
        assert_eq!(judge_subscription("S", &read(arn, ""), "archive", ""), None);
        for read in [
            read(arn, "x"),
            read("arn:aws:lambda:x:1:function:other", ""),
            json!({"subscriptionFilters": []}),
        ] {
            assert!(
                judge_subscription("S", &read, "archive", "").is_some(),
                "{read}"
            );
        }
    }

    #[test]
    fn what_wakes_functions_is_enabled() {
        let arn = "arn:aws:lambda:x:1:function:archive".to_owned();
        assert_eq!(judge_notification(&[arn], "archive").outcome, Passed);
        assert_eq!(judge_notification(&[], "archive").outcome, Failed);
        for (states, outcome) in [
            (&["Enabled"][..], Passed),
            (&["Disabled"], Failed),
            (&[], Failed),
        ] {
            let mappings: Vec<Value> = states.iter().map(|state| json!({"State": state})).collect();
            let read = json!({ "EventSourceMappings": mappings });
            assert_eq!(judge_mappings(&read).outcome, outcome, "{states:?}");
        }
    }

    #[test]
    fn a_role_has_its_actions_and_no_others() {
        let template = Template::read(
            "Conditions: {Has: !Equals [!Ref P, \"\"]}\n\
             Resources:\n\
             \x20 Role: {Type: AWS::IAM::Role, Properties: {Policies: [{PolicyName: read, PolicyDocument: {Statement: [{Effect: Allow, Action: \"a:Get\"}, {Effect: Deny, Action: [\"a:Tag\"]}]}}]}}\n\
             \x20 More: {Type: AWS::IAM::Policy, Properties: {PolicyName: more, Roles: [!Ref Role], PolicyDocument: {Statement: [{Effect: Allow, Action: [\"a:Put\"]}]}}}\n\
             \x20 Never: {Type: AWS::IAM::Role, Condition: Has, Properties: {}}\n",
        )
        .unwrap();
        let values = Values::from([("P".to_owned(), "x".to_owned())]);
        let promised = promised(&template, &values);
        assert_eq!(promised.keys().collect::<Vec<_>>(), ["Role"]);
        let promised = &promised["Role"];
        assert_eq!(judge_role("Role", promised, promised, 0), None);
        let mut lacking = promised.clone();
        lacking.insert("read".into(), BTreeSet::from(["Deny a:Tag".to_owned()]));
        assert_eq!(
            judge_role("Role", promised, &lacking, 0).as_deref(),
            Some("Role lacks a:Get (read)")
        );
        let mut more = promised.clone();
        more.get_mut("more").unwrap().insert("a:Delete".into());
        more.insert("by-hand".into(), BTreeSet::new());
        assert_eq!(
            judge_role("Role", promised, &more, 1).as_deref(),
            Some(
                "Role also has a:Delete (more), also has the policy by-hand, also has 1 attached policies"
            )
        );
    }

    #[test]
    fn one_that_cannot_be_read_is_not_passed_with_the_others() {
        let denied = || Err(Unread::Denied("iam:GetRolePolicy".into()));
        let outcome = |reads| -> CheckOutcome { together(reads, "roles", "fix").outcome };
        assert_eq!(outcome(vec![Ok(None), Ok(None)]), Passed);
        assert_eq!(outcome(vec![Ok(None), denied()]), CheckOutcome::Skipped);
        assert_eq!(outcome(vec![Ok(None), Ok(Some("wrong".into()))]), Failed);
    }
}

//! The account before a deployment: quotas, mails, certificates, and what a failed one left.

use aws_sdk_sesv2::operation::get_account::GetAccountOutput;
use aws_sdk_sesv2::operation::get_email_identity::GetEmailIdentityOutput;
use aws_sdk_sesv2::types::{DkimStatus, MailFromDomainStatus};
use serde_json::Value;

use super::Clients;
use super::check::{Check, Finding, Unread};
use super::program::sdk;
use super::template::{Template, Values};

const GROUP: &str = "account";

/// What Lambda keeps for functions without a reservation.
const UNRESERVED: i64 = 100;

/// The reason where a check needs a parameter that was not given.
const NO_PARAMETERS: &str = "needs the parameters: --parameters FILE";

/// Lambda's concurrent executions against the template's reservations.
pub(crate) async fn concurrency(
    clients: &Clients,
    template: &Template,
    values: Option<&Values>,
) -> Check {
    let read = clients.cli.call(&["lambda", "get-account-settings"]).await;
    let defaults = template.with_defaults(&Values::new());
    let reserved = template.reserved_executions(values.unwrap_or(&defaults));
    let finding = Finding::judge(read, |settings| judge_concurrency(&settings, reserved));
    Check::new(GROUP, "Lambda's concurrent executions", finding)
}

fn judge_concurrency(settings: &Value, reserved: i64) -> Finding {
    let limit = |name: &str| settings["AccountLimit"][name].as_i64();
    let (Some(all), Some(free)) = (
        limit("ConcurrentExecutions"),
        limit("UnreservedConcurrentExecutions"),
    ) else {
        return Finding::failed("the answer has no limits", "update the AWS CLI");
    };
    let seen = format!("{all}, {free} of them unreserved; the template reserves {reserved}");
    let raise = "aws service-quotas request-service-quota-increase --service-code lambda \
                 --quota-code L-B99A9384 --desired-value 1000";
    match free - reserved >= UNRESERVED || reserved == 0 {
        false => Finding::failed(
            format!("{seen}, and {UNRESERVED} have to stay unreserved"),
            format!("set ReserveConcurrency to what reserves none, and ask for more:\n{raise}"),
        ),
        true if all < UNRESERVED => {
            Finding::passed(format!("{seen}; ask for more before there is traffic")).with_fix(raise)
        }
        true => Finding::passed(seen),
    }
}

/// Whether SES sends for this account, to whom, and how fast.
pub(crate) async fn mail_account(clients: &Clients, values: Option<&Values>) -> Vec<Check> {
    let read = clients.ses.get_account().send().await;
    let account = read.map_err(|error| sdk("ses:GetAccount", error));
    let rate = values.and_then(|values| values.get("SendRate")?.parse().ok());
    let check = |name: &str, judge: &dyn Fn(&GetAccountOutput) -> Finding| {
        let finding = match &account {
            Ok(account) => judge(account),
            Err(unread) => unread.clone().into(),
        };
        Check::new(GROUP, name, finding)
    };
    vec![
        check("SES sends", &judge_sending),
        check("SES out of the sandbox", &judge_sandbox),
        check("SES's quota", &|account| judge_quota(account, rate)),
    ]
}

fn judge_sending(account: &GetAccountOutput) -> Finding {
    let status = account.enforcement_status().unwrap_or("unknown");
    let seen = format!("enforcement status {status}");
    match (account.sending_enabled(), status) {
        (true, "HEALTHY") => Finding::passed(seen),
        (true, "PROBATION") => Finding::failed(
            format!("{seen}: SES will stop sending if bounces or complaints go on"),
            "read SES's message in the console (Reputation metrics), and remove the addresses that bounce",
        ),
        _ => Finding::failed(
            format!("sending is stopped, {seen}"),
            "if it was stopped by hand: aws sesv2 put-account-sending-attributes --sending-enabled\n\
             otherwise answer AWS's support case",
        ),
    }
}

fn judge_sandbox(account: &GetAccountOutput) -> Finding {
    match account.production_access_enabled() {
        true => Finding::passed("production access"),
        false => Finding::failed(
            "in the sandbox: mails go to verified addresses only",
            "aws sesv2 put-account-details --production-access-enabled --mail-type TRANSACTIONAL \
             --website-url https://example.com --contact-language JA --use-case-description '…'\n\
             (people answer it: docs/operations/admins.md, \"Setting up e-mail\")",
        ),
    }
}

fn judge_quota(account: &GetAccountOutput, rate: Option<f64>) -> Finding {
    let Some(quota) = account.send_quota() else {
        return Finding::skipped("SES's answer has no quota");
    };
    let (most, a_second, sent) = (
        quota.max24_hour_send(),
        quota.max_send_rate(),
        quota.sent_last24_hours(),
    );
    // -1 is a quota without an end.
    let shown = match most < 0.0 {
        true => "any number of mails".to_owned(),
        false => format!("{most} mails"),
    };
    let seen = format!("{shown} in 24 hours, {sent} of them sent, and {a_second} a second");
    let raise =
        "ask Service Quotas for more: aws service-quotas list-service-quotas --service-code ses";
    match rate {
        Some(rate) if rate > a_second => Finding::failed(
            format!("{seen}; the parameter SendRate is {rate}"),
            format!("set SendRate to {a_second} at most, or {raise}"),
        ),
        _ if most >= 0.0 && sent >= most => {
            Finding::failed(format!("{seen}: it is used up"), raise)
        }
        Some(rate) => Finding::passed(format!("{seen}; the parameter SendRate is {rate}")),
        None => Finding::passed(seen),
    }
}

/// The identity that mails come from.
pub(crate) async fn mail_identity(clients: &Clients, values: Option<&Values>) -> Vec<Check> {
    let Some(identity) = values.and_then(|values| values.get("MailIdentity")) else {
        let skipped = Finding::skipped(NO_PARAMETERS);
        return vec![Check::new(GROUP, "SES identity", skipped)];
    };
    let read = clients
        .ses
        .get_email_identity()
        .email_identity(identity)
        .send()
        .await;
    let read = read.map_err(|error| sdk("ses:GetEmailIdentity", error));
    match read {
        Err(Unread::NotFound(_)) => vec![Check::new(
            GROUP,
            "SES identity",
            Finding::failed(
                format!(
                    "{identity} is not an identity of SES in {}",
                    clients.cli.region
                ),
                format!("aws sesv2 create-email-identity --email-identity {identity}"),
            ),
        )],
        Err(unread) => vec![Check::new(GROUP, "SES identity", unread.into())],
        Ok(read) => vec![
            Check::new(GROUP, "SES identity", judge_identity(identity, &read)),
            Check::new(GROUP, "DKIM", judge_dkim(identity, &read)),
            Check::new(
                GROUP,
                "MAIL FROM",
                judge_mail_from(identity, &clients.cli.region, &read),
            ),
        ],
    }
}

fn judge_identity(identity: &str, read: &GetEmailIdentityOutput) -> Finding {
    match read.verified_for_sending_status() {
        true => Finding::passed(format!("{identity} is verified")),
        false => Finding::failed(
            format!("{identity} is not verified"),
            format!(
                "publish the records that this names: aws sesv2 get-email-identity --email-identity {identity}"
            ),
        ),
    }
}

fn judge_dkim(identity: &str, read: &GetEmailIdentityOutput) -> Finding {
    let dkim = read.dkim_attributes();
    let status = dkim.and_then(|dkim| dkim.status());
    let signs = dkim.is_some_and(|dkim| dkim.signing_enabled());
    match (status, signs) {
        (Some(DkimStatus::Success), true) => Finding::passed("signed with the identity's keys"),
        _ if identity.contains('@')
            && status.is_none_or(|status| *status == DkimStatus::NotStarted) =>
        {
            Finding::failed(
                "an address has no DKIM of its own",
                "verify its domain instead, and give it as MailIdentity: docs/operations/admins.md, \"Setting up e-mail\"",
            )
        }
        (Some(DkimStatus::Success), false) => Finding::failed(
            "the keys are there, and signing is off",
            format!(
                "aws sesv2 put-email-identity-dkim-attributes --email-identity {identity} --signing-enabled"
            ),
        ),
        (status, _) => {
            let tokens = dkim.map(|dkim| dkim.tokens()).unwrap_or_default();
            let domain = identity.rsplit('@').next().unwrap_or(identity);
            let records = tokens.iter().map(|token| {
                format!("\n{token}._domainkey.{domain} CNAME {token}.dkim.amazonses.com")
            });
            let status = status.map_or("unknown", |status| status.as_str());
            Finding::failed(
                format!("status {status}"),
                format!("publish these records:{}", records.collect::<String>()),
            )
        }
    }
}

fn judge_mail_from(identity: &str, region: &str, read: &GetEmailIdentityOutput) -> Finding {
    let from = read.mail_from_attributes();
    let domain = from
        .map(|from| from.mail_from_domain())
        .filter(|domain| !domain.is_empty());
    let Some((from, domain)) = from.zip(domain) else {
        let parent = identity.rsplit('@').next().unwrap_or(identity);
        return Finding::failed(
            "SES's own: SPF does not speak for the vendor's domain",
            format!(
                "aws sesv2 put-email-identity-mail-from-attributes --email-identity {identity} \
                 --mail-from-domain bounce.{parent} --behavior-on-mx-failure USE_DEFAULT_VALUE"
            ),
        );
    };
    match from.mail_from_domain_status() {
        MailFromDomainStatus::Success => Finding::passed(domain),
        status => Finding::failed(
            format!("{domain}: status {status}"),
            format!(
                "publish these records:\n{domain} MX 10 feedback-smtp.{region}.amazonses.com\n\
                 {domain} TXT \"v=spf1 include:amazonses.com ~all\""
            ),
        ),
    }
}

/// The certificates of the domains.
pub(crate) async fn certificates(clients: &Clients, values: Option<&Values>) -> Vec<Check> {
    let mut checks = Vec::new();
    for (what, domain, arn, region) in [
        (
            "certificate of the API",
            "ApiDomain",
            "ApiCertificateArn",
            clients.cli.region.as_str(),
        ),
        (
            "certificate of the CDN",
            "CdnDomain",
            "CdnCertificateArn",
            "us-east-1",
        ),
    ] {
        let get = |name: &str| Some(values?.get(name).map_or("", String::as_str));
        let finding = match (get(domain), get(arn)) {
            (Some(""), Some("")) => Finding::skipped(format!("no {domain}: AWS's own name serves")),
            (Some(domain), Some(arn)) => match arn.split(':').nth(3) {
                Some(of) if of == region => {
                    let describe = ["acm", "describe-certificate", "--certificate-arn", arn];
                    match clients.cli.call_in(region, &describe).await {
                        Err(Unread::NotFound(_)) => Finding::failed(
                            format!("{arn} does not exist"),
                            request_certificate(domain, region),
                        ),
                        read => {
                            Finding::judge(read, |read| judge_certificate(&read, domain, region))
                        }
                    }
                }
                _ => Finding::failed(
                    format!("{arn} is not in {region}"),
                    request_certificate(domain, region),
                ),
            },
            _ => Finding::skipped(NO_PARAMETERS),
        };
        checks.push(Check::new(GROUP, what, finding));
    }
    checks
}

fn request_certificate(domain: &str, region: &str) -> String {
    format!(
        "aws acm request-certificate --region {region} --domain-name {domain} --validation-method DNS"
    )
}

fn judge_certificate(read: &Value, domain: &str, region: &str) -> Finding {
    let certificate = &read["Certificate"];
    let status = certificate["Status"].as_str().unwrap_or("unknown");
    let mut names: Vec<&str> = certificate["SubjectAlternativeNames"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    names.extend(certificate["DomainName"].as_str());
    let covers = |name: &&str| {
        let wildcard = name.strip_prefix("*.");
        let parent = domain.split_once('.').map(|(_, parent)| parent);
        name.eq_ignore_ascii_case(domain) || (wildcard.is_some() && wildcard == parent)
    };
    if !names.iter().any(covers) {
        return Finding::failed(
            format!("it is for {}, and not for {domain}", names.join(", ")),
            request_certificate(domain, region),
        );
    }
    match status {
        "ISSUED" => Finding::passed(format!("issued for {domain} in {region}")),
        "PENDING_VALIDATION" => {
            let records = certificate["DomainValidationOptions"].as_array();
            let records = records.into_iter().flatten().filter_map(|of| {
                let record = &of["ResourceRecord"];
                let text = |name: &str| record[name].as_str();
                Some(format!(
                    "\n{} {} {}",
                    text("Name")?,
                    text("Type")?,
                    text("Value")?
                ))
            });
            Finding::failed(
                "it waits for its DNS record",
                format!("publish, and wait:{}", records.collect::<String>()),
            )
        }
        _ => Finding::failed(
            format!("status {status}"),
            request_certificate(domain, region),
        ),
    }
}

/// Whether the account may use CloudFront. Only a distribution shows it: AWS says no at its creation.
pub(crate) async fn cloudfront(clients: &Clients) -> Check {
    let list = ["cloudfront", "list-distributions", "--max-items", "1"];
    let read = clients.cli.call_in("us-east-1", &list).await;
    let finding = Finding::judge(read, |read| judge_cloudfront(&read));
    Check::new(GROUP, "CloudFront", finding)
}

fn judge_cloudfront(read: &Value) -> Finding {
    let list = &read["DistributionList"];
    let has_some = list["Quantity"].as_i64().unwrap_or(0) > 0
        || list["Items"]
            .as_array()
            .is_some_and(|items| !items.is_empty());
    match has_some {
        true => Finding::passed("the account has distributions"),
        false => Finding::skipped(
            "the account has no distribution yet; AWS refuses a brand-new account's first one \
             (\"must be verified before you can add new CloudFront resources\")",
        )
        .with_fix("if the deployment says so, ask AWS Support to verify the account"),
    }
}

/// The secret with the status page's key.
pub(crate) async fn status_page_secret(clients: &Clients, values: Option<&Values>) -> Check {
    let secret = values.map(|values| values.get("StatusPageSecretArn").map_or("", String::as_str));
    let finding = match secret {
        None => Finding::skipped(NO_PARAMETERS),
        Some("") => Finding::skipped("no StatusPage"),
        Some(arn) => {
            let read = clients
                .secrets
                .describe_secret()
                .secret_id(arn)
                .send()
                .await;
            let read = read.map_err(|error| sdk("secretsmanager:DescribeSecret", error));
            match read {
                Err(Unread::NotFound(_)) => Finding::failed(
                    "the secret does not exist in this region",
                    "aws secretsmanager create-secret --name tegata/status-page --secret-string file://key",
                ),
                read => Finding::judge(read, |secret| {
                    judge_secret(secret.kms_key_id(), secret.deleted_date().is_some())
                }),
            }
        }
    };
    Check::new(GROUP, "secret of the status page", finding)
}

fn judge_secret(key: Option<&str>, is_deleted: bool) -> Finding {
    match (is_deleted, key) {
        (true, _) => Finding::failed(
            "it is marked for deletion",
            "aws secretsmanager restore-secret --secret-id ARN",
        ),
        (false, Some(key)) if key != "alias/aws/secretsmanager" => Finding::failed(
            format!("it is encrypted with {key}, which `announce` may not use"),
            "aws secretsmanager update-secret --secret-id ARN --kms-key-id alias/aws/secretsmanager",
        ),
        _ => Finding::passed("it exists, encrypted with the account's own key for secrets"),
    }
}

// ---- What a failed first deployment leaves ----

/// Something that carries the stack's name, though the stack does not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Leftover {
    arn: String,
    /// Whether nothing is in it; `None` if that was not found out.
    is_empty: Option<bool>,
}

/// The stack that is to be deployed, and what an earlier attempt has left.
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

fn judge_leftovers(stack: &str, status: Option<&str>, found: &[Leftover]) -> Finding {
    let mut commands = Vec::new();
    if let Some(status) = status.filter(|status| *status != "DELETE_COMPLETE") {
        commands.push(format!(
            "aws cloudformation delete-stack --stack-name {stack}   # it is {status}"
        ));
        commands.push(format!(
            "aws cloudformation wait stack-delete-complete --stack-name {stack}"
        ));
    }
    let (with_data, empty): (Vec<&Leftover>, Vec<&Leftover>) =
        found.iter().partition(|of| of.is_empty == Some(false));
    // The key goes last, and only if nothing is encrypted with it.
    let mut keys = Vec::new();
    let mut removable = 0;
    for leftover in empty {
        let Some((service, name)) = resource(&leftover.arn) else {
            continue;
        };
        // What was not looked into is not called removable.
        let command = match (service, leftover.is_empty) {
            ("dynamodb", Some(true)) => format!(
                "aws dynamodb update-table --table-name {name} --no-deletion-protection-enabled && \
                 aws dynamodb delete-table --table-name {name}"
            ),
            ("s3", Some(true)) => format!("aws s3api delete-bucket --bucket {name}"),
            ("logs", Some(true)) => format!("aws logs delete-log-group --log-group-name {name}"),
            ("sqs", _) => format!(
                "aws sqs delete-queue --queue-url \"$(aws sqs get-queue-url --queue-name {name} --output text)\""
            ),
            ("kms", _) => {
                keys.push(format!(
                    "aws kms schedule-key-deletion --key-id {name} --pending-window-in-days 7"
                ));
                continue;
            }
            _ => continue,
        };
        removable += 1;
        commands.push(command);
    }
    let has_unknown = found.iter().any(|of| {
        of.is_empty.is_none() && matches!(resource(&of.arn), Some(("dynamodb" | "s3", _)))
    });
    if with_data.is_empty() && !has_unknown {
        removable += keys.len();
        commands.extend(keys);
    }
    let names = |of: &[&Leftover]| {
        let names: Vec<&str> = of
            .iter()
            .filter_map(|of| resource(&of.arn))
            .map(|(_, name)| name)
            .collect();
        names.join(", ")
    };
    let kept = match with_data.is_empty() {
        true => String::new(),
        false => format!("; an earlier stack's data is kept in {}", names(&with_data)),
    };
    match (
        status.filter(|status| *status != "DELETE_COMPLETE"),
        removable,
    ) {
        (None, 0) if found.is_empty() => {
            Finding::passed(format!("no stack {stack}, and nothing of one"))
        }
        (None, 0) if with_data.is_empty() => {
            let all: Vec<&Leftover> = found.iter().collect();
            Finding::skipped(format!(
                "no stack {stack}, and it was not found out whether these are empty: {}",
                names(&all)
            ))
        }
        (None, 0) => Finding::skipped(format!("no stack {stack}{kept}: a new stack makes its own")),
        (status, count) => {
            let is = status.map_or_else(
                || "is not there".to_owned(),
                |status| format!("is {status}"),
            );
            Finding::failed(
                format!("the stack {stack} {is}, and has left {count} empty resources{kept}"),
                commands.join("\n"),
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use aws_sdk_sesv2::types::{DkimAttributes, MailFromAttributes, SendQuota};
    use serde_json::json;

    use super::super::check::CheckOutcome::{Failed, Passed, Skipped};
    use super::*;

    #[test]
    fn reservations_have_to_leave_a_hundred_executions() {
        let settings = |all: i64, free: i64| json!({"AccountLimit": {"ConcurrentExecutions": all, "UnreservedConcurrentExecutions": free}});
        for (all, free, reserved, outcome) in [
            (1000, 1000, 4, Passed),
            (1000, 104, 4, Passed),
            (1000, 103, 4, Failed),
            (10, 10, 4, Failed),
            (10, 10, 0, Passed),
        ] {
            let finding = judge_concurrency(&settings(all, free), reserved);
            assert_eq!(
                finding.outcome, outcome,
                "{all} {free} {reserved}: {}",
                finding.seen
            );
        }
        assert_eq!(judge_concurrency(&json!({}), 0).outcome, Failed);
    }

    #[test]
    fn what_ses_says_of_the_account_is_judged() {
        let account =
            |enabled: bool, status: &str, production: bool, most: f64, rate: f64, sent: f64| {
                let quota = SendQuota::builder()
                    .max24_hour_send(most)
                    .max_send_rate(rate)
                    .sent_last24_hours(sent)
                    .build();
                GetAccountOutput::builder()
                    .sending_enabled(enabled)
                    .enforcement_status(status)
                    .production_access_enabled(production)
                    .send_quota(quota)
                    .build()
            };
        let well = account(true, "HEALTHY", true, 50_000.0, 14.0, 0.0);
        assert_eq!(judge_sending(&well).outcome, Passed);
        assert_eq!(judge_sandbox(&well).outcome, Passed);
        assert_eq!(judge_quota(&well, Some(14.0)).outcome, Passed);
        assert_eq!(judge_quota(&well, Some(15.0)).outcome, Failed);
        assert_eq!(judge_quota(&well, None).outcome, Passed);
        let new = account(true, "HEALTHY", false, 200.0, 1.0, 200.0);
        assert_eq!(judge_sandbox(&new).outcome, Failed);
        assert_eq!(judge_quota(&new, Some(1.0)).outcome, Failed);
        let paused = account(false, "HEALTHY", true, 200.0, 1.0, 0.0);
        assert_eq!(judge_sending(&paused).outcome, Failed);
        for status in ["PROBATION", "SHUTDOWN"] {
            let status = account(true, status, true, 200.0, 1.0, 0.0);
            assert_eq!(judge_sending(&status).outcome, Failed);
        }
        let without_end = account(true, "HEALTHY", true, -1.0, 14.0, 5.0);
        assert_eq!(judge_quota(&without_end, None).outcome, Passed);
    }

    #[test]
    fn an_identity_is_verified_signs_and_has_its_own_mail_from() {
        let identity = |verified: bool, dkim: DkimStatus, from: Option<MailFromDomainStatus>| {
            let read = GetEmailIdentityOutput::builder()
                .verified_for_sending_status(verified)
                .dkim_attributes(
                    DkimAttributes::builder()
                        .status(dkim)
                        .signing_enabled(true)
                        .tokens("abc")
                        .build(),
                );
            let from = from.map(|status| {
                let domain = MailFromAttributes::builder()
                    .mail_from_domain("bounce.example.com")
                    .mail_from_domain_status(status)
                    .behavior_on_mx_failure("USE_DEFAULT_VALUE".into());
                domain.build().unwrap()
            });
            read.set_mail_from_attributes(from).build()
        };
        let well = identity(
            true,
            DkimStatus::Success,
            Some(MailFromDomainStatus::Success),
        );
        assert_eq!(judge_identity("example.com", &well).outcome, Passed);
        assert_eq!(judge_dkim("example.com", &well).outcome, Passed);
        assert_eq!(
            judge_mail_from("example.com", "ap-northeast-1", &well).outcome,
            Passed
        );
        let new = identity(false, DkimStatus::Pending, None);
        assert_eq!(judge_identity("example.com", &new).outcome, Failed);
        let dkim = judge_dkim("example.com", &new);
        assert_eq!(dkim.outcome, Failed);
        assert!(
            dkim.fix
                .unwrap()
                .contains("abc._domainkey.example.com CNAME abc.dkim.amazonses.com")
        );
        let from = judge_mail_from("example.com", "ap-northeast-1", &new);
        assert_eq!(from.outcome, Failed);
        assert!(
            from.fix
                .unwrap()
                .contains("--mail-from-domain bounce.example.com")
        );
        let pending = identity(
            true,
            DkimStatus::Success,
            Some(MailFromDomainStatus::Pending),
        );
        let from = judge_mail_from("example.com", "ap-northeast-1", &pending);
        assert!(
            from.fix
                .unwrap()
                .contains("feedback-smtp.ap-northeast-1.amazonses.com")
        );
        let address = identity(true, DkimStatus::NotStarted, None);
        assert_eq!(judge_dkim("a@example.com", &address).outcome, Failed);
    }

    #[test]
    fn a_certificate_is_issued_for_the_domain() {
        let certificate = |status: &str, names: &[&str]| {
            json!({"Certificate": {"Status": status, "DomainName": names[0], "SubjectAlternativeNames": names,
                "DomainValidationOptions": [{"ResourceRecord": {"Name": "_a.cdn.example.com.", "Type": "CNAME", "Value": "_b.aws."}}]}})
        };
        for (status, names, outcome) in [
            ("ISSUED", &["cdn.example.com"][..], Passed),
            ("ISSUED", &["example.com", "*.example.com"], Passed),
            ("ISSUED", &["*.com"], Failed),
            ("ISSUED", &["license.example.com"], Failed),
            ("PENDING_VALIDATION", &["cdn.example.com"], Failed),
            ("EXPIRED", &["cdn.example.com"], Failed),
        ] {
            let read = certificate(status, names);
            let finding = judge_certificate(&read, "cdn.example.com", "us-east-1");
            assert_eq!(
                finding.outcome, outcome,
                "{status} {names:?}: {}",
                finding.seen
            );
        }
        let pending = certificate("PENDING_VALIDATION", &["cdn.example.com"]);
        let fix = judge_certificate(&pending, "cdn.example.com", "us-east-1")
            .fix
            .unwrap();
        assert!(fix.contains("_a.cdn.example.com. CNAME _b.aws."), "{fix}");
    }

    #[test]
    fn an_account_without_a_distribution_is_no_proof() {
        let none = json!({"DistributionList": {"Quantity": 0}});
        assert_eq!(judge_cloudfront(&none).outcome, Skipped);
        assert_eq!(judge_cloudfront(&json!({})).outcome, Skipped);
        let one = json!({"DistributionList": {"Quantity": 1, "Items": [{}]}});
        assert_eq!(judge_cloudfront(&one).outcome, Passed);
    }

    #[test]
    fn a_secret_is_encrypted_with_the_key_that_announce_may_use() {
        for (key, is_deleted, outcome) in [
            (None, false, Passed),
            (Some("alias/aws/secretsmanager"), false, Passed),
            (
                Some("arn:aws:kms:ap-northeast-1:123456789012:key/1"),
                false,
                Failed,
            ),
            (None, true, Failed),
        ] {
            assert_eq!(judge_secret(key, is_deleted).outcome, outcome, "{key:?}");
        }
    }

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

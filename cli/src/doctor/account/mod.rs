//! Checks of the account before a deployment: quotas, mail, certificates, and leftovers of a failed
//! deployment.

mod certificates;
mod leftovers;
mod mail;

use serde_json::Value;

use super::Clients;
use super::check::{Check, Finding, Unread};
use super::program::sdk;
use super::template::{Template, Values};

pub(crate) use certificates::certificates;
pub(crate) use leftovers::leftovers;
pub(crate) use mail::{mail_account, mail_identity};

const GROUP: &str = "account";

/// The concurrent executions that Lambda requires to stay unreserved.
const UNRESERVED: i64 = 100;

/// The reason for skipping a check that needs the parameters.
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
            format!("set ReserveConcurrency to reserve none, and request more:\n{raise}"),
        ),
        true if all < UNRESERVED => {
            Finding::passed(format!("{seen}; ask for more before there is traffic")).with_fix(raise)
        }
        true => Finding::passed(seen),
    }
}

/// Checks that the account may use CloudFront. Only an existing distribution proves it: AWS refuses
/// the creation of a first one if the account is not verified.
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

/// Checks the secret with the API key of the status page.
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::doctor::check::CheckOutcome::{Failed, Passed, Skipped};

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
}

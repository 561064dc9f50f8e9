//! Checks of SES: the account, and the identity that sends mails.

use aws_sdk_sesv2::operation::get_account::GetAccountOutput;
use aws_sdk_sesv2::operation::get_email_identity::GetEmailIdentityOutput;
use aws_sdk_sesv2::types::{DkimStatus, MailFromDomainStatus};

use super::{GROUP, NO_PARAMETERS};
use crate::doctor::Clients;
use crate::doctor::check::{Check, Finding, Unread};
use crate::doctor::program::sdk;
use crate::doctor::template::Values;

/// Checks of the account's SES: sending, sandbox and quota.
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
    // -1 means no quota.
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

/// Checks of the SES identity that sends mails.
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
                "the identity is an address, which has no DKIM of its own",
                "verify its domain instead, and give it as MailIdentity: docs/operations/admins.md, \"Setting up e-mail\"",
            )
        }
        (Some(DkimStatus::Success), false) => Finding::failed(
            "the keys exist, but signing is off",
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
            "the MAIL FROM domain is SES's own, so SPF does not cover the vendor's domain",
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

#[cfg(test)]
mod tests {
    use aws_sdk_sesv2::types::{DkimAttributes, MailFromAttributes, SendQuota};

    use super::*;
    use crate::doctor::check::CheckOutcome::{Failed, Passed};

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
}

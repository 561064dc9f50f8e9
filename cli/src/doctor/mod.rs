//! `tegata doctor`: checks before a deployment, and of a deployed stack.
//!
//! Each check has a thin function that reads, and a pure one that evaluates. What the caller has no
//! permission to read is reported as skipped.

mod account;
mod alarms;
mod cdn;
pub(crate) mod check;
pub(crate) mod http;
mod machine;
mod mail;
mod parameters;
mod program;
mod protection;
mod request;
mod stack;
mod template;
mod yaml;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{FuturesOrdered, StreamExt as _};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tegata_common::product::ProductSlug;

use crate::failure::UsageError;
use crate::identity;
use crate::output::{self, Output, say};
use crate::target::{self, Target, TargetArgs};
use check::{Check, CheckOutcome, Finding, Summary};
use http::Http;
use program::AwsCli;
use stack::Stack;
use template::{Template, Values};

/// The name and the region of the stack of `make deploy`.
const SAMCONFIG: &str = include_str!("../../../samconfig.toml");

/// Check the machine and the account before a deployment, or a deployed stack.
///
/// Without --stack (and TEGATA_STACK), checks what `make deploy` needs: programs, identity, quotas,
/// SES, certificates, parameters, and leftovers of a failed first deployment.
///
/// With --stack, checks the deployed stack: requests a licence, follows the request into the
/// archive and its lock, verifies the lease with the published keys, and checks the CDN, recovery,
/// retention, subscriptions, roles and alarms. This takes up to two minutes. The request is counted
/// in the usage like any other.
///
/// Each check prints one line: ✓ passed, ✗ failed with the command that fixes it, or – skipped with
/// the reason. A check without the necessary permission is skipped. Some checks call the AWS CLI;
/// without it they are skipped.
#[derive(clap::Args)]
#[command(after_help = "Examples:\n  \
    tegata doctor --parameters parameters.yaml        before `make deploy`\n  \
    tegata --stack tegata doctor                      after it\n  \
    tegata --stack tegata doctor --mail --output json > doctor.json\n  \
    \u{20}                                                 the document for an auditor\n\n\
    Exit codes: 0 nothing failed, 1 something failed, 2 wrong usage.")]
pub(crate) struct Args {
    /// The file of parameters for the deployment: a copy of examples/parameters.yaml.
    #[arg(long, value_name = "FILE")]
    parameters: Option<PathBuf>,
    /// The name of the stack to deploy [default: as in samconfig.toml].
    #[arg(long, value_name = "NAME")]
    new_stack: Option<String>,
    /// On a stack: send one mail to each address of SES's mailbox simulator, and wait for SES's
    /// events.
    #[arg(long)]
    mail: bool,
    /// On a stack: request the licence of this tenant [default: any that needs no serial].
    #[arg(long, requires = "product")]
    domain: Option<String>,
    /// On a stack: request the licence of this product.
    #[arg(long, requires = "domain")]
    product: Option<ProductSlug>,
    /// On a stack: run only the checks of these groups.
    #[arg(long, value_name = "GROUP", value_delimiter = ',', value_parser = GROUPS)]
    only: Vec<String>,
    /// On a stack: the time in seconds to wait for the request's lines in the archive.
    #[arg(long, value_name = "SECONDS", default_value_t = 120)]
    within: u64,
    /// Report a check that fails as skipped, with this reason, such as 'TLS=no domain on staging'.
    /// Repeat it for several checks.
    #[arg(long, value_name = "CHECK=REASON", value_parser = explanation)]
    explain: Vec<(String, String)>,
}

fn explanation(text: &str) -> Result<(String, String), String> {
    let parts = text
        .split_once('=')
        .map(|(check, reason)| (check.trim(), reason.trim()));
    match parts {
        Some((check, reason)) if !check.is_empty() && !reason.is_empty() => {
            Ok((check.to_owned(), reason.to_owned()))
        }
        _ => Err("expected the name of a check, '=', and the reason".to_owned()),
    }
}

/// The groups of checks on a stack.
const GROUPS: [&str; 8] = [
    "stack",
    "protection",
    "roles",
    "alarms",
    "account",
    "mail",
    "cdn",
    "request",
];

/// The clients of the checks.
pub(crate) struct Clients {
    pub(crate) cli: AwsCli,
    pub(crate) cloudformation: aws_sdk_cloudformation::Client,
    pub(crate) dynamodb: aws_sdk_dynamodb::Client,
    pub(crate) kms: aws_sdk_kms::Client,
    pub(crate) s3: aws_sdk_s3::Client,
    pub(crate) secrets: aws_sdk_secretsmanager::Client,
    pub(crate) ses: aws_sdk_sesv2::Client,
}

impl Clients {
    fn new(config: &aws_config::SdkConfig) -> Self {
        let region = config.region().map_or("", |region| region.as_ref());
        Self {
            cli: AwsCli {
                region: region.to_owned(),
            },
            cloudformation: aws_sdk_cloudformation::Client::new(config),
            dynamodb: aws_sdk_dynamodb::Client::new(config),
            kms: aws_sdk_kms::Client::new(config),
            s3: target::s3(config),
            secrets: aws_sdk_secretsmanager::Client::new(config),
            ses: aws_sdk_sesv2::Client::new(config),
        }
    }
}

/// The JSON output, which is a document for auditors.
#[derive(Serialize)]
struct Document<'a> {
    /// When the checks started, UTC.
    time: Timestamp,
    caller: &'a str,
    region: &'a str,
    /// The ARN of the stack, if one was checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    stack: Option<&'a str>,
    versions: Versions,
    /// Whether no check failed.
    ok: bool,
    summary: Summary,
    checks: &'a [Check],
}

/// The versions that the checks compare with.
#[derive(Serialize)]
struct Versions {
    /// The version of this `tegata`.
    tegata: &'static str,
    /// The SHA-256 of its template.
    template_sha256: String,
}

#[derive(Deserialize)]
struct Samconfig {
    default: SamconfigDefault,
}

#[derive(Deserialize)]
struct SamconfigDefault {
    global: SamconfigGlobal,
}

#[derive(Deserialize)]
struct SamconfigGlobal {
    parameters: Deployment,
}

/// The stack and the region of `make deploy`.
#[derive(Deserialize)]
struct Deployment {
    stack_name: String,
    region: String,
}

impl Deployment {
    fn of_this_version() -> anyhow::Result<Self> {
        let samconfig: Samconfig = toml::from_str(SAMCONFIG).context("samconfig.toml")?;
        Ok(samconfig.default.global.parameters)
    }
}

pub(crate) async fn run(target: &TargetArgs, output: Output, args: Args) -> anyhow::Result<()> {
    if target.local.is_some() {
        let only = "`tegata doctor` checks an AWS account or a stack; it does not support --local";
        return Err(UsageError(only.to_owned()).into());
    }
    let started = Timestamp::now();
    let mut report = DoctorReport::new(output, &args.explain);
    let subject = match target.stack_name() {
        Some(name) => on_stack(target, &name, &args, &mut report).await?,
        None => before_deployment(&args, &mut report).await?,
    };
    report.check_explanations()?;
    let checks = report.checks;
    let summary = Summary::of(&checks);
    match output {
        Output::Json => output::json(&Document {
            time: started,
            caller: &subject.caller,
            region: &subject.region,
            stack: subject.stack.as_deref(),
            versions: Versions {
                tegata: env!("CARGO_PKG_VERSION"),
                template_sha256: template::sha256(),
            },
            ok: summary.failed == 0,
            summary,
            checks: &checks,
        })?,
        Output::Text => say!(
            "\n{} passed, {} failed, {} skipped",
            summary.passed,
            summary.failed,
            summary.skipped
        ),
    }
    if summary.failed > 0 {
        bail!("{} of {} checks failed", summary.failed, checks.len());
    }
    Ok(())
}

/// The caller, the region and the stack of the checks.
struct Subject {
    caller: String,
    region: String,
    stack: Option<String>,
}

/// The results of the checks, in order. Text is printed after each check.
struct DoctorReport<'a> {
    output: Output,
    explained: &'a [(String, String)],
    checks: Vec<Check>,
}

/// Whether a check has a name, as JSON has it or as it is printed.
fn is_named(check: &Check, name: &str) -> bool {
    check.name == name || output::translated(&check.name) == name
}

impl<'a> DoctorReport<'a> {
    fn new(output: Output, explained: &'a [(String, String)]) -> Self {
        Self {
            output,
            explained,
            checks: Vec::new(),
        }
    }

    fn add(&mut self, made: Vec<Check>) {
        for mut check in made {
            let mut explained = self.explained.iter();
            let reason = explained.find(|(name, _)| is_named(&check, name));
            if let (CheckOutcome::Failed, Some((_, reason))) = (check.finding.outcome, reason) {
                let seen = format!("explained: {reason} ({})", check.finding.seen);
                check.finding = Finding::skipped(seen);
            }
            if self.output == Output::Text {
                check.print();
            }
            self.checks.push(check);
        }
    }

    /// Rejects an explanation of a check that does not exist: probably a typing error.
    fn check_explanations(&self) -> anyhow::Result<()> {
        for (name, _) in self.explained {
            if !self.checks.iter().any(|check| is_named(check, name)) {
                return Err(UsageError(format!("--explain: there is no check '{name}'")).into());
            }
        }
        Ok(())
    }

    async fn finish(&mut self, mut running: Running<'_>) {
        while let Some(made) = running.checks.next().await {
            self.add(made);
        }
    }
}

/// Checks that run concurrently and are reported in order.
struct Running<'a> {
    /// The groups to run. Empty means all.
    only: &'a [String],
    checks: FuturesOrdered<BoxFuture<'a, Vec<Check>>>,
}

impl<'a> Running<'a> {
    fn new(only: &'a [String]) -> Self {
        Self {
            only,
            checks: FuturesOrdered::new(),
        }
    }

    fn one(&mut self, group: &str, check: impl Future<Output = Check> + Send + 'a) {
        self.many(group, check.map(|check| vec![check]));
    }

    fn many(&mut self, group: &str, checks: impl Future<Output = Vec<Check>> + Send + 'a) {
        if self.only.is_empty() || self.only.iter().any(|only| only == group) {
            self.checks.push_back(checks.boxed());
        }
    }
}

async fn before_deployment(args: &Args, report: &mut DoctorReport<'_>) -> anyhow::Result<Subject> {
    if args.mail || args.domain.is_some() || !args.only.is_empty() {
        let only =
            "--mail, --domain, --product and --only need a stack: tegata --stack NAME doctor";
        return Err(UsageError(only.to_owned()).into());
    }
    let template = Template::embedded().context("template.yaml")?;
    let deployment = Deployment::of_this_version()?;
    report.add(machine::tools().await);
    let (made, values) = match &args.parameters {
        Some(file) => parameters::check(file, &template),
        None => {
            let skipped = Finding::skipped("not given: --parameters FILE");
            (vec![Check::new("parameters", "parameters", skipped)], None)
        }
    };
    report.add(made);
    let identified = async {
        let config = identity::sdk_config().await?;
        let caller = identity::caller(&config).await?;
        anyhow::Ok((config, caller))
    };
    let (config, caller) = match identified.await {
        Ok(identified) => identified,
        Err(error) => {
            let failed = Finding::failed(
                format!("{error:#}"),
                "aws configure sso      (or: export AWS_PROFILE=NAME; aws sso login)",
            );
            report.add(vec![Check::new("machine", "identity", failed)]);
            return Ok(Subject {
                caller: String::new(),
                region: String::new(),
                stack: None,
            });
        }
    };
    let clients = Clients::new(&config);
    let values: Option<&Values> = values.as_ref();
    let name = args.new_stack.as_deref().unwrap_or(&deployment.stack_name);
    let made = vec![
        machine::identity(&caller),
        machine::region(&clients.cli.region, &deployment.region),
    ];
    report.add(made);
    let mut running = Running::new(&[]);
    running.one("account", account::concurrency(&clients, &template, values));
    running.many("account", account::mail_account(&clients, values));
    running.many("account", account::mail_identity(&clients, values));
    running.many("account", account::certificates(&clients, values));
    running.one("account", account::cloudfront(&clients));
    running.one("account", account::status_page_secret(&clients, values));
    running.one("account", account::leftovers(&clients, name));
    report.finish(running).await;
    Ok(Subject {
        caller,
        region: clients.cli.region.clone(),
        stack: None,
    })
}

async fn on_stack(
    target: &TargetArgs,
    name: &str,
    args: &Args,
    report: &mut DoctorReport<'_>,
) -> anyhow::Result<Subject> {
    if args.parameters.is_some() || args.new_stack.is_some() {
        let only = "--parameters and --new-stack are for the checks before a deployment: leave --stack out, \
                    and TEGATA_STACK unset";
        return Err(UsageError(only.to_owned()).into());
    }
    let embedded = Template::embedded().context("template.yaml")?;
    let opened = target.open().await?;
    let config = identity::sdk_config().await?;
    let clients = Clients::new(&config);
    let checked = check_stack(&clients, &opened, name, &embedded, args, report).await;
    let subject = checked.map(|stack| Subject {
        caller: opened.caller().name.to_owned(),
        region: clients.cli.region.clone(),
        stack,
    });
    opened.close().await?;
    subject
}

/// Returns the stack's ARN.
async fn check_stack(
    clients: &Clients,
    target: &Target,
    name: &str,
    embedded: &Template,
    args: &Args,
    report: &mut DoctorReport<'_>,
) -> anyhow::Result<Option<String>> {
    let stack = match Stack::read(clients, target, name).await {
        Ok(stack) => stack,
        Err(unread) => {
            report.add(vec![Check::new("stack", "state", unread.into())]);
            return Ok(None);
        }
    };
    let http = match Http::new() {
        Ok(http) => http,
        Err(unread) => bail!("{}", Finding::from(unread).seen),
    };
    report.add(vec![machine::identity(target.caller().name)]);
    let values = Some(&stack.parameters);
    let mut running = Running::new(&args.only);
    running.many("stack", async { stack::state(&stack) });
    running.one("stack", async { stack::template(&stack, embedded) });
    running.one("stack", stack::functions(&stack));
    running.many("protection", protection::tables(&stack));
    running.one("protection", protection::data_key(&stack));
    running.one("protection", protection::archive_lock(&stack));
    running.one("protection", protection::buckets(&stack));
    running.one("protection", protection::log_groups(&stack));
    running.one("protection", protection::subscriptions(&stack));
    running.many("protection", protection::triggers(&stack));
    running.one("roles", protection::roles(&stack));
    running.many("alarms", alarms::check(&stack));
    running.one("alarms", alarms::address(&stack));
    running.many("account", account::mail_account(clients, values));
    running.many("account", account::mail_identity(clients, values));
    running.one("mail", async { mail::sender(&stack) });
    running.one("mail", mail::events(&stack));
    running.many("account", account::certificates(clients, values));
    running.one("mail", mail::status_page(&stack));
    running.many("cdn", cdn::keys(&stack, &http));
    running.many("cdn", cdn::files(&stack, &http));
    running.one("cdn", cdn::tls(&stack, &http));
    running.many("cdn", cdn::log(&stack));
    running.many("request", async {
        let asked = request::choose(&stack, args.domain.as_deref(), args.product.as_ref()).await;
        request::check(&stack, &http, asked, Duration::from_secs(args.within)).await
    });
    running.many("mail", mail::simulator(&stack, args.mail));
    report.finish(running).await;
    Ok(stack.id().map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deployment_of_this_version_is_known() {
        let deployment = Deployment::of_this_version().unwrap();
        assert_eq!(
            (deployment.stack_name.as_str(), deployment.region.as_str()),
            ("tegata", "ap-northeast-1")
        );
    }

    #[test]
    fn an_explained_failure_is_skipped_with_its_reason_and_a_passed_check_stays() {
        let explained = [
            explanation("TLS = no domain on staging").unwrap(),
            explanation("roles=one by hand").unwrap(),
        ];
        let mut report = DoctorReport::new(Output::Json, &explained);
        let failed = || Finding::failed("TLSv1 at least", "make deploy");
        report.add(vec![
            Check::new("cdn", "TLS", failed()),
            Check::new("protection", "roles", Finding::passed("7 roles")),
            Check::new("cdn", "plain HTTP", failed()),
        ]);
        let outcomes: Vec<CheckOutcome> = report
            .checks
            .iter()
            .map(|check| check.finding.outcome)
            .collect();
        assert_eq!(
            outcomes,
            [
                CheckOutcome::Skipped,
                CheckOutcome::Passed,
                CheckOutcome::Failed
            ]
        );
        assert_eq!(
            report.checks[0].finding.seen,
            "explained: no domain on staging (TLSv1 at least)"
        );
        report.check_explanations().unwrap();
        let unknown = [explanation("tls=x").unwrap()];
        assert!(
            DoctorReport::new(Output::Json, &unknown)
                .check_explanations()
                .is_err()
        );
        for wrong in ["TLS", "=x", "TLS= "] {
            assert!(explanation(wrong).is_err(), "{wrong}");
        }
    }
}

//! Explains why a domain got an answer, by replaying the decision from the history.

use jiff::Timestamp;
use serde::Serialize;
use tegata_common::calendar;
use tegata_common::domain::Domain;
use tegata_common::keys::{KeyPurpose, KeyRegister};
use tegata_common::lease::SignedLicense;
use tegata_common::license::{Code, CurrentLicense, License, Rule, RuleResult};
use tegata_common::product::{Policy, ProductSlug};
use tegata_common::revision::Revision;
use tegata_common::serial::Serial;
use tegata_common::support_code::SupportCode;
use tegata_storage::HistoryEntry;
use tegata_storage::licenses::Licenses;

use super::LicenseId;
use crate::{Error, When};

/// The arguments of an explanation.
#[derive(Debug)]
pub struct Question {
    /// The instant of the answer. `None` is now. A future instant is a forecast from the current
    /// state.
    pub at: Option<When>,
    /// The serial of the request. It is only compared, never stored or shown.
    pub serial: Option<Serial>,
}

/// What a support code says, in words, beside the explanation of the answer at the same instant.
#[derive(Debug, Serialize)]
pub struct ExplainedCode {
    /// What the plug-in saw.
    pub support_code: SupportCode,
    /// What its reason means, and how what it saw differs from the record.
    pub findings: Vec<String>,
    /// The answer at the same instant, from the record.
    #[serde(flatten)]
    pub answer: Explanation,
}

/// Explains a support code, whose tenant is `domain` in canonical form, and the answer at its instant.
pub async fn explain_code(
    licenses: &Licenses,
    code: SupportCode,
    domain: Domain,
    serial: Option<Serial>,
    now: Timestamp,
) -> Result<ExplainedCode, Error> {
    let id = LicenseId {
        domain,
        product: code.product.clone(),
    };
    let question = Question {
        at: Some(When::Instant(code.at)),
        serial,
    };
    let answer = explain(licenses, &id, &question, now).await?;
    let (register, _) = licenses.key_register(KeyPurpose::Lease).await?;
    Ok(ExplainedCode {
        findings: findings(&code, &answer, &register),
        support_code: code,
        answer,
    })
}

fn findings(code: &SupportCode, answer: &Explanation, register: &KeyRegister) -> Vec<String> {
    let mut findings = vec![meaning(&code.reason).to_owned()];
    let record = answer.code.as_str();
    findings.push(match &answer.revision {
        _ if code.code == record => "the record says the same".to_owned(),
        Some(Revision { at, version, .. }) if code.signed.is_some_and(|signed| signed < *at) => {
            format!(
                "the record says {record}: the lease is older than version {version}. The plug-in asks \
                 again within 48 hours, and at once when the licence is checked on the settings screen"
            )
        }
        _ => format!("the record says {record}"),
    });
    if let Ok(active) = register.active() {
        let kid = active.jwk.kid.as_str();
        if !code
            .keys
            .iter()
            .any(|key| !key.is_empty() && kid.starts_with(key))
        {
            findings.push(format!(
                "the plug-in does not pin key {kid}, which signs leases now: it needs a newer version"
            ));
        }
    }
    findings
}

/// What a reason of the client means (`client/src/types.ts`).
fn meaning(reason: &str) -> &'static str {
    match reason {
        "lease" => "its lease says so, and its last request went well",
        "no_license" => "the service answered that there is no licence for this domain and serial",
        "malformed_serial" => "the serial in the settings is malformed",
        "offline" => "its request got no answer",
        "timeout" => "its request got no answer within 8 seconds",
        "throttled" => "its request was refused as one of too many (429)",
        "unavailable" => "the service answered with an error of the server (5xx)",
        "refused" => {
            "its request was refused, such as with 400 or 403, or answered by somebody else"
        }
        "forged" => {
            "what it got is not a lease signed with a pinned key: a proxy or a portal may have answered"
        }
        "unknown_key" => "what it got is signed with a key that it does not pin",
        "wrong_product" | "wrong_tenant" | "wrong_issuer" => {
            "what it got is a lease of another product, domain or vendor"
        }
        "malformed" => "what it got is a lease that it cannot read",
        "replayed" => "what it got is older than the lease that it has",
        "lease_ended" => "its lease has ended, and it got no newer one",
        "error" => {
            "the page broke an assumption of the plug-in, or kintone refused to send its request"
        }
        _ => "a reason that this version of tegata does not know",
    }
}

/// The explanation of an answer.
#[derive(Debug, Serialize)]
pub struct Explanation {
    /// The tenant.
    pub domain: Domain,
    pub product: ProductSlug,
    /// The instant of the answer, RFC 3339 in the product's time zone.
    pub at: String,
    /// Whether the instant is in the future.
    pub is_forecast: bool,
    /// The code of the answer.
    pub code: Code,
    /// The revision of the item at that instant. `None` if it did not exist yet.
    pub revision: Option<Revision>,
    /// The steps of the decision, in order. The first step with a code decides.
    pub steps: Vec<Step>,
    /// The policy, whose time zone is used to show instants.
    #[serde(skip)]
    pub policy: Policy,
    /// The number of unreadable versions in the history.
    #[serde(skip)]
    pub unreadable: usize,
}

/// One step of the decision.
#[derive(Debug, Serialize)]
pub struct Step {
    /// The name of the rule.
    pub rule: &'static str,
    /// The facts that the rule compares, as a description for operators.
    pub says: String,
    /// Whether the rule applies.
    pub applies: bool,
    /// The code, if the rule applies.
    pub code: Option<Code>,
}

/// Explains the answer that a domain got, or will get, at an instant.
pub async fn explain(
    licenses: &Licenses,
    id: &LicenseId,
    question: &Question,
    now: Timestamp,
) -> Result<Explanation, Error> {
    let history = licenses.history(&id.domain, &id.product).await?;
    if history.is_empty() {
        return Err(id.missing());
    }
    let readable: Vec<&HistoryEntry<SignedLicense>> = history.iter().flatten().collect();
    // A date is interpreted in the product's time zone, which is taken from the licence's history.
    let policy = readable.iter().rev().find_map(|past| past.value());
    let policy = &policy.ok_or(Error::NoReadableVersion)?.license.policy;
    let at = match question.at {
        Some(when) => when.instant(policy)?,
        None => now,
    };
    // Revisions are dated to the millisecond.
    let was = readable.iter().rev().find(|past| past.revision.at <= at);
    let steps = steps(was.copied(), policy, question.serial.as_ref(), at);
    let code = steps.iter().find_map(|step| step.code);
    Ok(Explanation {
        domain: id.domain.clone(),
        product: id.product.clone(),
        at: calendar::rfc3339(at, policy),
        is_forecast: at > now,
        code: code.unwrap_or(Code::NotFound),
        revision: was.map(|past| past.revision.clone()),
        steps,
        policy: policy.clone(),
        unreadable: history.len() - readable.len(),
    })
}

/// The steps of the lookup function's decision.
fn steps(
    was: Option<&HistoryEntry<SignedLicense>>,
    policy: &Policy,
    serial: Option<&Serial>,
    at: Timestamp,
) -> Vec<Step> {
    let Some(past) = was else {
        return vec![Step {
            rule: "item",
            says: "the licence was issued later".to_owned(),
            applies: true,
            code: Some(Code::NotFound),
        }];
    };
    let Some(SignedLicense { license, .. }) = &past.value else {
        return vec![Step {
            rule: "item",
            says: "it was deleted: the contract had left the domain and the quarantine was over"
                .to_owned(),
            applies: true,
            code: Some(Code::NotFound),
        }];
    };
    let current = license.at(at);
    let mut steps = vec![time(license, current.license(), policy, at)];
    let findings = current.rules();
    let (released, standing): (Vec<&RuleResult>, Vec<&RuleResult>) = findings
        .iter()
        .partition(|finding| finding.rule == Rule::Released);
    steps.extend(released.into_iter().map(|finding| step(finding, policy)));
    steps.push(serial_step(&current, serial));
    steps.extend(standing.into_iter().map(|finding| step(finding, policy)));
    steps
}

/// The changes with time since the item was written ([`License::as_of`]).
fn time(written: &License, current: &License, policy: &Policy, at: Timestamp) -> Step {
    let mut says = format!(
        "term {} to {}",
        current.term.starts_on, current.term.ends_on
    );
    if written.term != current.term {
        says += &format!(", renewed since {}", written.term.starts_on);
    }
    let deadline = calendar::cancellation_deadline(current.term, policy).ok();
    match (current.ends_on, deadline) {
        (Some(last_day), _) => says += &format!("; last day {last_day}"),
        (None, Some(deadline)) => {
            let bound = calendar::rfc3339(current.valid_until, policy);
            says += &match calendar::date_of(at, policy) <= deadline {
                true => format!("; renews unless cancelled by {deadline}"),
                false => format!("; not cancelled by {deadline}, so bound up to {bound}"),
            };
        }
        (None, None) => {}
    }
    if written.billing != current.billing {
        says += "; another billing interval";
    }
    Step {
        rule: "time",
        says,
        applies: true,
        code: None,
    }
}

fn serial_step(current: &CurrentLicense, serial: Option<&Serial>) -> Step {
    let required = current.license().policy.requires_serial;
    let (says, is_wrong) = match (serial, required) {
        (None, true) => (
            "the product requires it, and without it the answer is NOT_FOUND; say --serial-file to \
             compare one",
            false,
        ),
        (None, false) => ("not required", false),
        (Some(serial), _) if current.accepts(serial) => ("it is the licence's", false),
        (Some(_), _) => ("it is not the licence's", true),
    };
    Step {
        rule: "serial",
        says: says.to_owned(),
        applies: is_wrong,
        code: is_wrong.then_some(Code::NotFound),
    }
}

fn step(finding: &RuleResult, policy: &Policy) -> Step {
    let boundary = finding.boundary.map(|at| calendar::rfc3339(at, policy));
    let (rule, says) = match (finding.rule, boundary) {
        (Rule::Released, Some(at)) => (
            "released",
            match finding.applies {
                true => format!("the contract left the domain at {at}"),
                false => format!("the contract leaves the domain at {at}"),
            },
        ),
        (Rule::Released, None) => ("released", "the contract stays at the domain".to_owned()),
        (Rule::Suspended, Some(at)) => ("suspended", format!("from {at}")),
        (Rule::Suspended, None) => ("suspended", "no".to_owned()),
        (Rule::NotStarted, at) => ("not started", format!("before {}", at.unwrap_or_default())),
        (Rule::Valid, at) => ("valid", format!("before {}", at.unwrap_or_default())),
        (Rule::Grace, at) => ("grace", format!("before {}", at.unwrap_or_default())),
        (Rule::Expired, at) => ("expired", format!("from {}", at.unwrap_or_default())),
    };
    Step {
        rule,
        says,
        applies: finding.applies,
        code: finding.applies.then(|| finding.rule.code()),
    }
}

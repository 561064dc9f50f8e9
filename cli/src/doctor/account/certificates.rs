//! Checks of the certificates of the API's and the CDN's domains.

use serde_json::Value;

use super::{GROUP, NO_PARAMETERS};
use crate::doctor::Clients;
use crate::doctor::check::{Check, Finding, Unread};
use crate::doctor::template::Values;

/// Checks of the certificates of the API's and the CDN's domains.
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
            format!(
                "the certificate is for {}, not for {domain}",
                names.join(", ")
            ),
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::doctor::check::CheckOutcome::{Failed, Passed};

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
}

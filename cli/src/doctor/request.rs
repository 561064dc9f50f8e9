//! Checks of one request to the public address: its answer, its lease, and its two lines in the
//! archive.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use tegata_archive::{Listed, Lock};
use tegata_common::access::{AccessRecord, Source};
use tegata_common::domain::Domain;
use tegata_common::keys::{Jwks, KeyPurpose};
use tegata_common::lease::StateClaims;
use tegata_common::license::Code;
use tegata_common::product::ProductSlug;
use tegata_signing::VerifyError;

use super::check::{Check, Finding, Read, Unread};
use super::http::{Http, Response};
use super::stack::Stack;

const GROUP: &str = "request";

/// The pause between two reads of the archive.
const PAUSE: Duration = Duration::from_secs(3);

/// The tenant of the request if there is no licence to request. It does not exist.
const UNKNOWN_TENANT: &str = "tegata-doctor.cybozu.com";

/// The requested licence.
#[derive(Clone, Debug)]
pub(crate) struct ProbedLicense {
    pub(crate) domain: Domain,
    pub(crate) product: ProductSlug,
    /// Whether the licence exists, so that its lease can be checked.
    pub(crate) has_license: bool,
}

/// Chooses the licence to request: the given one, or any that needs no serial.
pub(crate) async fn choose(
    stack: &Stack<'_>,
    domain: Option<&str>,
    product: Option<&ProductSlug>,
) -> Read<ProbedLicense> {
    let failed = |error: &dyn std::fmt::Display| Unread::Failed(error.to_string());
    if let (Some(domain), Some(product)) = (domain, product) {
        return Ok(ProbedLicense {
            domain: stack
                .target
                .bases
                .canonicalize(domain)
                .map_err(|error| failed(&error))?,
            product: product.clone(),
            has_license: true,
        });
    }
    let now = stack.target.now;
    let found = stack
        .target
        .licenses()?
        .find(|license| license.code_at(now) == Code::Valid && !license.policy.requires_serial);
    if let Some(signed) = found.await.map_err(|error| failed(&error))? {
        return Ok(ProbedLicense {
            domain: signed.license.domain,
            product: signed.license.product,
            has_license: true,
        });
    }
    let products = stack
        .target
        .licenses()?
        .products()
        .await
        .map_err(|error| failed(&error))?;
    let product = products.into_iter().next().map(|stored| stored.value.slug);
    let product = product.map_or_else(
        || {
            "doctor"
                .parse::<ProductSlug>()
                .map_err(|error| failed(&error))
        },
        Ok,
    )?;
    Ok(ProbedLicense {
        domain: stack
            .target
            .bases
            .canonicalize(UNKNOWN_TENANT)
            .map_err(|error| failed(&error))?,
        product,
        has_license: false,
    })
}

/// Checks the answer, the lease and the archived lines of a request.
pub(crate) async fn check(
    stack: &Stack<'_>,
    http: &Http,
    asked: Read<ProbedLicense>,
    within: Duration,
) -> Vec<Check> {
    let names = [
        "answer",
        "lease",
        "lines in the archive",
        "lock of the lines",
    ];
    let skip = |finding: Finding| {
        let skipped = Finding::skipped("there is no answer to look at");
        let names = names.iter().enumerate();
        names
            .map(|(index, name)| {
                let finding = if index == 0 {
                    finding.clone()
                } else {
                    skipped.clone()
                };
                Check::new(GROUP, *name, finding)
            })
            .collect::<Vec<_>>()
    };
    let asked = match asked {
        Ok(asked) => asked,
        Err(unread) => return skip(unread.into()),
    };
    // Objects that existed before the request are not read.
    let before = listed(stack).await;
    let url = stack.outputs.get("ApiUrl").map_or("", String::as_str);
    let path = format!(
        "/v1/products/{}/domains/{}/license",
        asked.product, asked.domain
    );
    let sent = Timestamp::now();
    let response = match http.get(&format!("{url}{path}")).await {
        Ok(response) => response,
        Err(unread) => return skip(unread.into()),
    };
    let answer = judge_answer(&asked, &response);
    let keys = published_keys(stack, http, KeyPurpose::Lease).await;
    let lease = match asked.has_license {
        false => Finding::skipped(
            "no licence to request: issue one, or name one with --domain and --product",
        ),
        true => Finding::judge(keys, |keys| judge_lease(&asked, &response, &keys)),
    };
    let request_id = response.header("apigw-requestid").to_owned();
    let lines = match before {
        Err(unread) => Err(unread),
        Ok(_) if request_id.is_empty() => {
            Err(Unread::Failed("the answer has no apigw-requestid".into()))
        }
        Ok(before) => lines(stack, &request_id, before, within).await,
    };
    let today = stack.target.zone.to_datetime(sent).date().to_string();
    let archived = Finding::judge(lines.as_ref().map_err(Clone::clone), |lines| {
        judge_lines(lines, &today, Timestamp::now().duration_since(sent))
    });
    let promised = stack
        .parameter("LogRetentionDays")
        .parse()
        .unwrap_or(tegata_archive::KEPT_DAYS);
    let locked = Finding::judge(lines, |lines| judge_locks(&lines, promised));
    vec![
        Check::new(GROUP, names[0], answer),
        Check::new(GROUP, names[1], lease),
        Check::new(GROUP, names[2], archived),
        Check::new(GROUP, names[3], locked),
    ]
}

#[derive(Deserialize)]
struct Answer {
    code: Option<String>,
    lease: Option<String>,
}

fn judge_answer(asked: &ProbedLicense, response: &Response) -> Finding {
    let answer: Option<Answer> = serde_json::from_slice(&response.body).ok();
    let code = answer.and_then(|answer| answer.code).unwrap_or_default();
    let (domain, product) = (&asked.domain, &asked.product);
    let seen = format!("{domain}, {product}: {} {code}", response.status);
    let (status, expected) = match asked.has_license {
        true => (200, "VALID"),
        false => (404, "NOT_FOUND"),
    };
    match (response.status, code.as_str()) {
        (of, code) if of == status && code == expected => Finding::passed(seen),
        // A given licence may be in any state that has a lease.
        (200, "GRACE" | "NOT_STARTED") if asked.has_license => Finding::passed(seen),
        _ => Finding::failed(
            format!("{seen}; expected {status} {expected}"),
            format!(
                "tegata license explain {domain} {product}      (503: docs/operations/emergencies.md, \"The lookup answers 503\")"
            ),
        ),
    }
}

/// The published keys.
pub(crate) async fn published_keys(
    stack: &Stack<'_>,
    http: &Http,
    purpose: KeyPurpose,
) -> Read<Jwks> {
    let url = stack.outputs.get("CdnUrl").map_or("", String::as_str);
    let path = purpose.jwks_path();
    let response = http.get(&format!("{url}/{path}")).await?;
    match response.status {
        200 => serde_json::from_slice(&response.body)
            .map_err(|error| Unread::Failed(format!("/{path} is not a JWKS: {error}"))),
        status => Err(Unread::Failed(format!("/{path} answers {status}"))),
    }
}

fn judge_lease(asked: &ProbedLicense, response: &Response, keys: &Jwks) -> Finding {
    let publish = "tegata key export --file jwks.json, and publish it: docs/operations/admins.md, \"First steps on a new stack\"";
    let answer: Option<Answer> = serde_json::from_slice(&response.body).ok();
    let Some(lease) = answer.and_then(|answer| answer.lease) else {
        return Finding::failed(
            "the answer has no lease",
            "tegata license explain DOMAIN PRODUCT",
        );
    };
    // Without a serial, the lease has only the state, unless the catalogue says otherwise.
    match tegata_signing::verify_as(keys, &lease) {
        Ok(StateClaims { sub, aud, exp, .. }) if sub == asked.domain && aud == asked.product => {
            let ends =
                Timestamp::from_second(exp).map_or_else(|_| exp.to_string(), |exp| exp.to_string());
            Finding::passed(format!(
                "it verifies against the published keys, and ends {ends}"
            ))
        }
        Ok(_) => Finding::failed(
            "it is about another licence",
            "tegata license re-sign DOMAIN PRODUCT",
        ),
        Err(error @ VerifyError::UnknownKey(_)) => Finding::failed(error.to_string(), publish),
        Err(error) => Finding::failed(error.to_string(), publish),
    }
}

/// An archived line of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Line {
    source: Source,
    /// The day under which it is archived.
    day: String,
    lock: Lock,
}

/// The objects of yesterday, today and tomorrow, so that a line under a wrong day is also found.
async fn listed(stack: &Stack<'_>) -> Read<Vec<Listed>> {
    let mut all = Vec::new();
    let today = stack.target.zone.to_datetime(Timestamp::now()).date();
    let days = [today.yesterday(), Ok(today), today.tomorrow()];
    for day in days.into_iter().flatten() {
        for source in [Source::Gateway, Source::Lookup] {
            let listed = stack.target.archive()?.list(source, day).await;
            all.extend(listed.map_err(|error| of_archive(&error))?);
        }
    }
    Ok(all)
}

fn of_archive(error: &dyn std::fmt::Display) -> Unread {
    let error = error.to_string();
    match error.contains("AccessDenied") || error.contains("Forbidden") {
        true => Unread::Denied("reading the archive".to_owned()),
        false => Unread::Failed(error),
    }
}

/// Waits for the request's lines. Returns those that arrived in time.
async fn lines(
    stack: &Stack<'_>,
    request_id: &str,
    before: Vec<Listed>,
    within: Duration,
) -> Read<Vec<Line>> {
    let mut known: BTreeSet<String> = before.into_iter().map(|of| of.key).collect();
    let mut lines = Vec::new();
    let end = tokio::time::Instant::now() + within;
    loop {
        for of in listed(stack).await? {
            if !known.insert(of.key.clone()) {
                continue;
            }
            let (Some(name), archive) = (&of.name, stack.target.archive()?) else {
                continue;
            };
            let object = archive
                .get(&of.key)
                .await
                .map_err(|error| of_archive(&error))?;
            let content = object.and_then(|object| tegata_archive::open(name, &object).ok());
            let content = content.unwrap_or_default();
            let is_ours = content.split(|byte| *byte == b'\n').any(|line| {
                let record = serde_json::from_slice::<AccessRecord<'_>>(line);
                record.is_ok_and(|record| record.request_id.to_string() == request_id)
            });
            if is_ours {
                let lock = archive
                    .lock(&of.key)
                    .await
                    .map_err(|error| of_archive(&error))?;
                lines.push(Line {
                    source: name.source,
                    day: name.date.to_string(),
                    lock,
                });
            }
        }
        let has = |source| lines.iter().any(|line: &Line| line.source == source);
        if (has(Source::Gateway) && has(Source::Lookup)) || tokio::time::Instant::now() >= end {
            return Ok(lines);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn judge_lines(lines: &[Line], today: &str, took: SignedDuration) -> Finding {
    let mut problems = Vec::new();
    for source in [Source::Gateway, Source::Lookup] {
        let of_source: Vec<&Line> = lines.iter().filter(|line| line.source == source).collect();
        if of_source.is_empty() {
            problems.push(format!(
                "the line of the {source} did not arrive in {} s",
                took.as_secs()
            ));
        }
        for line in of_source.iter().filter(|line| line.day != today) {
            problems.push(format!(
                "the line of the {source} is archived under {}, not {today}",
                line.day
            ));
        }
    }
    Finding::of(
        &problems,
        format!(
            "both are under {today}, joined by the request, after {} s",
            took.as_secs()
        ),
        "look at the subscriptions above, and into the log of AccessLogFunction: docs/operations/emergencies.md, \"Alarms\"",
    )
}

fn judge_locks(lines: &[Line], days: i32) -> Finding {
    if lines.is_empty() {
        return Finding::skipped("no line arrived");
    }
    // S3 rounds to seconds, up or down.
    let promised = SignedDuration::from_hours(i64::from(days) * 24) - SignedDuration::from_mins(1);
    let mut problems = Vec::new();
    for line in lines {
        let source = line.source;
        match line.lock {
            Lock::Until { since, until } if until.duration_since(since) >= promised => {}
            Lock::Until { since, until } => {
                let locked = until.duration_since(since).as_hours() / 24;
                problems.push(format!(
                    "the object with the line of the {source} is locked for {locked} days only"
                ));
            }
            Lock::None | Lock::NotHere => {
                problems.push(format!(
                    "the object with the line of the {source} is not locked in COMPLIANCE mode"
                ));
            }
        }
    }
    Finding::of(
        &problems,
        format!("locked for {days} days, against everybody"),
        "see \"lock of the archive\" above; lock what is there with: aws s3api put-object-retention",
    )
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderMap;

    use super::super::check::CheckOutcome::{Failed, Passed, Skipped};
    use super::*;

    fn asked(has_license: bool) -> ProbedLicense {
        let bases = tegata_common::domain::BaseDomains::with_development([]).unwrap();
        ProbedLicense {
            domain: bases.canonicalize("example.cybozu.com").unwrap(),
            product: "sheet".parse().unwrap(),
            has_license,
        }
    }

    fn response(status: u16, body: &str) -> Response {
        Response {
            status,
            headers: HeaderMap::new(),
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn the_answer_fits_what_was_asked() {
        let valid = r#"{"code":"VALID","lease":"a.b.c"}"#;
        let missing = r#"{"code":"NOT_FOUND"}"#;
        for (has_license, status, body, outcome) in [
            (true, 200, valid, Passed),
            (true, 200, r#"{"code":"GRACE"}"#, Passed),
            (true, 200, r#"{"code":"SUSPENDED"}"#, Failed),
            (true, 404, missing, Failed),
            (true, 503, r#"{"code":"UNAVAILABLE"}"#, Failed),
            (false, 404, missing, Passed),
            (false, 404, r#"{"message":"Not Found"}"#, Failed),
            (false, 403, r#"{"code":"SOURCE_NOT_ALLOWED"}"#, Failed),
            (true, 200, "<html>", Failed),
        ] {
            let finding = judge_answer(&asked(has_license), &response(status, body));
            assert_eq!(finding.outcome, outcome, "{has_license} {status} {body}");
        }
    }

    #[test]
    fn a_lease_that_does_not_verify_fails() {
        let keys = Jwks { keys: Vec::new() };
        for body in [r#"{"code":"VALID"}"#, r#"{"lease":"a.b.c"}"#, "no"] {
            let finding = judge_lease(&asked(true), &response(200, body), &keys);
            assert_eq!(finding.outcome, Failed, "{body}");
        }
    }

    #[test]
    fn both_lines_are_under_today_and_locked() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let since = at("2026-11-27T00:00:00Z");
        let locked = |days: i64| Lock::Until {
            since,
            until: since + SignedDuration::from_hours(days * 24),
        };
        let line = |source, day: &str, lock| Line {
            source,
            day: day.to_owned(),
            lock,
        };
        let took = SignedDuration::from_secs(5);
        let today = "2026-11-27";
        let well = [
            line(Source::Gateway, today, locked(400)),
            line(Source::Lookup, today, locked(400)),
        ];
        assert_eq!(judge_lines(&well, today, took).outcome, Passed);
        assert_eq!(judge_locks(&well, 400).outcome, Passed);
        let one = judge_lines(&well[..1], today, took);
        assert_eq!(one.seen, "the line of the lookup did not arrive in 5 s");
        let wrong_day = [
            line(Source::Gateway, "1970-01-21", locked(400)),
            well[1].clone(),
        ];
        let finding = judge_lines(&wrong_day, today, took);
        assert_eq!(
            finding.seen,
            "the line of the gateway is archived under 1970-01-21, not 2026-11-27"
        );
        for lock in [locked(399), Lock::None] {
            let open = [line(Source::Gateway, today, lock)];
            assert_eq!(judge_locks(&open, 400).outcome, Failed, "{lock:?}");
        }
        assert_eq!(judge_locks(&[], 400).outcome, Skipped);
    }
}

//! Checks of the CDN: published keys, files and their headers, TLS, and its log.

use data_encoding::BASE64;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use sha2::{Digest as _, Sha384};
use tegata_common::access::Source;
use tegata_common::keys::{Jwks, KeyPurpose};
use tegata_common::product::ProductSlug;
use tegata_common::release::{MEDIA_TYPE, Release, document_path};
use tegata_operations::publish::{DocumentStatus, document_status};
use tegata_storage::notices::CurrentVersion;

use super::check::{Check, Finding, Read, Unread};
use super::http::{self, Http, Response};
use super::program::sdk;
use super::request;
use super::stack::Stack;

const GROUP: &str = "cdn";

/// CloudFront delivers most of its log within an hour, and some of it within a day.
const LOG_WITHIN: SignedDuration = SignedDuration::from_hours(48);

const HEADERS_FIX: &str = "make deploy; the headers of files are PluginFileHeaders of the template";

/// The origin of a tenant's page, for requests to the CDN.
const PAGE: &str = "https://tegata-doctor.cybozu.com";

/// The headers of every file.
const FILE_HEADERS: [(&str, &str); 4] = [
    ("access-control-allow-origin", "*"),
    ("cross-origin-resource-policy", "cross-origin"),
    ("x-content-type-options", "nosniff"),
    ("strict-transport-security", "max-age=63072000"),
];

/// Compares the published keys with the key registers.
pub(crate) async fn keys(stack: &Stack<'_>, http: &Http) -> Vec<Check> {
    let mut checks = Vec::new();
    for (purpose, name) in [
        (KeyPurpose::Lease, "published keys"),
        (KeyPurpose::Release, "published release keys"),
    ] {
        let registered = stack.target.key_register(purpose).await;
        let registered = registered.map(|(register, _)| register.jwks());
        let finding = match registered {
            Err(error) => {
                Finding::skipped(format!("the register of keys cannot be read: {error:#}"))
            }
            Ok(registered) if registered.keys.is_empty() && purpose == KeyPurpose::Release => {
                Finding::skipped(
                    "there is no release key, and no version can be made current: tegata key \
                     create --purpose release",
                )
            }
            Ok(registered) => match request::published_keys(stack, http, purpose).await {
                Err(Unread::Failed(why)) => Finding::failed(why, publish(stack, purpose)),
                published => Finding::judge(published, |published| {
                    judge_keys(purpose, &published, &registered, &publish(stack, purpose))
                }),
            },
        };
        checks.push(Check::new(GROUP, name, finding));
    }
    checks
}

fn publish(stack: &Stack<'_>, purpose: KeyPurpose) -> String {
    let bucket = stack.outputs.get("CdnBucket");
    let bucket = bucket.map_or("CDN_BUCKET", String::as_str);
    let (name, path) = (&stack.name, purpose.jwks_path());
    let file = path.rsplit('/').next().unwrap_or(path);
    format!(
        "tegata --stack {name} key export --purpose {purpose} --file {file}\n\
         aws s3 cp {file} s3://{bucket}/{path} --content-type application/json \
         --cache-control max-age=300"
    )
}

fn judge_keys(purpose: KeyPurpose, published: &Jwks, registered: &Jwks, fix: &str) -> Finding {
    let mut problems = Vec::new();
    for key in &registered.keys {
        match published.keys.iter().find(|of| of.kid == key.kid) {
            None => problems.push(format!("{} is not published", key.kid)),
            Some(of) if of != key => {
                problems.push(format!("{} is published with different content", key.kid))
            }
            Some(_) => {}
        }
    }
    let foreign = published
        .keys
        .iter()
        .filter(|of| registered.keys.iter().all(|key| key.kid != of.kid));
    problems.extend(
        foreign.map(|of| format!("{} is published, but is not a key of this stack", of.kid)),
    );
    match registered.keys.is_empty() {
        true => Finding::failed("there is no key", "tegata key create"),
        false => Finding::of(
            &problems,
            match (purpose, registered.keys.len()) {
                // A package with a single pinned key is useless if that key is lost.
                (KeyPurpose::Release, 1) => "1 key, the same as in the register; packages should pin two: tegata key create --purpose release".to_owned(),
                (_, number) => format!("{number} keys, the same as in the register"),
            },
            fix,
        ),
    }
}

/// The first product with a current version: its release document, a file and its headers, and what
/// plain HTTP gets.
pub(crate) async fn files(stack: &Stack<'_>, http: &Http) -> Vec<Check> {
    let (release, files, plain) = ("release document", "files and headers", "plain HTTP");
    let skip = |why: String| vec![Check::new(GROUP, release, Finding::skipped(why))];
    let (product, current) = match current(stack).await {
        Ok(Some(found)) => found,
        Ok(None) => {
            return skip(
                "no version of a product is current: tegata publish current PRODUCT VERSION".into(),
            );
        }
        Err(error) => return skip(format!("what is current cannot be read: {error:#}")),
    };
    let url = stack.outputs.get("CdnUrl").map_or("", String::as_str);
    let address = format!("{url}/{}", document_path(&product));
    let response = http.get(&address).await;
    let document = async {
        let licenses = stack.target.licenses()?;
        let served = http::object(response.clone());
        anyhow::Ok(document_status(licenses, &product, &current, served).await?)
    };
    let document = match document.await {
        Ok(document) => document,
        Err(error) => return skip(format!("the release keys cannot be read: {error:#}")),
    };
    let judged = Finding::judge(response, |response| {
        judge_document(&product, &document, &response, stack.target.now)
    });
    let file = match &document.release {
        Some(release) => first_file(http, url, release).await,
        None => Ok(None),
    };
    let file = Finding::judge(file, |file| judge_file(&product, file.as_ref()));
    let refused = http.get(&address.replacen("https://", "http://", 1)).await;
    let refused = Finding::judge(refused, |response| judge_plain_http(response.status));
    vec![
        Check::new(GROUP, release, judged),
        Check::new(GROUP, files, file),
        Check::new(GROUP, plain, refused),
    ]
}

async fn current(stack: &Stack<'_>) -> anyhow::Result<Option<(ProductSlug, CurrentVersion)>> {
    for product in stack.target.licenses()?.products().await? {
        let product = product.value.slug;
        if let Some(current) = stack.target.notices()?.current_version(&product).await? {
            return Ok(Some((product, current.value)));
        }
    }
    Ok(None)
}

/// The first file of a version, with the integrity that its document names.
async fn first_file(http: &Http, url: &str, release: &Release) -> Read<Option<(String, Response)>> {
    let version = &release.current.version;
    let Some((path, integrity)) = release.current.files.iter().next() else {
        return Ok(None);
    };
    let address = format!("{url}/{}/{version}/{path}", release.aud);
    let response = http.get_from(&address, PAGE).await?;
    Ok(Some((integrity.clone(), response)))
}

fn judge_document(
    product: &ProductSlug,
    document: &DocumentStatus,
    response: &Response,
    now: Timestamp,
) -> Finding {
    let mut problems = Vec::new();
    problems.extend(document.problem.clone());
    for (name, value) in [
        ("cache-control", "max-age=60"),
        ("content-type", MEDIA_TYPE),
    ] {
        let is = response.header(name);
        if response.status == 200 && !is.contains(value) {
            problems.push(format!("it has the {name} '{is}' instead of '{value}'"));
        }
    }
    let age = document
        .issued_at
        .map(|at| now.duration_since(at).as_hours() / 24);
    let key = document.key.map(|key| key.to_string());
    Finding::of(
        &problems,
        format!(
            "{product}: it verifies, and is the recorded one; signed {} days ago with the {} key",
            age.unwrap_or_default(),
            key.unwrap_or_default()
        ),
        format!(
            "tegata publish status {product}; then repeat the last tegata publish current {product} …"
        ),
    )
}

fn judge_file(product: &ProductSlug, file: Option<&(String, Response)>) -> Finding {
    let Some((integrity, file)) = file else {
        return Finding::skipped("no document says which files are current");
    };
    let mut problems = Vec::new();
    if file.status != 200 {
        problems.push(format!(
            "a file that the document names answers {}",
            file.status
        ));
    } else {
        let hash = Sha384::digest(&file.body);
        if *integrity != format!("sha384-{}", BASE64.encode(&hash)) {
            problems.push("a file does not have the hash that the document names".to_owned());
        }
        if !file.header("cache-control").contains("immutable") {
            problems.push("a file is not cached as immutable".to_owned());
        }
        for (name, value) in FILE_HEADERS {
            let is = file.header(name);
            if !is.starts_with(value) {
                problems.push(format!(
                    "a file has the header {name} '{is}' instead of '{value}'"
                ));
            }
        }
    }
    Finding::of(
        &problems,
        format!("{product}: a file of the current version, with its headers"),
        HEADERS_FIX,
    )
}

fn judge_plain_http(status: u16) -> Finding {
    match status {
        403 | 301 | 308 => Finding::passed(format!("is answered with {status}")),
        _ => Finding::failed(
            format!("is answered with {status}: files can be read without TLS"),
            "make deploy; the distribution's ViewerProtocolPolicy has to be https-only",
        ),
    }
}

/// The lowest version of TLS.
pub(crate) async fn tls(stack: &Stack<'_>, http: &Http) -> Check {
    let read = async {
        let id = stack.physical("CdnDistribution")?;
        let call = ["cloudfront", "get-distribution-config", "--id", id];
        stack.clients.cli.call_in("us-east-1", &call).await
    };
    let domain = stack.parameter("CdnDomain");
    let is_local = http.is_local();
    let finding = Finding::judge(read.await, |read| {
        judge_tls(&read["DistributionConfig"], domain, is_local)
    });
    Check::new(GROUP, "TLS", finding)
}

fn judge_tls(config: &Value, domain: &str, is_local: bool) -> Finding {
    let certificate = &config["ViewerCertificate"];
    let lowest = certificate["MinimumProtocolVersion"]
        .as_str()
        .unwrap_or("unknown");
    if domain.is_empty() {
        return Finding::skipped(
            "without CdnDomain CloudFront's own name serves, whose lowest version of TLS cannot be chosen",
        );
    }
    let aliases = config["Aliases"]["Items"].as_array().into_iter().flatten();
    if !aliases
        .into_iter()
        .any(|alias| alias.as_str() == Some(domain))
    {
        return Finding::failed(
            format!("the distribution does not serve {domain}"),
            "make deploy",
        );
    }
    let seen = format!("{lowest} at least, for {domain}");
    match lowest.starts_with("TLSv1.2") || lowest.starts_with("TLSv1.3") {
        true if is_local => Finding::passed(format!(
            "{seen} (by its configuration: this AWS is a local one)"
        )),
        true => Finding::passed(seen),
        false => Finding::failed(
            seen,
            "make deploy; the distribution's MinimumProtocolVersion has to be TLSv1.2_2021",
        ),
    }
}

/// The delivery of the CDN's log: its stack, and what has arrived.
pub(crate) async fn log(stack: &Stack<'_>) -> Vec<Check> {
    let name = format!("{}-{}-cdn-logs", stack.name, stack.clients.cli.region);
    let distribution = stack.physical("CdnDistribution");
    let list = ["logs", "describe-delivery-sources"];
    let read = stack.clients.cli.call_in("us-east-1", &list).await;
    let read = read.and_then(|read| Ok((read, distribution?)));
    let delivery = Finding::judge(read, |(read, distribution)| {
        judge_delivery(&read, distribution, &name)
    });
    let arrived = async {
        let bucket = stack.physical("CdnLogBucket")?;
        let listed = stack
            .clients
            .s3
            .list_objects_v2()
            .bucket(bucket)
            .max_keys(1)
            .send()
            .await;
        let listed = listed.map_err(|error| sdk("s3:ListBucket", error))?;
        let today = stack.target.today();
        let mut archived = 0;
        for day in [Ok(today), today.yesterday()].into_iter().flatten() {
            let listed = stack.target.archive()?.list(Source::Cdn, day).await;
            archived += listed
                .map_err(|error| Unread::Failed(error.to_string()))?
                .len();
        }
        Ok((!listed.contents().is_empty(), archived))
    };
    let age = stack
        .created()
        .map(|created| stack.target.now.duration_since(created));
    let is_young = age.is_some_and(|age| age < LOG_WITHIN);
    let arrived = Finding::judge(arrived.await, |(has_raw, archived)| {
        judge_arrived(has_raw, archived, is_young)
    });
    vec![
        Check::new(GROUP, "delivery of its log", delivery),
        Check::new(GROUP, "arrival of its log", arrived),
    ]
}

fn judge_delivery(read: &Value, distribution: &str, stack: &str) -> Finding {
    let sources = read["deliverySources"].as_array().into_iter().flatten();
    let ends = format!("distribution/{distribution}");
    let ours = sources.into_iter().find(|of| {
        let resources = of["resourceArns"].as_array().into_iter().flatten();
        resources
            .into_iter()
            .any(|arn| arn.as_str().is_some_and(|arn| arn.ends_with(&ends)))
    });
    match ours.and_then(|of| of["name"].as_str()) {
        Some(name) => Finding::passed(format!("from us-east-1, by {name}")),
        None => Finding::failed(
            format!("no delivery source in us-east-1 is for {distribution}"),
            format!("make deploy      (it deploys {} in us-east-1)", stack),
        ),
    }
}

fn judge_arrived(has_raw: bool, archived: usize, is_young: bool) -> Finding {
    match (archived, has_raw, is_young) {
        (1.., _, _) => Finding::passed(format!(
            "{archived} objects of yesterday and today are in the archive"
        )),
        (0, true, _) => Finding::skipped(
            "files of the last 30 days are in CdnLogBucket; none of yesterday and today is in the archive, \
             which is right if nobody loaded a file",
        ),
        (0, false, true) => Finding::skipped(
            "nothing yet: CloudFront delivers within an hour, and some of it within a day. Run this again tomorrow",
        ),
        (0, false, false) => Finding::failed(
            "nothing has arrived in 30 days, though this command loads files",
            "aws logs describe-deliveries --region us-east-1      (then deploy template-cdn-logs.yaml again: make deploy)",
        ),
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
    use serde_json::json;
    use tegata_common::keys::{Jwk, KeyState};

    use super::super::check::CheckOutcome::{Failed, Passed, Skipped};
    use super::*;

    fn response(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
        let headers = headers.iter().map(|(name, value)| {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            (name, HeaderValue::from_str(value).unwrap())
        });
        Response {
            status,
            headers: HeaderMap::from_iter(headers),
            body: body.as_bytes().to_vec(),
        }
    }

    #[test]
    fn published_keys_are_the_registered_ones() {
        let key = |kid: &str, x: &str| Jwk {
            kty: "EC".into(),
            crv: "P-256".into(),
            x: x.into(),
            y: "y".into(),
            kid: format!("{}A", kid.repeat(42)).parse().unwrap(),
            alg: "ES256".into(),
            usage: "sig".into(),
        };
        let keys = |keys: &[Jwk]| Jwks {
            keys: keys.to_vec(),
        };
        let both = keys(&[key("a", "1"), key("b", "2")]);
        for (published, registered, outcome) in [
            (both.clone(), both.clone(), Passed),
            (keys(&[key("b", "2"), key("a", "1")]), both.clone(), Passed),
            (keys(&[key("a", "1")]), both.clone(), Failed),
            (both.clone(), keys(&[key("a", "1")]), Failed),
            (keys(&[key("a", "1"), key("b", "3")]), both.clone(), Failed),
            (keys(&[]), keys(&[]), Failed),
        ] {
            let lease = KeyPurpose::Lease;
            let judged = judge_keys(lease, &published, &registered, "fix");
            assert_eq!(judged.outcome, outcome);
        }
        let one = keys(&[key("a", "1")]);
        let judged = judge_keys(KeyPurpose::Release, &one, &one, "fix");
        assert_eq!(judged.outcome, Passed);
        assert!(
            judged.seen.contains("packages should pin two"),
            "{}",
            judged.seen
        );
    }

    #[test]
    fn files_have_their_hash_and_their_headers() {
        let product: ProductSlug = "sheet".parse().unwrap();
        let body = "console.log(1)\n";
        let integrity = format!("sha384-{}", BASE64.encode(&Sha384::digest(body)));
        let mut headers = vec![("cache-control", "public, max-age=31536000, immutable")];
        headers.extend(FILE_HEADERS);
        let judge = |status: u16, headers: &[(&str, &str)], body: &str| {
            let file = (integrity.clone(), response(status, headers, body));
            judge_file(&product, Some(&file)).outcome
        };
        assert_eq!(judge(200, &headers, body), Passed);
        assert_eq!(judge(200, &headers, "other"), Failed);
        assert_eq!(judge(403, &headers, body), Failed);
        for missing in 0..headers.len() {
            let mut fewer = headers.clone();
            fewer.remove(missing);
            assert_eq!(judge(200, &fewer, body), Failed, "{:?}", headers[missing]);
        }
        assert_eq!(judge_file(&product, None).outcome, Skipped);
    }

    #[test]
    fn a_document_is_the_recorded_one_and_cached_for_a_minute() {
        let product: ProductSlug = "sheet".parse().unwrap();
        let at: Timestamp = "2026-12-05T01:00:00Z".parse().unwrap();
        let document = |problem: Option<&str>| DocumentStatus {
            release: None,
            problem: problem.map(str::to_owned),
            version: Some("1.9.0".parse().unwrap()),
            issued_at: Some(at),
            kid: None,
            key: Some(KeyState::Active),
        };
        let served = |cached: &str, content_type: &str| {
            let headers = [("cache-control", cached), ("content-type", content_type)];
            response(200, &headers, "")
        };
        let fit = served("public, max-age=60", "application/jwt");
        let later = at + SignedDuration::from_hours(72);
        let judge = |document: &DocumentStatus, response: &Response| {
            judge_document(&product, document, response, later)
        };
        let good = judge(&document(None), &fit);
        assert_eq!(good.outcome, Passed);
        assert!(good.seen.contains("signed 3 days ago with the active key"));
        assert_eq!(judge(&document(Some("old")), &fit).outcome, Failed);
        for unfit in [
            served("public, max-age=31536000", "application/jwt"),
            served("public, max-age=60", "text/plain"),
        ] {
            assert_eq!(judge(&document(None), &unfit).outcome, Failed);
        }
    }

    #[test]
    fn the_cdn_speaks_tls_only() {
        for (status, outcome) in [(403, Passed), (301, Passed), (200, Failed)] {
            assert_eq!(judge_plain_http(status).outcome, outcome);
        }
        let config = |lowest: &str| json!({"Aliases": {"Items": ["cdn.example.com"]}, "ViewerCertificate": {"MinimumProtocolVersion": lowest}});
        for (config, domain, outcome) in [
            (config("TLSv1.2_2021"), "cdn.example.com", Passed),
            (config("TLSv1.1_2016"), "cdn.example.com", Failed),
            (config("TLSv1.2_2021"), "other.example.com", Failed),
            (json!({}), "cdn.example.com", Failed),
            (config("TLSv1"), "", Skipped),
        ] {
            assert_eq!(
                judge_tls(&config, domain, false).outcome,
                outcome,
                "{config} {domain}"
            );
        }
    }

    #[test]
    fn the_log_is_delivered_and_arrives() {
        let source = |id: &str| {
            let arn = format!("arn:aws:cloudfront::123456789012:distribution/{id}");
            json!({"deliverySources": [{"name": "tegata", "resourceArns": [arn]}]})
        };
        assert_eq!(judge_delivery(&source("E1"), "E1", "n").outcome, Passed);
        assert_eq!(judge_delivery(&source("E2"), "E1", "n").outcome, Failed);
        assert_eq!(judge_delivery(&json!({}), "E1", "n").outcome, Failed);
        assert_eq!(judge_arrived(true, 2, false).outcome, Passed);
        assert_eq!(judge_arrived(true, 0, false).outcome, Skipped);
        assert_eq!(judge_arrived(false, 0, true).outcome, Skipped);
        assert_eq!(judge_arrived(false, 0, false).outcome, Failed);
    }
}

//! `tegata dev` as a person meets it: started, tried, changed from another terminal, stopped.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Output, Stdio};

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value;

struct Dev {
    child: Child,
    stdout: BufReader<ChildStdout>,
    /// The lines that label a request with a code: label, headers, URL.
    tries: Vec<(String, Vec<String>, String)>,
    /// The line with a request of the official sample's form.
    sample: String,
    address: String,
    /// What it printed when it started.
    guide: Vec<String>,
}

impl Dev {
    fn start(directory: &Path) -> Self {
        Self::start_with(directory, &[])
    }

    fn start_with(directory: &Path, arguments: &[&str]) -> Self {
        let mut child = tegata(directory)
            .args(["dev", "--port", "0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        // Made before anything can fail, so that the child does not outlive the test.
        let mut dev = Self {
            child,
            stdout,
            tries: Vec::new(),
            sample: String::new(),
            address: String::new(),
            guide: Vec::new(),
        };
        let mut guide = Vec::new();
        while !guide
            .last()
            .is_some_and(|line: &String| line.contains("license suspend"))
        {
            let mut line = String::new();
            assert!(
                dev.stdout.read_line(&mut line).unwrap() > 0,
                "dev ended: {guide:?}"
            );
            guide.push(line);
        }
        let tries = guide.iter().filter(|line| line.contains("/v1/products/"));
        dev.tries = tries.map(|line| read_try(line)).collect();
        let mut samples = guide.iter().filter(|line| line.contains("/license -d "));
        dev.sample = samples.next().unwrap().clone();
        let address = guide[0].split("http://").nth(1).unwrap();
        dev.address = address.split_whitespace().next().unwrap().to_owned();
        dev.guide = guide;
        dev
    }

    fn get(&self, path: &str, headers: &[String]) -> (u16, Value) {
        get(&self.address, path, headers)
    }

    fn interrupt(mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-INT", &pid])
                .status()
                .unwrap()
                .success()
        );
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        self.child.wait().unwrap()
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn tegata(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tegata"));
    command.arg(format!("--local={}", directory.display()));
    command.env_remove("TEGATA_STACK");
    command
}

fn run(directory: &Path, arguments: &[&str]) -> Output {
    tegata(directory).args(arguments).output().unwrap()
}

/// `CODE  curl -s [-H 'Name: value'] URL   # note`
fn read_try(line: &str) -> (String, Vec<String>, String) {
    let (label, command) = line.trim().split_once("curl -s").unwrap();
    let header = command.split('\'').nth(1).map(str::to_owned);
    let url = command.split("http://").nth(1).unwrap();
    let url = url.split_whitespace().next().unwrap();
    let path = &url[url.find('/').unwrap()..];
    (
        label.trim().to_owned(),
        header.into_iter().collect(),
        path.to_owned(),
    )
}

fn get(address: &str, path: &str, headers: &[String]) -> (u16, Value) {
    ask(address, "GET", path, headers, "")
}

fn ask(address: &str, method: &str, path: &str, headers: &[String], body: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(address).unwrap();
    let mut headers: String = headers
        .iter()
        .map(|header| format!("{header}\r\n"))
        .collect();
    if !body.is_empty() {
        headers += &format!("Content-Length: {}\r\n", body.len());
    }
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{headers}\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).unwrap();
    let response = String::from_utf8(response).unwrap();
    let (head, body) = response.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (
        status,
        serde_json::from_str(body).unwrap_or(Value::String(body.to_owned())),
    )
}

#[test]
fn a_plug_in_of_the_official_sample_is_answered() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().join("place");
    let dev = Dev::start(&directory);
    let body = dev.sample.split('\'').nth(1).unwrap().to_owned();
    let post = |body: &str, content_type: &str| {
        let headers = [format!("Content-Type: {content_type}")];
        ask(&dev.address, "POST", "/license", &headers, body)
    };
    // As the plug-in sends it, and as curl does without a word about the type.
    for content_type in ["application/json", "application/x-www-form-urlencoded"] {
        let (status, answer) = post(&body, content_type);
        assert_eq!(
            (status, &answer["message"]),
            (200, &"Valid".into()),
            "{answer}"
        );
        assert_eq!(answer["expirationDate"].as_str().unwrap().len(), 10);
    }
    let json = "application/json";
    for (body, status, message) in [
        (body.replace("example", "grace"), 200, "Valid"),
        (body.replace("example", "expired"), 200, "Invalid"),
        (body.replace("example", "suspended"), 200, "Invalid"),
        (body.replace("example", "not-started"), 200, "Invalid"),
        (body.replace("example", "stranger"), 200, "No item found."),
        (
            "{}".to_owned(),
            400,
            "domain: expected a kintone host name such as example.cybozu.com",
        ),
    ] {
        let (seen, answer) = post(&body, json);
        assert_eq!(
            (seen, &answer["message"]),
            (status, &message.into()),
            "{body}"
        );
    }
    let changed = run(
        &directory,
        &["license", "suspend", "example.cybozu.com", "sheet"],
    );
    assert!(changed.status.success());
    assert_eq!(post(&body, json).1["message"], "Invalid");
    // Every other method is the gateway's own 404.
    let (status, answer) = dev.get("/license", &[]);
    assert_eq!((status, &answer["message"]), (404, &"Not Found".into()));
    assert!(dev.interrupt().success());
}

#[test]
fn the_printed_requests_answer_as_labelled_and_changes_show() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().join("place");
    let dev = Dev::start(&directory);
    let labels: Vec<&str> = dev.tries.iter().map(|(label, ..)| label.as_str()).collect();
    assert_eq!(
        labels,
        [
            "VALID",
            "GRACE",
            "EXPIRED",
            "SUSPENDED",
            "NOT_STARTED",
            "VALID",
            "NOT_FOUND",
            "NOT_FOUND"
        ]
    );
    for (label, headers, path) in &dev.tries {
        let (status, body) = dev.get(path, headers);
        assert_eq!(body["code"], label.as_str(), "{path}");
        assert_eq!(
            status,
            if label == "NOT_FOUND" { 404 } else { 200 },
            "{path}"
        );
    }
    let (status, jwks) = dev.get("/.well-known/jwks.json", &[]);
    assert_eq!((status, jwks["keys"].as_array().unwrap().len()), (200, 1));
    // The gateway's shape: no route, percent-encoding, two headers of one name, a query.
    assert_eq!(dev.get("/v2/anything", &[]).0, 404);
    let path = "/v1/products/sheet/domains/example.cybozu.com/license";
    assert_eq!(dev.get(&path.replace("example", "ex%61mple"), &[]).0, 200);
    assert_eq!(dev.get(&path.replace("example", "ex%2561mple"), &[]).0, 400);
    assert_eq!(dev.get(&format!("{path}?version=1.9.0"), &[]).0, 200);
    assert_eq!(dev.get(&format!("{path}?serial=1"), &[]).0, 400);
    let serial = "X-License-Serial: SAMP-LEON-LYSA-MPLE-ONLY".to_owned();
    assert_eq!(dev.get(path, &[serial.clone(), serial]).0, 400);

    // A second terminal.
    let suspended = run(
        &directory,
        &["license", "suspend", "example.cybozu.com", "sheet"],
    );
    assert!(suspended.status.success(), "{suspended:?}");
    assert_eq!(dev.get(path, &[]).1["code"], "SUSPENDED");

    // A second dev, on the same port and on the same data.
    let port = dev.address.rsplit(':').next().unwrap();
    let other = directory.with_extension("other");
    let busy = run(&other, &["dev", "--port", port]);
    let message = String::from_utf8(busy.stderr).unwrap();
    assert_eq!(busy.status.code(), Some(1));
    assert!(
        message.contains("is in use") && message.contains("--port"),
        "{message}"
    );
    let second = run(&directory, &["dev", "--port", "0"]);
    let message = String::from_utf8(second.stderr).unwrap();
    assert!(message.contains("another tegata is serving"), "{message}");

    assert_eq!(dev.interrupt().code(), Some(0));
    // What was changed survives a restart, and the labels say what is.
    let dev = Dev::start(&directory);
    assert_eq!(dev.tries[0].0, "SUSPENDED");
    assert_eq!(dev.get(path, &[]).1["code"], "SUSPENDED");
    assert_eq!(dev.interrupt().code(), Some(0));
}

/// This place's database, past every check of the tool.
fn database(directory: &Path) -> aws_sdk_dynamodb::Client {
    let endpoint = std::fs::read_to_string(directory.join("endpoint")).unwrap();
    let (endpoint, access_key) = endpoint.split_once('\n').unwrap();
    let access_key = access_key.trim_end();
    tegata_aws::local_dynamodb(endpoint, access_key, "local")
}

/// Removes the number of users from a licence's item.
async fn break_item(directory: &Path, domain: &str) {
    database(directory)
        .update_item()
        .table_name("Licenses")
        .key("domain", AttributeValue::S(domain.to_owned()))
        .key("product", AttributeValue::S("sheet".to_owned()))
        .update_expression("REMOVE license.#users")
        .expression_attribute_names("#users", "users")
        .send()
        .await
        .unwrap();
}

#[tokio::test]
async fn a_broken_item_hides_no_other_and_can_be_restored() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().join("place");
    let dev = Dev::start(&directory);
    break_item(&directory, "grace.cybozu.com").await;
    let path = "/v1/products/sheet/domains/grace.cybozu.com/license";
    let (status, body) = dev.get(path, &[]);
    assert_eq!((status, &body["code"]), (503, &Value::from("UNAVAILABLE")));

    for arguments in [&["license", "list"][..], &["license", "re-sign", "--all"]] {
        let output = run(&directory, arguments);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{message}");
        assert!(
            message.contains("item grace.cybozu.com, sheet: missing field `users`"),
            "{message}"
        );
        let out = String::from_utf8(output.stdout).unwrap();
        let did_the_rest =
            out.contains("not-started.cybozu.com") || out.contains("leases signed again");
        assert!(did_the_rest, "{out}");
    }
    let restore = [
        "license",
        "restore",
        "grace.cybozu.com",
        "sheet",
        "--version",
        "1",
    ];
    let restored = run(&directory, &restore);
    assert!(restored.status.success(), "{restored:?}");
    assert_eq!(dev.get(path, &[]).1["code"], "GRACE");
    assert!(run(&directory, &["license", "list"]).status.success());
}

#[test]
fn ctrl_c_does_not_wait_for_a_request_that_never_ends() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(&directory.path().join("place"));
    let mut half = TcpStream::connect(&dev.address).unwrap();
    half.write_all(b"GET / HTTP/1.1\r\nHost: ").unwrap();
    assert_eq!(dev.interrupt().code(), Some(0));
}

/// The names and sizes of a directory's archive.
fn objects(directory: &Path, source: &str) -> Vec<std::path::PathBuf> {
    let source = directory.join("archive").join(format!("source={source}"));
    let mut objects = Vec::new();
    for day in std::fs::read_dir(source).unwrap() {
        for object in std::fs::read_dir(day.unwrap().path()).unwrap() {
            objects.push(object.unwrap().path());
        }
    }
    objects.sort();
    objects
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn what_is_asked_is_archived_counted_and_verified() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().join("place");
    let dev = Dev::start_with(&directory, &["--sample-traffic"]);
    let path = "/v1/products/sheet/domains/example.cybozu.com/license?version=7.7.7";
    for _ in 0..3 {
        assert_eq!(dev.get(path, &[]).0, 200);
    }
    assert_eq!(dev.get("/wp-login.php?secret=1", &[]).0, 404);
    let serial = "X-License-Serial: ABCD-EFGH-IJKL-MNOP".to_owned();
    let unknown = "/v1/products/sheet/domains/nobody-here.cybozu.com/license";
    assert_eq!(dev.get(unknown, &[serial]).0, 404);
    assert_eq!(dev.get("/.well-known/jwks.json", &[]).0, 200);
    // What was asked last is delivered before dev ends.
    assert_eq!(dev.interrupt().code(), Some(0));

    let report = ["usage", "report", "--product", "sheet", "--output", "json"];
    let report = json(&run(&directory, &report));
    assert!(report["totals"]["requests"].as_u64().unwrap() > 1000);
    let version = |version: &str| {
        let versions = report["versions"].as_array().unwrap();
        versions.iter().find(|v| v["version"] == version).cloned()
    };
    assert_eq!(version("7.7.7").unwrap()["requests"], 3);
    let strangers = report["without_license"].to_string();
    assert!(strangers.contains("nobody-here.cybozu.com"), "{strangers}");
    assert_eq!(report["gateway"]["codes"]["NO_ROUTE"], 1);
    let days = report["days"].as_array().unwrap();
    assert_eq!(days.len(), 7);
    let text = run(&directory, &["usage", "report", "--product", "sheet"]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("copied-app.cybozu.com"), "{text}");

    let domain = [
        "usage",
        "domain",
        "EXAMPLE.s.cybozu.com",
        "--output",
        "json",
    ];
    let domain = json(&run(&directory, &domain));
    let rows = domain.as_array().unwrap().iter();
    let valid: u64 = rows.filter_map(|row| row["codes"]["VALID"].as_u64()).sum();
    assert_eq!(valid, 3, "{domain}");
    let search = [
        "access-log",
        "search",
        "--domain",
        "example.cybozu.com",
        "--output",
        "json",
    ];
    let search = json(&run(&directory, &search));
    let found = search.as_array().unwrap();
    assert_eq!(found.len(), 3, "{search}");
    assert_eq!(found[0]["gateway_status"], 200);
    assert_eq!(found[0]["network"], "127.0.0.0/24");

    let unknown = run(&directory, &["usage", "report", "--product", "nothing"]);
    assert_eq!(unknown.status.code(), Some(3));
    let period = [
        "access-log",
        "verify",
        "--from",
        "2026-11-23",
        "--to",
        "2026-11-22",
    ];
    assert_eq!(run(&directory, &period).status.code(), Some(2));
    check_verification(&directory);
}

#[test]
fn a_notice_reaches_the_outbox_and_the_news_page() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path().join("place");
    let dev = Dev::start(&directory);
    assert!(page(&dev, "/dev/outbox").contains("No mail yet"));
    assert!(page(&dev, "/news/").contains("お知らせ"));
    for (customer, email) in [
        ("C-0001", "bounce@sample.example"),
        ("C-0001", "b@sample.example"),
    ] {
        let added = run(
            &directory,
            &[
                "contact",
                "add",
                customer,
                email,
                "--role",
                "additional",
                "--releases",
            ],
        );
        assert!(added.status.success(), "{added:?}");
    }
    let notices = std::fs::read_dir(directory.join("notices")).unwrap();
    let notice = notices.last().unwrap().unwrap().path();
    let id = notice.file_stem().unwrap().to_str().unwrap().to_owned();
    let sent = run(
        &directory,
        &["notice", "send", notice.to_str().unwrap(), "--yes"],
    );
    assert!(sent.status.success(), "{sent:?}");
    let watched = run(
        &directory,
        &["notice", "status", &id, "--watch", "--output", "json"],
    );
    let status = json(&watched);
    // Somebody's mail bounces: until `announce` has looked again, this waits for an operator.
    let state = status["state"].as_str().unwrap();
    assert!(matches!(state, "sent" | "incomplete"), "{status}");
    let deliveries = &status["updates"][0]["deliveries"];
    let count = |state: &str| deliveries[state].as_u64().unwrap();
    // What becomes of a mail may be told a moment after it was sent.
    assert_eq!(
        count("DELIVERED") + count("SENT") + count("BOUNCED"),
        3,
        "{status}"
    );
    let mails = std::fs::read_dir(directory.join("outbox")).unwrap();
    assert_eq!(mails.count(), 3);
    let outbox = page(&dev, "/dev/outbox");
    assert!(outbox.contains("b@sample.example"), "{outbox}");
    let news = page(&dev, "/news/en/");
    assert!(news.contains("Release of Sheet 1.9.0"), "{news}");
    assert!(page(&dev, &format!("/news/{id}.html")).contains("中央値"));
    assert!(page(&dev, "/news/feed.xml").contains("<entry>"));
    // What would lead out of the CDN's files does not.
    assert!(page(&dev, "/news/../dynamodb.sqlite").contains("Not Found"));
    an_incident_names_whom_it_does_not_reach(&directory);
    assert_eq!(dev.interrupt().code(), Some(0));
    // Whoever bounced is not written to again.
    let bounced = run(&directory, &["notice", "status", &id, "--output", "csv"]);
    let ledger = String::from_utf8(bounced.stdout).unwrap();
    assert!(ledger.contains("bounce@sample.example"), "{ledger}");
    let shown = run(&directory, &["notice", "status", &id]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(shown.contains(", bounce@sample.example): "), "{shown}");
}

fn an_incident_names_whom_it_does_not_reach(directory: &Path) {
    let issue = [
        "license",
        "issue",
        "nobody.cybozu.com",
        "sheet",
        "--billing",
        "yearly",
        "--users",
        "5",
    ];
    assert!(run(directory, &issue).status.success());
    let file = directory.join("notices").join("incident.toml");
    let file = file.to_str().unwrap();
    let new = [
        "notice",
        "new",
        "incident",
        "--product",
        "sheet",
        "--to",
        file,
    ];
    assert!(run(directory, &new).status.success());
    let sent = run(directory, &["notice", "send", file, "--yes"]);
    assert!(sent.status.success(), "{sent:?}");
    let watch = [
        "notice", "status", "incident", "--watch", "--output", "json",
    ];
    let status = json(&run(directory, &watch));
    let not_told = status["not_told"].as_array().unwrap();
    let nobody = serde_json::json!({ "who": "nobody.cybozu.com sheet", "because": "no_customer" });
    assert!(not_told.contains(&nobody), "{status}");
    let printed = run(
        directory,
        &["--language", "ja", "notice", "status", "incident"],
    );
    let printed = String::from_utf8(printed.stdout).unwrap();
    let expected =
        "お伝えできていません：nobody.cybozu.com sheet：ライセンスにお客様が設定されていません";
    assert!(printed.contains(expected), "{printed}");
    assert!(printed.contains("incident（障害）：要対応"), "{printed}");
    let state = run(directory, &["notice", "status", "incident", "--exit-code"]);
    assert_eq!(state.status.code(), Some(6));
}

/// A page's text, whatever its status.
fn page(dev: &Dev, path: &str) -> String {
    let mut stream = TcpStream::connect(&dev.address).unwrap();
    let address = &dev.address;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).unwrap();
    String::from_utf8_lossy(&response).into_owned()
}

/// The archive is whole; then an object is removed, one cut off, and one exchanged.
fn check_verification(directory: &Path) {
    let verify = ["access-log", "verify", "--output", "json"];
    let whole = run(directory, &verify);
    assert!(whole.status.success(), "{whole:?}");
    let whole = json(&whole);
    assert_eq!(whole["ok"], true);
    let problems = |verification: &Value| {
        let days = verification["days"].as_array().unwrap();
        let problems = days
            .iter()
            .flat_map(|day| day["problems"].as_array().unwrap());
        let problems = problems.map(|problem| problem.as_str().unwrap().to_owned());
        problems.collect::<Vec<_>>()
    };
    assert!(problems(&whole).is_empty());

    let removed = objects(directory, "lookup").remove(0);
    std::fs::remove_file(&removed).unwrap();
    let mut gateway = objects(directory, "gateway");
    let shortened = gateway.remove(1);
    let content = std::fs::read(&shortened).unwrap();
    std::fs::write(&shortened, &content[..content.len() / 2]).unwrap();
    // Another day's content: it can be read, and is not what its name says.
    let exchanged = gateway.remove(1);
    std::fs::copy(&gateway[0], &exchanged).unwrap();

    let broken = run(directory, &verify);
    assert_eq!(broken.status.code(), Some(1));
    let message = String::from_utf8(broken.stderr.clone()).unwrap();
    assert!(message.contains("the archive is not whole"), "{message}");
    let verification = json(&broken);
    assert_eq!(verification["ok"], false);
    let problems = problems(&verification);
    for (what, object) in [
        ("missing", &removed),
        ("changed", &shortened),
        ("damaged", &shortened),
        ("damaged", &exchanged),
    ] {
        let name = object.file_name().unwrap().to_str().unwrap();
        let is_told = |problem: &&String| problem.starts_with(what) && problem.contains(name);
        assert!(
            problems.iter().any(|p| is_told(&p)),
            "{what} {name}: {problems:?}"
        );
    }
    let text = run(directory, &["access-log", "verify"]);
    assert_eq!(text.status.code(), Some(1));
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("PROBLEMS") && text.contains("its content is not what its name says"));
    // Sizes alone tell the first two.
    let quick = run(directory, &["access-log", "verify", "--quick"]);
    assert_eq!(quick.status.code(), Some(1));
}

#[test]
fn a_browser_gets_the_demo_and_curl_the_guide() {
    let directory = tempfile::tempdir().unwrap();
    let dev = Dev::start(&directory.path().join("place"));
    let (status, guide) = dev.get("/", &[]);
    assert_eq!(status, 200);
    assert!(guide.as_str().unwrap().contains("curl -s"), "{guide}");
    let (status, page) = dev.get("/", &["Accept: text/html,*/*;q=0.8".to_owned()]);
    assert_eq!(status, 200);
    assert!(page.as_str().unwrap().contains("/demo/demo.js"), "{page}");
    for file in [
        "demo.js",
        "words.js",
        "kintone.html",
        "desktop.js",
        "loader.js",
        "client.js",
    ] {
        assert_eq!(dev.get(&format!("/demo/{file}"), &[]).0, 200, "{file}");
    }
    assert_eq!(dev.get("/demo/other.js", &[]).0, 404);
    // The page's own tenants and what they are answered now.
    let (status, state) = dev.get("/demo/state", &[]);
    assert_eq!(status, 200);
    assert_eq!(state["tenants"][0]["code"], "VALID", "{state}");
    assert_eq!(state["jwks"]["keys"].as_array().unwrap().len(), 1);
}

#[test]
fn a_printed_command_is_quoted_for_the_shell() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path().join("it's $(touch bad) here");
    let dev = Dev::start(&directory);
    let printed = dev
        .guide
        .iter()
        .find(|line| line.contains("license suspend"));
    let (_, arguments) = printed.unwrap().split_once(" -- ").unwrap();
    let script = format!("printf '%s\\n' {arguments}");
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    let read = String::from_utf8(output.stdout).unwrap();
    let expected = format!("--local={}", directory.display());
    assert_eq!(read.lines().next(), Some(expected.as_str()), "{arguments}");
}

#[tokio::test]
async fn what_is_stored_cannot_command_the_terminal() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path().join("place");
    let _dev = Dev::start(&directory);
    let hostile = "x\u{1b}]52;c;ZWNobw==\u{7}\u{9b}2J\u{202e}y";
    database(&directory)
        .update_item()
        .table_name("Licenses")
        .key("domain", AttributeValue::S("example.cybozu.com".to_owned()))
        .key("product", AttributeValue::S("sheet".to_owned()))
        .update_expression("SET license.edition = :edition, revision.#by = :by")
        .expression_attribute_names("#by", "by")
        .expression_attribute_values(":edition", AttributeValue::S(hostile.to_owned()))
        .expression_attribute_values(":by", AttributeValue::S(hostile.to_owned()))
        .send()
        .await
        .unwrap();
    let which = ["example.cybozu.com", "sheet"];
    for (verb, more) in [
        ("show", &[][..]),
        ("show", &["--output", "json"]),
        ("history", &[]),
        ("explain", &[]),
        ("suspend", &["--dry-run"]),
    ] {
        let arguments = [&["license", verb], &which[..], more].concat();
        let output = run(&directory, &arguments);
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        let mut commands = said.chars().filter(|c| !matches!(c, '\n' | '\t'));
        let is_command = |c: &char| c.is_control() || *c == '\u{202e}';
        assert_eq!(commands.find(is_command), None, "{verb}: {said:?}");
        if verb == "show" && more.is_empty() {
            assert!(said.contains(r"x\u{1b}]52;c;ZWNobw==\u{7}"), "{said}");
        }
    }
}

#[tokio::test]
async fn a_stored_key_id_names_no_other_file() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path().join("place");
    let _dev = Dev::start(&directory);
    let victim = temporary.path().join("victim.pem");
    std::fs::write(&victim, "kept").unwrap();
    for arguments in [["key", "create"], ["key", "rotate"]] {
        let output = run(&directory, &arguments);
        assert!(output.status.success(), "{output:?}");
    }
    // The key that no longer signs.
    database(&directory)
        .update_item()
        .table_name("Licenses")
        .key("domain", AttributeValue::S("#signing-keys".to_owned()))
        .key("product", AttributeValue::S("keys".to_owned()))
        .update_expression("SET #keys[0].jwk.kid = :kid")
        .expression_attribute_names("#keys", "keys")
        .expression_attribute_values(":kid", AttributeValue::S("../../victim".to_owned()))
        .condition_expression("attribute_exists(#keys)")
        .send()
        .await
        .unwrap();
    let output = run(&directory, &["key", "retire", "../../victim", "--force"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "kept", "{said}");
    assert!(!output.status.success());
    let output = run(&directory, &["key", "list"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        said.contains("a key id has 43 base64url characters"),
        "{said}"
    );
}

/// Of several publishers at once each one writes or is told that it did not, and the document that
/// stays is the recorded one.
#[test]
fn publishers_at_once_leave_the_recorded_release() {
    let temporary = tempfile::tempdir().unwrap();
    let directory = temporary.path().join("place");
    let dev = Dev::start(&directory);
    let (status, keys) = dev.get("/.well-known/release-keys.json", &[]);
    assert_eq!((status, keys["keys"].as_array().unwrap().len()), (200, 1));
    let json = |arguments: &[&str]| -> (Option<i32>, Value) {
        let output = run(&directory, &[arguments, &["--output", "json"]].concat());
        let said = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        (output.status.code(), said)
    };
    let publish = |version: &str| {
        let mut command = tegata(&directory);
        command.args(["publish", "current", "sheet", version]);
        command.args(["--emergency", "a test", "--output", "json"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().unwrap()
    };
    for _ in 0..4 {
        let publishers = ["1.8.0", "1.9.0", "1.8.0", "1.9.0", "1.9.0"].map(publish);
        let codes = publishers.map(|mut of| of.wait().unwrap().code());
        assert!(codes.contains(&Some(0)), "{codes:?}");
        assert!(
            codes.iter().all(|code| matches!(code, Some(0 | 4))),
            "{codes:?}"
        );
        let (code, status) = json(&["publish", "status", "sheet"]);
        assert_eq!(code, Some(0), "{status}");
        assert_eq!(status["document"]["version"], status["current"]["version"]);
    }
    // Each record's document was signed later than the one before.
    let (_, listed) = json(&["publish", "list", "sheet"]);
    let issued = listed.as_array().unwrap().iter().map(|of| {
        let issued_at = &of["current"]["document"]["issued_at"];
        issued_at.as_str().unwrap().to_owned()
    });
    let issued: Vec<String> = issued.collect();
    assert!(issued.len() > 4, "{issued:?}");
    assert!(
        issued.is_sorted_by(|newer, older| newer > older),
        "{issued:?}"
    );
}

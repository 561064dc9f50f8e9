//! Plants serials, mail addresses, full IP addresses and query strings in every field that a caller
//! controls, and checks that they appear in no output.

use jiff::Timestamp;
use license_lookup::handler::Lookup;
use serde_json::{Value, json};
use tegata_common::access::Source;
use tegata_tests::{NOW, SigningKey, license, product, put};

use crate::{System, delivery, now};

/// The planted texts, in lower case. The serial is also searched for without hyphens.
const PLANTED: [&str; 7] = [
    "qwer-tyui-opas-dfgh",
    "mfrggzdfmztwq2lknnwg23tpobyxe43u",
    "someone@example.com",
    "203.0.113.77",
    "2001:db8:1:2:3:4:5:6",
    "customer=secret",
    "198.51.100.200",
];

/// The fields of an event in which texts are planted.
const FIELDS: [&str; 17] = [
    "product",
    "domain",
    "subdomain",
    "version",
    "query",
    "x-license-serial",
    "user-agent",
    "origin",
    "referer",
    "x-forwarded-for",
    "cookie",
    "body",
    "posted domain",
    "posted subdomain",
    "posted pluginId",
    "posted more",
    "posted body",
];

/// The official sample's request with a text planted in its body.
fn posted(field: &str, planted: &str) -> Value {
    let mut body = json!({
        "domain": "example.cybozu.com",
        "pluginId": "abcdefghijklmnopabcdefghijklmnop",
    });
    match field {
        "subdomain" => body["domain"] = json!(format!("{planted}.cybozu.com")),
        "body" => body = json!(planted),
        member => body[member] = json!(planted),
    }
    let mut event: Value =
        serde_json::from_str(include_str!("../../events/post-license.json")).unwrap();
    event["body"] = json!(body.to_string());
    event
}

fn event(field: &str, planted: &str, number: usize) -> Value {
    if let Some(field) = field.strip_prefix("posted ") {
        let mut event = posted(field, planted);
        event["requestContext"]["requestId"] = json!(format!("canary{number}"));
        return event;
    }
    let is = |name: &str| field == name;
    let product = if is("product") { planted } else { "sheet" };
    let domain = match field {
        "domain" => planted.to_owned(),
        "subdomain" => format!("{planted}.cybozu.com"),
        _ => "example.cybozu.com".to_owned(),
    };
    let mut headers = json!({ "user-agent": "Mozilla/5.0 Chrome/131.0.0.0" });
    for header in [
        "x-license-serial",
        "user-agent",
        "origin",
        "referer",
        "x-forwarded-for",
        "cookie",
    ] {
        if is(header) {
            headers[header] = json!(match header {
                "origin" => format!("https://{planted}"),
                _ => planted.to_owned(),
            });
        }
    }
    let mut event = json!({
        "version": "2.0",
        "routeKey": "GET /v1/products/{product}/domains/{domain}/license",
        "rawPath": format!("/v1/products/{product}/domains/{domain}/license"),
        "rawQueryString": if is("query") { format!("q={planted}") } else { String::new() },
        "headers": headers,
        "pathParameters": { "product": product, "domain": domain },
        "requestContext": {
            "http": {
                "method": "GET",
                "path": format!("/v1/products/{product}/domains/{domain}/license"),
                "sourceIp": if planted.contains(':') { planted } else { "203.0.113.77" },
                "userAgent": headers["user-agent"],
            },
            "requestId": format!("canary{number}"),
            "timeEpoch": 1_795_309_391_000_i64,
        },
        "isBase64Encoded": false,
    });
    match field {
        "version" => event["queryStringParameters"] = json!({ "version": planted }),
        "query" => event["queryStringParameters"] = json!({ "q": planted }),
        "body" => event["body"] = json!(planted),
        _ => {}
    }
    event
}

/// The gateway's line in the format of the template.
fn gateway_line(event: &Value, status: i64) -> String {
    let template = include_str!("../../template.yaml");
    let format = template.split("Format: >-\n").nth(1).unwrap();
    let lines = format
        .lines()
        .take_while(|line| line.starts_with("          "));
    let format: Vec<&str> = lines.map(str::trim).collect();
    let context = &event["requestContext"];
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let mut line = format.join(" ");
    for (variable, value) in [
        ("$context.requestTime", context_time(context)),
        ("$context.requestId", text(&context["requestId"])),
        ("$context.routeKey", text(&event["routeKey"])),
        ("$context.status", status.to_string()),
        ("$context.responseLatency", "7".to_owned()),
        ("$context.integrationStatus", "200".to_owned()),
        // If the format had these fields, the texts would be found.
        (
            "$context.identity.sourceIp",
            text(&context["http"]["sourceIp"]),
        ),
        (
            "$context.identity.userAgent",
            text(&context["http"]["userAgent"]),
        ),
        ("$context.path", text(&event["rawPath"])),
    ] {
        line = line.replace(variable, &value);
    }
    assert!(!line.contains('$'), "{line}");
    line
}

/// `$context.requestTime`, in the common log format, to the second.
fn context_time(context: &Value) -> String {
    let epoch = context["timeEpoch"].as_i64().unwrap();
    let time = Timestamp::from_millisecond(epoch).unwrap();
    time.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string()
}

fn cdn_lines() -> (String, String) {
    let fields = [
        "c-ip",
        "cs-method",
        "cs(Host)",
        "cs-uri-stem",
        "cs(Referer)",
        "cs(User-Agent)",
        "cs-uri-query",
        "cs(Cookie)",
        "x-host-header",
        "x-forwarded-for",
        "sc-status",
        "x-edge-request-id",
        "timestamp(ms)",
    ];
    let mut json_lines = String::new();
    let mut w3c = format!("#Version: 1.0\n#Fields: {}\n", fields.join(" "));
    let mut number = 0;
    for planted in PLANTED {
        for field in &fields[..10] {
            // Also for an existing file, and for a referer that is similar to a tenant's.
            for (status, spelled) in [
                ("403", planted.to_owned()),
                ("403", format!("/{planted}/{planted}.js")),
                ("200", format!("/sheet/{planted}/{planted}.js")),
                ("200", format!("/{planted}/1.9.0/{planted}")),
                ("200", format!("https://{planted}.cybozu.com/?{planted}")),
                (
                    "200",
                    format!("https://example.cybozu.com/{planted}#{planted}"),
                ),
            ] {
                number += 1;
                let values: Vec<(&str, String)> = fields
                    .iter()
                    .map(|name| {
                        let value = match *name {
                            name if name == *field => spelled.clone(),
                            "sc-status" => status.to_owned(),
                            "x-edge-request-id" => format!("canary-file{number}"),
                            "timestamp(ms)" => "1795309391000".to_owned(),
                            "cs-uri-stem" => "/sheet/1.9.0/sheet.min.js".to_owned(),
                            _ => "-".to_owned(),
                        };
                        (*name, value)
                    })
                    .collect();
                let object: serde_json::Map<String, Value> = values
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), json!(value)))
                    .collect();
                json_lines.push_str(&format!("{}\n", Value::from(object)));
                let row: Vec<String> = values.into_iter().map(|(_, value)| value).collect();
                // Different request ids, because equal ones would write the same object.
                let row = row.join("\t").replace("canary-file", "canary-row");
                w3c.push_str(&format!("{row}\n"));
            }
        }
        // Unreadable lines are archived as evidence without their content.
        json_lines.push_str(&format!("{{\"cs-uri-stem\":\"{planted}\"\n"));
        w3c.push_str(&format!("{planted}\n"));
    }
    (json_lines, w3c)
}

#[tokio::test]
async fn nothing_that_is_planted_comes_out() {
    let system = System::start().await;
    let key = SigningKey::create();
    let license = license("example.cybozu.com", &product(), "2026-10-03T01:00:00Z");
    put(&system.database.licenses, &key, license).await;
    let lookup = Lookup::new(&system.database.settings(&[])).unwrap();
    let at: Timestamp = NOW.parse().unwrap();

    let mut logs = String::new();
    let mut lookup_lines = Vec::new();
    let mut gateway_lines = Vec::new();
    for (number, (field, planted)) in FIELDS
        .iter()
        .flat_map(|field| PLANTED.map(|planted| (field, planted)))
        .enumerate()
    {
        for spelled in [planted.to_owned(), planted.to_uppercase()] {
            let event = event(field, &spelled, number);
            let answered = lookup.answer(&event.to_string(), at).await;
            gateway_lines.push(gateway_line(&event, answered.response.status_code));
            lookup_lines.push(answered.line.to_string());
        }
    }
    // Lines from other writers in the log groups, and truncated lines.
    for planted in PLANTED {
        lookup_lines.push(format!("{{\"type\":\"access\",\"code\":\"{planted}\"}}"));
        lookup_lines.push(format!("panicked at {planted}"));
        gateway_lines.push(format!(
            "{{\"type\":\"gateway\",\"requestId\":\"{planted}\",\"time\":1}}"
        ));
        gateway_lines.push(format!("{{\"type\":\"gateway\",\"path\":\"{planted}"));
    }
    // The lines in the log groups are also searched.
    let written = FIELDS.len() * PLANTED.len() * 2;
    logs.push_str(&lookup_lines[..written].join("\n"));
    logs.push_str(&gateway_lines[..written].join("\n"));

    let (json_lines, w3c) = cdn_lines();
    let mut reports = Vec::new();
    for (group, lines) in [("gateway", gateway_lines), ("lookup", lookup_lines)] {
        let lines = lines.into_iter().map(|text| delivery::Line { at, text });
        let event = delivery::subscription(group, &lines.collect::<Vec<_>>());
        reports.push(system.access_log.handle(&event, now()).await.unwrap());
    }
    for file in [json_lines, w3c] {
        let archived = system.access_log.file("canary", file.as_bytes(), at).await;
        reports.push(archived.unwrap());
    }
    for report in &reports {
        for line in report.lines(now(), "stack") {
            logs.push_str(&line.to_string());
        }
        assert!(report.archived[&Source::Unreadable] >= 7, "{report:?}");
    }
    let rolled_up = system.roll_up.run(now(), || false).await.unwrap();
    assert!(rolled_up.records > 1000, "{rolled_up:?}");
    logs.push_str(&rolled_up.line(now(), "stack").to_string());

    let mut kept = String::new();
    for source in Source::OF_ACCESSES {
        for listed in system
            .archive
            .list(source, at.to_string()[..10].parse().unwrap())
            .await
            .unwrap()
        {
            let object = system.archive.get(&listed.key).await.unwrap().unwrap();
            let lines = tegata_archive::open(&listed.name.unwrap(), &object).unwrap();
            kept.push_str(&String::from_utf8(lines).unwrap());
        }
    }
    assert!(kept.lines().count() > 1000);
    let scan = system
        .database
        .client
        .scan()
        .table_name("Usage")
        .send()
        .await;
    let usage = format!("{:?}", scan.unwrap().items());
    assert!(usage.contains("example.cybozu.com"));
    for planted in PLANTED {
        for (place, text) in [("archive", &kept), ("usage", &usage), ("logs", &logs)] {
            let lower = text.to_lowercase();
            if let Some(found) = lower.find(planted) {
                let around = &lower[found.saturating_sub(200)..(found + 80).min(lower.len())];
                panic!("{planted} in the {place}: {around}");
            }
        }
    }
}

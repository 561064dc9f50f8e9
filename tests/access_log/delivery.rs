//! The log lines of requests and their deliveries: late, duplicated, in any order and in any
//! batches.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tegata_tests::log_lines::{self, gzip};

use crate::truth::{Outcome, Request, World};

/// A line of a log group and the timestamp of its log event.
#[derive(Clone)]
pub(crate) struct Line {
    pub(crate) at: Timestamp,
    pub(crate) text: String,
}

/// A file of the CDN's log and the time at which it was stored.
pub(crate) struct File {
    pub(crate) key: String,
    pub(crate) at: Timestamp,
    pub(crate) content: Vec<u8>,
}

/// The events with which the function is invoked.
pub(crate) struct Deliveries {
    pub(crate) events: Vec<String>,
    pub(crate) lines: usize,
    pub(crate) repeated: usize,
}

/// The maximum number of lines in a batch. It is small, so that many batches are interrupted,
/// duplicated and reordered.
const LARGEST_BATCH: usize = 300;

/// The deliveries of all requests' lines.
pub(crate) fn of(world: &World, random: &mut fastrand::Rng) -> Deliveries {
    let mut gateway = Vec::new();
    let mut function = Vec::new();
    for request in &world.requests {
        match request.outcome {
            Outcome::Function(code, status) => {
                gateway.push(gateway_line(request, status, "200"));
                function.push(lookup_line(request, code, status));
            }
            Outcome::Gateway(_, status) => gateway.push(gateway_line(request, status, "-")),
            // Delivered in files, see below.
            Outcome::Cdn(_) => {}
        }
    }
    let lines = gateway.len() + function.len();
    let mut batches = Vec::new();
    let mut repeated = 0;
    for (group, lines) in [("gateway", gateway), ("lookup", function)] {
        let mut lines = lines;
        // Each log stream is in order, but there are many streams.
        if group == "lookup" {
            random.shuffle(&mut lines);
        }
        batches.extend(split(group, &lines, random));
        // Some lines again, in different batches.
        let from = random.usize(0..=lines.len() / 2);
        let again = &lines[from..from + lines.len() / 20];
        repeated += again.len();
        batches.extend(split(group, again, random));
    }
    // Some batches again without changes.
    for _ in 0..batches.len() / 10 {
        let again = batches[random.usize(..batches.len())].clone();
        batches.push(again);
    }
    random.shuffle(&mut batches);
    Deliveries {
        events: batches,
        lines,
        repeated,
    }
}

/// The CDN's log files of the requests, in JSON, some of them compressed. Each file has requests of
/// one day and is stored up to a day late.
pub(crate) fn cdn_files(world: &World, random: &mut fastrand::Rng) -> Vec<File> {
    let mut requests: Vec<&Request> = world
        .requests
        .iter()
        .filter(|request| matches!(request.outcome, Outcome::Cdn(_)))
        .collect();
    requests.sort_by_key(|request| request.at);
    let mut files = Vec::new();
    for day in requests.chunk_by(|a, b| a.date() == b.date()) {
        for requests in day.chunks(700) {
            let lines: Vec<String> = requests.iter().copied().map(cdn_line).collect();
            let text = lines.concat().into_bytes();
            let late = SignedDuration::from_secs(random.i64(0..24 * 3600));
            files.push(File {
                key: format!("AWSLogs/1/CloudFront/E1.{}.gz", files.len()),
                at: requests[requests.len() - 1].at + late,
                content: if random.bool() { gzip(&text) } else { text },
            });
        }
    }
    files
}

fn split(group: &str, lines: &[Line], random: &mut fastrand::Rng) -> Vec<String> {
    let mut events = Vec::new();
    let mut rest = lines;
    while !rest.is_empty() {
        let (batch, after) = rest.split_at(random.usize(1..=LARGEST_BATCH).min(rest.len()));
        events.push(subscription(group, batch));
        rest = after;
    }
    events
}

/// A subscription's batch as CloudWatch Logs delivers it.
pub(crate) fn subscription(group: &str, lines: &[Line]) -> String {
    log_lines::subscription(group, lines.iter().map(|line| (line.at, &*line.text)))
}

fn gateway_line(request: &Request, status: u16, integration: &str) -> Line {
    let latency = request.latency.into();
    let text = log_lines::gateway_line(&request.id, request.at, status, latency, integration);
    Line {
        at: request.at + SignedDuration::from_millis(request.latency.into()),
        text,
    }
}

fn lookup_line(request: &Request, code: &str, status: u16) -> Line {
    // Answered a little later. Around midnight, that is the next day.
    let at = request.at + SignedDuration::from_millis(40);
    let text = json!({
        "type": "access",
        "time": format!("{at:.3}"),
        "requested_at": request.time(),
        "request_id": request.id,
        "method": "GET",
        "product": request.product,
        "domain": request.domain,
        "version": request.version,
        "code": code,
        "status": status,
        "reason": null,
        "serial": "absent",
        "source": "103.79.14.0/24",
        "browser": false,
        "database_ms": 4.5,
    })
    .to_string();
    Line { at, text }
}

fn cdn_line(request: &Request) -> String {
    let Outcome::Cdn(status) = request.outcome else {
        return String::new();
    };
    let path = match (status, request.version) {
        (200, Some(version)) => format!("/{}/{version}/plugin.min.js", request.product),
        (200, None) => format!("/{}/current.jwt", request.product),
        _ => "/wp-login.php".to_owned(),
    };
    let line = json!({
        "timestamp(ms)": request.at.as_millisecond().to_string(),
        "x-edge-request-id": request.id,
        "cs-method": "GET",
        "cs-uri-stem": path,
        "cs-uri-query": "-",
        "sc-status": status.to_string(),
        "sc-bytes": "1000",
        "time-taken": format!("0.{:03}", request.latency),
        "x-edge-result-type": if status == 200 { "Hit" } else { "Error" },
        "c-ip": "203.0.113.77",
        "cs(User-Agent)": "Mozilla/5.0%20(Windows%20NT%2010.0)%20Chrome/131.0.0.0%20Safari/537.36",
        "cs(Referer)": format!("https://{}/k/1/", request.domain),
    });
    format!("{line}\n")
}

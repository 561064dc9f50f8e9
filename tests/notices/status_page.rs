//! The status page against a stand-in of Statuspal's API: one entry for each notice, which follows
//! it, whatever fails and whatever was posted by hand. `tests/local-cloud/statuspal.py` is stricter
//! about what a request may hold.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{Method, Response, Uri};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tegata_common::notice::{Announced, Notice};
use tegata_notices::channels::status_page::{ApiKey, StatusPage, StatusPageError};

use crate::world::{INCIDENT, START, notice};

const MAINTENANCE: &str = r#"
kind = "maintenance"
planned_at = 2026-12-19T22:00:00+09:00
ends_at = 2026-12-20T02:00:00+09:00
title = { ja = "メンテナンス", en = "Maintenance" }
body = { ja = "停止します。", en = "It stops." }
"#;

const RAISED: &str = r#"
[[updates]]
stage = "identified"
severity = "critical"
body = { ja = "原因が分かりました。", en = "The cause is known." }
"#;

const RESOLVED: &str = r#"
[[updates]]
stage = "resolved"
body = { ja = "復旧しました。", en = "It works again." }
"#;

/// What becomes of a write.
#[derive(Clone, Copy)]
enum Fault {
    /// It is answered with 500 and not kept.
    Refused,
    /// It is kept and answered with 500.
    Kept,
}

#[derive(Default)]
struct Page {
    incidents: Vec<Value>,
    /// The writes: `POST /incidents`.
    writes: Vec<String>,
    fault: Option<(usize, Fault)>,
}

type Shared = Arc<Mutex<Page>>;

async fn answer(
    State(page): State<Shared>,
    method: Method,
    uri: Uri,
    body: Bytes,
) -> Response<Body> {
    let mut page = page.lock().unwrap();
    let path = uri.path().strip_prefix("/status_pages/sample").unwrap();
    let fault = page.fault.filter(|(at, _)| *at == page.writes.len());
    let fault = fault
        .map(|(_, fault)| fault)
        .filter(|_| method != Method::GET);
    if method != Method::GET {
        page.writes.push(format!("{method} {path}"));
    }
    let (status, answer) = match fault {
        Some(Fault::Refused) => (500, json!({})),
        Some(Fault::Kept) => {
            carry_out(&mut page, &method, path, &body);
            (500, json!({}))
        }
        None => carry_out(&mut page, &method, path, &body),
    };
    let response = Response::builder().status(status);
    response.body(Body::from(answer.to_string())).unwrap()
}

fn carry_out(page: &mut Page, method: &Method, path: &str, body: &[u8]) -> (u16, Value) {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let index = parts.get(1).and_then(|id| id.parse::<usize>().ok());
    let index = index.map(|id| id - 1);
    match (method.as_str(), parts.len()) {
        ("GET", 1) => {
            let listed: Vec<&Value> = page.incidents.iter().rev().collect();
            (200, json!({ "incidents": listed }))
        }
        ("POST", 1) => {
            let mut incident = body["incident"].clone();
            incident["id"] = json!(page.incidents.len() + 1);
            page.incidents.push(incident.clone());
            (201, json!({ "incident": incident }))
        }
        ("GET", 2) => match index.and_then(|index| page.incidents.get(index)) {
            Some(incident) => (200, json!({ "incident": incident })),
            None => (404, json!({})),
        },
        ("PUT", 2) => {
            let incident = &mut page.incidents[index.unwrap()];
            let changes = body["incident"].as_object().unwrap();
            // An entry without services is refused.
            assert!(!changes["service_ids"].as_array().unwrap().is_empty());
            incident.as_object_mut().unwrap().extend(changes.clone());
            (200, json!({ "incident": incident }))
        }
        ("POST", 3) => {
            let incident = &mut page.incidents[index.unwrap()];
            let updates = incident["updates"].as_array_mut().unwrap();
            updates.push(body["update"].clone());
            (201, body)
        }
        other => panic!("{other:?}"),
    }
}

async fn start(incidents: &[Value]) -> (StatusPage, Shared) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let page = Shared::default();
    page.lock().unwrap().incidents = incidents.to_vec();
    let router = Router::new().fallback(answer).with_state(Arc::clone(&page));
    tokio::spawn(async move { axum::serve(listener, router).await });
    let key = ApiKey::Given("key".to_owned());
    (
        StatusPage::new(url, "sample", vec![7, 8], key).unwrap(),
        page,
    )
}

/// The notice of a file with one more update, all of whose updates are announced.
fn announced(file: &str, before: Option<&Notice>, hours: i64) -> Notice {
    let now = START.parse::<Timestamp>().unwrap() + SignedDuration::from_hours(hours);
    let mut notice = notice(file, before, now);
    for update in &mut notice.updates {
        update.announced.get_or_insert(Announced {
            at: now,
            recipients: 1,
            unreachable: 0,
        });
    }
    notice
}

/// Publishes the last update of a notice.
async fn post(
    page: &StatusPage,
    notice: &Notice,
    known: Option<&str>,
) -> Result<String, StatusPageError> {
    let update = notice.updates.last().unwrap();
    page.post(notice, update, known, &BTreeSet::new()).await
}

#[tokio::test]
async fn a_postponed_maintenance_moves() {
    let (page, shared) = start(&[]).await;
    let first = announced(MAINTENANCE, None, 0);
    let id = post(&page, &first, None).await.unwrap();
    let entry = || shared.lock().unwrap().incidents[0].clone();
    assert_eq!(entry()["starts_at"], "2026-12-19T13:00:00");
    assert_eq!(entry()["ends_at"], "2026-12-19T17:00:00");
    let postponed = MAINTENANCE
        .replace("2026-12-20", "2026-12-27")
        .replace("2026-12-19", "2026-12-26");
    let postponed = format!(
        "{postponed}\n[[updates]]\nbody = {{ ja = \"延期します。\", en = \"It is postponed.\" }}\n"
    );
    let second = announced(&postponed, Some(&first), 1);
    assert_eq!(post(&page, &second, Some(&id)).await.unwrap(), id);
    assert_eq!(entry()["starts_at"], "2026-12-26T13:00:00");
    assert_eq!(entry()["ends_at"], "2026-12-26T17:00:00");
    assert_eq!(entry()["type"], "scheduled");
    assert_eq!(entry()["updates"].as_array().unwrap().len(), 2);
    // A repeated call writes nothing.
    let writes = shared.lock().unwrap().writes.len();
    post(&page, &second, Some(&id)).await.unwrap();
    assert_eq!(shared.lock().unwrap().writes.len(), writes);
}

/// Publishes an incident in three updates, each until it succeeds. Returns the number of writes.
async fn incident(fault: Option<(usize, Fault)>) -> usize {
    let (page, shared) = start(&[]).await;
    shared.lock().unwrap().fault = fault;
    let first = announced(&INCIDENT.replace("major", "minor"), None, 0);
    let raised = format!("{}{RAISED}", INCIDENT.replace("major", "minor"));
    let second = announced(&raised, Some(&first), 1);
    let third = announced(&format!("{raised}{RESOLVED}"), Some(&second), 2);
    let mut id = None;
    for (notice, kind, ends_at) in [
        (&first, "minor", Value::Null),
        (&second, "major", Value::Null),
        (&third, "major", json!("2026-11-26T03:00:00")),
    ] {
        for _ in 0..2 {
            if let Ok(posted) = post(&page, notice, id.as_deref()).await {
                id = Some(posted);
                break;
            }
        }
        let entry = shared.lock().unwrap().incidents[0].clone();
        assert_eq!(
            (&entry["type"], &entry["ends_at"]),
            (&json!(kind), &ends_at)
        );
    }
    let page = shared.lock().unwrap();
    assert_eq!(page.incidents.len(), 1, "{:?}", page.writes);
    let updates = page.incidents[0]["updates"].as_array().unwrap();
    let stages: Vec<&str> = updates
        .iter()
        .map(|of| of["type"].as_str().unwrap())
        .collect();
    assert_eq!(stages, ["investigating", "issue", "resolved"]);
    page.writes.len()
}

#[tokio::test]
async fn an_incident_is_raised_and_ends_whatever_write_fails() {
    let writes = incident(None).await;
    assert_eq!(writes, 5);
    for at in 0..writes {
        for fault in [Fault::Refused, Fault::Kept] {
            incident(Some((at, fault))).await;
        }
    }
}

#[tokio::test]
async fn what_was_posted_by_hand_is_found_and_not_posted_twice() {
    let by_hand = |title: &str, kind: &str, starts_at: &str, services: &[u64], ends_at: Value| {
        json!({
            "id": 1, "title": title, "type": kind, "service_ids": services,
            "starts_at": starts_at, "ends_at": ends_at,
            "updates": [{ "type": "investigating", "description": "調査しています。" }],
        })
    };
    let (earlier, title) = ("2026-11-26T00:30:00", "接続できません");
    let ours = "ライセンスを確認できない障害";
    for (entry, is_found) in [
        (by_hand(title, "minor", earlier, &[8], Value::Null), true),
        (
            by_hand(
                title,
                "major",
                "2026-11-26T09:30:00+09:00",
                &[8],
                Value::Null,
            ),
            true,
        ),
        // With the notice's title, whatever its services and its start.
        (
            by_hand(ours, "major", "2026-11-20T00:00:00", &[9], Value::Null),
            true,
        ),
        // Another service, long ago, ended, planned.
        (by_hand(title, "major", earlier, &[9], Value::Null), false),
        (
            by_hand(title, "major", "2026-11-24T00:00:00", &[8], Value::Null),
            false,
        ),
        (
            by_hand(title, "major", earlier, &[8], json!("2026-11-26T00:40:00")),
            false,
        ),
        (
            by_hand(title, "scheduled", earlier, &[8], Value::Null),
            false,
        ),
        (
            by_hand(
                ours,
                "major",
                "2026-11-20T00:00:00",
                &[8],
                json!("2026-11-20T01:00:00"),
            ),
            false,
        ),
    ] {
        let (page, shared) = start(std::slice::from_ref(&entry)).await;
        let notice = announced(INCIDENT, None, 0);
        post(&page, &notice, None).await.unwrap();
        let page = shared.lock().unwrap();
        assert_eq!(page.incidents.len() == 1, is_found, "{entry}");
        if is_found {
            let kept = &page.incidents[0];
            assert_eq!(kept["updates"].as_array().unwrap().len(), 1, "{entry}");
            assert_eq!(
                (&kept["type"], &kept["title"]),
                (&json!("major"), &entry["title"])
            );
        }
    }
    // Two of them: it is not known which one.
    let two = [1, 2].map(|_| by_hand(title, "major", earlier, &[8], Value::Null));
    let (page, shared) = start(&two).await;
    post(&page, &announced(INCIDENT, None, 0), None)
        .await
        .unwrap();
    assert_eq!(shared.lock().unwrap().incidents.len(), 3);
    // That of another notice.
    let (page, shared) = start(&two[..1]).await;
    let (notice, taken) = (announced(INCIDENT, None, 0), ["1".to_owned()].into());
    let posted = page.post(&notice, &notice.updates[0], None, &taken).await;
    assert_eq!(
        (
            posted.unwrap().as_str(),
            shared.lock().unwrap().incidents.len()
        ),
        ("2", 2)
    );
}

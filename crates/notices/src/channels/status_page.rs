//! The status page: incidents and maintenance on Statuspal, through its HTTP API (v2).
//!
//! Statuspal's own notifications are turned off, so that nobody is notified twice. The API has no
//! idempotency key, so existing entries are read before one is added.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use tegata_common::customer::{Language, Severity};
use tegata_common::notice::{Notice, NoticeKind, NoticeText, Stage, Update};
use tokio::sync::Mutex;

use crate::render::body;

/// The base URL of Statuspal's API.
pub const API: &str = "https://statuspal.io/api/v2";

const TIMEOUT: Duration = Duration::from_secs(10);

/// The number of recent incidents that are searched for an existing one.
const RECENT: u32 = 50;

/// How long before the notice an incident may have been posted by hand.
const BY_HAND: SignedDuration = SignedDuration::from_hours(24);

/// The source of the API key.
#[derive(Clone)]
pub enum ApiKey {
    /// A secret in Secrets Manager, whose value is the key.
    Secret {
        client: aws_sdk_secretsmanager::Client,
        /// The ARN of the secret.
        arn: String,
    },
    /// The key itself, for tests.
    Given(String),
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

/// A status page on Statuspal.
#[derive(Clone, Debug)]
pub struct StatusPage {
    http: Client,
    api: String,
    subdomain: String,
    services: Vec<u64>,
    key: ApiKey,
    /// The cached key. Cleared when Statuspal rejects it.
    read_key: Arc<Mutex<Option<String>>>,
}

/// Why the status page was not updated.
#[derive(Debug, thiserror::Error)]
pub enum StatusPageError {
    /// The API key could not be read.
    #[error("the API key of the status page could not be read: {0}")]
    Key(String),
    /// The request to Statuspal failed without an answer, or the answer is invalid.
    #[error("Statuspal: {0}")]
    Http(String),
    /// Statuspal answered with an error.
    #[error("Statuspal answered {status}: {body}")]
    Refused {
        status: StatusCode,
        /// The first 200 characters of the answer.
        body: String,
    },
}

#[derive(Deserialize)]
struct IncidentList {
    incidents: Vec<Incident>,
}

#[derive(Deserialize)]
struct IncidentAnswer {
    incident: Incident,
}

#[derive(Deserialize)]
struct Incident {
    id: u64,
    #[serde(default)]
    title: String,
    /// `major`, `minor` or `scheduled`.
    #[serde(default, rename = "type")]
    kind: Option<String>,
    #[serde(default)]
    starts_at: Option<String>,
    #[serde(default)]
    ends_at: Option<String>,
    #[serde(default)]
    service_ids: Vec<u64>,
    #[serde(default)]
    updates: Vec<IncidentUpdate>,
}

#[derive(Deserialize)]
struct IncidentUpdate {
    #[serde(default)]
    description: String,
    #[serde(default, rename = "type")]
    kind: Option<String>,
}

impl StatusPage {
    /// A page with its subdomain and the ids of the services that incidents are assigned to.
    pub fn new(
        api: impl Into<String>,
        subdomain: impl Into<String>,
        services: Vec<u64>,
        key: ApiKey,
    ) -> Result<Self, StatusPageError> {
        // The AWS SDK brings its own provider. A second call has no effect.
        let _ = rustls::crypto::ring::default_provider().install_default();
        // A redirect would carry the API key to another host.
        let http = Client::builder().redirect(Policy::none()).timeout(TIMEOUT);
        let http = http.build();
        Ok(Self {
            http: http.map_err(|error| StatusPageError::Http(error.to_string()))?,
            api: api.into(),
            subdomain: subdomain.into(),
            services,
            key,
            read_key: Arc::default(),
        })
    }

    /// The public URL of the page.
    pub fn url(&self) -> String {
        format!("https://{}.statuspal.io", self.subdomain)
    }

    /// Whether a notice is published on the status page: incidents and maintenance.
    pub fn shows(notice: &Notice) -> bool {
        matches!(
            notice.kind,
            NoticeKind::Maintenance { .. } | NoticeKind::Incident
        )
    }

    /// Checks that the page and the key are valid, by reading the latest incidents.
    pub async fn probe(&self) -> Result<(), StatusPageError> {
        self.recent().await.map(drop)
    }

    /// Publishes an update, unless the page has it already, and brings the entry's type, start and
    /// end up to date. Returns the entry's id in Statuspal.
    ///
    /// `known` is the id under which the notice is on the page. Without it, the entry is searched:
    /// an earlier call may have ended without an answer, or an operator may have posted it by hand.
    /// `taken` are the entries of other notices.
    ///
    /// Every step compares before it writes, so that the call can be repeated after any failure.
    pub async fn post(
        &self,
        notice: &Notice,
        update: &Update,
        known: Option<&str>,
        taken: &BTreeSet<String>,
    ) -> Result<String, StatusPageError> {
        let incident = match known.and_then(|id| id.parse::<u64>().ok()) {
            // An entry that was deleted in Statuspal is created again.
            Some(id) => match self.incident(id).await {
                Err(StatusPageError::Refused { status, .. }) if status == StatusCode::NOT_FOUND => {
                    None
                }
                known => Some(known?),
            },
            None => self.find(notice, taken).await?,
        };
        let Some(incident) = incident else {
            let body = self.new_incident(notice, update);
            let created: IncidentAnswer = self.call(Method::POST, "incidents", Some(body)).await?;
            return Ok(created.incident.id.to_string());
        };
        if !is_posted(&incident, notice, update) {
            let path = format!("incidents/{}/updates", incident.id);
            let body = json!({ "update": {
                "type": update_type(&notice.kind, update.stage),
                "description": description(update),
                "posted_at": utc(update.send_at),
                "notify": false,
            }});
            self.call::<Value>(Method::POST, &path, Some(body)).await?;
        }
        if let Some(changes) = self.changes(&incident, notice, update) {
            let path = format!("incidents/{}", incident.id);
            self.call::<Value>(Method::PUT, &path, Some(changes))
                .await?;
        }
        Ok(incident.id.to_string())
    }

    /// Finds the entry of a notice that is not known to have one: with the same title and start, or
    /// posted by hand for the same incident.
    ///
    /// An entry is taken for a hand-posted one of the incident if it has not ended and has the same
    /// title, or if it is the only one that has not ended, is for one of our services, and started
    /// within a day before the notice.
    async fn find(
        &self,
        notice: &Notice,
        taken: &BTreeSet<String>,
    ) -> Result<Option<Incident>, StatusPageError> {
        let starts_at = starts_at(notice);
        let mut recent = self.recent().await?;
        recent.retain(|incident| !taken.contains(&incident.id.to_string()));
        let is_same = |incident: &Incident| {
            has_title(incident, notice)
                && is_instant(incident.starts_at.as_deref().unwrap_or_default(), starts_at)
        };
        if let Some(index) = recent.iter().position(is_same) {
            return Ok(Some(recent.swap_remove(index)));
        }
        if notice.kind != NoticeKind::Incident {
            return Ok(None);
        }
        recent.retain(|of| of.ends_at.is_none() && of.kind.as_deref() != Some("scheduled"));
        if let Some(index) = recent.iter().position(|of| has_title(of, notice)) {
            return Ok(Some(recent.swap_remove(index)));
        }
        recent.retain(|incident| {
            let started = incident.starts_at.as_deref().and_then(instant);
            let is_near = started.is_some_and(|at| at <= starts_at && starts_at - at <= BY_HAND);
            is_near
                && incident
                    .service_ids
                    .iter()
                    .any(|id| self.services.contains(id))
        });
        Ok(recent.pop().filter(|_| recent.is_empty()))
    }

    fn new_incident(&self, notice: &Notice, update: &Update) -> Value {
        let mut incident = json!({
            "title": title(notice),
            "type": incident_type(notice, update),
            "service_ids": self.services,
            "notify": false,
            "starts_at": utc(starts_at(notice)),
            "updates": [{
                "type": update_type(&notice.kind, update.stage),
                "description": description(update),
                "notify": false,
            }],
        });
        if let Some(ends_at) = ends_at(notice, update) {
            incident["ends_at"] = json!(utc(ends_at));
        }
        json!({ "incident": incident })
    }

    /// The fields of an entry that differ from the notice: the severity, the time of a maintenance,
    /// the end of an incident. `None` if all agree.
    ///
    /// Statuspal's own code requires the services in every change of an incident.
    fn changes(&self, incident: &Incident, notice: &Notice, update: &Update) -> Option<Value> {
        let mut changes = serde_json::Map::new();
        let kind = incident_type(notice, update);
        if incident.kind.as_deref() != Some(kind) {
            changes.insert("type".to_owned(), json!(kind));
        }
        let is_maintenance = matches!(notice.kind, NoticeKind::Maintenance { .. });
        let told = |at: &Option<String>, wanted: Timestamp| {
            is_instant(at.as_deref().unwrap_or_default(), wanted)
        };
        let starts_at = starts_at(notice);
        if is_maintenance && !told(&incident.starts_at, starts_at) {
            changes.insert("starts_at".to_owned(), json!(utc(starts_at)));
        }
        if let Some(ends_at) = ends_at(notice, update) {
            // The end of an incident that was ended by hand is more exact than the update's time.
            let is_there = match is_maintenance {
                true => told(&incident.ends_at, ends_at),
                false => incident.ends_at.is_some(),
            };
            if !is_there {
                changes.insert("ends_at".to_owned(), json!(utc(ends_at)));
            }
        }
        if changes.is_empty() {
            return None;
        }
        let services = match incident.service_ids.is_empty() {
            true => &self.services,
            false => &incident.service_ids,
        };
        changes.insert("service_ids".to_owned(), json!(services));
        changes.insert("notify".to_owned(), json!(false));
        Some(json!({ "incident": changes }))
    }

    async fn incident(&self, id: u64) -> Result<Incident, StatusPageError> {
        let path = format!("incidents/{id}");
        let answer = self.call::<IncidentAnswer>(Method::GET, &path, None).await;
        Ok(answer?.incident)
    }

    async fn recent(&self) -> Result<Vec<Incident>, StatusPageError> {
        let path = format!("incidents?limit={RECENT}");
        Ok(self
            .call::<IncidentList>(Method::GET, &path, None)
            .await?
            .incidents)
    }

    async fn call<T: for<'de> Deserialize<'de>>(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Result<T, StatusPageError> {
        let failed = |error: reqwest::Error| StatusPageError::Http(causes(&error.without_url()));
        let url = format!("{}/status_pages/{}/{path}", self.api, self.subdomain);
        let key = self.key().await?;
        let mut request = self.http.request(method, url).header("Authorization", key);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.map_err(failed)?;
        let status = response.status();
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            *self.read_key.lock().await = None;
        }
        if !status.is_success() {
            let body = response.text().await.unwrap_or_default();
            let body = body.chars().take(200).collect();
            return Err(StatusPageError::Refused { status, body });
        }
        response.json().await.map_err(failed)
    }

    async fn key(&self) -> Result<String, StatusPageError> {
        let mut read = self.read_key.lock().await;
        if let Some(key) = &*read {
            return Ok(key.clone());
        }
        let key = match &self.key {
            ApiKey::Given(key) => key.clone(),
            ApiKey::Secret { client, arn } => {
                let got = client.get_secret_value().secret_id(arn).send().await;
                let got = got.map_err(|error| StatusPageError::Key(causes(&error)))?;
                let text = got.secret_string;
                let text =
                    text.ok_or_else(|| StatusPageError::Key("the secret is not a text".to_owned()));
                text?.trim().to_owned()
            }
        };
        *read = Some(key.clone());
        Ok(key)
    }
}

fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    tegata_aws::causes(error)
}

/// The title in all its languages, because the page has one title only.
fn title(notice: &Notice) -> String {
    let mut titles = texts(&notice.title);
    titles.dedup();
    titles.join(" / ")
}

/// The languages of a text, each once.
fn texts(text: &NoticeText) -> Vec<&str> {
    let languages = Language::ALL.into_iter();
    let languages = languages.filter(|language| text.has(*language));
    languages.map(|language| text.only(language)).collect()
}

/// Whether an entry has the notice's title, in both languages or in one.
fn has_title(incident: &Incident, notice: &Notice) -> bool {
    let shown = incident.title.trim();
    let is_one = texts(&notice.title)
        .iter()
        .any(|title| title.trim() == shown);
    is_one || title(notice).trim() == shown
}

/// Whether an entry has an update already, in both languages or in one.
fn is_posted(incident: &Incident, notice: &Notice, update: &Update) -> bool {
    let wanted = update_type(&notice.kind, update.stage);
    let mut wanted_texts: Vec<String> = texts(&update.body).into_iter().map(body::text).collect();
    wanted_texts.push(description(update));
    incident.updates.iter().any(|posted| {
        let is_same_stage = posted.kind.as_ref().is_none_or(|kind| kind == wanted);
        let text = posted.description.trim();
        is_same_stage && wanted_texts.iter().any(|wanted| wanted.trim() == text)
    })
}

/// Statuspal's type for the notice as of an update.
fn incident_type(notice: &Notice, update: &Update) -> &'static str {
    match (&notice.kind, notice.severity_at(update.number)) {
        (NoticeKind::Maintenance { .. }, _) => "scheduled",
        (_, Some(Severity::Minor)) => "minor",
        _ => "major",
    }
}

fn description(update: &Update) -> String {
    let texts: Vec<String> = texts(&update.body).into_iter().map(body::text).collect();
    texts.join("\n\n")
}

/// Statuspal's type for a stage. It has no `identified`; its type for a known problem is `issue`.
fn update_type(kind: &NoticeKind, stage: Option<Stage>) -> &'static str {
    match (kind, stage) {
        (NoticeKind::Maintenance { .. }, _) => "scheduled",
        (_, Some(Stage::Investigating) | None) => "investigating",
        (_, Some(Stage::Identified)) => "issue",
        (_, Some(Stage::Monitoring)) => "monitoring",
        (_, Some(Stage::Resolved)) => "resolved",
    }
}

/// The start of a maintenance, or of an incident's first update.
fn starts_at(notice: &Notice) -> Timestamp {
    let first = notice.updates.first().map(|update| update.send_at);
    let at = notice.kind.planned_at().or(first);
    at.unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The end of a maintenance, or of an incident that is resolved by an update.
fn ends_at(notice: &Notice, update: &Update) -> Option<Timestamp> {
    let resolved = (update.stage == Some(Stage::Resolved)).then_some(update.send_at);
    notice.kind.ends_at().or(resolved)
}

/// Parses an instant of Statuspal: with an offset, or UTC without one.
fn instant(told: &str) -> Option<Timestamp> {
    let utc = || format!("{told}Z").parse();
    told.parse().or_else(|_| utc()).ok()
}

/// Whether an instant of Statuspal is equal to the second.
fn is_instant(told: &str, at: Timestamp) -> bool {
    instant(told).is_some_and(|told| told.as_second() == at.as_second())
}

/// Formats an instant for Statuspal: UTC, without an offset.
fn utc(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn an_instant_is_recognised_with_or_without_an_offset() {
        let at = "2026-12-05T01:00:00.250Z".parse().unwrap();
        for told in [
            "2026-12-05T01:00:00",
            "2026-12-05T01:00:00.000000",
            "2026-12-05T01:00:00Z",
            "2026-12-05T10:00:00+09:00",
        ] {
            assert!(is_instant(told, at), "{told}");
        }
        for other in [
            "",
            "2026-12-05T10:00:00",
            "2026-12-05T01:00:01Z",
            "2026-12-05",
        ] {
            assert!(!is_instant(other, at), "{other}");
        }
    }

    #[tokio::test]
    async fn a_redirect_is_not_followed() {
        let page = TcpListener::bind("127.0.0.1:0").unwrap();
        let elsewhere = TcpListener::bind("127.0.0.1:0").unwrap();
        elsewhere.set_nonblocking(true).unwrap();
        let api = format!("http://{}", page.local_addr().unwrap());
        let location = format!("http://{}/", elsewhere.local_addr().unwrap());
        let answered = std::thread::spawn(move || {
            let (mut connection, _) = page.accept().unwrap();
            let mut request = [0; 4096];
            let _ = connection.read(&mut request).unwrap();
            let answer =
                format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
            connection.write_all(answer.as_bytes()).unwrap();
        });
        let key = ApiKey::Given("key".to_owned());
        let status_page = StatusPage::new(api, "example", vec![1], key).unwrap();
        assert!(status_page.probe().await.is_err());
        answered.join().unwrap();
        let reached = elsewhere.accept();
        assert!(reached.is_err(), "{reached:?}");
    }

    #[test]
    fn every_stage_is_a_type_of_update_that_statuspal_has() {
        // The types in Statuspal's own seed data; see tests/data/README.md.
        const TYPES: [&str; 5] = [
            "investigating",
            "issue",
            "monitoring",
            "resolved",
            "scheduled",
        ];
        let at = Timestamp::UNIX_EPOCH;
        let maintenance = NoticeKind::Maintenance {
            planned_at: at,
            ends_at: at,
        };
        for stage in [
            None,
            Some(Stage::Investigating),
            Some(Stage::Identified),
            Some(Stage::Monitoring),
            Some(Stage::Resolved),
        ] {
            for kind in [&NoticeKind::Incident, &maintenance] {
                let named = update_type(kind, stage);
                assert!(TYPES.contains(&named), "{named}");
            }
        }
    }
}

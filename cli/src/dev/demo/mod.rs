//! The demo: a page that looks like kintone, with a sample plug-in in it that uses the client as a
//! customer's browser does, and what it caused here.
//!
//! It exists on a developer's machine only; nothing of it is deployed.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, bail};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use tegata_common::domain::Domain;
use tegata_common::keys::KeyPurpose;
use tegata_common::product::{Product, ProductSlug};
use tegata_operations::contract;
use tegata_storage::{ChangeContext, Key};

use super::samples;
use crate::target::Target;

/// The page itself is at `/`, for those who ask for HTML.
pub(super) const PATH: &str = "/demo/";

/// What the page shows of this system.
pub(super) const STATE: &str = "/demo/state";

/// Where the page suspends and resumes a licence.
pub(super) const LICENSE: &str = "/demo/license";

/// What stands for kintone: the client reads the clock there.
pub(super) const KINTONE: &str = "/k/";

/// Lines of the lookup that are shown.
const SHOWN: usize = 50;

/// Scripts and styles of this process, what the loader has verified (`blob:`), and kintone's window in a
/// frame; nothing else.
const POLICY: &str = "default-src 'none'; script-src 'self' blob:; style-src 'self'; connect-src 'self'; \
                      frame-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'self'";

/// Whether a path is the demo's.
pub(super) fn has(path: &str) -> bool {
    let is_page = path.starts_with(PATH) && page(path).is_some();
    is_page || [STATE, LICENSE, KINTONE].contains(&path)
}

/// Answers the page, or a file of it.
pub(super) fn page(path: &str) -> Option<Response> {
    const HTML: &str = "text/html; charset=utf-8";
    const CSS: &str = "text/css; charset=utf-8";
    const SCRIPT: &str = "text/javascript; charset=utf-8";
    let (content_type, content) = match path.strip_prefix(PATH).unwrap_or_default() {
        "" => (HTML, include_str!("index.html")),
        "demo.css" => (CSS, include_str!("demo.css")),
        "demo.js" => (SCRIPT, include_str!("demo.js")),
        "words.js" => (SCRIPT, include_str!("words.js")),
        "kintone.html" => (HTML, include_str!("kintone.html")),
        "kintone.css" => (CSS, include_str!("kintone.css")),
        "kintone.js" => (SCRIPT, include_str!("kintone.js")),
        "desktop.js" => (SCRIPT, include_str!("desktop.js")),
        // As it is published, so that the page shows what customers get.
        "client.js" => (SCRIPT, include_str!("../../../../client/dist/index.js")),
        "loader.js" => (SCRIPT, include_str!("../../../../client/dist/loader.js")),
        _ => return None,
    };
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    Some((headers, content).into_response())
}

/// Whether a request for `/` comes from a browser's address bar.
pub(super) fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT);
    let accept = accept.and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

/// The newest lines of the lookup.
#[derive(Debug, Default)]
pub(super) struct Lines(Mutex<VecDeque<Box<RawValue>>>);

impl Lines {
    /// Notes a line, which is JSON.
    pub(super) fn note(&self, line: &str) {
        let Ok(line) = RawValue::from_string(line.to_owned()) else {
            return;
        };
        // A line that another thread left half-noted is a line all the same.
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push_front(line);
        lines.truncate(SHOWN);
    }

    fn newest(&self) -> Vec<Box<RawValue>> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().cloned().collect()
    }
}

/// What the page shows: the samples with today's codes, the public keys, the newest lines, and
/// today's usage.
pub(super) async fn state(target: &Target, lines: &Lines) -> anyhow::Result<Value> {
    let now = Timestamp::now();
    let mut tenants = Vec::new();
    let mut products: Vec<ProductSlug> = Vec::new();
    for a_try in samples::tries(target, now).await? {
        let product: ProductSlug = a_try.product.parse()?;
        if !products.contains(&product) {
            products.push(product);
        }
        tenants.push(json!({
            "domain": a_try.domain,
            "product": a_try.product,
            "code": a_try.code.as_str(),
            "serial": a_try.with_serial.then_some(samples::SAMPLE_SERIAL),
        }));
    }
    let today = target.zone.to_datetime(now).date();
    let mut usage = Vec::new();
    let mut catalogue = Vec::new();
    for product in &products {
        usage.extend(target.usage()?.rows(product.as_str(), today).await?);
        let entry = target
            .licenses()?
            .table()
            .get::<Product>(&Key::product(product))
            .await?;
        if let Some(entry) = entry {
            let Product { name, policy, .. } = entry.value;
            catalogue.push(json!({
                "product": product, "ja": name.ja, "en": name.en, "issuer": policy.issuer,
            }));
        }
    }
    let (register, _) = target.key_register(KeyPurpose::Lease).await?;
    let (release, _) = target.key_register(KeyPurpose::Release).await?;
    Ok(json!({
        "now": now,
        "tenants": tenants,
        "products": catalogue,
        "jwks": register.jwks(),
        "release_jwks": release.jwks(),
        "lines": lines.newest(),
        "usage": { "date": today, "rows": usage },
    }))
}

/// What the page may change.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    domain: String,
    product: ProductSlug,
    action: Action,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    Suspend,
    Resume,
}

/// Suspends or resumes a licence, as `tegata license suspend` does.
pub(super) async fn change(target: &Target, headers: &HeaderMap, body: &[u8]) -> Response {
    match try_change(target, headers, body).await {
        Ok(()) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error:#}\n")).into_response(),
    }
}

async fn try_change(target: &Target, headers: &HeaderMap, body: &[u8]) -> anyhow::Result<()> {
    // Another site's page cannot send this type without asking first, and is not allowed to.
    let content_type = headers.get(header::CONTENT_TYPE);
    if content_type.is_none_or(|of| of != "application/json") {
        bail!("expected application/json");
    }
    let Change {
        domain,
        product,
        action,
    } = serde_json::from_slice(body)?;
    let domain: Domain = target.bases.canonicalize(&domain)?;
    let contract = contract::read(target.licenses()?, &domain, &product).await?;
    let contract = contract.context("there is no such licence")?;
    let now = Timestamp::now();
    let license = contract.license.as_of(now)?;
    let (license, change) = match action {
        Action::Suspend => (license.suspended(now)?, "suspend"),
        Action::Resume => (license.resumed()?, "resume"),
    };
    let act = ChangeContext {
        at: now,
        by: "local:demo",
        change,
    };
    let signer = target.signer().await?;
    contract::write(target.licenses()?, Some(&contract), &license, &signer, &act).await?;
    Ok(())
}

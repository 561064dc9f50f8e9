//! What a request asks, read from the gateway's event; everything that the contract does not
//! know is refused here, before the database is touched.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use http::header::ORIGIN;
use http::{HeaderMap, Method};
use tegata_common::domain::{Domain, DomainError};
use tegata_common::product::{KintonePluginId, ProductSlug};
use tegata_common::serial::Serial;
use tegata_storage::Key;

use crate::origin::AllowedOrigin;
use crate::problem::Problem;
use crate::sample::{self, SampleRequest};
use crate::settings::LookupSettings;

/// The header that carries the serial.
pub const SERIAL_HEADER: &str = "x-license-serial";

/// Which of the gateway's routes a request came by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// `/v1/products/{product}/domains/{domain}/license`.
    Api,
    /// The official sample's `/license`.
    Sample,
}

impl Route {
    /// The door of a route key, such as `POST /license`.
    pub fn of(route_key: Option<&str>) -> Self {
        match route_key.and_then(|key| key.split_once(' ')) {
            Some((_, sample::PATH)) => Self::Sample,
            _ => Self::Api,
        }
    }
}

/// What a request is about.
#[derive(Debug)]
pub enum Subject {
    /// A product by its slug.
    Product(ProductSlug),
    /// A plug-in by the id that kintone gives it.
    Plugin(KintonePluginId),
    /// Whatever the request will be about that the sample's preflight announces.
    Unsaid,
}

/// A request that may be answered.
#[derive(Debug)]
pub struct Request {
    /// Of which product.
    pub subject: Subject,
    /// Of which tenant.
    pub domain: Domain,
    /// The plug-in's version, if it tells. What is no [`PluginVersion`] is answered too, because
    /// plug-ins that are out there have such ones, and recorded as `other`.
    ///
    /// [`PluginVersion`]: tegata_common::version::PluginVersion
    pub version: Option<String>,
    /// The serial, if it has one.
    pub serial: Option<Serial>,
    /// The page that asks, if a browser does.
    pub origin: Option<AllowedOrigin>,
    /// Whether it is a browser's question before the request itself.
    pub is_preflight: bool,
}

/// A request that is refused, and as much of it as was in order.
#[derive(Debug)]
pub struct Refused {
    /// Where it came in.
    pub door: Route,
    /// Why.
    pub problem: Problem,
    /// Of which product, if that was readable.
    pub product: Option<ProductSlug>,
    /// Of which tenant, if that was readable.
    pub domain: Option<Domain>,
    /// The page that asks, if it may read why.
    pub origin: Option<AllowedOrigin>,
}

impl Refused {
    /// Refused before anything in it was read.
    pub fn unread(door: Route, problem: Problem) -> Self {
        Self {
            door,
            problem,
            product: None,
            domain: None,
            origin: None,
        }
    }
}

impl Request {
    /// Reads a request. Its address is the gateway's own finding; a header that claims one is not
    /// looked at.
    pub fn read(
        event: &ApiGatewayV2httpRequest,
        settings: &LookupSettings,
    ) -> Result<Self, Refused> {
        let http = &event.request_context.http;
        let door = Route::of(event.route_key.as_deref());
        if !settings
            .sources
            .allow(http.source_ip.as_deref().unwrap_or(""))
        {
            return Err(Refused::unread(door, Problem::SourceNotAllowed));
        }
        let mut refused = Refused::unread(door, Problem::Malformed(""));
        let parts = match door {
            Route::Api => Self::read_parts(event, settings, &mut refused),
            Route::Sample => Self::read_sample(event, settings, &mut refused),
        };
        parts.map_err(|problem| Refused { problem, ..refused })
    }

    /// The key of the one item that the answer is in.
    pub fn key(&self) -> Option<Key> {
        match &self.subject {
            Subject::Product(product) => Some(Key::license(&self.domain, product)),
            Subject::Plugin(id) => Some(Key::plugin(&self.domain, id)),
            Subject::Unsaid => None,
        }
    }

    /// Notes in `refused` what was in order until a problem came up.
    fn read_parts(
        event: &ApiGatewayV2httpRequest,
        settings: &LookupSettings,
        refused: &mut Refused,
    ) -> Result<Self, Problem> {
        let segment = |name| {
            let value = event.path_parameters.get(name);
            value.map_or("", String::as_str)
        };
        let product: ProductSlug = segment("product").parse().map_err(|_| {
            Problem::Malformed(
                "product: expected 1 to 32 of a-z, 0-9 and '-', starting with a letter",
            )
        })?;
        refused.product = Some(product.clone());
        let domain = settings
            .bases
            .canonicalize(segment("domain"))
            .map_err(|error| Problem::Malformed(reason(error)))?;
        refused.domain = Some(domain.clone());

        let origin = read_origin(&event.headers, &domain)?;
        refused.origin = origin.clone();
        let is_preflight = match event.request_context.http.method {
            Method::GET => false,
            Method::OPTIONS => true,
            _ => return Err(Problem::Malformed("method: expected GET or OPTIONS")),
        };
        if is_preflight && origin.is_none() {
            return Err(Problem::Malformed("OPTIONS: expected an Origin header"));
        }
        if event.body.as_deref().is_some_and(|body| !body.is_empty()) {
            return Err(Problem::Malformed("body: expected none"));
        }
        Ok(Self {
            subject: Subject::Product(product),
            domain,
            version: read_version(event)?,
            serial: read_serial(&event.headers)?,
            origin,
            is_preflight,
        })
    }

    /// Reads a request of the official sample's form. Its preflight does not say which tenant it
    /// will be about: that is the page's own, or nobody's.
    fn read_sample(
        event: &ApiGatewayV2httpRequest,
        settings: &LookupSettings,
        refused: &mut Refused,
    ) -> Result<Self, Problem> {
        match event.request_context.http.method {
            Method::POST => {}
            Method::OPTIONS => return Self::read_sample_preflight(event, settings),
            _ => return Err(Problem::Malformed("method: expected POST or OPTIONS")),
        }
        let body = sample::body(event)?;
        let asked = SampleRequest::read(&body)?;
        let domain = settings
            .bases
            .canonicalize(asked.domain.as_deref().unwrap_or_default())
            .map_err(|error| Problem::Malformed(reason(error)))?;
        refused.domain = Some(domain.clone());
        let origin = read_origin(&event.headers, &domain)?;
        refused.origin = origin.clone();
        let id = asked.plugin_id.as_deref().unwrap_or_default();
        let id = id.parse().map_err(|_| {
            Problem::Malformed("pluginId: expected kintone's 32 letters from a to p")
        })?;
        Ok(Self {
            subject: Subject::Plugin(id),
            domain,
            version: read_version(event)?,
            serial: read_serial(&event.headers)?,
            origin,
            is_preflight: false,
        })
    }

    fn read_sample_preflight(
        event: &ApiGatewayV2httpRequest,
        settings: &LookupSettings,
    ) -> Result<Self, Problem> {
        let mut origins = event.headers.get_all(ORIGIN).iter();
        let origin = match (origins.next(), origins.next()) {
            (Some(origin), None) => origin,
            (None, _) => return Err(Problem::Malformed("OPTIONS: expected an Origin header")),
            _ => return Err(Problem::OriginNotAllowed),
        };
        let host = origin.to_str().ok();
        let host = host.and_then(|origin| origin.strip_prefix("https://"));
        let domain = host.and_then(|host| settings.bases.canonicalize(host).ok());
        let domain = domain.ok_or(Problem::OriginNotAllowed)?;
        let origin = AllowedOrigin::of(origin, &domain).ok_or(Problem::OriginNotAllowed)?;
        Ok(Self {
            subject: Subject::Unsaid,
            domain,
            version: None,
            serial: None,
            origin: Some(origin),
            is_preflight: true,
        })
    }
}

fn reason(error: DomainError) -> &'static str {
    match error {
        DomainError::Empty => "domain: expected a kintone host name such as example.cybozu.com",
        DomainError::Url => "domain: expected a host name, not a URL",
        DomainError::TooLong => "domain: longer than 253 characters",
        DomainError::Character => "domain: expected a-z, 0-9, '-' and '.' only",
        DomainError::Port => "domain: its port is not a number from 1 to 65535",
        DomainError::UnknownBase => {
            "domain: not below cybozu.com, kintone.com, cybozu.cn or a configured one"
        }
        DomainError::Subdomain => {
            "domain: its subdomain must be 3 to 32 of a-z, 0-9 and '-', and neither start nor end \
             with '-'"
        }
    }
}

fn read_origin(headers: &HeaderMap, domain: &Domain) -> Result<Option<AllowedOrigin>, Problem> {
    let mut origins = headers.get_all(ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (None, _) => Ok(None),
        (Some(origin), None) => AllowedOrigin::of(origin, domain)
            .map(Some)
            .ok_or(Problem::OriginNotAllowed),
        (Some(_), Some(_)) => Err(Problem::OriginNotAllowed),
    }
}

/// The gateway joins headers of one name with commas, which no serial has.
fn read_serial(headers: &HeaderMap) -> Result<Option<Serial>, Problem> {
    const EXPECTED: Problem = Problem::Malformed(
        "X-License-Serial: expected one, of 16 to 64 letters and digits, grouped by hyphens",
    );
    let mut serials = headers.get_all(SERIAL_HEADER).iter();
    match (serials.next(), serials.next()) {
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err(EXPECTED),
        (Some(serial), None) => match serial.to_str().map(str::trim) {
            // A plug-in whose setting is still empty.
            Ok("") => Ok(None),
            Ok(serial) => Serial::parse(serial).map(Some).map_err(|_| EXPECTED),
            Err(_) => Err(EXPECTED),
        },
    }
}

fn read_version(event: &ApiGatewayV2httpRequest) -> Result<Option<String>, Problem> {
    let mut version = None;
    for (name, value) in event.query_string_parameters.iter() {
        let is_version = (1..=32).contains(&value.len())
            && value
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'+' | b'_'));
        if name != "version" {
            return Err(Problem::Malformed(
                "query: expected no parameter but version",
            ));
        }
        if !is_version || version.replace(value.to_owned()).is_some() {
            return Err(Problem::Malformed(
                "version: expected one, of 1 to 32 letters, digits, '.', '-', '_' and '+', such as 1.9.0",
            ));
        }
    }
    Ok(version)
}

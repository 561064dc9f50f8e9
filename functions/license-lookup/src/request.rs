//! Valid requests, and the parsing shared by both routes. Invalid requests are rejected before the
//! database is read.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use http::HeaderMap;
use http::header::ORIGIN;
use serde::de::DeserializeOwned;
use tegata_common::domain::{Domain, DomainError};
use tegata_common::license::{Code, CurrentLicense};
use tegata_common::product::{KintonePluginId, ProductSlug};
use tegata_common::serial::Serial;
use tegata_common::version::PluginVersion;
use tegata_storage::{Item, Key};

use crate::access_line::{AccessLine, SerialCheck};
use crate::origin::AllowedOrigin;
use crate::problem::Problem;
use crate::settings::LookupSettings;

/// The header that carries the serial.
pub const SERIAL_HEADER: &str = "x-license-serial";

/// The subject of a request.
#[derive(Debug)]
pub enum Subject {
    /// A product by its slug.
    Product(ProductSlug),
    /// A plug-in by the id that kintone gives it.
    Plugin(KintonePluginId),
}

/// A valid request for a licence.
#[derive(Debug)]
pub struct Request {
    /// The product.
    pub subject: Subject,
    /// The tenant.
    pub domain: Domain,
    /// The plug-in's version, if the request has one: 1 to 32 letters, digits, `.`, `-`, `_`, `+`.
    /// One that is not a [`PluginVersion`] is also accepted, because shipped plug-ins send such
    /// versions, and recorded as `other`.
    pub version: Option<String>,
    /// The serial, if the request has one.
    pub serial: Option<Serial>,
}

impl Request {
    /// The key of the item that contains the answer.
    pub fn key(&self) -> Key {
        match &self.subject {
            Subject::Product(product) => Key::license(&self.domain, product),
            Subject::Plugin(id) => Key::plugin(&self.domain, id),
        }
    }

    /// The version in the access line.
    pub fn recorded_version(&self) -> Option<String> {
        let version = self.version.as_deref().map(PluginVersion::recorded);
        version.map(str::to_owned)
    }

    /// Checks that a licence is the requested one, that the contract has not left the domain, and
    /// that it accepts the serial.
    pub fn check(&self, current: &CurrentLicense, line: &mut AccessLine) -> Result<(), Problem> {
        let license = current.license();
        let is_asked_for = match &self.subject {
            Subject::Product(product) => license.product == *product,
            Subject::Plugin(id) => license.kintone_plugin_ids.contains(id),
        };
        if !is_asked_for || license.domain != self.domain || license.own_domain().is_none() {
            tracing::error!(domain = %self.domain, "the item is about another licence");
            return Err(line.unreadable_item());
        }
        if line.product.is_none() {
            line.product = Some(license.product.to_string());
        }
        if current.code() == Code::NotFound {
            return Err(line.not_found("released"));
        }
        match &self.serial {
            Some(serial) if current.accepts(serial) => line.serial = Some(SerialCheck::Match),
            Some(_) => {
                line.serial = Some(SerialCheck::Mismatch);
                return Err(line.not_found("serial_mismatch"));
            }
            None if license.policy.requires_serial => {
                return Err(line.not_found("serial_missing"));
            }
            None => {}
        }
        Ok(())
    }
}

/// Deserializes an item into the type that a route needs.
pub fn read_item<T: DeserializeOwned>(item: Item, line: &mut AccessLine) -> Result<T, Problem> {
    serde_dynamo::from_item(item).map_err(|error| {
        tracing::error!(%error, "unreadable item");
        line.unreadable_item()
    })
}

/// Parses the tenant's domain in any form that a page may send.
pub fn read_domain(text: &str, settings: &LookupSettings) -> Result<Domain, Problem> {
    let domain = settings.bases.canonicalize(text);
    domain.map_err(|error| {
        Problem::Malformed(match error {
            DomainError::Empty => "domain: expected a kintone host name such as example.cybozu.com",
            DomainError::Url => "domain: expected a host name, not a URL",
            DomainError::TooLong => "domain: longer than 253 characters",
            DomainError::Character => "domain: expected a-z, 0-9, '-' and '.' only",
            DomainError::Port => "domain: its port is not a number from 1 to 65535",
            DomainError::UnknownBase => {
                "domain: not below cybozu.com, kintone.com, cybozu.cn or a configured one"
            }
            DomainError::Subdomain => {
                "domain: its subdomain must be 3 to 32 of a-z, 0-9 and '-', and neither start nor \
                 end with '-'"
            }
        })
    })
}

/// Parses the `Origin` header, which must be that of a page of the tenant. `None` if it is missing.
pub fn read_origin(headers: &HeaderMap, domain: &Domain) -> Result<Option<AllowedOrigin>, Problem> {
    let mut origins = headers.get_all(ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (None, _) => Ok(None),
        (Some(origin), None) => AllowedOrigin::of(origin, domain)
            .map(Some)
            .ok_or(Problem::OriginNotAllowed),
        (Some(_), Some(_)) => Err(Problem::OriginNotAllowed),
    }
}

/// Parses the serial. The gateway joins headers with the same name by commas, which no serial
/// contains.
pub fn read_serial(headers: &HeaderMap) -> Result<Option<Serial>, Problem> {
    const EXPECTED: Problem = Problem::Malformed(
        "X-License-Serial: expected one, of 16 to 64 letters and digits, grouped by hyphens",
    );
    let mut serials = headers.get_all(SERIAL_HEADER).iter();
    match (serials.next(), serials.next()) {
        (None, _) => Ok(None),
        (Some(_), Some(_)) => Err(EXPECTED),
        (Some(serial), None) => match serial.to_str().map(str::trim) {
            // Sent by a plug-in whose serial is not configured yet.
            Ok("") => Ok(None),
            Ok(serial) => Serial::parse(serial).map(Some).map_err(|_| EXPECTED),
            Err(_) => Err(EXPECTED),
        },
    }
}

/// Parses the plug-in's version, the only parameter that is accepted in the query.
pub fn read_version(event: &ApiGatewayV2httpRequest) -> Result<Option<String>, Problem> {
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

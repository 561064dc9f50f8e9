//! The route of the vendor's plug-ins: `GET /v1/products/{product}/domains/{domain}/license`. The
//! answer contains the licence's facts and the signed lease.

use std::collections::BTreeMap;

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use http::Method;
use jiff::{Timestamp, ToSpan};
use serde::Serialize;
use tegata_common::calendar::{self, Term};
use tegata_common::lease::{Lease, SignedLicense, StateInstants};
use tegata_common::license::{Code, CurrentLicense, LicenseKind};
use tegata_common::product::ProductSlug;
use tegata_storage::Item;

use crate::access_line::{AccessLine, SerialCheck};
use crate::exchange::Exchange;
use crate::problem::Problem;
use crate::request::{self, Request, Subject};
use crate::route::{Answer, Route};
use crate::settings::LookupSettings;

/// The route.
pub static ROUTE: Route = Route {
    method: "GET",
    header: "X-License-Serial",
    cache_control: "private, max-age=300",
    problem_type: "application/problem+json",
    problem: |problem| (problem.status(), problem.body()),
    read,
    answer,
};

/// Parses a request, whose product and tenant are in the path.
fn read(
    event: &ApiGatewayV2httpRequest,
    settings: &LookupSettings,
    exchange: &mut Exchange,
) -> Result<Option<Request>, Problem> {
    let segment = |name| {
        let value = event.path_parameters.get(name);
        value.map_or("", String::as_str)
    };
    let product: ProductSlug = segment("product").parse().map_err(|_| {
        Problem::Malformed("product: expected 1 to 32 of a-z, 0-9 and '-', starting with a letter")
    })?;
    exchange.line.product = Some(product.to_string());
    let domain = request::read_domain(segment("domain"), settings)?;
    exchange.line.domain = Some(domain.to_string());
    exchange.origin = request::read_origin(&event.headers, &domain)?;
    let is_preflight = match event.request_context.http.method {
        Method::GET => false,
        Method::OPTIONS => true,
        _ => return Err(Problem::Malformed("method: expected GET or OPTIONS")),
    };
    if is_preflight && exchange.origin.is_none() {
        return Err(Problem::Malformed("OPTIONS: expected an Origin header"));
    }
    if event.body.as_deref().is_some_and(|body| !body.is_empty()) {
        return Err(Problem::Malformed("body: expected none"));
    }
    let request = Request {
        subject: Subject::Product(product),
        domain,
        version: request::read_version(event)?,
        serial: request::read_serial(&event.headers)?,
    };
    Ok((!is_preflight).then_some(request))
}

fn answer(
    request: &Request,
    item: Item,
    now: Timestamp,
    line: &mut AccessLine,
) -> Result<Answer, Problem> {
    let SignedLicense { license, lease } = request::read_item(item, line)?;
    let current = license.at(now);
    request.check(&current, line)?;
    let answer = match line.serial {
        Some(SerialCheck::Match) => LicenseAnswer::of(&current, &lease),
        _ => LicenseAnswer::without_serial(&current, &lease),
    };
    if answer.code.is_usable() && lease.expires_at <= now {
        // The plug-in can use the answer, but not cache it. It means that leases are not being
        // renewed.
        line.reason = Some("lease_ended".to_owned());
    }
    let body = serde_json::to_string(&answer).map_err(|_| Problem::ITEM_UNREADABLE)?;
    Ok(Answer {
        code: answer.code,
        body,
    })
}

/// The maximum refresh interval in hours for every code except `VALID`, so that a renewed or
/// resumed licence is usable within an hour.
const SHORT_REFRESH_HOURS: u16 = 1;

/// The body of the answer. All instants are RFC 3339 with the offset of the product's time zone.
#[derive(Debug, Serialize)]
struct LicenseAnswer<'a> {
    /// The state of the licence at `evaluated_at`.
    code: Code,
    product: &'a str,
    domain: &'a str,
    #[serde(flatten)]
    grant: Option<Grant<'a>>,
    #[serde(flatten)]
    state: StateInstants,
    refresh_after: String,
    evaluated_at: String,
    lease: &'a str,
}

/// The facts of the licence.
#[derive(Debug, Serialize)]
struct Grant<'a> {
    kind: LicenseKind,
    edition: &'a str,
    users: u32,
    quotas: &'a BTreeMap<String, u64>,
    term: Term,
}

impl<'a> LicenseAnswer<'a> {
    /// The complete answer, for a request with the serial.
    fn of(current: &'a CurrentLicense, lease: &'a Lease) -> Self {
        let license = current.license();
        let local = |instant| calendar::rfc3339(instant, &license.policy);
        let bounds = current.bounds();
        let grant = Grant {
            kind: license.kind,
            edition: &license.edition,
            users: license.users,
            quotas: &license.quotas,
            term: license.term,
        };
        let state = StateInstants {
            usable_from: local(bounds.usable_from),
            suspended_from: license.suspended_from.map(local),
            valid_until: local(bounds.valid_until),
            grace_until: local(bounds.grace_until),
        };
        Self::new(current, Some(grant), state, &lease.jws)
    }

    /// The answer for a request without a serial: only the state, unless the catalogue says
    /// otherwise.
    fn without_serial(current: &'a CurrentLicense, lease: &'a Lease) -> Self {
        let license = current.license();
        if !license.policy.limits_answers_without_serial() {
            return Self::of(current, lease);
        }
        let state = StateInstants::of(license, lease.expires_at.max(current.now()));
        // A lease signed by an earlier version has no such document until it is signed again. The
        // complete lease is sent then, because the plug-in does not work without one.
        let lease = lease.without_serial.as_ref().unwrap_or(&lease.jws);
        Self::new(current, None, state, lease)
    }

    fn new(
        current: &'a CurrentLicense,
        grant: Option<Grant<'a>>,
        state: StateInstants,
        lease: &'a str,
    ) -> Self {
        let (license, now) = (current.license(), current.now());
        let local = |instant| calendar::rfc3339(instant, &license.policy);
        let code = current.code();
        let hours = match code {
            Code::Valid => license.policy.refresh_hours,
            _ => license.policy.refresh_hours.min(SHORT_REFRESH_HOURS),
        };
        let refresh_after = now.checked_add(i64::from(hours).hours()).unwrap_or(now);
        Self {
            code,
            product: license.product.as_str(),
            domain: license.domain.as_str(),
            grant,
            state,
            refresh_after: local(refresh_after),
            evaluated_at: local(now),
            lease,
        }
    }
}

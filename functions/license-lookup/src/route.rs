//! The routes of the API and their differences.

use aws_lambda_events::apigw::ApiGatewayV2httpRequest;
use jiff::Timestamp;
use tegata_common::license::Code;
use tegata_storage::Item;

use crate::access_line::AccessLine;
use crate::exchange::Exchange;
use crate::problem::Problem;
use crate::request::Request;
use crate::settings::LookupSettings;
use crate::{license, sample};

/// A route.
#[derive(Debug)]
pub struct Route {
    /// The method, in addition to `OPTIONS`.
    pub method: &'static str,
    /// The header that a page may send.
    pub header: &'static str,
    /// `Cache-Control` of an answer about a licence.
    pub cache_control: &'static str,
    /// `Content-Type` of a problem.
    pub problem_type: &'static str,
    /// Builds the status and the body of a problem.
    pub problem: fn(Problem) -> (u16, String),
    /// Parses a request, and records its valid parts in the exchange. `None` for a preflight.
    pub read: fn(
        &ApiGatewayV2httpRequest,
        &LookupSettings,
        &mut Exchange,
    ) -> Result<Option<Request>, Problem>,
    /// Builds the answer to a request from the item under its key.
    pub answer: fn(&Request, Item, Timestamp, &mut AccessLine) -> Result<Answer, Problem>,
}

/// An answer with a licence.
#[derive(Debug)]
pub struct Answer {
    /// The code in the answer.
    pub code: Code,
    /// The body, JSON.
    pub body: String,
}

impl Route {
    /// The route of a route key of the gateway, such as `POST /license`.
    pub fn of(route_key: Option<&str>) -> &'static Self {
        match route_key.and_then(|key| key.split_once(' ')) {
            Some((_, sample::PATH)) => &sample::ROUTE,
            _ => &license::ROUTE,
        }
    }
}

//! The record of an answer: one flat JSON object on one line.
//!
//! It never holds a serial, a full address, a query string, or anything of a caller's that did
//! not pass the contract's checks.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;
use tegata_common::access;

use crate::problem::Problem;

/// What became of the serial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SerialCheck {
    /// The request had none.
    Absent,
    /// It is the licence's.
    Match,
    /// It is not the licence's.
    Mismatch,
    /// It was there, but there was nothing to compare it with.
    Unchecked,
}

/// One answer.
#[derive(Clone, Debug, Serialize)]
pub struct AccessLine {
    /// Always `access`: tells this line from the runtime's own.
    pub r#type: &'static str,
    /// When the request was evaluated, UTC, to the millisecond.
    pub time: String,
    /// When the gateway got the request, UTC, to the millisecond: the instant that its own line
    /// has too, so that both belong to the same day.
    pub requested_at: Option<String>,
    /// The gateway's id of the request.
    pub request_id: Option<String>,
    /// `GET`, `POST` or `OPTIONS`.
    pub method: Option<&'static str>,
    /// Of which product.
    pub product: Option<String>,
    /// Of which tenant.
    pub domain: Option<String>,
    /// The plug-in's version; `other` if it is not written like one.
    pub version: Option<String>,
    /// The licence's code, or the problem's.
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// Why a licence was not found, a request refused, or the database unreadable; or that the
    /// lease in a good answer has ended.
    pub reason: Option<String>,
    /// What became of the serial.
    pub serial: Option<SerialCheck>,
    /// The network that asked, /24 or /48.
    pub source: Option<String>,
    /// Whether a browser asked directly.
    pub browser: bool,
    /// The time the database took, in milliseconds.
    pub database_ms: Option<f64>,
}

impl AccessLine {
    /// A line about a request of which nothing is known yet.
    pub fn at(now: Timestamp) -> Self {
        Self {
            r#type: "access",
            time: format!("{now:.3}"),
            requested_at: None,
            request_id: None,
            method: None,
            product: None,
            domain: None,
            version: None,
            code: "",
            status: 0,
            reason: None,
            serial: None,
            source: None,
            browser: false,
            database_ms: None,
        }
    }

    /// Records why there is no licence for the request. The caller is not told which.
    pub fn not_found(&mut self, reason: &str) -> Problem {
        self.reason = Some(reason.to_owned());
        Problem::NotFound
    }

    /// Records that the item is invalid.
    pub fn unreadable_item(&mut self) -> Problem {
        self.reason = Some("unreadable_item".to_owned());
        Problem::ITEM_UNREADABLE
    }

    /// Takes out a product or a tenant that may be a serial, put into the path by mistake. Not
    /// where there is a licence: then it is the tenant's name.
    pub(crate) fn withhold_serials(&mut self) {
        for name in [&mut self.product, &mut self.domain] {
            if name.as_deref().is_some_and(access::hides_a_serial) {
                *name = None;
            }
        }
    }
}

impl fmt::Display for AccessLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let json = serde_json::to_string(self).map_err(|_| fmt::Error)?;
        f.write_str(&json)
    }
}

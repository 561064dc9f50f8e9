//! The log line of an answer: one flat JSON object.
//!
//! It never contains a serial, a full address, a query string, or a value from the caller that was
//! not validated.

use std::fmt;

use jiff::Timestamp;
use serde::Serialize;
use tegata_common::access;

use crate::problem::Problem;

/// The result of checking the serial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SerialCheck {
    /// The request had no serial.
    Absent,
    /// The serial is accepted by the licence.
    Match,
    /// The serial is not accepted by the licence.
    Mismatch,
    /// The request had a serial, but no licence was read to compare it with.
    Unchecked,
}

/// The log line of one answer.
#[derive(Clone, Debug, Serialize)]
pub struct AccessLine {
    /// Always `access`. Distinguishes this line from the runtime's own lines.
    pub r#type: &'static str,
    /// When the request was evaluated, UTC, to the millisecond.
    pub time: String,
    /// When the gateway received the request, UTC, to the millisecond. The gateway's own line has
    /// the same instant, so that both lines belong to the same day.
    pub requested_at: Option<String>,
    /// The gateway's id of the request.
    pub request_id: Option<String>,
    /// `GET`, `POST` or `OPTIONS`.
    pub method: Option<&'static str>,
    /// The product's slug.
    pub product: Option<String>,
    /// The tenant.
    pub domain: Option<String>,
    /// The plug-in's version, or `other` if it is invalid.
    pub version: Option<String>,
    /// The code of the licence or of the problem.
    pub code: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// Why a licence was not found, a request was rejected, or the database could not be read; or
    /// `lease_ended` if the lease in the answer has expired.
    pub reason: Option<String>,
    /// The result of checking the serial.
    pub serial: Option<SerialCheck>,
    /// The caller's network, /24 or /48.
    pub source: Option<String>,
    /// Whether a browser sent the request directly, instead of kintone's proxy.
    pub browser: bool,
    /// The time of the database read in milliseconds.
    pub database_ms: Option<f64>,
}

impl AccessLine {
    /// A line with the time only.
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

    /// Records why there is no licence for the request. The answer does not contain the reason.
    pub fn not_found(&mut self, reason: &str) -> Problem {
        self.reason = Some(reason.to_owned());
        Problem::NotFound
    }

    /// Records that the item is unreadable.
    pub fn unreadable_item(&mut self) -> Problem {
        self.reason = Some("unreadable_item".to_owned());
        Problem::ITEM_UNREADABLE
    }

    /// Removes a product or a tenant that may be a serial, sent in the path by mistake. If there is
    /// a licence, they are kept, because then they are real names.
    pub(crate) fn withhold_serials(&mut self) {
        for name in [&mut self.product, &mut self.domain] {
            if name.as_deref().is_some_and(access::may_be_serial) {
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

//! Errors in answers: `application/problem+json` (RFC 9457), without internal details.

use serde::Serialize;

/// Why a request is not answered with a licence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The request is invalid: which part, and what is accepted.
    Malformed(&'static str),
    /// The source address is outside the configured ranges.
    SourceNotAllowed,
    /// The page does not belong to the requested tenant.
    OriginNotAllowed,
    /// There is no licence, or the serial does not match. The two are not distinguished.
    NotFound,
    /// The licence cannot be read at the moment.
    Unavailable {
        /// The value of `Retry-After`, in seconds.
        retry_after: u16,
    },
}

/// The body.
#[derive(Serialize)]
struct Document {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    code: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'static str>,
}

impl Problem {
    /// The database did not answer. A retry may succeed soon.
    pub const DATABASE_UNAVAILABLE: Self = Self::Unavailable { retry_after: 5 };
    /// The item is unreadable. An operator has to restore it.
    pub const ITEM_UNREADABLE: Self = Self::Unavailable { retry_after: 300 };

    /// The HTTP status.
    pub fn status(self) -> u16 {
        match self {
            Self::Malformed(_) => 400,
            Self::SourceNotAllowed | Self::OriginNotAllowed => 403,
            Self::NotFound => 404,
            Self::Unavailable { .. } => 503,
        }
    }

    /// The machine-readable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Malformed(_) => "MALFORMED",
            Self::SourceNotAllowed => "SOURCE_NOT_ALLOWED",
            Self::OriginNotAllowed => "ORIGIN_NOT_ALLOWED",
            Self::NotFound => "NOT_FOUND",
            Self::Unavailable { .. } => "UNAVAILABLE",
        }
    }

    /// The title: a sentence.
    pub fn title(self) -> &'static str {
        match self {
            Self::Malformed(_) => "The request is malformed.",
            Self::SourceNotAllowed => "Requests are not accepted from this address.",
            Self::OriginNotAllowed => "A page may only ask for the licence of its own tenant.",
            Self::NotFound => "There is no licence for this domain, product and serial.",
            Self::Unavailable { .. } => "The licence cannot be read at the moment.",
        }
    }

    /// The problem document.
    pub fn body(self) -> String {
        let (r#type, detail) = match self {
            Self::Malformed(detail) => ("urn:tegata:problem:malformed", Some(detail)),
            Self::SourceNotAllowed => ("urn:tegata:problem:source-not-allowed", None),
            Self::OriginNotAllowed => ("urn:tegata:problem:origin-not-allowed", None),
            Self::NotFound => ("urn:tegata:problem:not-found", None),
            Self::Unavailable { .. } => ("urn:tegata:problem:unavailable", None),
        };
        let document = Document {
            r#type,
            title: self.title(),
            status: self.status(),
            code: self.code(),
            detail,
        };
        // A struct of texts and a number always serialises.
        serde_json::to_string(&document).unwrap_or_default()
    }
}

//! CORS: only pages of the requested tenant may read the answer.
//!
//! The gateway's own CORS support can only allow all origins or a fixed list.

use http::HeaderMap;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, HeaderValue,
};
use tegata_common::domain::Domain;

/// The `Origin` of a page of the requested tenant, as sent by the browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedOrigin(HeaderValue);

impl AllowedOrigin {
    /// Accepts an `Origin` of `https://` and one of the tenant's two host names.
    pub fn of(origin: &HeaderValue, domain: &Domain) -> Option<Self> {
        let host = origin.to_str().ok()?.strip_prefix("https://")?;
        let is_tenant = host == domain.as_str() || host == domain.secure_access_host();
        is_tenant.then(|| Self(origin.clone()))
    }

    /// Adds the header by which the page may read the answer.
    pub fn allow_reading(&self, headers: &mut HeaderMap) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, self.0.clone());
        let exposed = HeaderValue::from_static("Retry-After");
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
    }

    /// Adds the headers by which the page may send the request with a method and a header.
    pub fn allow_request(
        &self,
        method: &'static str,
        header: &'static str,
        headers: &mut HeaderMap,
    ) {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, self.0.clone());
        for (name, value) in [
            (ACCESS_CONTROL_ALLOW_METHODS, method),
            (ACCESS_CONTROL_ALLOW_HEADERS, header),
            (ACCESS_CONTROL_MAX_AGE, "86400"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use tegata_common::domain::BaseDomains;

    use super::*;

    #[test]
    fn only_the_asked_tenants_pages() {
        let domain = BaseDomains::default()
            .canonicalize("example.cybozu.com")
            .unwrap();
        for (origin, allowed) in [
            ("https://example.cybozu.com", true),
            ("https://example.s.cybozu.com", true),
            ("http://example.cybozu.com", false),
            ("https://example.cybozu.com:8443", false),
            ("https://example.cybozu.com.evil.example", false),
            ("https://evil.example?https://example.cybozu.com", false),
            ("https://other.cybozu.com", false),
            ("https://user@example.cybozu.com", false),
            ("null", false),
            ("*", false),
            ("", false),
        ] {
            let header = HeaderValue::from_static(origin);
            assert_eq!(
                AllowedOrigin::of(&header, &domain).is_some(),
                allowed,
                "{origin}"
            );
        }
    }
}

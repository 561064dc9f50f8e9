//! Checks of requests to a listener on the loopback address.
//!
//! Any page in the developer's browser can send requests to 127.0.0.1: by the address, from another
//! port of this machine, or by a host name that resolves to it (DNS rebinding). The browser sets
//! the headers `Host`, `Origin` and `Sec-Fetch-Site`, and no page can change them.

use std::net::SocketAddr;

use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

/// The accepted host names of a listener: `127.0.0.1:PORT` and `localhost:PORT`.
#[derive(Clone, Debug)]
pub(crate) struct Loopback {
    hosts: Vec<String>,
}

/// Why a request was rejected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// `Host` is not a name of the listener.
    Host,
    /// The request comes from a page of another origin.
    Origin,
}

impl Loopback {
    /// The host names of a listener at an address.
    pub(crate) fn new(address: SocketAddr) -> Self {
        let (ip, port) = (address.ip(), address.port());
        let mut hosts = vec![format!("{ip}:{port}"), format!("localhost:{port}")];
        // Clients omit the default port.
        if port == 80 {
            hosts.extend([ip.to_string(), "localhost".to_owned()]);
        }
        Self { hosts }
    }

    /// Rejects a request with another `Host`.
    pub(crate) fn check_host(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let mut hosts = headers.get_all(HOST).iter();
        match (hosts.next(), hosts.next()) {
            (Some(host), None) if self.is_own(host.as_bytes()) => Ok(()),
            _ => Err(Refusal::Host),
        }
    }

    /// Rejects a request from a page of another origin. Following a link from there is allowed: the
    /// other page cannot read the result.
    pub(crate) fn check_origin(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let is = |name: &str, values: &[&str]| {
            let value = headers.get(name);
            value.is_none_or(|value| values.iter().any(|allowed| value == allowed))
        };
        // Browsers send this header also in requests without `Origin`.
        let is_ours = is("sec-fetch-site", &["same-origin", "none"]);
        let is_link = is("sec-fetch-mode", &["navigate"]) && is("sec-fetch-dest", &["document"]);
        let is_allowed = match headers.get(ORIGIN) {
            Some(origin) => origin
                .as_bytes()
                .strip_prefix(b"http://")
                .is_some_and(|host| self.is_own(host)),
            None => is_ours || is_link,
        };
        is_allowed.then_some(()).ok_or(Refusal::Origin)
    }

    fn is_own(&self, host: &[u8]) -> bool {
        self.hosts
            .iter()
            .any(|own| own.as_bytes().eq_ignore_ascii_case(host))
    }

    /// The answer to a rejected request.
    pub(crate) fn refuse(&self, refusal: Refusal) -> Response {
        let (status, text) = match refusal {
            Refusal::Host => (
                StatusCode::MISDIRECTED_REQUEST,
                format!("tegata answers here as {} only\n", self.hosts.join(" and ")),
            ),
            Refusal::Origin => (
                StatusCode::FORBIDDEN,
                "tegata does not answer pages of other origins here\n".to_owned(),
            ),
        };
        (status, text).into_response()
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn headers(named: &[(&'static str, &'static str)]) -> HeaderMap {
        let named = named.iter().map(|(name, value)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        });
        let mut headers = HeaderMap::new();
        for (name, value) in named {
            headers.append(name, value);
        }
        headers
    }

    #[test]
    fn only_its_own_host() {
        let loopback = Loopback::new(SocketAddr::from(([127, 0, 0, 1], 8640)));
        let check = |named: &[_]| loopback.check_host(&headers(named)).is_ok();
        assert!(check(&[("host", "127.0.0.1:8640")]));
        assert!(check(&[("host", "LOCALHOST:8640")]));
        for host in [
            "",
            "127.0.0.1",
            "localhost",
            "localhost:8641",
            "127.0.0.2:8640",
            "[::1]:8640",
            "0.0.0.0:8640",
            "evil.example:8640",
            "localhost.evil.example:8640",
            "localhost.:8640",
            "localhost:8640.evil.example",
            "user@localhost:8640",
            "localhost:08640",
        ] {
            assert!(!check(&[("host", host)]), "{host}");
        }
        assert!(!check(&[]));
        assert!(!check(&[
            ("host", "localhost:8640"),
            ("host", "localhost:8640")
        ]));
        let at_80 = Loopback::new(SocketAddr::from(([127, 0, 0, 1], 80)));
        assert!(at_80.check_host(&headers(&[("host", "localhost")])).is_ok());
    }

    #[test]
    fn only_its_own_origin_and_links() {
        let loopback = Loopback::new(SocketAddr::from(([127, 0, 0, 1], 8640)));
        let site = |site| ("sec-fetch-site", site);
        let mode = |mode| ("sec-fetch-mode", mode);
        let to = |to| ("sec-fetch-dest", to);
        for (named, is_allowed) in [
            (&[][..], true),
            (&[("origin", "http://localhost:8640")], true),
            (
                &[("origin", "http://127.0.0.1:8640"), site("same-origin")],
                true,
            ),
            (&[("origin", "https://127.0.0.1:8640")], false),
            (
                &[("origin", "http://127.0.0.1:8641"), site("same-site")],
                false,
            ),
            (&[("origin", "null")], false),
            (
                &[("origin", "http://evil.example"), site("same-origin")],
                false,
            ),
            (&[site("same-origin"), mode("cors"), to("empty")], true),
            (&[site("none"), mode("navigate"), to("document")], true),
            (
                &[site("cross-site"), mode("navigate"), to("document")],
                true,
            ),
            (&[site("cross-site"), mode("navigate"), to("iframe")], false),
            (&[site("cross-site"), mode("no-cors"), to("image")], false),
            (&[site("same-site"), mode("no-cors"), to("script")], false),
            (&[site("cross-site"), mode("websocket"), to("empty")], false),
        ] {
            assert_eq!(
                loopback.check_origin(&headers(named)).is_ok(),
                is_allowed,
                "{named:?}"
            );
        }
    }
}

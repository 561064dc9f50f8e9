//! The HTTPS client for AWS, through the proxy that `HTTPS_PROXY` names.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, TlsContext, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use http::Uri;
use tegata_aws::Trust;

use crate::failure::UsageError;

/// The variables that name a proxy. `NO_PROXY` names the hosts that are reached without one.
const VARIABLES: [&str; 6] = [
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// The name of the variable that sets the proxy to AWS, if there is one.
pub(crate) fn variable() -> Option<&'static str> {
    // In the order of precedence. HTTP_PROXY applies only to endpoints without TLS.
    let order = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    order
        .into_iter()
        .find(|name| std::env::var_os(name).is_some())
}

/// The HTTPS client, with the proxy of the environment if one is set.
pub(crate) fn https_client(trust: Trust<'_>) -> anyhow::Result<SharedHttpClient> {
    let direct = tegata_aws::https_client(trust)?;
    let mut has_proxy = false;
    for name in VARIABLES {
        if let Some(value) = std::env::var_os(name) {
            check(name, value.to_str())?;
            has_proxy = true;
        }
    }
    if !has_proxy {
        return Ok(direct);
    }
    Ok(SharedHttpClient::new(ProxiedClient {
        direct,
        tls: tegata_aws::tls_context(trust)?,
        connectors: Mutex::default(),
    }))
}

/// Checks a proxy variable. The HTTP library ignores an invalid value and would connect directly.
fn check(name: &str, value: Option<&str>) -> Result<(), UsageError> {
    let uri: Option<Uri> = value.and_then(|value| value.parse().ok());
    let is_proxy = uri.is_some_and(|uri| {
        uri.authority().is_some() && matches!(uri.scheme_str(), None | Some("http" | "https"))
    });
    match is_proxy {
        true => Ok(()),
        // The error does not contain the value, which may have a password.
        false => Err(UsageError(format!(
            "{name} does not name a proxy that tegata can use; expected http://HOST:PORT or \
             http://USER:PASSWORD@HOST:PORT"
        ))),
    }
}

/// A client with the proxies of the environment. The SDK's builder has no setting for proxies, but
/// its connectors have.
#[derive(Debug)]
struct ProxiedClient {
    direct: SharedHttpClient,
    tls: TlsContext,
    connectors: Mutex<HashMap<Timeouts, SharedHttpConnector>>,
}

type Timeouts = (Option<Duration>, Option<Duration>);

impl HttpClient for ProxiedClient {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let timeouts = (settings.connect_timeout(), settings.read_timeout());
        let connectors = self.connectors.lock();
        let mut connectors = connectors.unwrap_or_else(PoisonError::into_inner);
        let connector = connectors.entry(timeouts).or_insert_with(|| {
            let mut proxied = Connector::builder()
                .proxy_config(ProxyConfig::from_env())
                .connector_settings(settings.clone());
            proxied.set_sleep_impl(components.sleep_impl());
            let proxied = proxied
                .tls_provider(Provider::Rustls(CryptoMode::Ring))
                .tls_context(self.tls.clone())
                .build();
            SharedHttpConnector::new(ByHost {
                direct: self.direct.http_connector(settings, components),
                proxied: SharedHttpConnector::new(proxied),
            })
        });
        connector.clone()
    }
}

#[derive(Debug)]
struct ByHost {
    direct: SharedHttpConnector,
    proxied: SharedHttpConnector,
}

impl HttpConnector for ByHost {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        match is_of_this_machine(request.uri()) {
            true => self.direct.call(request),
            false => self.proxied.call(request),
        }
    }
}

/// Whether a host can only be reached directly: a local AWS, or the address at which a machine or a
/// container gets its own credentials.
fn is_of_this_machine(uri: &str) -> bool {
    let Ok(uri) = uri.parse::<Uri>() else {
        return false;
    };
    let host = uri.host().unwrap_or_default();
    if host.eq_ignore_ascii_case("localhost") {
        return true;
    }
    match host.trim_matches(['[', ']']).parse() {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_link_local(),
        Ok(IpAddr::V6(address)) => {
            // fd00:ec2::/32 is Amazon's for these.
            address.is_loopback() || address.segments()[..2] == [0xfd00, 0xec2]
        }
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_has_a_host_and_speaks_http() {
        for value in [
            "http://proxy:8080",
            "https://user:p%40ss@proxy.example:443/",
            "proxy:8080",
        ] {
            assert!(check("HTTPS_PROXY", Some(value)).is_ok(), "{value}");
        }
        for value in ["socks5://proxy:1080", "/proxy", "http://", "http://a b:1"] {
            assert!(check("HTTPS_PROXY", Some(value)).is_err(), "{value}");
        }
        assert!(check("HTTPS_PROXY", None).is_err());
    }

    #[test]
    fn addresses_of_this_machine_need_no_proxy() {
        for uri in [
            "http://127.0.0.1:4566/",
            "http://localhost:4566/",
            "http://[::1]:4566/",
            "http://169.254.169.254/latest/api/token",
            "http://169.254.170.2/v2/credentials",
            "http://[fd00:ec2::254]/latest/api/token",
        ] {
            assert!(is_of_this_machine(uri), "{uri}");
        }
        for uri in [
            "https://sts.ap-northeast-1.amazonaws.com/",
            "https://10.0.0.1/",
            "https://localhost.example/",
            "https://[2001:db8::1]/",
        ] {
            assert!(!is_of_this_machine(uri), "{uri}");
        }
    }
}

//! HTTP requests to the public addresses, as sent by a plug-in or a browser.

use std::time::Duration;

use reqwest::header::{HOST, HeaderMap, HeaderValue, ORIGIN};
use reqwest::redirect::Policy;

use super::check::{Read, Unread};

const TIME_OUT: Duration = Duration::from_secs(20);

/// An HTTP client that does not follow redirects.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    client: reqwest::Client,
    /// The address of a local AWS, which answers for all host names. `None` for the real AWS.
    local: Option<String>,
}

/// A response.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

/// An object of the CDN, `None` if it does not exist.
pub(crate) fn object(answered: Read<Response>) -> Result<Option<Vec<u8>>, String> {
    match answered {
        Ok(response) if response.status == 200 => Ok(Some(response.body)),
        // The bucket cannot be listed, so that a missing object is forbidden.
        Ok(response) if [403, 404].contains(&response.status) => Ok(None),
        Ok(response) => Err(format!("it answers {}", response.status)),
        Err(unread) => Err(unread.to_string()),
    }
}

impl Response {
    /// The value of a header. Empty if it is missing.
    pub(crate) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

impl Http {
    pub(crate) fn new() -> Read<Self> {
        // The SDK may have installed a provider already. A second call has no effect.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .redirect(Policy::none())
            .timeout(TIME_OUT)
            .user_agent(concat!("tegata-doctor/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Unread::Failed(format!("no HTTP client: {error}")))?;
        let local = std::env::var("AWS_ENDPOINT_URL").ok();
        let local = local.filter(|url| !url.trim().is_empty());
        let local = local.map(|url| url.trim_end_matches('/').to_owned());
        Ok(Self { client, local })
    }

    /// Whether this is a local AWS, which has no certificates.
    pub(crate) fn is_local(&self) -> bool {
        self.local.is_some()
    }

    /// `GET` an address.
    pub(crate) async fn get(&self, url: &str) -> Read<Response> {
        self.get_with(url, HeaderMap::new()).await
    }

    /// `GET` with an `Origin` header. Without one, CloudFront sends no CORS headers.
    pub(crate) async fn get_from(&self, url: &str, origin: &'static str) -> Read<Response> {
        let origin = (ORIGIN, HeaderValue::from_static(origin));
        self.get_with(url, HeaderMap::from_iter([origin])).await
    }

    async fn get_with(&self, url: &str, headers: HeaderMap) -> Read<Response> {
        let failed = |error: reqwest::Error| {
            let causes = tegata_aws::causes(&error.without_url());
            Unread::Failed(format!("{url}: {causes}"))
        };
        let request = match &self.local {
            None => self.client.get(url),
            Some(local) => {
                let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
                let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
                let request = self.client.get(format!("{local}/{path}"));
                let request = request.header(HOST, host);
                match scheme {
                    "http" => request.header("x-forwarded-proto", "http"),
                    _ => request,
                }
            }
        };
        let response = request.headers(headers).send().await.map_err(failed)?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.bytes().await.map_err(failed)?.to_vec();
        Ok(Response {
            status,
            headers,
            body,
        })
    }
}

//! Host names of kintone tenants, in the canonical form in which they are stored.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The base domains on which Cybozu runs kintone tenants.
pub const KINTONE_BASE_DOMAINS: [&str; 3] = ["cybozu.com", "kintone.com", "cybozu.cn"];

/// The host name of a kintone tenant in canonical form, such as `example.cybozu.com`.
///
/// Canonical means: lower case, no port, no trailing dot, and without the `.s` label of
/// client-certificate access (kintone's "secure access": `example.s.cybozu.com` is the same tenant
/// as `example.cybozu.com`). The subdomain has 3 to 32 characters of `a-z`, `0-9` and `-`.
///
/// The only constructor is [`BaseDomains::canonicalize`]. Deserializing does not check the form: it
/// is for items that were written by this system.
///
/// ```
/// use tegata_common::domain::{BaseDomains, Domain};
///
/// let domain: Domain = BaseDomains::default().canonicalize("Example.s.cybozu.com:443")?;
/// assert_eq!(domain.as_str(), "example.cybozu.com");
/// assert_eq!(domain.secure_access_host(), "example.s.cybozu.com");
/// # Ok::<(), tegata_common::domain::DomainError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Domain(String);

impl Domain {
    /// The canonical form, such as `example.cybozu.com`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The tenant's host name for client-certificate access: `example.s.cybozu.com`.
    pub fn secure_access_host(&self) -> String {
        match self.0.split_once('.') {
            Some((subdomain, base)) => format!("{subdomain}.s.{base}"),
            None => self.0.clone(),
        }
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why a host name is not the name of a kintone tenant. The messages never repeat the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DomainError {
    /// Empty, or empty before the port or the trailing dot.
    #[error("the domain is empty; expected a kintone host name such as example.cybozu.com")]
    Empty,
    /// A URL instead of a host name.
    #[error("the domain is a URL; expected the host name only, such as example.cybozu.com")]
    Url,
    /// Longer than the 253 characters of DNS.
    #[error("the domain is longer than 253 characters")]
    TooLong,
    /// A character that no kintone host name has, including percent signs and non-ASCII letters.
    #[error("the domain has a character other than a-z, 0-9, '-' and '.'")]
    Character,
    /// `host:port` with an invalid port.
    #[error("the domain's port is not a number from 1 to 65535")]
    Port,
    /// Not a subdomain of a base domain ([`BaseDomains`]).
    #[error(
        "the domain is not a subdomain of cybozu.com, kintone.com, cybozu.cn or a configured development domain"
    )]
    UnknownBase,
    /// The label before the base domain has an invalid length or character.
    #[error(
        "the subdomain must be 3 to 32 characters of a-z, 0-9 and '-', and must not start or end with '-'"
    )]
    Subdomain,
}

/// An invalid development base domain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "development base domain {0:?} must be two or more labels of a-z, 0-9 and '-', such as kintone.test"
)]
pub struct BaseDomainError(String);

/// The base domains whose subdomains are accepted as tenants.
///
/// These are kintone's own ([`KINTONE_BASE_DOMAINS`]) and, in a development environment, additional
/// ones such as `kintone.test`. The default has kintone's own only.
///
/// ```
/// use tegata_common::domain::{BaseDomains, DomainError};
///
/// let bases = BaseDomains::with_development(["kintone.test"])?;
/// assert!(bases.canonicalize("example.kintone.test").is_ok());
/// assert_eq!(bases.canonicalize("example.com"), Err(DomainError::UnknownBase));
/// # Ok::<(), tegata_common::domain::BaseDomainError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct BaseDomains {
    development: Vec<String>,
}

impl BaseDomains {
    /// kintone's base domains and additional ones for development.
    ///
    /// # Errors
    ///
    /// If a name has fewer than two labels, or a character other than `a-z`, `0-9` and `-`.
    pub fn with_development<'a>(
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, BaseDomainError> {
        let mut development = Vec::new();
        for name in names {
            let labels_are_valid = name.split('.').all(|label| is_label(label, 1, 63));
            if !name.contains('.') || !labels_are_valid {
                return Err(BaseDomainError(name.to_owned()));
            }
            development.push(name.to_owned());
        }
        Ok(Self { development })
    }

    /// The canonical form of a tenant's host name, as sent by a browser or typed by a person.
    ///
    /// Accepts any case, a port, one trailing dot, and the secure-access form `sub.s.cybozu.com`.
    ///
    /// # Errors
    ///
    /// Any other input is rejected with the reason.
    pub fn canonicalize(&self, host: &str) -> Result<Domain, DomainError> {
        if host.contains('/') {
            return Err(DomainError::Url);
        }
        let (host, port) = match host.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (host, None),
        };
        if port.is_some_and(|port| !is_port(port)) {
            return Err(DomainError::Port);
        }
        let host = host.strip_suffix('.').unwrap_or(host);
        if host.is_empty() {
            return Err(DomainError::Empty);
        }
        if host.len() > 253 {
            return Err(DomainError::TooLong);
        }
        if !host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.')
        {
            return Err(DomainError::Character);
        }
        let host = host.to_ascii_lowercase();
        let (below, base) = self.split_base(&host).ok_or(DomainError::UnknownBase)?;
        let subdomain = below.strip_suffix(".s").unwrap_or(below);
        if !is_label(subdomain, 3, 32) {
            return Err(DomainError::Subdomain);
        }
        Ok(Domain(format!("{subdomain}.{base}")))
    }

    fn split_base<'h>(&self, host: &'h str) -> Option<(&'h str, &'h str)> {
        // The longest base domain wins: a development base may be a subdomain of kintone's.
        KINTONE_BASE_DOMAINS
            .into_iter()
            .chain(self.development.iter().map(String::as_str))
            .filter_map(|base| host.strip_suffix(base)?.strip_suffix('.'))
            .min_by_key(|below| below.len())
            .map(|below| (below, &host[below.len() + 1..]))
    }
}

fn is_label(label: &str, min: usize, max: usize) -> bool {
    (min..=max).contains(&label.len())
        && label
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

fn is_port(port: &str) -> bool {
    port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|n| n > 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bases() -> BaseDomains {
        BaseDomains::with_development(["kintone.test"]).unwrap()
    }

    #[test]
    fn spellings_of_one_tenant() {
        for spelling in [
            "example.cybozu.com",
            "EXAMPLE.Cybozu.COM",
            "example.cybozu.com.",
            "example.cybozu.com:443",
            "example.cybozu.com.:443",
            "example.s.cybozu.com",
            "Example.S.cybozu.com.:8443",
        ] {
            let domain = bases().canonicalize(spelling).unwrap();
            assert_eq!(domain.as_str(), "example.cybozu.com", "{spelling}");
        }
    }

    #[test]
    fn every_base_domain() {
        for host in ["abc.kintone.com", "abc.cybozu.cn", "abc.kintone.test"] {
            assert_eq!(bases().canonicalize(host).unwrap().as_str(), host);
        }
        let nested = BaseDomains::with_development(["dev.cybozu.com"]).unwrap();
        let tenant = nested.canonicalize("abc.dev.cybozu.com").unwrap();
        assert_eq!(tenant.as_str(), "abc.dev.cybozu.com");
        assert_eq!(
            BaseDomains::default().canonicalize("abc.kintone.test"),
            Err(DomainError::UnknownBase)
        );
    }

    #[test]
    fn invalid_host_names_are_rejected_with_the_reason() {
        let long = format!("{}.cybozu.com", "a".repeat(243));
        let longest = format!("{}.cybozu.com", "a".repeat(242));
        let cases: &[(&str, DomainError)] = &[
            ("", DomainError::Empty),
            (".", DomainError::Empty),
            (":443", DomainError::Empty),
            (&long, DomainError::TooLong),
            (&longest, DomainError::Subdomain),
            ("exa mple.cybozu.com", DomainError::Character),
            ("例え.cybozu.com", DomainError::Character),
            ("example%2ecybozu.com", DomainError::Character),
            ("example.cybozu.com/x", DomainError::Url),
            ("https://example.cybozu.com/k/", DomainError::Url),
            ("//example.cybozu.com", DomainError::Url),
            ("user@example.cybozu.com", DomainError::Character),
            ("exam_ple.cybozu.com", DomainError::Character),
            ("example.cybozu.com:0", DomainError::Port),
            ("example.cybozu.com:", DomainError::Port),
            ("example.cybozu.com:65536", DomainError::Port),
            ("example.cybozu.com:+80", DomainError::Port),
            ("example.cybozu.com:80:80", DomainError::Port),
            ("example.com", DomainError::UnknownBase),
            ("cybozu.com", DomainError::UnknownBase),
            ("evilcybozu.com", DomainError::UnknownBase),
            ("example.cybozu.com.evil.example", DomainError::UnknownBase),
            ("example.cybozu.com..", DomainError::UnknownBase),
            ("ab.cybozu.com", DomainError::Subdomain),
            (".cybozu.com", DomainError::Subdomain),
            ("-abc.cybozu.com", DomainError::Subdomain),
            ("abc-.cybozu.com", DomainError::Subdomain),
            ("a.b.c.cybozu.com", DomainError::Subdomain),
            ("example.s.s.cybozu.com", DomainError::Subdomain),
            (
                "abcdefghijklmnopqrstuvwxyz0123456.cybozu.com",
                DomainError::Subdomain,
            ),
        ];
        for (host, reason) in cases {
            assert_eq!(bases().canonicalize(host), Err(*reason), "{host}");
        }
    }

    #[test]
    fn development_base_domains_are_checked() {
        for name in ["localhost", "", "Kintone.test", "kintone.test:80", "-a.b"] {
            assert!(BaseDomains::with_development([name]).is_err(), "{name}");
        }
    }

    proptest! {
        #[test]
        fn every_spelling_of_a_valid_name_has_one_canonical_form(
            subdomain in "[a-z0-9][a-z0-9-]{1,30}[a-z0-9]",
            base in prop::sample::select(vec!["cybozu.com", "kintone.com", "cybozu.cn", "kintone.test"]),
            secure in any::<bool>(),
            upper in any::<u64>(),
            dot in any::<bool>(),
            port in prop::option::of(1..=u16::MAX),
        ) {
            let infix = if secure { ".s" } else { "" };
            let mut spelling: String = format!("{subdomain}{infix}.{base}")
                .chars()
                .enumerate()
                .map(|(i, c)| if upper >> (i % 64) & 1 == 1 { c.to_ascii_uppercase() } else { c })
                .collect();
            if dot { spelling.push('.'); }
            if let Some(port) = port { spelling.push_str(&format!(":{port}")); }
            let domain = bases().canonicalize(&spelling).unwrap();
            prop_assert_eq!(domain.as_str(), format!("{subdomain}.{base}"));
            // Canonicalizing is idempotent, also for the secure-access form of a canonical name.
            prop_assert_eq!(&bases().canonicalize(domain.as_str()).unwrap(), &domain);
            prop_assert_eq!(&bases().canonicalize(&domain.secure_access_host()).unwrap(), &domain);
        }

        #[test]
        fn every_accepted_name_is_canonical(host in ".{0,80}") {
            if let Ok(domain) = bases().canonicalize(&host) {
                let (subdomain, base) = domain.as_str().split_once('.').unwrap();
                prop_assert!(is_label(subdomain, 3, 32));
                prop_assert!(KINTONE_BASE_DOMAINS.contains(&base) || base == "kintone.test");
            }
        }

        #[test]
        fn near_misses_never_panic(host in "[a-zA-Z0-9.:%é-]{0,40}(cybozu\\.com|s\\.kintone\\.com)[.:0-9]{0,7}") {
            if let Ok(domain) = bases().canonicalize(&host) {
                prop_assert_eq!(&bases().canonicalize(domain.as_str()).unwrap(), &domain);
            }
        }
    }
}

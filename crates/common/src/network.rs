//! Callers' IP addresses, and the network part of them that may be recorded.

use std::net::IpAddr;

use ipnet::IpNet;

/// Parses an IP address. An IPv4-mapped IPv6 address (`::ffff:203.0.113.7`) is returned as IPv4.
pub fn address(text: &str) -> Option<IpAddr> {
    Some(text.parse::<IpAddr>().ok()?.to_canonical())
}

/// The network of an address, /24 for IPv4 and /48 for IPv6, such as `203.0.113.0/24`.
///
/// Records and logs contain this network only, never the address (white paper: access logs are
/// used to understand service usage, not to identify persons).
pub fn network(text: &str) -> Option<String> {
    let address = address(text)?;
    let network = IpNet::new(address, bits(address)).ok()?;
    Some(network.trunc().to_string())
}

/// Whether a text is a network in the form that [`network`] returns.
pub fn is_network(text: &str) -> bool {
    let network = text.parse::<IpNet>().ok();
    network.is_some_and(|network| {
        network.prefix_len() == bits(network.addr()) && network == network.trunc()
    })
}

/// The source addresses of `kintone.proxy`, which runs on Cybozu's servers. The range is the one in
/// Cybozu's official licence sample, which warns that it may change.
pub const KINTONE: &str = "103.79.14.0/24";

/// Address ranges to compare with the networks of access records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

/// An invalid address range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a CIDR range such as 103.79.14.0/24 or 2001:db8::/32")]
pub struct NetworksError(String);

impl Networks {
    /// Parses ranges in CIDR notation, separated by commas: `103.79.14.0/24, 2001:db8::/32`.
    pub fn parse(list: &str) -> Result<Self, NetworksError> {
        let ranges = list.split(',').map(str::trim).map(|range| {
            let parsed: Result<IpNet, _> = range.parse();
            parsed.map_err(|_| NetworksError(range.to_owned()))
        });
        Ok(Self(ranges.collect::<Result<_, _>>()?))
    }

    /// Whether one of the ranges contains or is contained in a network, as [`network`] returns it.
    ///
    /// A range narrower than /24 or /48 matches the whole network, because a record contains no
    /// more than the network.
    pub fn include(&self, network: &str) -> bool {
        let Ok(network) = network.parse::<IpNet>() else {
            return false;
        };
        let mut ranges = self.0.iter();
        ranges.any(|range| range.contains(&network) || network.contains(range))
    }
}

impl Default for Networks {
    /// [`KINTONE`].
    fn default() -> Self {
        let range = IpNet::new(IpAddr::from([103, 79, 14, 0]), 24);
        Self(range.into_iter().collect())
    }
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 24 } else { 48 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_in_a_range_that_it_overlaps() {
        assert_eq!(Networks::parse(KINTONE), Ok(Networks::default()));
        let networks = Networks::parse("103.79.14.128/25, 198.51.0.0/16,2001:db8::/32").unwrap();
        for (network, expected) in [
            ("103.79.14.0/24", true),
            ("198.51.100.0/24", true),
            ("2001:db8:1::/48", true),
            ("103.79.15.0/24", false),
            ("2001:db9:1::/48", false),
            ("somebody", false),
            ("", false),
        ] {
            assert_eq!(networks.include(network), expected, "{network}");
        }
        for wrong in ["", "103.79.14.0", "103.79.14.0/24,", "x"] {
            assert!(Networks::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_the_network_is_recorded() {
        for (address, kept) in [
            ("203.0.113.77", Some("203.0.113.0/24")),
            ("::ffff:203.0.113.77", Some("203.0.113.0/24")),
            ("2001:db8:1:2:3:4:5:6", Some("2001:db8:1::/48")),
            ("somebody", None),
        ] {
            assert_eq!(network(address).as_deref(), kept, "{address}");
            assert!(kept.is_none_or(is_network), "{address}");
        }
        for text in [
            "203.0.113.77/24",
            "203.0.113.77/32",
            "203.0.113.77",
            "",
            "x",
        ] {
            assert!(!is_network(text), "{text}");
        }
    }
}

//! From which addresses a request may come, and what is recorded of them.

use std::net::IpAddr;

use ipnet::IpNet;

/// The allowed ranges; none means that everybody may ask.
#[derive(Clone, Debug, Default)]
pub struct SourceRanges(Vec<IpNet>);

impl SourceRanges {
    /// These ranges, IPv4 and IPv6.
    pub fn new(ranges: Vec<IpNet>) -> Self {
        Self(ranges)
    }

    /// Whether a request from this address is let in. With ranges set, an address that cannot be
    /// read is not.
    pub fn allow(&self, address: &str) -> bool {
        if self.0.is_empty() {
            return true;
        }
        match read(address) {
            Some(address) => self.0.iter().any(|range| range.contains(&address)),
            None => false,
        }
    }
}

/// The network an address is in, /24 or /48: what may be kept of it.
pub fn network(address: &str) -> Option<String> {
    let address = read(address)?;
    let bits = if address.is_ipv4() { 24 } else { 48 };
    let network = IpNet::new(address, bits).ok()?;
    Some(network.trunc().to_string())
}

/// An IPv4 address may be written as an IPv6 one (`::ffff:203.0.113.7`).
fn read(address: &str) -> Option<IpAddr> {
    Some(address.parse::<IpAddr>().ok()?.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_a_range_are_let_in() {
        let ranges = ["103.79.14.0/24", "2001:db8::/32"];
        let ranges = SourceRanges::new(ranges.iter().map(|range| range.parse().unwrap()).collect());
        for (address, allowed) in [
            ("103.79.14.0", true),
            ("103.79.14.255", true),
            ("::ffff:103.79.14.9", true),
            ("2001:db8:ffff::1", true),
            ("103.79.15.0", false),
            ("2001:db9::1", false),
            ("::1", false),
            ("103.79.14.1, 203.0.113.7", false),
            ("103.79.14.1:443", false),
            ("", false),
        ] {
            assert_eq!(ranges.allow(address), allowed, "{address}");
        }
    }

    #[test]
    fn only_the_network_is_kept() {
        for (address, kept) in [
            ("203.0.113.77", Some("203.0.113.0/24")),
            ("::ffff:203.0.113.77", Some("203.0.113.0/24")),
            ("2001:db8:1:2:3:4:5:6", Some("2001:db8:1::/48")),
            ("somebody", None),
        ] {
            assert_eq!(network(address).as_deref(), kept, "{address}");
        }
    }
}

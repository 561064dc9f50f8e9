//! The accepted source addresses of requests.

use ipnet::IpNet;
use tegata_common::network;

/// The accepted address ranges. Empty means all addresses.
#[derive(Clone, Debug, Default)]
pub struct SourceRanges(Vec<IpNet>);

impl SourceRanges {
    /// Creates the list from IPv4 and IPv6 ranges.
    pub fn new(ranges: Vec<IpNet>) -> Self {
        Self(ranges)
    }

    /// Whether requests from an address are accepted. An invalid address is rejected, unless all
    /// are accepted.
    pub fn allow(&self, address: &str) -> bool {
        if self.0.is_empty() {
            return true;
        }
        match network::address(address) {
            Some(address) => self.0.iter().any(|range| range.contains(&address)),
            None => false,
        }
    }
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
}

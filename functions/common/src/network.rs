//! Addresses of callers, and what may be kept of them.

use std::net::IpAddr;

use ipnet::IpNet;

/// Reads an address. An IPv4 address may be written as an IPv6 one (`::ffff:203.0.113.7`).
pub fn address(text: &str) -> Option<IpAddr> {
    Some(text.parse::<IpAddr>().ok()?.to_canonical())
}

/// The network an address is in, /24 or /48: what may be kept of it.
pub fn network(text: &str) -> Option<String> {
    let address = address(text)?;
    let network = IpNet::new(address, bits(address)).ok()?;
    Some(network.trunc().to_string())
}

/// Whether a text is a network as [`network`] writes it.
pub fn is_network(text: &str) -> bool {
    let network = text.parse::<IpNet>().ok();
    network.is_some_and(|network| {
        network.prefix_len() == bits(network.addr()) && network == network.trunc()
    })
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 24 } else { 48 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_network_is_kept() {
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

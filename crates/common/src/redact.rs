//! Removal of mail addresses from texts that others wrote.

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

/// Replaces each mail address in a text by its hash, and also everything that resembles one.
pub fn without_addresses(text: &str) -> String {
    if !text.contains('@') {
        return text.to_owned();
    }
    // Characters that an unquoted address cannot contain (RFC 5322, `specials` except '.' and '@').
    let is_between = |c: char| c.is_whitespace() || "<>()[],;:\"\\".contains(c);
    let mut kept = String::with_capacity(text.len());
    for part in text.split_inclusive(is_between) {
        // An '@' in front is no part of an address: `@it@customer.example`.
        let address = part.trim_start_matches('@');
        let word = address.trim_end_matches(is_between);
        match word.split_once('@') {
            Some((local, domain)) if !local.is_empty() && !domain.is_empty() => {
                kept.push_str(&part[..part.len() - address.len()]);
                kept.push_str(&hashed(&word.to_ascii_lowercase()));
                kept.push_str(&address[word.len()..]);
            }
            _ => kept.push_str(part),
        }
    }
    kept
}

/// The first 128 bits of SHA-256. For an address, the same digits as [`crate::notice::ContactHash`].
pub(crate) fn hashed(text: &str) -> String {
    let digest = Sha256::digest(text.as_bytes());
    format!("sha256:{}", HEXLOWER.encode(&digest[..16]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::customer::EmailAddress;
    use crate::notice::ContactHash;

    #[test]
    fn an_address_is_hashed_wherever_it_is_in_a_text() {
        let address: EmailAddress = "It.Dept+x@Customer.example".parse().unwrap();
        let hash = format!("sha256:{}", ContactHash::of(&address).as_str());
        for (text, kept) in [
            ("It.Dept+x@Customer.example", hash.clone()),
            ("<it.dept+x@customer.example>", format!("<{hash}>")),
            (
                "550 5.1.1 <it.dept+x@customer.example>: no such user",
                format!("550 5.1.1 <{hash}>: no such user"),
            ),
            (
                "mailto:it.dept+x@customer.example, then",
                format!("mailto:{hash}, then"),
            ),
            ("@it.dept+x@customer.example", format!("@{hash}")),
            (
                "cc @@it.dept+x@customer.example.",
                format!("cc @@{}", hashed("it.dept+x@customer.example.")),
            ),
            ("no address @ all", "no address @ all".to_owned()),
            ("@all, @it@", "@all, @it@".to_owned()),
            ("sheet", "sheet".to_owned()),
        ] {
            assert_eq!(without_addresses(text), kept, "{text}");
        }
        assert!(!without_addresses("o'brien@customer.example").contains("brien"));
    }
}

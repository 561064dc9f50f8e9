//! The tenants that a gradual release has reached.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::domain::Domain;
use crate::version::PluginVersion;

/// The maximum number of tenants that a stage names: the document is read by every page.
pub const MAX_TENANTS: usize = 1000;

/// A tenant's number in the gradual release of a version: the first 16 bytes of SHA-256 over
/// `<version>/<domain>` in UTF-8, written as 32 lower-case hexadecimal digits.
///
/// It is different for each version, so that the same tenants are not always the first. The document
/// names tenants by it, because anybody can read the document. A person who guesses a tenant's name
/// can test the guess.
///
/// ```
/// use tegata_common::domain::BaseDomains;
/// use tegata_common::release::TenantNumber;
///
/// let domain = BaseDomains::default().canonicalize("example.cybozu.com")?;
/// // printf 1.9.0/example.cybozu.com | sha256sum | cut -c 1-32
/// let number = TenantNumber::of(&"1.9.0".parse()?, &domain);
/// assert_eq!(number.to_string(), "9ffcc6e684108cabdd4272274a357104");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantNumber([u8; 16]);

/// An invalid tenant's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a tenant's number has 32 lower-case hexadecimal digits")]
pub struct InvalidTenantNumber;

impl TenantNumber {
    /// The number of a tenant in the release of a version.
    pub fn of(version: &PluginVersion, domain: &Domain) -> Self {
        let digest = Sha256::digest(format!("{version}/{domain}").as_bytes());
        let mut number = [0; 16];
        number.copy_from_slice(&digest[..16]);
        Self(number)
    }

    /// Whether the tenant belongs to a share: the first 4 bytes, big-endian, as a share of 2^32, are
    /// below it.
    pub fn belongs_to(self, percent: Percent) -> bool {
        let [a, b, c, d, ..] = self.0;
        u64::from(u32::from_be_bytes([a, b, c, d])) * 100 < u64::from(percent.0) << 32
    }
}

impl fmt::Display for TenantNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl From<TenantNumber> for String {
    fn from(number: TenantNumber) -> Self {
        number.to_string()
    }
}

impl TryFrom<String> for TenantNumber {
    type Error = InvalidTenantNumber;

    fn try_from(text: String) -> Result<Self, InvalidTenantNumber> {
        let bytes = HEXLOWER.decode(text.as_bytes());
        let number = bytes.ok().and_then(|bytes| bytes.try_into().ok());
        number.map(Self).ok_or(InvalidTenantNumber)
    }
}

/// A share of all tenants: 1 to 99 percent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct Percent(u8);

/// An invalid share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a share of the tenants is a whole number from 1% to 99%; all tenants are `all`")]
pub struct InvalidPercent;

impl TryFrom<u8> for Percent {
    type Error = InvalidPercent;

    fn try_from(percent: u8) -> Result<Self, InvalidPercent> {
        let is_valid = (1..=99).contains(&percent);
        is_valid.then_some(Self(percent)).ok_or(InvalidPercent)
    }
}

impl From<Percent> for u8 {
    fn from(percent: Percent) -> Self {
        percent.0
    }
}

impl FromStr for Percent {
    type Err = InvalidPercent;

    /// Parses `10%`.
    fn from_str(text: &str) -> Result<Self, InvalidPercent> {
        let number = text.strip_suffix('%').ok_or(InvalidPercent)?;
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(InvalidPercent);
        }
        number.parse::<u8>().map_err(|_| InvalidPercent)?.try_into()
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", self.0)
    }
}

/// The tenants that a gradual release has reached: a share of all, named ones, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReleaseStage {
    /// A share of all tenants. A tenant of 10 % also belongs to 50 %.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub percent: Option<Percent>,
    /// Named tenants, at most [`MAX_TENANTS`].
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub tenants: BTreeSet<TenantNumber>,
}

impl ReleaseStage {
    /// Whether a tenant belongs to the stage.
    pub fn has(&self, tenant: TenantNumber) -> bool {
        let is_in_share = self.percent.is_some_and(|share| tenant.belongs_to(share));
        is_in_share || self.tenants.contains(&tenant)
    }
}

impl fmt::Display for ReleaseStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = match self.tenants.len() {
            1 => "1 named tenant".to_owned(),
            number => format!("{number} named tenants"),
        };
        match (self.percent, self.tenants.is_empty()) {
            (Some(share), true) => write!(f, "{share} of the tenants"),
            (Some(share), false) => write!(f, "{share} of the tenants, and {named}"),
            (None, _) => f.write_str(&named),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::BaseDomains;

    fn percent(text: &str) -> Percent {
        text.parse().unwrap()
    }

    fn starting_with(first: u32) -> TenantNumber {
        let mut number = [0xff; 16];
        number[..4].copy_from_slice(&first.to_be_bytes());
        TenantNumber(number)
    }

    #[test]
    fn a_share_ends_at_its_part_of_2_to_the_32() {
        for (share, last) in [
            ("1%", 42_949_672),
            ("10%", 429_496_729),
            // 50 % is exactly 2^31, which is outside.
            ("50%", (1 << 31) - 1),
            ("99%", 4_252_017_623),
        ] {
            assert!(starting_with(0).belongs_to(percent(share)), "{share}");
            assert!(starting_with(last).belongs_to(percent(share)), "{share}");
            assert!(
                !starting_with(last + 1).belongs_to(percent(share)),
                "{share}"
            );
            assert!(
                !starting_with(u32::MAX).belongs_to(percent(share)),
                "{share}"
            );
        }
    }

    #[test]
    fn a_share_has_about_its_part_of_the_tenants_and_other_tenants_for_another_version() {
        let bases = BaseDomains::default();
        let tenants = (0..10_000).map(|number| {
            let host = format!("tenant-{number}.cybozu.com");
            bases.canonicalize(&host).unwrap()
        });
        let tenants: Vec<Domain> = tenants.collect();
        let of = |version: &str, share: &str| -> Vec<bool> {
            let version = version.parse().unwrap();
            let number = |tenant| TenantNumber::of(&version, tenant);
            let is_in = tenants
                .iter()
                .map(number)
                .map(|of| of.belongs_to(percent(share)));
            is_in.collect()
        };
        let (ten, fifty) = (of("1.9.0", "10%"), of("1.9.0", "50%"));
        let count = |of: &[bool]| of.iter().filter(|is_in| **is_in).count();
        assert!((850..=1150).contains(&count(&ten)), "{}", count(&ten));
        assert!((4750..=5250).contains(&count(&fifty)), "{}", count(&fifty));
        assert!(ten.iter().zip(&fifty).all(|(ten, fifty)| !ten || *fifty));
        let both = ten.iter().zip(of("1.9.1", "10%"));
        let both = both.filter(|(first, second)| **first && *second).count();
        assert!(both < 200, "{both} of 10,000 are in both");
    }

    #[test]
    fn a_stage_is_a_share_or_named_tenants() {
        let (early, late) = (starting_with(0), starting_with(u32::MAX));
        let share = ReleaseStage {
            percent: Some(percent("10%")),
            ..ReleaseStage::default()
        };
        let named = ReleaseStage {
            percent: None,
            tenants: [late].into(),
        };
        let both = ReleaseStage {
            percent: share.percent,
            tenants: [early, late].into(),
        };
        for (stage, has_early, has_late, text) in [
            (ReleaseStage::default(), false, false, "0 named tenants"),
            (share, true, false, "10% of the tenants"),
            (named, false, true, "1 named tenant"),
            (both, true, true, "10% of the tenants, and 2 named tenants"),
        ] {
            assert_eq!((stage.has(early), stage.has(late)), (has_early, has_late));
            assert_eq!(stage.to_string(), text);
            let json = serde_json::to_string(&stage).unwrap();
            assert_eq!(serde_json::from_str::<ReleaseStage>(&json).unwrap(), stage);
        }
    }

    #[test]
    fn shares_and_numbers_have_one_form() {
        for good in ["1%", "10%", "99%"] {
            assert_eq!(percent(good).to_string(), good);
        }
        for bad in [
            "", "%", "0%", "100%", "10", "+10%", "1.5%", "１０%", "256%", "-1%",
        ] {
            assert_eq!(bad.parse::<Percent>(), Err(InvalidPercent), "{bad}");
        }
        for bad in ["0", "100", "-1", "1.5", "\"10\""] {
            assert!(serde_json::from_str::<Percent>(bad).is_err(), "{bad}");
        }
        let number = starting_with(7);
        let json = format!("\"{number}\"");
        assert_eq!(serde_json::from_str::<TenantNumber>(&json).unwrap(), number);
        for bad in [
            "",
            "0011",
            "9FFCC6E684108CABDD4272274A357104",
            "9ffcc6e684108cabdd4272274a35710400",
            "example.cybozu.com",
        ] {
            let json = format!("\"{bad}\"");
            assert!(
                serde_json::from_str::<TenantNumber>(&json).is_err(),
                "{bad}"
            );
        }
    }
}

//! The domains of a contract: adding, moving and removing them, and the quarantine.

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

use super::{Code, License, LicenseError, MAX_DOMAINS};
use crate::calendar::{self, OutOfRange};
use crate::domain::Domain;

/// The days for which no other contract can have a domain that a contract has left.
///
/// A kintone tenant name can be taken over by someone else. After the quarantine all leases for the
/// previous owner have expired, and an operator is unlikely to confuse the two.
pub const QUARANTINE_DAYS: i64 = 90;

/// A domain covered by a contract, with the period and the purpose.
///
/// `until` is set when the contract leaves the domain. The entry then stays for
/// [`QUARANTINE_DAYS`], during which the domain is answered `NOT_FOUND`.
///
/// ```
/// use tegata_common::license::ContractDomain;
///
/// let domain: ContractDomain = serde_json::from_str(
///     r#"{ "domain": "example.cybozu.com", "purpose": "production",
///          "from": "2026-10-03T01:00:00Z", "until": "2026-12-01T00:00:00Z" }"#,
/// )?;
/// assert_eq!(domain.quarantined_until(), "2027-03-01T00:00:00Z".parse().ok());
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContractDomain {
    /// The tenant.
    pub domain: Domain,
    /// What the customer uses it for.
    pub purpose: Purpose,
    /// The instant from which the contract covers the domain, in whole seconds.
    pub from: Timestamp,
    /// The instant from which it no longer does, and at which the quarantine starts. `None` if the
    /// contract keeps the domain.
    #[serde(deserialize_with = "Option::deserialize")]
    pub until: Option<Timestamp>,
}

/// What the customer uses a tenant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Daily use.
    Production,
    /// Development and tests.
    Development,
}

impl ContractDomain {
    /// The end of the quarantine, from which another contract can have the domain. `None` if the
    /// contract keeps it.
    pub fn quarantined_until(&self) -> Option<Timestamp> {
        let until = self.until?;
        Some(
            until
                .checked_add((QUARANTINE_DAYS * 24).hours())
                .unwrap_or(Timestamp::MAX),
        )
    }
}

impl License {
    /// The instant at which the contract leaves a domain on the given day: the cut-off time, as at
    /// the end of a contract.
    pub fn leaves_at(&self, day: Date) -> Result<Timestamp, OutOfRange> {
        calendar::at_cut_off(day, &self.policy)
    }

    /// The entry for this item's own domain.
    pub fn own_domain(&self) -> Option<&ContractDomain> {
        self.domains.iter().find(|name| name.domain == self.domain)
    }

    /// The contract's item for another of its domains.
    pub fn under(&self, domain: &Domain) -> Self {
        let mut license = self.clone();
        license.domain = domain.clone();
        license
    }

    /// Moves the contract from this domain to another one. The new domain is covered from `from`
    /// on, this one until `until`; between them both are covered.
    pub fn moved(
        &self,
        to: &Domain,
        from: Timestamp,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Self, LicenseError> {
        let purpose = self.staying(&self.domain)?.purpose;
        let mut license = self.with_domain(to, purpose, from, now)?;
        let until = calendar::whole_second(until.max(from));
        for name in &mut license.domains {
            if name.domain == self.domain {
                name.until = Some(until);
            }
        }
        Ok(license)
    }

    /// Adds a domain, or adds one again that the contract has left or is leaving.
    ///
    /// A domain that the contract is leaving can only be added again without a gap
    /// ([`LicenseError::DomainGap`]).
    pub fn with_domain(
        &self,
        domain: &Domain,
        purpose: Purpose,
        from: Timestamp,
        now: Timestamp,
    ) -> Result<Self, LicenseError> {
        let mut license = self.clone();
        let name = ContractDomain {
            domain: domain.clone(),
            purpose,
            from: calendar::whole_second(from),
            until: None,
        };
        let is_full = license.domains.len() >= MAX_DOMAINS;
        match license.domains.iter_mut().find(|n| n.domain == *domain) {
            Some(known) => match known.until {
                None => return Err(LicenseError::KnownDomain(domain.clone())),
                Some(until) if until <= now => *known = name,
                Some(until) if name.from <= until => {
                    let from = known.from.min(name.from);
                    *known = ContractDomain { from, ..name };
                }
                Some(until) => {
                    return Err(LicenseError::DomainGap {
                        domain: domain.clone(),
                        until,
                    });
                }
            },
            None if is_full => return Err(LicenseError::TooManyDomains),
            None => license.domains.push(name),
        }
        Ok(license)
    }

    /// Removes a domain from an instant on. The quarantine starts then.
    ///
    /// A domain that was never in use, such as a mistyped one, is removed without quarantine.
    pub fn without_domain(
        &self,
        domain: &Domain,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Self, LicenseError> {
        self.staying(domain)?;
        // No contract is for development only.
        let stays = |name: &ContractDomain| {
            name.until.is_none() && name.domain != *domain && name.purpose == Purpose::Production
        };
        let is_for_development = self
            .domains
            .iter()
            .any(|name| name.domain == *domain && name.purpose == Purpose::Development);
        // An expired contract does not need a domain.
        let is_over = self.code_at(now) == Code::Expired;
        if !is_over && !is_for_development && !self.domains.iter().any(stays) {
            return Err(LicenseError::LastDomain(domain.clone()));
        }
        let mut license = self.clone();
        let until = calendar::whole_second(until);
        // A domain that was never covered, such as a mistyped one, needs no quarantine.
        let never_worked = |name: &ContractDomain| until <= name.from && name.domain != self.domain;
        license
            .domains
            .retain(|name| name.domain != *domain || !never_worked(name));
        for name in &mut license.domains {
            if name.domain == *domain {
                name.until = Some(until);
            }
        }
        Ok(license)
    }

    /// Keeps a domain that is scheduled to leave. After it has left, this is possible only if the
    /// contract has no other domain.
    pub fn with_domain_kept(&self, domain: &Domain, now: Timestamp) -> Result<Self, LicenseError> {
        let mut license = self.clone();
        let has_another = self.domains.iter().any(|name| name.until.is_none());
        let name = license.domains.iter_mut().find(|n| n.domain == *domain);
        let name = name.ok_or_else(|| LicenseError::UnknownDomain(domain.clone()))?;
        match name.until {
            None => Err(LicenseError::DomainStays(domain.clone())),
            Some(until) if until <= now && has_another => Err(LicenseError::DomainLeaves {
                domain: domain.clone(),
                until,
            }),
            Some(_) => {
                name.until = None;
                Ok(license)
            }
        }
    }

    fn staying(&self, domain: &Domain) -> Result<&ContractDomain, LicenseError> {
        let name = self.domains.iter().find(|name| name.domain == *domain);
        match name {
            None => Err(LicenseError::UnknownDomain(domain.clone())),
            Some(ContractDomain {
                until: Some(until), ..
            }) => Err(LicenseError::DomainLeaves {
                domain: domain.clone(),
                until: *until,
            }),
            Some(name) => Ok(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::super::testing::*;
    use super::*;

    const SECOND: SignedDuration = SignedDuration::from_secs(1);

    #[test]
    fn both_domains_are_valid_in_the_overlap_and_the_old_one_is_quarantined_after_it() {
        let old = license(YEARLY);
        let to = domain("renamed.cybozu.com");
        let from = at("2018-01-10T00:00:00+09:00");
        let until = at("2018-01-24T09:00:00+09:00");
        let now = at("2017-12-20T00:00:00+09:00");
        let old = old.moved(&to, from, until, now).unwrap();
        let new = old.under(&to);
        for (now, old_code, new_code) in [
            (from - SECOND, Code::Valid, Code::NotStarted),
            (from, Code::Valid, Code::Valid),
            (until - SECOND, Code::Valid, Code::Valid),
            (until, Code::NotFound, Code::Valid),
        ] {
            assert_eq!(old.code_at(now), old_code, "{now}");
            assert_eq!(new.code_at(now), new_code, "{now}");
        }
        // The contract keeps the entry until the end of the quarantine.
        let free = until + SignedDuration::from_hours(90 * 24);
        assert_eq!(old.own_domain().unwrap().quarantined_until(), Some(free));
        assert_eq!(new.as_of(free - SECOND).unwrap().domains.len(), 2);
        assert_eq!(new.as_of(free).unwrap().domains.len(), 1);
        assert_eq!(old.as_of(free).unwrap().code_at(free), Code::NotFound);
        // Moved back during the quarantine.
        let back = new
            .moved(
                &old.domain,
                until,
                until + SignedDuration::from_hours(48),
                until,
            )
            .unwrap();
        assert_eq!(back.under(&old.domain).code_at(until), Code::Valid);
        // Moved back before it has left: the domain stays covered without a gap.
        let halfway = at("2018-01-15T00:00:00+09:00");
        let day = |day: i8| at(&format!("2018-01-{day:02}T00:00:00+09:00"));
        let back = new.moved(&old.domain, day(20), day(27), halfway).unwrap();
        assert_eq!(back.under(&old.domain).code_at(halfway), Code::Valid);
        assert_eq!(back.under(&old.domain).code_at(day(28)), Code::Valid);
        assert_eq!(back.under(&to).code_at(day(28)), Code::NotFound);
        assert_eq!(
            new.moved(&old.domain, day(26), day(27), halfway),
            Err(LicenseError::DomainGap {
                domain: old.domain.clone(),
                until
            })
        );
    }

    #[test]
    fn a_domain_that_comes_back_after_it_left_works_from_then_on() {
        let license = license(YEARLY);
        let now = at("2018-01-10T00:00:00+09:00");
        let dev = domain("example-dev.cybozu.com");
        let two = license.with_domain(&dev, Purpose::Development, now, now);
        let left = two
            .unwrap()
            .without_domain(&dev, now + SECOND, now)
            .unwrap();
        let later = now + SignedDuration::from_hours(24);
        let back = left
            .with_domain(&dev, Purpose::Production, later, later)
            .unwrap();
        let entry = back.under(&dev).own_domain().unwrap().clone();
        let expected = ContractDomain {
            domain: dev,
            purpose: Purpose::Production,
            from: later,
            until: None,
        };
        assert_eq!(entry, expected);
    }

    #[test]
    fn a_domain_is_left_at_the_cut_off_time_of_the_day() {
        let left_at = license(YEARLY).leaves_at("2018-01-10".parse().unwrap());
        assert_eq!(left_at.unwrap(), at("2018-01-10T09:00:00+09:00"));
    }

    #[test]
    fn domains_are_added_and_removed() {
        let license = license(YEARLY);
        let now = at("2018-01-10T00:00:00+09:00");
        let development = domain("example-dev.cybozu.com");
        let two = license
            .with_domain(&development, Purpose::Development, now, now)
            .unwrap();
        assert_eq!(two.under(&development).code_at(now), Code::Valid);
        assert_eq!(
            two.with_domain(&development, Purpose::Production, now, now),
            Err(LicenseError::KnownDomain(development.clone()))
        );
        let until = now + SECOND;
        let leaving = two.without_domain(&development, until, now).unwrap();
        assert_eq!(
            leaving.without_domain(&development, until, now),
            Err(LicenseError::DomainLeaves {
                domain: development.clone(),
                until
            })
        );
        assert_eq!(leaving.with_domain_kept(&development, now).unwrap(), two);
        assert!(leaving.with_domain_kept(&development, until).is_err());
        // A domain that was never covered is removed without quarantine.
        let typo = domain("exmaple.cybozu.com");
        let planned = license
            .with_domain(&typo, Purpose::Production, until, now)
            .unwrap();
        assert_eq!(planned.without_domain(&typo, now, now).unwrap(), license);
        assert_eq!(
            two.with_domain_kept(&development, now),
            Err(LicenseError::DomainStays(development.clone()))
        );
        assert_eq!(
            two.without_domain(&license.domain, until, now),
            Err(LicenseError::LastDomain(license.domain.clone()))
        );
        // An expired contract may leave its last domain, and get it back.
        let cancelled = license.cancelled("2018-01-10".parse().unwrap(), now);
        let over = at("2019-01-10T00:00:00+09:00");
        let left = cancelled.unwrap();
        let left = left.without_domain(&license.domain, over, over).unwrap();
        assert_eq!(left.code_at(over), Code::NotFound);
        let back = left.with_domain_kept(&license.domain, over).unwrap();
        assert_eq!(back.code_at(over), Code::Expired);
        let stranger = domain("stranger.cybozu.com");
        assert_eq!(
            two.without_domain(&stranger, until, now),
            Err(LicenseError::UnknownDomain(stranger))
        );
    }

    #[test]
    fn a_contract_has_a_limited_number_of_domains() {
        let mut contract = license(YEARLY);
        let now = contract.usable_from;
        for number in 1..MAX_DOMAINS {
            let name = domain(&format!("dev-{number}.cybozu.com"));
            contract = contract
                .with_domain(&name, Purpose::Development, now, now)
                .unwrap();
        }
        let name = domain("one-more.cybozu.com");
        assert_eq!(
            contract.with_domain(&name, Purpose::Development, now, now),
            Err(LicenseError::TooManyDomains)
        );
    }
}

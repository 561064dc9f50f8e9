//! The domains of a contract: several at a time, and a change from one to another.

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

use super::{Code, License, LicenseError, MAX_DOMAINS};
use crate::calendar::{self, OutOfRange};
use crate::domain::Domain;

/// Days for which nobody else gets a domain that a contract has left. A kintone tenant that was
/// given up can be had by a stranger: leases that were signed for the one before have long ended
/// by then, and an operator does not take the two for one.
pub const QUARANTINE_DAYS: i64 = 90;

/// A domain under which a contract works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContractDomain {
    /// The tenant.
    pub domain: Domain,
    /// What the customer uses it for.
    pub purpose: Purpose,
    /// The second from which the contract works there.
    pub from: Timestamp,
    /// The second from which it no longer does. The quarantine starts then.
    #[serde(deserialize_with = "Option::deserialize")]
    pub until: Option<Timestamp>,
}

/// What a customer uses a tenant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Purpose {
    /// Work.
    Production,
    /// Trying and building.
    Development,
}

impl ContractDomain {
    /// The instant at which somebody else can have the domain, if the contract leaves it.
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
    /// When a domain stops working that the contract leaves on a day: at the cut-off time, as a
    /// contract that ends does.
    pub fn leaves_at(&self, day: Date) -> Result<Timestamp, OutOfRange> {
        calendar::at_cut_off(day, &self.policy)
    }

    /// The entry of this licence's own domain.
    pub fn own_domain(&self) -> Option<&ContractDomain> {
        self.domains.iter().find(|name| name.domain == self.domain)
    }

    /// The contract under another of its domains.
    pub fn under(&self, domain: &Domain) -> Self {
        let mut license = self.clone();
        license.domain = domain.clone();
        license
    }

    /// The contract moved from this domain to another, which works from an instant on; this one
    /// works until another instant.
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

    /// The contract with one more domain, or with one back that it is leaving or has left.
    ///
    /// What works goes on working: a domain that the contract is leaving comes back without a
    /// gap, or not at all.
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

    /// The contract without a domain from an instant on.
    pub fn without_domain(
        &self,
        domain: &Domain,
        until: Timestamp,
        now: Timestamp,
    ) -> Result<Self, LicenseError> {
        self.staying(domain)?;
        // A contract for development only is none that anybody orders.
        let stays = |name: &ContractDomain| {
            name.until.is_none() && name.domain != *domain && name.purpose == Purpose::Production
        };
        let is_for_development = self
            .domains
            .iter()
            .any(|name| name.domain == *domain && name.purpose == Purpose::Development);
        // A contract that is over needs no domain any more.
        let is_over = self.code_at(now) == Code::Expired;
        if !is_over && !is_for_development && !self.domains.iter().any(stays) {
            return Err(LicenseError::LastDomain(domain.clone()));
        }
        let mut license = self.clone();
        let until = calendar::whole_second(until);
        // What never worked, such as a name that was mistyped, needs no quarantine.
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

    /// The contract that keeps a domain after all: before it has left it, or if it has no other.
    pub fn keeping(&self, domain: &Domain, now: Timestamp) -> Result<Self, LicenseError> {
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
    fn both_names_work_in_the_overlap_and_the_old_one_is_quarantined_after_it() {
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
        // The contract remembers the name for as long as nobody else may have it.
        let free = until + SignedDuration::from_hours(90 * 24);
        assert_eq!(old.own_domain().unwrap().quarantined_until(), Some(free));
        assert_eq!(new.as_of(free - SECOND).unwrap().domains.len(), 2);
        assert_eq!(new.as_of(free).unwrap().domains.len(), 1);
        assert_eq!(old.as_of(free).unwrap().code_at(free), Code::NotFound);
        // And back again, while it is in quarantine.
        let back = new
            .moved(
                &old.domain,
                until,
                until + SignedDuration::from_hours(48),
                until,
            )
            .unwrap();
        assert_eq!(back.under(&old.domain).code_at(until), Code::Valid);
        // On the way there, too: what works goes on working.
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
    fn domains_come_and_go() {
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
        assert_eq!(leaving.keeping(&development, now).unwrap(), two);
        assert!(leaving.keeping(&development, until).is_err());
        // One that never worked is just gone.
        let typo = domain("exmaple.cybozu.com");
        let planned = license
            .with_domain(&typo, Purpose::Production, until, now)
            .unwrap();
        assert_eq!(planned.without_domain(&typo, now, now).unwrap(), license);
        assert_eq!(
            two.keeping(&development, now),
            Err(LicenseError::DomainStays(development.clone()))
        );
        assert_eq!(
            two.without_domain(&license.domain, until, now),
            Err(LicenseError::LastDomain(license.domain.clone()))
        );
        // A contract that is over may leave its last domain, and come back to it.
        let cancelled = license.cancelled("2018-01-10".parse().unwrap(), now);
        let over = at("2019-01-10T00:00:00+09:00");
        let left = cancelled.unwrap();
        let left = left.without_domain(&license.domain, over, over).unwrap();
        assert_eq!(left.code_at(over), Code::NotFound);
        let back = left.keeping(&license.domain, over).unwrap();
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

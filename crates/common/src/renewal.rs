//! Which stored licences are due for renewal, re-signing or deletion. The function
//! `license-renewal` carries out these decisions.

use jiff::Timestamp;

use crate::calendar::OutOfRange;
use crate::lease::SignedLicense;
use crate::license::License;

/// The work that is due for a stored licence.
#[derive(Clone, Debug, PartialEq)]
pub enum Task {
    /// Write this licence, which has changed with time (a renewed term, an ended overlap), with a
    /// new lease.
    Renew(Box<License>),
    /// Sign a new lease for the unchanged licence, because the current one has reached half of its
    /// lifetime.
    ReSign,
    /// Delete the item: the contract has left the domain and the quarantine has ended.
    Release,
}

impl SignedLicense {
    /// The task that is due at an instant, or `None`.
    pub fn task_at(&self, now: Timestamp) -> Result<Option<Task>, OutOfRange> {
        if self.release_at().is_some_and(|release| release <= now) {
            return Ok(Some(Task::Release));
        }
        let license = self.license.as_of(now)?;
        if license != self.license {
            return Ok(Some(Task::Renew(Box::new(license))));
        }
        let is_due = self.re_sign_at().is_some_and(|due_at| due_at <= now);
        Ok(is_due.then_some(Task::ReSign))
    }

    /// The earliest instant at which a task is due: the sort key of the index `renewals`. `None` if
    /// nothing will be due.
    pub fn due_at(&self) -> Option<Timestamp> {
        [
            self.release_at(),
            self.license.changes_at(),
            self.re_sign_at(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn release_at(&self) -> Option<Timestamp> {
        self.license.own_domain()?.quarantined_until()
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::lease::{Lease, expiry};
    use crate::license::Plan;
    use crate::license::testing::*;

    fn signed(license: License, issued_at: Timestamp) -> SignedLicense {
        SignedLicense {
            lease: Lease {
                jws: String::new(),
                kid: String::new(),
                issued_at,
                expires_at: expiry(&license, issued_at).unwrap(),
                without_serial: None,
            },
            license,
        }
    }

    #[test]
    fn a_task_is_due_at_the_due_instant_and_not_before() {
        let to = domain("renamed.cybozu.com");
        let issued_at = at("2017-10-03T10:00:00+09:00");
        let moved = license(YEARLY)
            .moved(&to, issued_at, at("2017-10-17T09:00:00+09:00"), issued_at)
            .unwrap();
        let quarantine_ends = at("2018-01-15T09:00:00+09:00");
        let trial = license(Plan::Trial { days: 9 });
        for (license, issued_at, due_at, task) in [
            (
                license(MONTHLY),
                issued_at,
                Some(at("2017-10-10T10:00:00+09:00")),
                "resign",
            ),
            (
                license(MONTHLY),
                at("2017-11-20T10:00:00+09:00"),
                Some(at("2017-11-21T00:00:00+09:00")),
                "renew",
            ),
            (moved.clone(), issued_at, Some(quarantine_ends), "release"),
            (
                moved.under(&to),
                at("2018-01-15T08:00:00+09:00"),
                Some(quarantine_ends),
                "renew",
            ),
            // A trial whose lease lasts until the end of grace.
            (trial, at("2017-10-11T10:00:00+09:00"), None, ""),
        ] {
            let signed = signed(license, issued_at);
            assert_eq!(signed.due_at(), due_at, "{task}");
            let Some(due_at) = due_at else {
                let late = issued_at + SignedDuration::from_hours(24 * 1000);
                assert_eq!(signed.task_at(late).unwrap(), None);
                continue;
            };
            let before = due_at - SignedDuration::from_nanos(1);
            assert_eq!(signed.task_at(before).unwrap(), None, "{task}");
            let found = match signed.task_at(due_at).unwrap() {
                Some(Task::Renew(_)) => "renew",
                Some(Task::ReSign) => "resign",
                Some(Task::Release) => "release",
                None => "",
            };
            assert_eq!(found, task);
        }
    }
}

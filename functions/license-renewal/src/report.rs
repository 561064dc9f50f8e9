//! The result of a run.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use tegata_lambda::metrics::{self, OLDEST_LEASE_LEFT, RENEWALS_FAILED};

use crate::item::{RenewalFailure, RenewalOutcome};

/// The minimum remaining share of every lease that is not due.
const NOT_DUE: f64 = 0.5;

/// The result of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RenewalReport {
    /// The number of renewed licences.
    pub renewed: u64,
    /// The number of leases signed again.
    pub resigned: u64,
    /// The number of deleted items of left domains.
    pub released: u64,
    /// The number of index entries for which nothing was due.
    pub nothing: u64,
    /// The number of licences that were changed concurrently.
    pub changed_meanwhile: u64,
    /// The number of failed licences. They stay due.
    pub failed: u64,
    /// Whether all due licences were processed.
    pub finished: bool,
    /// A lower bound of the remaining lifetime of the oldest lease after this run, as a share from
    /// 0 to 1.
    pub oldest_lease_left: f64,
}

impl Default for RenewalReport {
    fn default() -> Self {
        Self {
            renewed: 0,
            resigned: 0,
            released: 0,
            nothing: 0,
            changed_meanwhile: 0,
            failed: 0,
            finished: true,
            oldest_lease_left: NOT_DUE,
        }
    }
}

impl RenewalReport {
    /// Counts the result for one licence.
    pub fn count(&mut self, result: &Result<RenewalOutcome, RenewalFailure>) {
        let counter = match result {
            Ok(RenewalOutcome::Renewed) => &mut self.renewed,
            Ok(RenewalOutcome::ReSigned) => &mut self.resigned,
            Ok(RenewalOutcome::Released) => &mut self.released,
            Ok(RenewalOutcome::Nothing) => &mut self.nothing,
            Ok(RenewalOutcome::ChangedMeanwhile) => &mut self.changed_meanwhile,
            Err(_) => &mut self.failed,
        };
        *counter += 1;
        if let Err(failed) = result {
            self.saw_lease(failed.lease_left);
        }
    }

    /// Records the remaining share of a lease that this run did not sign again.
    pub fn saw_lease(&mut self, left: Option<f64>) {
        if let Some(left) = left {
            self.oldest_lease_left = self.oldest_lease_left.min(left);
        }
    }

    /// The log line with metrics.
    pub fn line(&self, now: Timestamp, stack: &str) -> Value {
        metrics::ReportLine::new("renewal", now, stack)
            .figure("LicensesRenewed", self.renewed)
            .figure("LeasesResigned", self.resigned)
            .figure("DomainsReleased", self.released)
            .metric(RENEWALS_FAILED, self.failed)
            .metric(OLDEST_LEASE_LEFT, self.oldest_lease_left * 100.0)
            .figure("finished", self.finished)
            .figure("nothing", self.nothing)
            .figure("changed_meanwhile", self.changed_meanwhile)
            .line()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_oldest_lease_that_was_not_signed_counts() {
        let mut report = RenewalReport::default();
        report.count(&Ok(RenewalOutcome::ReSigned));
        assert_eq!(
            report.line(Timestamp::UNIX_EPOCH, "s")["OldestLeaseLeft"],
            50.0
        );
        let failed = |lease_left| {
            Err(RenewalFailure {
                is_outage: true,
                lease_left,
            })
        };
        report.count(&failed(Some(0.25)));
        report.count(&failed(None));
        let line = report.line(Timestamp::UNIX_EPOCH, "s");
        assert_eq!(line["OldestLeaseLeft"], 25.0);
        assert_eq!(
            (&line["RenewalsFailed"], &line["LeasesResigned"]),
            (&json!(2), &json!(1))
        );
    }
}

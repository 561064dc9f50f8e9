//! What a simulation met: what did not happen was not tested.

use std::collections::BTreeMap;

/// What happened, in numbers.
#[derive(Debug, Default)]
pub struct Counts {
    /// Days on which anything was done.
    pub days: u64,
    /// Contracts times days.
    pub contract_days: u64,
    pub orders: usize,
    pub lookups: u64,
    pub handler_lookups: u64,
    pub leases_verified: u64,
    pub copies: u64,
    pub crashed_runs: u64,
    pub double_runs: u64,
    pub late_days: u64,
    pub crashed_operators: u64,
    pub quarantined: u64,
    pub taken_over: u64,
    pub renewed: u64,
    pub resigned: u64,
    pub released: u64,
    /// Operations that were done, by their kind.
    pub done: BTreeMap<&'static str, u64>,
    /// Operations that were refused.
    pub refused: BTreeMap<&'static str, u64>,
    pub codes: BTreeMap<&'static str, u64>,
}

/// Something that a simulation shall meet.
struct Expectation {
    what: String,
    count: u64,
    /// How often it is met on average at this size.
    expected: f64,
}

/// What has to be expected this often on average to be demanded: then it stays away once in a
/// hundred million runs, if one meeting has nothing to do with the next.
const DEMANDED: f64 = 20.0;

/// Whether everything was met.
#[derive(Debug, Default)]
pub struct Coverage {
    /// What should have been met at this size, and was not.
    pub missing: Vec<String>,
    /// What was not met, and need not be: the size is too small for it.
    pub out_of_reach: Vec<String>,
}

/// Of each kind of operation: how often a hundred operators' wishes lead to it, and how often to
/// its refusal, at the least. Measured with several seeds and sizes, and rounded down.
const PER_HUNDRED_WISHES: [(&str, f64, f64); 12] = [
    ("cancel", 4.0, 4.0),
    ("withdraw", 0.8, 4.0),
    ("rebill", 3.0, 1.5),
    ("convert", 1.5, 6.0),
    ("suspend", 4.0, 1.0),
    ("resume", 0.3, 3.0),
    ("change", 0.5, 1.0),
    ("reissue", 5.0, 0.0),
    ("add-domain", 1.0, 0.4),
    ("move", 4.0, 2.5),
    ("remove-domain", 0.2, 2.0),
    ("keep-domain", 0.1, 2.0),
];

/// Of a hundred domains that are asked for, how many get each code, at the least.
const PER_HUNDRED_LOOKUPS: [(&str, f64); 6] = [
    ("VALID", 20.0),
    ("GRACE", 0.3),
    ("EXPIRED", 3.0),
    ("SUSPENDED", 5.0),
    ("NOT_STARTED", 0.3),
    ("NOT_FOUND", 5.0),
];

impl Counts {
    pub(super) fn done(&mut self, what: &'static str) {
        *self.done.entry(what).or_default() += 1;
    }

    pub(super) fn refused(&mut self, what: &'static str) {
        *self.refused.entry(what).or_default() += 1;
    }

    /// Compares what was met with what has to be met at this size, which may have been cut short.
    pub fn coverage(&self, operators_for_a_death: u32) -> Coverage {
        let of = |counts: &BTreeMap<&str, u64>, what| counts.get(what).copied().unwrap_or(0);
        let done: u64 = self.done.values().sum();
        let wishes = done + self.refused.values().sum::<u64>();
        let (days, wishes) = (self.days as f64, wishes as f64);
        let contract_days = self.contract_days as f64;
        let deaths = wishes / f64::from(operators_for_a_death);
        let mut expectations = Vec::new();
        let mut expect = |what: String, count, expected| {
            expectations.push(Expectation {
                what,
                count,
                expected,
            });
        };
        for (what, done, refused) in PER_HUNDRED_WISHES {
            let expected = |share: f64| wishes * share / 100.0;
            expect(
                format!("{what}, done"),
                of(&self.done, what),
                expected(done),
            );
            let count = of(&self.refused, what);
            expect(format!("{what}, refused"), count, expected(refused));
        }
        for (code, share) in PER_HUNDRED_LOOKUPS {
            // One domain is asked for on one day after the other, and gets mostly the same answer.
            let expected = contract_days / 30.0 * share / 100.0;
            expect(format!("{code}, answered"), of(&self.codes, code), expected);
        }
        for (what, count, expected) in [
            ("orders", of(&self.done, "issue"), self.orders as f64 / 2.0),
            (
                "leases verified",
                self.leases_verified,
                contract_days / 40.0,
            ),
            ("copies compared", self.copies, contract_days / 40.0),
            (
                "answers of the lookup function",
                self.handler_lookups,
                contract_days / 400.0,
            ),
            (
                "days on which the renewal was late",
                self.late_days,
                days / 10.0,
            ),
            (
                "runs of the renewal that died",
                self.crashed_runs,
                days / 40.0,
            ),
            ("runs of the renewal at once", self.double_runs, days / 20.0),
            (
                "operators whose process died",
                self.crashed_operators,
                deaths / 6.0,
            ),
            ("terms renewed", self.renewed, contract_days / 200.0),
            ("leases signed again", self.resigned, contract_days / 100.0),
            ("domains released", self.released, wishes / 100.0),
            (
                "domains refused in quarantine",
                self.quarantined,
                wishes / 500.0,
            ),
            ("domains taken over", self.taken_over, wishes / 500.0),
        ] {
            expect(what.to_owned(), count, expected);
        }
        let mut coverage = Coverage::default();
        let not_met = |of: &Expectation| of.count == 0 && of.expected > 0.0;
        for expectation in expectations.into_iter().filter(not_met) {
            match expectation.expected >= DEMANDED {
                true => coverage.missing.push(expectation.what),
                false => coverage.out_of_reach.push(expectation.what),
            }
        }
        coverage
    }
}

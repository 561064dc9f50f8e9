//! Lives that failed once, shrunk: each is what its name says.

use crate::operation::{Destination, Operation, Order, OrderedPlan};
use crate::oracle::Second;
use crate::{DAY, Life, Met, START, Step, Wait, live};

/// A trial of a day, and what is done after how many seconds each.
fn trial(steps: Vec<(Second, Operation)>) -> Life {
    let step = |(seconds, operation)| Step {
        wait: Wait::Seconds(seconds),
        under: 0,
        operation,
    };
    Life {
        ordered_at: START,
        order: Order {
            product: 0,
            plan: OrderedPlan::Trial { days: 1 },
            usable_after: 0,
            serial: 0,
        },
        late_hours: 0,
        steps: steps.into_iter().map(step).collect(),
    }
}

#[test]
fn an_overlap_ends_on_its_day() {
    let to_a_new_one = Operation::Move {
        to: Destination::New,
        after: 0,
        overlap_days: 0,
    };
    live(&trial(vec![(0, to_a_new_one)]), &mut Met::new());
}

#[test]
fn the_day_after_the_deadline_is_too_late_for_a_term() {
    let steps = vec![(0, Operation::Convert(1)), (30 * DAY, Operation::Cancel)];
    live(&trial(steps), &mut Met::new());
}

#[test]
fn a_serial_that_leaked_ends_the_overlap_of_the_one_before() {
    let reissue = |serial, overlap| Operation::Reissue { serial, overlap };
    let steps = vec![(0, reissue(1, 65_701)), (900, reissue(2, 0))];
    live(&trial(steps), &mut Met::new());
}

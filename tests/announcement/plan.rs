//! What happens in the month, from a seed: plain data.

use fastrand::Rng;

use super::oracle::{Mailbox, Second};

/// What is simulated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    pub(crate) seed: u64,
    /// Contracts: a part of them is there at the beginning, the others are ordered in the month.
    pub(crate) contracts: usize,
    /// Runs of `announce`, at random instants.
    pub(crate) runs: usize,
}

#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// A contract is ordered; by a new customer, or by one that is there.
    Order(Order),
    /// A customer gets a contact, counted round.
    AddContact {
        customer: usize,
        mailbox: Mailbox,
        is_primary: bool,
    },
    /// One of a customer's contacts is replaced.
    CorrectContact {
        customer: usize,
        mailbox: Mailbox,
    },
    Suspend {
        contract: usize,
    },
    Resume {
        contract: usize,
    },
    Cancel {
        contract: usize,
    },
    /// A cancellation is withdrawn.
    Withdraw {
        contract: usize,
    },
    /// `announce` runs, then `deliver` and `feedback`.
    Run {
        /// A process dies at this call of the three, before or after it is carried out.
        death: Option<(usize, bool)>,
        /// Messages and events that come twice, and events that come later, in percent.
        twice: u8,
        later: u8,
    },
    /// The functions run until nothing is under way; then the oracle is asked.
    Settle,
}

#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// `None` for a new customer; a contract without a customer has `Some(None)`.
    pub(crate) customer: Option<Option<usize>>,
    pub(crate) contacts: Vec<(Mailbox, bool)>,
    /// The first contact is one of another customer too.
    pub(crate) shares_contact: bool,
    pub(crate) trial_days: Option<i64>,
    /// Until it can be used.
    pub(crate) starts_after: Second,
}

const DAY: Second = 86_400;

fn mailbox(random: &mut Rng) -> Mailbox {
    match random.u8(..100) {
        0..5 => Mailbox::Missing,
        5..7 => Mailbox::Full,
        7..8 => Mailbox::Complains,
        8..9 => Mailbox::Refused,
        9..12 => Mailbox::AnswerLost,
        12..13 => Mailbox::NotTaken,
        _ => Mailbox::Works,
    }
}

fn order(random: &mut Rng) -> Order {
    let mut contacts = match random.u8(..10) {
        0 => Vec::new(),
        1 => vec![(mailbox(random), true), (mailbox(random), true)],
        _ => vec![(mailbox(random), true)],
    };
    if random.u8(..5) == 0 {
        contacts.push((mailbox(random), false));
    }
    Order {
        customer: match random.u8(..20) {
            0 => Some(None),
            1..4 => Some(Some(random.usize(..))),
            _ => None,
        },
        contacts,
        shares_contact: random.u8(..20) == 0,
        trial_days: (random.u8(..4) == 0).then(|| random.i64(1..60)),
        starts_after: match random.u8(..5) {
            0 => random.i64(0..30 * DAY),
            _ => 0,
        },
    }
}

/// The orders before the month.
pub(crate) fn orders(options: &Options) -> Vec<Order> {
    let mut random = Rng::with_seed(options.seed);
    let number = options.contracts * 3 / 5;
    (0..number).map(|_| order(&mut random)).collect()
}

/// The events of the month, which lasts so many seconds, by the second.
pub(crate) fn month(options: &Options, length: Second) -> Vec<(Second, Event)> {
    let mut random = Rng::with_seed(options.seed ^ 0x5bd1_e995);
    let mut events = Vec::new();
    let mut add = |random: &mut Rng, event: Event| events.push((random.i64(0..length), event));
    for _ in 0..options.contracts * 2 / 5 {
        let event = Event::Order(order(&mut random));
        add(&mut random, event);
    }
    for _ in 0..options.contracts {
        let which = random.usize(..);
        let event = match random.u8(..13) {
            0..2 => Event::AddContact {
                customer: which,
                mailbox: mailbox(&mut random),
                is_primary: random.u8(..3) > 0,
            },
            2..6 => Event::CorrectContact {
                customer: which,
                mailbox: mailbox(&mut random),
            },
            6..8 => Event::Suspend { contract: which },
            8..10 => Event::Resume { contract: which },
            10..12 => Event::Cancel { contract: which },
            _ => Event::Withdraw { contract: which },
        };
        add(&mut random, event);
    }
    for number in 0..options.runs {
        let event = match number % 12 {
            0 => Event::Settle,
            _ => Event::Run {
                death: (random.u8(..3) == 0).then(|| (random.usize(..60), random.bool())),
                twice: random.u8(..40),
                later: random.u8(..80),
            },
        };
        add(&mut random, event);
    }
    events.sort_by_key(|(second, _)| *second);
    events
}

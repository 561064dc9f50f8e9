//! What every answer has to be, written independently of the code under test: from the list of
//! what happened, with its own arithmetic of days and months and nothing stored that time moves.

/// Seconds since 1970.
pub type Second = i64;
/// Days since 1970-01-01, in a product's zone.
pub type Day = i64;
/// Months since year 0.
pub type Month = i64;

const DAY: Second = 86_400;

/// The rules of a product, in plain numbers.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    pub utc_offset: Second,
    pub cut_off: Second,
    pub cancel_by_day: i64,
    pub grace_days: i64,
}

impl Rules {
    pub fn day(&self, at: Second) -> Day {
        (at + self.utc_offset).div_euclid(DAY)
    }

    /// The cut-off time of a day.
    pub fn cut_off_of(&self, day: Day) -> Second {
        day * DAY + self.cut_off - self.utc_offset
    }
}

/// The day on which a month starts. Counted, not looked up: years of 365 days, one more for
/// every fourth, less for every hundredth, more for every four-hundredth.
pub fn first_day(month: Month) -> Day {
    let (year, index) = (month.div_euclid(12), month.rem_euclid(12));
    let leap = |y: i64| y % 4 == 0 && (y % 100 != 0 || y % 400 == 0);
    let before = |y: i64| 365 * y + (y + 3) / 4 - (y + 99) / 100 + (y + 399) / 400;
    let lengths = [
        31,
        28 + i64::from(leap(year)),
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    before(year) - before(1970)
        + lengths[..usize::try_from(index).unwrap()]
            .iter()
            .sum::<i64>()
}

pub fn month_of(day: Day) -> Month {
    let mut month = 1970 * 12 + day.div_euclid(31);
    while first_day(month + 1) <= day {
        month += 1;
    }
    month
}

/// How long a term is, in months.
pub type Months = i64;

/// Days for which nobody else gets a name that the contract has left.
const QUARANTINE: Second = 90 * DAY;

/// How many names a contract may have, those in quarantine included.
const MOST_NAMES: usize = 10;

/// How many replaced serials are accepted at a time.
const MOST_PREVIOUS_SERIALS: usize = 4;

/// A name of the contract.
#[derive(Clone, Debug)]
pub struct Name {
    pub domain: String,
    pub from: Second,
    pub until: Option<Second>,
    /// For work, and not only for trying and building.
    pub production: bool,
}

impl Name {
    /// Whether nobody else may have it.
    pub fn is_kept(&self, now: Second) -> bool {
        self.until.is_none_or(|until| now < until + QUARANTINE)
    }
}

/// A contract as a list of facts.
#[derive(Clone, Debug)]
pub struct Contract {
    pub rules: Rules,
    pub usable_from: Second,
    pub names: Vec<Name>,
    pub plan: Plan,
    pub suspended_from: Option<Second>,
    pub users: u32,
    /// The number of its serial.
    pub serial: u64,
    /// The numbers of replaced serials, and until when each is accepted.
    pub previous_serials: Vec<(u64, Second)>,
}

/// What was ordered, last.
#[derive(Clone, Debug)]
pub enum Plan {
    /// Its last day.
    Trial { last_day: Day },
    Paid {
        /// The month in which its first term starts.
        starts: Month,
        /// What was asked for, and on which day: a term is as long as was asked for last before
        /// it started.
        billing: Vec<(Day, Months)>,
        /// Its last day, if it was cancelled.
        last_day: Option<Day>,
    },
}

/// Why an operator's wish is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

impl Contract {
    /// The code under a name.
    pub fn code(&self, domain: &str, at: Second) -> &'static str {
        let name = self.names.iter().find(|name| name.domain == domain);
        let Some(name) = name.filter(|name| name.until.is_none_or(|until| at < until)) else {
            return "NOT_FOUND";
        };
        if self.suspended_from.is_some_and(|from| at >= from) {
            return "SUSPENDED";
        }
        if at < self.usable_from || at < name.from {
            return "NOT_STARTED";
        }
        let Some(last_day) = self.last_day() else {
            return "VALID";
        };
        if at < self.rules.cut_off_of(last_day + 1) {
            "VALID"
        } else if at < self.rules.cut_off_of(last_day + 1 + self.rules.grace_days) {
            "GRACE"
        } else {
            "EXPIRED"
        }
    }

    pub fn last_day(&self) -> Option<Day> {
        match &self.plan {
            Plan::Trial { last_day } => Some(*last_day),
            Plan::Paid { last_day, .. } => *last_day,
        }
    }

    /// The first and last day of the term that a day is in, or comes before, or was the last.
    pub fn term(&self, at: Second) -> Option<(Day, Day)> {
        let today = self.rules.day(at);
        let Plan::Paid {
            starts,
            billing,
            last_day,
        } = &self.plan
        else {
            return None;
        };
        let mut start = *starts;
        loop {
            let next = start + length_of_term(billing, start);
            let end = first_day(next) - 1;
            if today <= end || last_day.is_some_and(|last_day| last_day <= end) {
                return Some((first_day(start), end));
            }
            start = next;
        }
    }

    fn is_running(&self, today: Day) -> bool {
        self.last_day().is_none_or(|last_day| today <= last_day)
    }

    /// The last day when cancelled today: of the term that today is in, or of the next.
    pub fn cancel(&mut self, at: Second) -> Result<(), Refused> {
        let today = self.rules.day(at);
        let cancel_by_day = self.rules.cancel_by_day;
        let Plan::Paid {
            starts,
            billing,
            last_day: last_day @ None,
        } = &mut self.plan
        else {
            return Err(Refused);
        };
        let mut start = *starts;
        loop {
            let length = length_of_term(billing, start);
            let end = first_day(start + length) - 1;
            let last_month = first_day(start + length - 1);
            let deadline = (last_month + cancel_by_day - 1).min(end);
            start += length;
            if today <= deadline {
                *last_day = Some(end);
                return Ok(());
            }
            if today <= end {
                let length = length_of_term(billing, start);
                *last_day = Some(first_day(start + length) - 1);
                return Ok(());
            }
        }
    }

    pub fn withdraw(&mut self, at: Second) -> Result<(), Refused> {
        let running = self.is_running(self.rules.day(at));
        match &mut self.plan {
            Plan::Paid {
                last_day: last_day @ Some(_),
                ..
            } if running => {
                *last_day = None;
                Ok(())
            }
            _ => Err(Refused),
        }
    }

    pub fn rebill(&mut self, at: Second, months: Months) -> Result<(), Refused> {
        let today = self.rules.day(at);
        match &mut self.plan {
            Plan::Paid {
                billing,
                last_day: None,
                ..
            } => {
                billing.push((today, months));
                Ok(())
            }
            _ => Err(Refused),
        }
    }

    pub fn convert(&mut self, at: Second, months: Months) -> Result<(), Refused> {
        let today = self.rules.day(at);
        let is_paid = matches!(self.plan, Plan::Paid { .. });
        if is_paid && self.is_running(today) {
            return Err(Refused);
        }
        if self.suspended_from.is_some_and(|from| at >= from) {
            return Err(Refused);
        }
        let ordered_on = today.max(self.rules.day(self.usable_from));
        self.plan = Plan::Paid {
            starts: month_of(ordered_on) + 1,
            billing: vec![(today, months)],
            last_day: None,
        };
        Ok(())
    }

    pub fn suspend(&mut self, from: Second) -> Result<(), Refused> {
        match self.suspended_from {
            Some(_) => Err(Refused),
            None => {
                self.suspended_from = Some(from);
                Ok(())
            }
        }
    }

    pub fn resume(&mut self) -> Result<(), Refused> {
        self.suspended_from.take().map(|_| ()).ok_or(Refused)
    }

    /// The contract is to be known under a name from an instant on: without a gap, if it is known
    /// under it now.
    pub fn name(
        &mut self,
        domain: &str,
        production: bool,
        from: Second,
        now: Second,
    ) -> Result<(), Refused> {
        self.names.retain(|name| name.is_kept(now));
        let known = self.names.iter().position(|name| name.domain == domain);
        let mut from = from;
        if let Some(position) = known {
            let known = &self.names[position];
            let until = known.until.ok_or(Refused)?;
            if until > now {
                if from > until {
                    return Err(Refused);
                }
                from = from.min(known.from);
            }
            self.names.remove(position);
        } else if self.names.len() >= MOST_NAMES {
            return Err(Refused);
        }
        self.names.push(Name {
            domain: domain.to_owned(),
            from,
            until: None,
            production,
        });
        Ok(())
    }

    pub fn leave(&mut self, domain: &str, until: Second) {
        for name in &mut self.names {
            if name.domain == domain {
                name.until = Some(until);
            }
        }
    }

    /// The contract moves from a name, which works until an instant, to another.
    pub fn move_to(
        &mut self,
        from: &str,
        to: &str,
        starts: Second,
        until: Second,
        now: Second,
    ) -> Result<(), Refused> {
        let old = self.staying(from).ok_or(Refused)?.production;
        self.name(to, old, starts, now)?;
        self.leave(from, until.max(starts));
        Ok(())
    }

    /// The contract gives up a name, as an operator does who looks at it under another one or
    /// under this one.
    pub fn give_up(
        &mut self,
        domain: &str,
        seen_under: &str,
        until: Second,
        now: Second,
    ) -> Result<(), Refused> {
        let name = self.staying(domain).ok_or(Refused)?.clone();
        let is_last = !self
            .names
            .iter()
            .any(|other| other.until.is_none() && other.production && other.domain != name.domain);
        if name.production && is_last && self.code(seen_under, now) != "EXPIRED" {
            return Err(Refused);
        }
        if until <= name.from && domain != seen_under {
            // It never worked: nobody has to be kept from it.
            self.names.retain(|name| name.domain != domain);
        } else {
            self.leave(domain, until);
        }
        Ok(())
    }

    /// The contract keeps a name that it has given up: before it has left it, or if it has no
    /// other.
    pub fn keep(&mut self, domain: &str, now: Second) -> Result<(), Refused> {
        let has_another = self.names.iter().any(|name| name.until.is_none());
        let name = self.names.iter_mut().find(|name| name.domain == domain);
        let name = name.filter(|name| name.is_kept(now)).ok_or(Refused)?;
        let until = name.until.ok_or(Refused)?;
        if until <= now && has_another {
            return Err(Refused);
        }
        name.until = None;
        Ok(())
    }

    fn staying(&self, domain: &str) -> Option<&Name> {
        let mut names = self.names.iter();
        names.find(|name| name.domain == domain && name.until.is_none())
    }

    /// Another serial; the ones before are accepted until an instant, or none is.
    pub fn reissue(&mut self, serial: u64, until: Second, now: Second) {
        let previous = &mut self.previous_serials;
        previous.retain(|(_, until)| now < *until);
        if until > now {
            previous.push((self.serial, until));
            let surplus = previous.len().saturating_sub(MOST_PREVIOUS_SERIALS);
            previous.drain(..surplus);
        } else {
            previous.clear();
        }
        self.serial = serial;
    }

    /// Whether a serial is accepted.
    pub fn accepts(&self, serial: u64, at: Second) -> bool {
        let mut previous = self.previous_serials.iter();
        serial == self.serial || previous.any(|(known, until)| *known == serial && at < *until)
    }

    /// The instants from a given one on at which an answer may change, or what is certain of the
    /// contract's future: in order, for the next fourteen months.
    pub fn boundaries(&self, from: Second) -> Vec<Second> {
        let Rules {
            utc_offset,
            cancel_by_day,
            grace_days,
            ..
        } = self.rules;
        let midnight = |day: Day| day * DAY - utc_offset;
        let mut instants = vec![self.usable_from];
        instants.extend(self.suspended_from);
        for name in &self.names {
            instants.push(name.from);
            instants.extend(name.until);
            instants.extend(name.until.map(|until| until + QUARANTINE));
        }
        instants.extend(self.previous_serials.iter().map(|(_, until)| *until));
        if let Some(last_day) = self.last_day() {
            instants.push(midnight(last_day + 1));
            instants.push(self.rules.cut_off_of(last_day + 1));
            instants.push(self.rules.cut_off_of(last_day + 1 + grace_days));
        }
        if let Plan::Paid { last_day: None, .. } = self.plan {
            let month = month_of(self.rules.day(from));
            for month in month..month + 14 {
                instants.push(midnight(first_day(month)));
                instants.push(self.rules.cut_off_of(first_day(month)));
                let deadline = first_day(month) + cancel_by_day;
                instants.push(midnight(deadline.min(first_day(month + 1))));
            }
        }
        instants.retain(|instant| *instant >= from);
        instants.sort_unstable();
        instants.dedup();
        instants
    }
}

fn length_of_term(billing: &[(Day, Months)], start: Month) -> Months {
    let starts_on = first_day(start);
    let asked = billing.iter().rev().find(|(day, _)| *day < starts_on);
    asked.or(billing.first()).unwrap().1
}

#[test]
fn the_oracles_own_calendar() {
    assert_eq!(first_day(1970 * 12), 0);
    assert_eq!(first_day(2000 * 12 + 2) - first_day(2000 * 12 + 1), 29);
    assert_eq!(first_day(2100 * 12 + 2) - first_day(2100 * 12 + 1), 28);
    assert_eq!(first_day(2026 * 12 + 10), 20_758); // date -d 2026-11-01 +%s / 86400
    assert_eq!(month_of(20_758), 2026 * 12 + 10);
    assert_eq!(month_of(20_757), 2026 * 12 + 9);
}

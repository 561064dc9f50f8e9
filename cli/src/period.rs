//! The arguments of commands about a period of days.

use clap::Args;
use jiff::ToSpan as _;
use jiff::civil::Date;
pub(crate) use tegata_operations::Period;

use crate::failure::UsageError;
use crate::target::Target;
use crate::when;

/// The maximum length of a period in days: the archive's retention and a leap day.
const LONGEST: i32 = 401;

#[derive(Args, Clone, Copy)]
pub(crate) struct PeriodArgs {
    /// The first day, such as 2026-11-16 [default: six days before the last].
    #[arg(long, value_name = "DATE", value_parser = when::date)]
    from: Option<Date>,
    /// The last day [default: today].
    #[arg(long, value_name = "DATE", value_parser = when::date)]
    to: Option<Date>,
}

impl PeriodArgs {
    /// The period in the target's time zone.
    pub(crate) fn period(self, target: &Target) -> anyhow::Result<Period> {
        let to = self.to.unwrap_or_else(|| target.today());
        let from = match self.from {
            Some(from) => from,
            None => to.checked_sub(6.days())?,
        };
        let days = to.since(from)?.get_days() + 1;
        if days < 1 {
            let problem = format!("--from {from} is after --to {to}");
            return Err(UsageError(problem).into());
        }
        if days > LONGEST {
            let problem = format!("{from} to {to} is {days} days; the maximum is {LONGEST}");
            return Err(UsageError(problem).into());
        }
        Ok(Period { from, to })
    }
}

//! The publishing gate, which enforces the white paper's promise: a version becomes current only
//! after everybody to whom the promise is made has been told.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use tegata_common::notice::{
    AudienceRecord, Delivery, NotTold, Notice, NoticeId, State, ToldOtherwise, is_withdrawn,
    not_told,
};
use tegata_common::product::ProductSlug;
use tegata_storage::TableError;
use tegata_storage::notices::Notices;

/// How old the record of an audience may be when a version is signed ahead of its planned instant.
/// `announce` writes it again every five minutes.
const MAX_AGE: SignedDuration = SignedDuration::from_mins(15);

/// The number of customers that a refusal names.
const NAMED: usize = 10;

/// Why a version cannot become current yet. The message says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GateRefusal {
    /// There is no announced release notice of the version.
    #[error(
        "{product} {version} has not been announced: send its release notice first (tegata notice send FILE), and publish it when its planned instant has come; in an emergency, --emergency REASON, which is recorded"
    )]
    NotAnnounced {
        product: ProductSlug,
        version: String,
    },
    /// An update of the notice has not been announced, or the notice is paused.
    #[error("its notice {0} is not completely announced: see tegata notice status {0}")]
    NotWhole(NoticeId),
    /// Customers have not been told.
    #[error("{}", not_told_words(.notice_id, .not_told, *.unnamed))]
    NotTold {
        notice_id: NoticeId,
        /// Who has not been told.
        not_told: Vec<NotTold>,
        /// The number of customers that the record of the audience does not name.
        unnamed: usize,
    },
    /// Mails of the notice are on their way.
    #[error(
        "{waiting} of {total} mails of its notice {notice_id} have not been sent yet: see tegata notice status {notice_id} --watch"
    )]
    Waiting {
        notice_id: NoticeId,
        /// The number of mails that are pending or being sent.
        waiting: usize,
        /// The number of mails of the notice.
        total: usize,
    },
    /// The version would count before the planned instant.
    #[error("it was announced for {planned_at} (notice {notice_id}): publish it then")]
    TooEarly {
        notice_id: NoticeId,
        /// The planned instant in the notice's time zone, to the minute.
        planned_at: String,
    },
    /// It is not known who has to be told as of the planned instant, or as of now.
    #[error(
        "who has to be told of its notice {notice_id} {}; `announce` calculates it within a minute. If this does not help, `tegata notice retry-failed {notice_id}` makes it look at the notice again",
        calculated_words(.calculated_at.as_ref())
    )]
    NotCalculated {
        notice_id: NoticeId,
        /// When it was last calculated.
        calculated_at: Option<Timestamp>,
    },
}

/// Why it was not recorded that a customer was told otherwise.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ToldOtherwiseError {
    /// It is not said how.
    #[error("--told-otherwise {0}: say how, such as \"by telephone\"")]
    How(String),
    /// The customer is not among those who were not told.
    #[error(
        "{who} has been told already, or the notice is not for it; not told: {}",
        match .not_told.is_empty() {
            true => "nobody".to_owned(),
            false => .not_told.join(", "),
        }
    )]
    Told {
        /// The customer.
        who: String,
        /// Who has not been told.
        not_told: Vec<String>,
    },
}

/// Checks what an operator says of a customer against who has not been told.
pub fn check_told_otherwise<T>(
    told: &ToldOtherwise,
    not_told: &[NotTold],
    known: &BTreeMap<String, T>,
) -> Result<(), ToldOtherwiseError> {
    let ToldOtherwise { who, how } = told;
    if how.trim().is_empty() {
        return Err(ToldOtherwiseError::How(who.clone()));
    }
    if known.contains_key(who) || not_told.iter().any(|of| of.who == *who) {
        return Ok(());
    }
    let not_told = not_told.iter().take(NAMED).map(|of| of.who.clone());
    Err(ToldOtherwiseError::Told {
        who: who.clone(),
        not_told: not_told.collect(),
    })
}

fn not_told_words(id: &NoticeId, not_told: &[NotTold], unnamed: usize) -> String {
    let mut words = format!(
        "{} not been told of notice {id}:",
        match not_told.len() + unnamed {
            1 => "1 customer has".to_owned(),
            number => format!("{number} customers have"),
        }
    );
    for NotTold { who, because } in not_told.iter().take(NAMED) {
        words.push_str(&format!("\n  {who}: {}", because.words()));
    }
    if not_told.len() + unnamed > NAMED {
        words.push_str(&format!("\n  … see tegata notice status {id}"));
    }
    words.push_str(
        "\ncorrect the contact, and the notice is sent to it; or tell the customer yourself and say \
         how: --told-otherwise CUSTOMER HOW",
    );
    words
}

fn calculated_words(at: Option<&Timestamp>) -> String {
    match at {
        Some(at) => format!("was last calculated at {at:.0}, which is too early"),
        None => "has not been calculated".to_owned(),
    }
}

/// What is known of the announcement of a version.
#[derive(Debug)]
pub struct Announcement {
    product: ProductSlug,
    version: String,
    /// The release notice of the version. If there are several, the one with the latest planned
    /// instant.
    pub notice: Option<Notice>,
    /// Its deliveries.
    pub deliveries: Vec<Delivery>,
    /// The last calculation of its audience.
    pub audience: Option<AudienceRecord>,
    /// Who was told of it otherwise, by [`ToldOtherwise::who`].
    pub told_otherwise: BTreeMap<String, ToldOtherwise>,
    /// Whether the version has been current before, by this notice.
    was_current: bool,
}

impl Announcement {
    /// Reads the announcement of a version as of an instant.
    pub async fn read(
        notices: &Notices,
        product: &ProductSlug,
        version: &str,
        now: Timestamp,
    ) -> Result<Self, TableError> {
        let all = notices.all().await?.into_iter();
        let of_it = all.filter(|notice| notice.announces(product, version));
        let notice = of_it.max_by_key(|notice| notice.kind.planned_at());
        let mut announcement = Self {
            product: product.clone(),
            version: version.to_owned(),
            notice: None,
            deliveries: Vec::new(),
            audience: None,
            told_otherwise: BTreeMap::new(),
            was_current: false,
        };
        if let Some(notice) = notice {
            let id = &notice.notice_id;
            let deliveries = notices.deliveries(id, None).await?.into_iter();
            announcement.deliveries = deliveries.map(|stored| stored.delivery).collect();
            announcement.audience = notices.audience(id).await?;
            let told = notices.told_otherwise(id).await?.into_iter();
            announcement.told_otherwise = told.map(|(who, told)| (who, told.value)).collect();
            for entry in notices.version_history(product).await? {
                let entry = entry?;
                announcement.was_current |= entry.value().is_some_and(|current| {
                    let rollout = &current.rollout;
                    current.announced_by.as_ref() == Some(id)
                        && rollout.version.as_str() == version
                        && rollout.from.is_none_or(|from| from <= now)
                });
            }
            announcement.notice = Some(notice);
        }
        Ok(announcement)
    }

    /// Who has not been told as of an instant, sorted.
    pub fn not_told(&self, now: Timestamp) -> Vec<NotTold> {
        let (audience, told) = (self.audience.as_ref(), &self.told_otherwise);
        not_told(&self.deliveries, audience, told, now)
    }

    /// Adds that customers were told otherwise, by an operator's word. Nothing is written.
    pub fn add_told_otherwise(
        &mut self,
        told: &[ToldOtherwise],
        now: Timestamp,
    ) -> Result<(), ToldOtherwiseError> {
        let not_told = self.not_told(now);
        for told in told {
            check_told_otherwise(told, &not_told, &self.told_otherwise)?;
            let who = told.who.clone();
            self.told_otherwise
                .entry(who)
                .or_insert_with(|| told.clone());
        }
        Ok(())
    }

    /// Checks whether the version may count from an instant on, decided at another instant, which
    /// is not later. Returns the id of its notice.
    ///
    /// A version that has been current may become current again: its customers were told when it
    /// did.
    pub fn check(&self, counts_from: Timestamp, now: Timestamp) -> Result<NoticeId, GateRefusal> {
        let announced = self.notice.as_ref().filter(|of| of.last_announced() > 0);
        let Some(notice) = announced else {
            return Err(GateRefusal::NotAnnounced {
                product: self.product.clone(),
                version: self.version.clone(),
            });
        };
        let id = notice.notice_id.clone();
        if !notice.is_announced() || notice.paused.is_some() {
            return Err(GateRefusal::NotWhole(id));
        }
        if !self.was_current {
            self.check_told(&id, now)?;
        }
        let planned_at = notice.kind.planned_at();
        if let Some(planned_at) = planned_at.filter(|planned_at| *planned_at > counts_from) {
            let local = planned_at.to_zoned_datetime(notice.time_zone.tz().clone());
            return Err(GateRefusal::TooEarly {
                notice_id: id,
                planned_at: local.strftime("%Y-%m-%dT%H:%M%:z").to_string(),
            });
        }
        let calculated_at = self.audience.as_ref().map(|record| record.calculated_at);
        // The audience is final when the planned instant has passed. Before, `announce` calculates it
        // again, and an alarm reports customers who have not been told.
        let since = match planned_at {
            Some(planned_at) if planned_at <= now => planned_at,
            _ => now - MAX_AGE,
        };
        if !self.was_current && calculated_at.is_none_or(|at| at < since) {
            return Err(GateRefusal::NotCalculated {
                notice_id: id,
                calculated_at,
            });
        }
        Ok(id)
    }

    fn check_told(&self, id: &NoticeId, now: Timestamp) -> Result<(), GateRefusal> {
        let not_told = self.not_told(now);
        let unnamed = self.audience.as_ref().map_or(0, |record| record.unnamed);
        if !not_told.is_empty() || unnamed > 0 {
            return Err(GateRefusal::NotTold {
                notice_id: id.clone(),
                not_told,
                unnamed,
            });
        }
        let waiting = self.waiting(now);
        if waiting > 0 {
            return Err(GateRefusal::Waiting {
                notice_id: id.clone(),
                waiting,
                total: self.deliveries.len(),
            });
        }
        Ok(())
    }

    /// The number of mails that are pending or being sent, and are not told otherwise.
    fn waiting(&self, now: Timestamp) -> usize {
        let audience = self.audience.as_ref();
        let is_waiting = |delivery: &&Delivery| {
            let state = delivery.facts.state(now);
            let mut customers = delivery.customers.iter();
            let is_told_otherwise = !delivery.customers.is_empty()
                && customers.all(|of| self.told_otherwise.contains_key(of.customer_id.as_str()));
            matches!(state, State::Pending | State::Sending)
                && !is_told_otherwise
                && !is_withdrawn(delivery, audience)
        };
        self.deliveries.iter().filter(is_waiting).count()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;
    use tegata_common::notice::{
        Attempt, Evidence, Facts, Outcome, Unreachable, UnreachableReason,
    };

    use super::*;

    const PLANNED: &str = "2026-12-05T10:00:00+09:00";

    fn instant(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn notice(is_announced: bool) -> Notice {
        let text = json!({ "ja": "a", "en": "b" });
        let announced = is_announced
            .then(|| json!({ "at": "2026-11-26T00:00:00Z", "recipients": 1, "unreachable": 0 }));
        let update = json!({
            "number": 1, "stage": null, "severity": null, "body": text,
            "send_at": "2026-11-26T00:00:00Z", "announced": announced, "queued": null,
        });
        serde_json::from_value(json!({
            "notice_id": "2026-12-05-sheet-1.9.0",
            "kind": "release",
            "version": "1.9.0",
            "planned_at": PLANNED,
            "products": [{ "slug": "sheet", "name": text }],
            "time_zone": "Asia/Tokyo",
            "title": text,
            "updates": [update],
            "paused": null,
        }))
        .unwrap()
    }

    fn delivery(number: u8, facts: Facts) -> Delivery {
        serde_json::from_value(json!({
            "notice_id": "2026-12-05-sheet-1.9.0",
            "delivery": format!("001-{:032x}", number),
            "email": "info@customer.example",
            "language": "ja",
            "why": "primary",
            "customers": [{ "customer_id": format!("C-{number}"), "name": "Example" }],
            "facts": facts,
        }))
        .unwrap()
    }

    /// Announced, and calculated at the planned instant.
    fn announcement(facts: Vec<Facts>) -> Announcement {
        let deliveries = (1..).zip(facts);
        Announcement {
            product: "sheet".parse().unwrap(),
            version: "1.9.0".to_owned(),
            notice: Some(notice(true)),
            deliveries: deliveries
                .map(|(number, of)| delivery(number, of))
                .collect(),
            audience: Some(AudienceRecord {
                calculated_at: instant(PLANNED),
                unreachable: Vec::new(),
                unnamed: 0,
                withdrawn: BTreeSet::new(),
            }),
            told_otherwise: BTreeMap::new(),
            was_current: false,
        }
    }

    fn attempted(outcome: Outcome) -> Facts {
        Facts {
            attempts: vec![Attempt {
                outcome: Some(outcome),
                ..Attempt::default()
            }],
            ..Facts::default()
        }
    }

    fn with(mut of: Announcement, change: impl FnOnce(&mut Announcement)) -> Announcement {
        change(&mut of);
        of
    }

    #[test]
    fn a_version_becomes_current_after_all_mails_and_its_instant() {
        let now = instant(PLANNED);
        let second = SignedDuration::from_secs(1);
        let sent = || {
            let mut facts = Facts::default();
            facts.record(1, &Evidence::Sent(now));
            facts
        };
        let reason = || "a reason".to_owned();
        let unknown = || {
            attempted(Outcome::Lost {
                at: now,
                reason: reason(),
            })
        };
        let refused = || {
            attempted(Outcome::Refused {
                at: now,
                reason: reason(),
            })
        };
        let complained = || {
            let mut facts = sent();
            facts.record(1, &Evidence::Complained(now));
            facts
        };
        let all = || announcement(vec![sent(), sent()]);
        let record = |of: &mut Announcement, change: &dyn Fn(&mut AudienceRecord)| {
            change(of.audience.as_mut().unwrap());
        };
        let no_contact = Unreachable {
            who: "C-9".to_owned(),
            because: UnreachableReason::NoPrimaryContact,
        };
        let unreachable = |of: &mut Announcement| {
            record(of, &|record| record.unreachable.push(no_contact.clone()));
        };
        for (announcement, counts_from, expected) in [
            (all(), now, None),
            (
                with(all(), |of| of.notice = None),
                now,
                Some("has not been announced"),
            ),
            (
                with(all(), |of| of.notice = Some(notice(false))),
                now,
                Some("has not been announced"),
            ),
            (
                with(all(), |of| {
                    of.notice.as_mut().unwrap().paused =
                        Some(tegata_common::notice::Pause::new(now, "test", "a mistake"));
                }),
                now,
                Some("not completely announced"),
            ),
            (
                announcement(vec![sent(), Facts::default()]),
                now,
                Some("1 of 2 mails"),
            ),
            (
                announcement(vec![sent(), unknown()]),
                now,
                Some("C-2: it is not known whether the mail was sent"),
            ),
            (
                announcement(vec![refused()]),
                now,
                Some("C-1: the mail could not be sent"),
            ),
            (
                announcement(vec![complained()]),
                now,
                Some("C-1: the mail was reported as spam"),
            ),
            (
                with(all(), unreachable),
                now,
                Some("C-9: the customer has no primary contact"),
            ),
            (
                with(all(), |of| record(of, &|record| record.unnamed = 3)),
                now,
                Some("3 customers have not been told"),
            ),
            // Somebody who is no recipient any more is not waited for.
            (
                with(announcement(vec![sent(), Facts::default()]), |of| {
                    let contact = of.deliveries[1].delivery.contact.clone();
                    of.audience.as_mut().unwrap().withdrawn.insert(contact);
                }),
                now,
                None,
            ),
            (
                all(),
                now - second,
                Some("it was announced for 2026-12-05T10:00+09:00"),
            ),
            // It is not known who joined last.
            (
                with(all(), |of| {
                    record(of, &|record| record.calculated_at = now - second);
                }),
                now,
                Some("was last calculated at"),
            ),
            (
                with(all(), |of| of.audience = None),
                now,
                Some("has not been calculated"),
            ),
            // Who was told once is not asked about again.
            (
                with(announcement(vec![refused()]), |of| {
                    of.audience = None;
                    of.was_current = true;
                }),
                now,
                None,
            ),
        ] {
            let checked = announcement.check(counts_from, now);
            let checked = checked.map_err(|error| error.to_string());
            match expected {
                None => assert!(checked.is_ok(), "{checked:?}"),
                Some(expected) => {
                    let refused = checked.unwrap_err();
                    assert!(refused.contains(expected), "{refused}");
                }
            }
        }
    }

    #[test]
    fn a_version_is_signed_ahead_by_a_recent_audience() {
        let planned = instant(PLANNED);
        let now = planned - SignedDuration::from_hours(48);
        let mut sent = Facts::default();
        sent.record(1, &Evidence::Sent(now));
        for (age, is_recent) in [
            (MAX_AGE, true),
            (MAX_AGE + SignedDuration::from_secs(1), false),
        ] {
            let announcement = with(announcement(vec![sent.clone()]), |of| {
                of.audience.as_mut().unwrap().calculated_at = now - age;
            });
            assert_eq!(
                announcement.check(planned, now).is_ok(),
                is_recent,
                "{age:?}"
            );
        }
    }

    #[test]
    fn only_who_has_not_been_told_can_be_told_otherwise() {
        let now = instant(PLANNED);
        let refused = attempted(Outcome::Refused {
            at: now,
            reason: "a reason".to_owned(),
        });
        let told = |who: &str, how: &str| ToldOtherwise {
            who: who.to_owned(),
            how: how.to_owned(),
        };
        let mut announcement = announcement(vec![refused]);
        for (who, how, expected) in [
            ("C-1", " ", "--told-otherwise C-1: say how"),
            (
                "C-7",
                "by telephone",
                "C-7 has been told already, or the notice is not for it; not told: C-1",
            ),
        ] {
            let wrong = announcement.add_told_otherwise(&[told(who, how)], now);
            let wrong = wrong.unwrap_err().to_string();
            assert!(wrong.starts_with(expected), "{wrong}");
        }
        assert!(announcement.check(now, now).is_err());
        let by_telephone = [told("C-1", "by telephone")];
        announcement.add_told_otherwise(&by_telephone, now).unwrap();
        assert!(announcement.check(now, now).is_ok());
        // Repeated, it is no error.
        announcement.add_told_otherwise(&by_telephone, now).unwrap();
    }
}

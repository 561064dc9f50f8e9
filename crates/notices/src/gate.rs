//! The promise, enforced: a version becomes current after it was announced, and not before.

use jiff::{SignedDuration, Timestamp};
use tegata_common::notice::{Facts, Notice, NoticeId, State, Tally};
use tegata_common::product::ProductSlug;

/// Why a version may not become current yet, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotYet {
    /// There is no release notice of it.
    #[error(
        "{product} {version} has not been announced: send its release notice first (tegata notice send FILE), and publish it when its planned instant has come; in an emergency, --emergency REASON, which is recorded"
    )]
    NotAnnounced {
        /// The product.
        product: ProductSlug,
        /// The version.
        version: String,
    },
    /// Its notice has not gone out as a whole.
    #[error(
        "{waiting} of {total} mails of its notice {notice_id} have not been sent, as far as is known: see tegata notice status {notice_id}"
    )]
    NotSent {
        /// Its notice.
        notice_id: NoticeId,
        /// Mails to be sent.
        waiting: usize,
        /// All mails.
        total: usize,
    },
    /// Something of it has still to be announced, or it is stopped.
    #[error("its notice {0} is not announced as a whole: see tegata notice status {0}")]
    NotWhole(NoticeId),
    /// Its planned instant has not come.
    #[error("it was announced for {planned_at} (notice {notice_id}): publish it then")]
    TooEarly {
        /// Its notice.
        notice_id: NoticeId,
        /// When it is planned, in the product's zone.
        planned_at: String,
    },
}

/// The release notice of a version, if there is one: the last to be planned.
pub fn notice_of<'a>(
    notices: &'a [Notice],
    product: &ProductSlug,
    version: &str,
) -> Option<&'a Notice> {
    let of_it = notices.iter().filter(|of| of.announces(product, version));
    of_it.max_by_key(|notice| notice.kind.planned_at())
}

/// Whether a version may become current at an instant, by its notice and that notice's deliveries.
pub fn check<'a>(
    product: &ProductSlug,
    version: &str,
    notice: Option<&Notice>,
    deliveries: impl IntoIterator<Item = &'a Facts>,
    now: Timestamp,
) -> Result<NoticeId, NotYet> {
    let announced = notice.filter(|notice| notice.last_announced() > 0);
    let Some(notice) = announced else {
        return Err(NotYet::NotAnnounced {
            product: product.clone(),
            version: version.to_owned(),
        });
    };
    let notice_id = notice.notice_id.clone();
    let tally = Tally::of(deliveries, now, SignedDuration::ZERO);
    if !notice.is_announced() || notice.paused.is_some() {
        return Err(NotYet::NotWhole(notice_id));
    }
    // Also those of which nobody knows, and those that SES refused: an operator settles them
    // first.
    let waiting = tally.open() + tally.count(State::Failed);
    if waiting > 0 {
        return Err(NotYet::NotSent {
            notice_id,
            waiting,
            total: tally.total(),
        });
    }
    match notice.kind.planned_at() {
        Some(planned_at) if planned_at > now => {
            let local = planned_at.to_zoned_datetime(notice.time_zone.tz().clone());
            let planned_at = local.strftime("%Y-%m-%dT%H:%M%:z").to_string();
            Err(NotYet::TooEarly {
                notice_id,
                planned_at,
            })
        }
        _ => Ok(notice_id),
    }
}

#[cfg(test)]
mod tests {
    use tegata_common::notice::{Announced, Attempt, Evidence, Outcome, Update};
    use tegata_common::product::Bilingual;

    use super::*;

    fn notice(planned_at: &str, is_announced: bool) -> Notice {
        let text = Bilingual {
            ja: "a".to_owned(),
            en: "b".to_owned(),
        };
        let at: Timestamp = "2026-11-26T00:00:00Z".parse().unwrap();
        let update = Update {
            number: 1,
            stage: None,
            severity: None,
            body: text.clone(),
            send_at: at,
            short_notice: None,
            announced: is_announced.then_some(Announced {
                at,
                recipients: 1,
                unreachable: 0,
            }),
            queued: None,
        };
        serde_json::from_value(serde_json::json!({
            "notice_id": "2026-12-05-sheet-1.9.0",
            "kind": "release",
            "version": "1.9.0",
            "planned_at": planned_at,
            "products": [{ "slug": "sheet", "name": text }],
            "time_zone": "Asia/Tokyo",
            "title": text,
            "updates": [update],
            "paused": null,
        }))
        .unwrap()
    }

    #[test]
    fn a_version_becomes_current_when_all_are_told_and_its_instant_has_come() {
        let sheet = "sheet".parse().unwrap();
        let planned = "2026-12-05T10:00:00+09:00";
        let now: Timestamp = planned.parse().unwrap();
        let mut sent = Facts::default();
        sent.record(1, &Evidence::Sent(now));
        let unknown = Facts {
            attempts: vec![Attempt {
                outcome: Some(Outcome::Lost {
                    at: now,
                    reason: "503".to_owned(),
                }),
                ..Attempt::default()
            }],
            ..Facts::default()
        };
        let (announced, scheduled) = (notice(planned, true), notice(planned, false));
        let refused = Facts {
            attempts: vec![Attempt {
                outcome: Some(Outcome::Refused {
                    at: now,
                    reason: "MessageRejected".to_owned(),
                }),
                ..Attempt::default()
            }],
            ..Facts::default()
        };
        let mut paused = announced.clone();
        paused.paused = Some(tegata_common::notice::Pause {
            at: now,
            by: "test".to_owned(),
            reason: "a mistake".to_owned(),
        });
        let mut moved = announced.clone();
        moved.updates.push(scheduled.updates[0].clone());
        let check = |notice: Option<&Notice>, facts: &[Facts], now| {
            check(&sheet, "1.9.0", notice, facts, now).map_err(|error| error.to_string())
        };
        let second = SignedDuration::from_secs(1);
        assert!(check(Some(&announced), &[sent.clone()], now).is_ok());
        for (notice, facts, now, expected) in [
            (None, vec![], now, "has not been announced"),
            (Some(&scheduled), vec![], now, "has not been announced"),
            (
                Some(&announced),
                vec![sent.clone(), Facts::default()],
                now,
                "1 of 2 mails",
            ),
            (
                Some(&announced),
                vec![sent.clone(), unknown],
                now,
                "1 of 2 mails",
            ),
            (Some(&announced), vec![refused], now, "1 of 1 mails"),
            (
                Some(&paused),
                vec![sent.clone()],
                now,
                "not announced as a whole",
            ),
            (
                Some(&moved),
                vec![sent.clone()],
                now,
                "not announced as a whole",
            ),
            (
                Some(&announced),
                vec![sent],
                now - second,
                "it was announced for 2026-12-05T10:00+09:00",
            ),
        ] {
            let refused = check(notice, &facts, now).unwrap_err();
            assert!(refused.contains(expected), "{refused}");
        }
        let notices = [announced];
        assert!(notice_of(&notices, &sheet, "1.9.0").is_some());
        assert!(notice_of(&notices, &sheet, "1.9.1").is_none());
    }
}

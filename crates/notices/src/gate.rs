//! The publishing gate, which enforces the white paper's promise: a version becomes current only
//! after it has been announced.

use jiff::{SignedDuration, Timestamp};
use tegata_common::notice::{Facts, Notice, NoticeId, State, Tally};
use tegata_common::product::ProductSlug;

/// Why a version cannot become current yet. The message says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotYet {
    /// There is no announced release notice of the version.
    #[error(
        "{product} {version} has not been announced: send its release notice first (tegata notice send FILE), and publish it when its planned instant has come; in an emergency, --emergency REASON, which is recorded"
    )]
    NotAnnounced {
        product: ProductSlug,
        version: String,
    },
    /// Mails of the notice are open or failed.
    #[error(
        "{waiting} of {total} mails of its notice {notice_id} are not confirmed as sent: see tegata notice status {notice_id}"
    )]
    NotSent {
        notice_id: NoticeId,
        /// The number of mails that are pending, unknown or failed.
        waiting: usize,
        /// The number of mails of the notice.
        total: usize,
    },
    /// An update of the notice has not been announced, or the notice is paused.
    #[error("its notice {0} is not completely announced: see tegata notice status {0}")]
    NotWhole(NoticeId),
    /// The planned instant is in the future.
    #[error("it was announced for {planned_at} (notice {notice_id}): publish it then")]
    TooEarly {
        notice_id: NoticeId,
        /// The planned instant in the notice's time zone, to the minute.
        planned_at: String,
    },
}

/// The release notice of a version. If there are several, the one with the latest planned instant.
pub fn notice_of<'a>(
    notices: &'a [Notice],
    product: &ProductSlug,
    version: &str,
) -> Option<&'a Notice> {
    let of_it = notices.iter().filter(|of| of.announces(product, version));
    of_it.max_by_key(|notice| notice.kind.planned_at())
}

/// Checks whether a version may become current at an instant, given its notice and the notice's
/// deliveries. Returns the id of the notice.
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
    // Unknown and failed deliveries block too: an operator must settle them first.
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
    fn a_version_becomes_current_after_all_mails_and_its_instant() {
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
                "not completely announced",
            ),
            (
                Some(&moved),
                vec![sent.clone()],
                now,
                "not completely announced",
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

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
        "{waiting} of {total} mails of its notice {notice_id} have not been sent: see tegata notice status {notice_id}"
    )]
    NotSent {
        /// Its notice.
        notice_id: NoticeId,
        /// Mails to be sent.
        waiting: usize,
        /// All mails.
        total: usize,
    },
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
    let waiting = tally.count(State::Pending) + tally.count(State::Sending);
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

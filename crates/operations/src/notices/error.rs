//! Why an operation on a notice was rejected.

use jiff::Timestamp;
use tegata_common::customer::Language;
use tegata_common::notice::{DeliveryId, NoticeId, State};
use tegata_common::product::ProductSlug;
use tegata_notices::check::Problem;
use tegata_notices::draft::DraftError;
use tegata_notices::gate::ToldOtherwiseError;
use tegata_notices::render::RenderError;

use crate::ErrorKind;

/// Why an operation on a notice was rejected.
#[derive(Debug, thiserror::Error)]
pub enum NoticeError {
    /// The notice does not exist.
    #[error("there is no notice {0}")]
    Unknown(NoticeId),
    /// The delivery does not exist.
    #[error("the notice has no delivery {0}")]
    NoDelivery(DeliveryId),
    /// All problems of a notice file.
    #[error("{}", count(.0.len(), "problem", "problems"))]
    Problems(Vec<Problem>),
    /// A reason that is required is empty. The name of the option.
    #[error("{0}: say why")]
    NoReason(&'static str),
    /// The instant of the announcement has passed. The name of the option.
    #[error("{0}: that instant is over")]
    Past(&'static str),
    /// All updates of the file have been announced.
    #[error("all of it has been announced")]
    NothingNew,
    /// The notice is paused, so that nothing more of it is sent.
    #[error("{0} is paused: tegata notice resume {0}, then send this")]
    Paused(NoticeId),
    /// The notice is paused already.
    #[error("{id} is paused since {since}: {reason}")]
    AlreadyPaused {
        /// The notice.
        id: NoticeId,
        /// The start of the pause, in the zone of the place.
        since: String,
        /// The reason of the pause.
        reason: String,
    },
    /// The notice, or sending, is not paused.
    #[error("{0} is not paused")]
    NotPaused(String),
    /// All updates have been announced, so there is nothing to cancel.
    #[error("cannot cancel {0}: all of its updates have been announced")]
    NothingToCancel(NoticeId),
    /// SES may still report the outcome. The instant from which a retry is allowed.
    #[error("SES may still report the outcome: if it has not by {0:.0}, send the mail again then")]
    TooEarly(Timestamp),
    /// There is no such product.
    #[error("there is no product {0}")]
    NoProduct(ProductSlug),
    /// There is no file to start from.
    #[error(transparent)]
    Draft(DraftError),
    /// Recipients whose language the notice does not have.
    #[error("{}", missing_languages(.0))]
    Languages(Vec<(Language, usize)>),
    /// The delivery is in a state that does not allow the action.
    #[error("cannot settle: the delivery is {}, expected {wanted}", .is.as_str())]
    State {
        /// The state of the delivery.
        is: State,
        /// The states that allow the action.
        wanted: &'static str,
    },
    /// It was not recorded that a customer was told otherwise.
    #[error(transparent)]
    ToldOtherwise(#[from] ToldOtherwiseError),
    /// A mail or a page could not be rendered.
    #[error(transparent)]
    Render(#[from] RenderError),
    /// A test mail was not sent, or it is not known whether it was.
    #[error("{0}")]
    TestMail(String),
}

impl NoticeError {
    /// What the failure means to the caller.
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::Unknown(_) | Self::NoDelivery(_) | Self::NoProduct(_) => ErrorKind::NotFound,
            Self::ToldOtherwise(ToldOtherwiseError::Told { .. }) => ErrorKind::NotFound,
            Self::NoReason(_) | Self::Past(_) | Self::ToldOtherwise(ToldOtherwiseError::How(_)) => {
                ErrorKind::Usage
            }
            _ => ErrorKind::Failed,
        }
    }
}

fn missing_languages(missing: &[(Language, usize)]) -> String {
    let missing = missing.iter().map(|(language, recipients)| {
        let name = language.as_str();
        let recipients = count(*recipients, "contact gets", "contacts get");
        format!("{recipients} mails in {name}: write title.{name} and the text in {name}")
    });
    missing.collect::<Vec<_>>().join("; ")
}

fn count(number: usize, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}

//! The result of an action on a notice that is being sent.

use serde::Serialize;
use tegata_common::notice::NoticeId;

/// The result of an action on a notice, or on all sending.
#[derive(Debug, Serialize)]
pub struct ActionReport {
    /// The notice; `None` for all sending.
    pub notice_id: Option<NoticeId>,
    /// The name under which history records the action.
    pub change: &'static str,
    /// The number of deliveries that it is about.
    pub deliveries: usize,
    /// Whether nothing was to be written.
    pub dry_run: bool,
}

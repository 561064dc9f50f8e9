//! What a failed command tells its caller: a sentence and an exit code.

use std::process::ExitCode;

use tegata_common::table::TableError;

/// What was asked for is not there.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct NotFound(pub(crate) String);

/// 3: not found; 4: somebody else wrote first; 1: everything else.
pub(crate) fn exit_code(error: &anyhow::Error) -> ExitCode {
    let is_conflict = |error: &TableError| matches!(error, TableError::Conflict);
    if error.is::<NotFound>() {
        ExitCode::from(3)
    } else if error.downcast_ref().is_some_and(is_conflict) {
        ExitCode::from(4)
    } else {
        ExitCode::FAILURE
    }
}
